package replace

import (
	"context"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
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
		if err := tg.Begin(t.Context(), permit.Issue("r-0"), w.fakePlan(w.plan()).header); err != nil {
			t.Fatal(err)
		}
		for range 2 { // what was seen counts
			err := tg.SeeParts(t.Context())
			if (err != nil) != c.refused || c.refused && (cooper.KindOf(err) != cooper.KindStore || !strings.Contains(err.Error(), "by an upload in parts")) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if n := w.srv.Counts()["CompleteMultipartUpload"]; n > 1 {
			t.Errorf("%+v: %d probes", c, n)
		}
		if got := w.versions(); strings.Contains(got, "probe") {
			t.Errorf("%+v: left: %s", c, got)
		}
		done()
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
