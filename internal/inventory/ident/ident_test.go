package ident

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// anyID draws strings that are likely to be, or nearly be, of a binary shape.
func anyID(t *rapid.T) string {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[0-9a-f]{32}(-[0-9]{1,5})?`),
		rapid.StringMatching(`[0-9a-fA-F]{31,33}`),
		rapid.StringMatching(`[A-Za-z0-9._]{32}`),
		rapid.StringMatching(`[A-Za-z0-9._+/=-]{31,33}`),
		rapid.SampledFrom([]string{"", "null", "-", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 30, 34), func(b []byte) string { return string(b) }),
	).Draw(t, "s")
}

func TestEveryStringComesBackExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyID(t)
		bin, text := SplitETag(s)
		if got := JoinETag(bin, text); got != s {
			t.Fatalf("ETag %q came back as %q (%x, %q)", s, got, bin, text)
		}
		if bin != nil && len(bin) != ETagSize {
			t.Fatalf("ETag %q has %d bytes", s, len(bin))
		}
		bin, text = SplitVersionID(s)
		if got := JoinVersionID(bin, text); got != s {
			t.Fatalf("version id %q came back as %q (%x, %q)", s, got, bin, text)
		}
		if bin != nil && (len(bin) != VersionIDSize || text != "") {
			t.Fatalf("version id %q has %d bytes and text %q", s, len(bin), text)
		}
	})
}

func TestETagIsHexadecimal(t *testing.T) {
	bin, text := SplitETag("d41d8cd98f00b204e9800998ecf8427e-12")
	if got := hex.EncodeToString(bin) + "|" + text; got != "d41d8cd98f00b204e9800998ecf8427e|-12" {
		t.Errorf("got %s", got)
	}
	if bin, text := SplitETag("D41D8CD98F00B204E9800998ECF8427E"); bin != nil || text == "" {
		t.Errorf("upper case was taken for lower: %x %q", bin, text)
	}
}

// The files say that version ids are base64 with two letters exchanged, so
// that any SQL engine can show them.
func TestVersionIDIsBase64(t *testing.T) {
	const id = "3.L4kqtJlcpXroDTDmJ_rmSpXd3dIbrH"
	bin, text := SplitVersionID(id)
	std := base64.StdEncoding.EncodeToString(bin)
	if got := strings.NewReplacer("+", ".", "/", "_").Replace(std); got != id || text != "" {
		t.Errorf("got %q, %q; want %q", got, text, id)
	}
}

func BenchmarkParse(b *testing.B) {
	var v [VersionIDSize]byte
	var e [ETagSize]byte
	for b.Loop() {
		ParseVersionID(&v, "3.L4kqtJlcpXroDTDmJ_rmSpXd3dIbrH")
		ParseETag(&e, "d41d8cd98f00b204e9800998ecf8427e")
	}
}

func BenchmarkAppend(b *testing.B) {
	v, e := make([]byte, VersionIDSize), make([]byte, ETagSize)
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = AppendVersionID(buf[:0], v, "")
		buf = AppendETag(buf, e, "")
	}
}
