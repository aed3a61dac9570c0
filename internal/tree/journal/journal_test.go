package journal

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/tree/catalog"
)

func identity(t *rapid.T) cooper.Identity {
	return cooper.Identity{Key: rapid.String().Draw(t, "key"), VersionID: rapid.String().Draw(t, "version"), ETag: rapid.String().Draw(t, "etag"),
		Size: rapid.Int64().Draw(t, "size"), LastModified: cooper.Instant(rapid.Int64().Draw(t, "time"))}
}

func row(t *rapid.T) catalog.Row {
	instant := func(name string) cooper.Instant { return cooper.Instant(rapid.Int64().Draw(t, name)) }
	r := catalog.Row{Identity: identity(t), DeleteMarker: rapid.Bool().Draw(t, "marker"), Place: catalog.Place(rapid.IntRange(0, 2).Draw(t, "place")),
		Reason: rapid.String().Draw(t, "reason"), Superseded: instant("superseded"), FirstSeen: instant("seen"), AbsentSince: instant("absent"), Gone: instant("gone"),
		Check: cooper.Check(rapid.String().Draw(t, "check")), Method: rapid.String().Draw(t, "method"), Dropped: rapid.Bool().Draw(t, "dropped")}
	if shown := rapid.SliceOf(rapid.Int64()).Draw(t, "shown"); len(shown) > 0 {
		r.Shown = shown
	}
	if hash := rapid.SliceOf(rapid.Byte()).Draw(t, "hash"); len(hash) > 0 {
		r.Hash = hash
	}
	return r
}

func entry(t *rapid.T) *Entry {
	e := &Entry{Plan: rapid.StringN(1, 9, -1).Draw(t, "plan"), Shard: rapid.IntRange(0, 1<<30).Draw(t, "shard"), Generation: rapid.Int64().Draw(t, "generation")}
	for range rapid.IntRange(1, 4).Draw(t, "outcomes") {
		o := cooper.Outcome{Action: rapid.Int64().Draw(t, "action"), Verb: "fetch", Identity: identity(t), Status: cooper.Failed, Kind: cooper.KindCorrupt,
			Message: rapid.String().Draw(t, "message"), At: 5, Bytes: 6, Requests: 7, Check: cooper.Corrupt, Method: "md5", Hash: []byte{1}}
		e.Outcomes = append(e.Outcomes, o)
	}
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		e.Changes = append(e.Changes, Change{Op: Op(rapid.IntRange(int(Place), int(Mend)).Draw(t, "op")), Old: row(t), New: row(t), Outcome: rapid.IntRange(0, len(e.Outcomes)-1).Draw(t, "outcome")})
	}
	return e
}

func TestEntriesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := entry(t)
		b := Encode(e)
		whole := len(b)
		if len(e.Changes) > 0 {
			e.Amendments = []Amendment{{0, cooper.KindConflict, "in the way"}, {len(e.Changes) - 1, cooper.KindMissing, ""}}
			b = append(b, EncodeAmendments(e.Amendments)...)
		}
		got, size, err := Decode(b)
		if err != nil || size != len(b) {
			t.Fatalf("%d of %d bytes, %v", size, len(b), err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Fatal(d)
		}
		// Cut anywhere, it is torn, or the entry without some amendments.
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		got, size, err = Decode(b[:cut])
		switch {
		case cut < whole:
			if !errors.Is(err, ErrTorn) {
				t.Fatalf("cut after %d of %d bytes: %v", cut, whole, err)
			}
		case err != nil || size > cut || len(got.Amendments) >= len(e.Amendments):
			t.Fatalf("cut in an amendment: %d bytes, %v", size, err)
		}
		// A bit that flipped is never taken for the truth.
		flipped := slices.Clone(b[:whole])
		flipped[rapid.IntRange(0, whole-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, _, err := Decode(flipped); err == nil {
			t.Fatal("a flipped bit went unnoticed")
		}
	})
}

// TestFormats: what a program that knows format 1 cannot read has another, and what
// this one does not know is no damage.
func TestFormats(t *testing.T) {
	for op, want := range map[Op]string{Place: "1", Retire: "1", Promote: "1", Record: "1", Prune: "2", Mend: "2"} {
		b := Encode(&Entry{Plan: "p-1", Outcomes: make([]cooper.Outcome, 1), Changes: []Change{{Op: Record}, {Op: op}}})
		if !bytes.HasPrefix(b, []byte("cooper journal "+want+"\n")) {
			t.Errorf("%s: %q", op, b[:17])
		}
		b[15] = '1' // as it was written before there was a format 2
		if _, _, err := Decode(b); err != nil {
			t.Errorf("%s in format 1: %v", op, err)
		}
	}
	for text, want := range map[string]error{"cooper journal 3\n": ErrNewer, "cooper journal 12\nxyz": ErrNewer, "cooper journal 3": ErrTorn, "cooper journal ": ErrTorn, "": ErrTorn} {
		if _, _, err := Decode([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	for _, text := range []string{"cooper journal 0\n", "cooper journal x\n", "cooper journal -3\n", "something else\n"} {
		if _, _, err := Decode([]byte(text)); err == nil || errors.Is(err, ErrNewer) || errors.Is(err, ErrTorn) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	e := &Entry{Plan: "p-1", Shard: 3, Generation: 9, Outcomes: make([]cooper.Outcome, 1), Changes: []Change{{Op: Place, New: catalog.Row{Place: catalog.Mirror, Shown: []int64{1}}}}}
	b := Encode(e)
	f.Add(b)
	f.Add(append(b, EncodeAmendments([]Amendment{{0, cooper.KindConflict, "x"}})...))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, size, err := Decode(b)
		if err != nil {
			return
		}
		again := append(Encode(e), EncodeAmendments(e.Amendments)...)
		back, _, err := Decode(again)
		if err != nil || size > len(b) {
			t.Fatalf("%d bytes, %v", size, err)
		}
		if d := cmp.Diff(e, back); d != "" && !bytes.Equal(again, b[:size]) {
			t.Fatal(d)
		}
	})
}
