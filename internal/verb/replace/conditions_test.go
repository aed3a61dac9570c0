package replace

import (
	"context"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// A store that minds conditions in single requests, and none where an upload in
// parts becomes an object, is found out before there is one; small objects go on.
func TestProbeOfParts(t *testing.T) {
	for _, c := range []struct {
		versioning string
		rw         bucketop.Rewriting
		ignores    string
		refused    bool
	}{
		{"Enabled", suffixed, "", false},
		{"", keeping, "", false},
		{"", inPlace, "", false},
		{"Enabled", suffixed, "if-none-match", true},
		{"", keeping, "if-none-match", true},
		{"", inPlace, "if-match", true},
		{"Suspended", inPlace, "if-match", true},
		{"Enabled", inPlace, "if-match", false}, // an older version is kept
	} {
		w := newWorld(t, c.versioning, c.rw, mem.Options{})
		w.put("p/k", "1")
		w.swap = func(b realBucket) realBucket { return careless{b, c.ignores} }
		b, done := w.open()
		tg := w.target(b)
		if err := tg.Begin(t.Context(), permit.Issue("r-0"), w.planOf(w.plan()).Head); err != nil {
			t.Fatal(err)
		}
		for range 2 { // what was seen counts
			err := tg.SeeParts(t.Context())
			if (err != nil) != c.refused || c.refused && (cooper.KindOf(err) != cooper.KindStore || !strings.Contains(err.Error(), "by an upload in parts")) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if n := w.Server.Counts()["CompleteMultipartUpload"]; n > 1 {
			t.Errorf("%+v: %d probes", c, n)
		}
		if got := w.versions(); strings.Contains(got, "probe") {
			t.Errorf("%+v: left: %s", c, got)
		}
		done()
	}
}

// Where versions are kept the store is not asked whether it minds conditions: a
// newer upload that a write in place has hidden is found by the look, told, and
// nothing is removed.
func TestUploadBetween(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		w := newWorld(t, "Enabled", inPlace, mem.Options{})
		w.put("p/k", "1")
		w.put("p/l", "2")
		w.swap = func(b realBucket) realBucket { return ignoring{b, "if-match"} }
		p := w.planOf(w.plan())
		w.Before = func(op string) {
			if op != "PutObject" {
				return
			}
			w.Before = nil
			if deleted {
				w.Server.Delete("lab", "p/k")
			} else {
				w.Server.Put("lab", "p/k", []byte("newer"), mem.PutOptions{})
			}
		}
		if got := bucketoptest.Statuses(w.must(p)); got != "conflict done" {
			t.Errorf("%v: %s", deleted, got)
		}
		if n := len(w.Server.Versions("lab")); n != 4 {
			t.Errorf("%v: %d versions: %s", deleted, n, w.left())
		}
	}
}

// careless is a store that heeds no condition of a kind when an upload in parts
// is completed.
type careless struct {
	realBucket
	what string
}

func (b careless) Begin(ctx context.Context, p store.Put) (store.Parts, error) {
	p.IfNoneMatch = p.IfNoneMatch && b.what != "if-none-match"
	if b.what == "if-match" {
		p.IfMatch = ""
	}
	return b.realBucket.Begin(ctx, p)
}

// Of what was not stored, parts may remain that could not be given up: they are
// remembered for the next run.
func TestPartsThatRemain(t *testing.T) {
	w := newWorld(t, "Enabled", suffixed, mem.Options{})
	w.put("p/k", "1")
	b, done := w.open()
	defer done()
	tg := w.target(b)
	p := w.planOf(w.plan())
	if err := tg.Begin(t.Context(), permit.Issue("r-0"), p.Head); err != nil {
		t.Fatal(err)
	}
	if err := tg.NoteUpload("p/k"+suffix, "id"); err != nil {
		t.Fatal(err)
	}
	outs := []cooper.Outcome{{Status: cooper.Failed, Kind: cooper.KindStore, Message: "parts of an upload remain"}}
	if _, err := tg.Commit(t.Context(), permit.Issue("r-0"), apply.Shard{Plan: p.Head.ID}, p.Actions, outs); err != nil {
		t.Fatal(err)
	}
	var left []string
	if err := w.Files().LeftUploads(func(u journal.Upload) error { left = append(left, u.UploadID); return nil }); err != nil || len(left) != 1 {
		t.Errorf("remembered: %q, %v", left, err)
	}
}
