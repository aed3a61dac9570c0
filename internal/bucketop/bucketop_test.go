package bucketop

import (
	"encoding/json"
	"reflect"
	"testing"

	"cooper"
	"cooper/internal/codec"
)

func TestArgs(t *testing.T) {
	for _, last := range []bool{false, true} {
		for _, guard := range []Guard{ByID, ByETag, ByLook} {
			want := Args{Last: last, Guard: guard, Reason: "latest"}
			if got, err := Decode(want.Encode()); err != nil || got != want {
				t.Errorf("%+v became %+v, %v", want, got, err)
			}
		}
	}
	for _, m := range []map[string]string{{"last": "no"}, {"guard": ""}, {"guard": "none"}, {"more": "x"}} {
		if _, err := Decode(m); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%v: %v", m, err)
		}
	}
}

func TestRewriteArgs(t *testing.T) {
	for _, want := range []RewriteArgs{{Reason: "text"}, {Reason: "text", Guard: ByETag}, {Guard: ByLook}} {
		if got, err := DecodeRewrite(want.Encode()); err != nil || got != want {
			t.Errorf("%+v became %+v, %v", want, got, err)
		}
	}
	if _, err := DecodeRewrite(map[string]string{"last": "yes"}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
	want := MeasureArgs{Try: []codec.Compression{{Method: codec.Zstd, Level: 1}, {Method: codec.Zstd, Level: 9}}, Reason: "a sample"}
	if got, err := DecodeMeasure(want.Encode()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v became %+v, %v", want, got, err)
	}
	if _, err := DecodeMeasure(map[string]string{"try": "lz4"}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
}

func TestRewriting(t *testing.T) {
	chain, err := codec.ParseChain("zstd:3+aes256-cfb8")
	if err != nil {
		t.Fatal(err)
	}
	want := Rewriting{Codec: chain, Mode: Suffix, Originals: RemoveOriginals, SSE: SSEKeep, Proof: AsSent, MinSaving: 0.05, Versioning: "Enabled"}
	b, err := json.Marshal(map[string]any{"prefix": "a/", "rewriting": want})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := RewritingOf(b); err != nil || got != want {
		t.Errorf("%+v became %+v, %v", want, got, err)
	}
	if got := want.Replacement("a/b.csv"); got != "a/b.csv.zst" {
		t.Error(got)
	}
	want.Mode = InPlace
	if got := want.Replacement("a/b.csv"); got != "a/b.csv" {
		t.Error(got)
	}
	if _, err := RewritingOf([]byte(`{"prefix":"a/"}`)); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
}
