package replace

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/store/mem"
)

// TestTagsSinceTheProof: a run was killed behind what it had proven. Tags that the
// original has and the replacement has not, as they came since, or as whoever
// proved it was not told of them, do not go with it.
func TestTagsSinceTheProof(t *testing.T) {
	study := map[string]string{"study": "7"}
	for _, c := range []struct {
		versioning string
		rw         bucketop.Rewriting
		quirk      mem.Quirk
		since      bool // they come to the original
		want, left string
	}{
		{"Enabled", suffixed, "", false, "done", "a.zst=Z:1!"},
		{"Enabled", suffixed, "", true, "conflict", "a=1! a.zst=Z:1!"},
		{"", suffixed, "", false, "done", "a.zst=Z:1!"},
		{"", suffixed, "", true, "conflict", "a=1! a.zst=Z:1!"},
		{"", suffixed, mem.TagsNullMissing, true, "conflict", "a=1! a.zst=Z:1!"},
		{"", suffixed, mem.TagsNullMissing, false, "done", "a.zst=Z:1!"},
		{"", suffixed, mem.TagsUnknown, true, "done", "a.zst=Z:1!"}, // the store has none
		{"Enabled", keeping, "", true, "done", "a=1! a.zst=Z:1!"},
		{"Enabled", inPlace, "", false, "done", "a=Z:1!"},
		{"Enabled", inPlace, "", true, "conflict", "a=Z:1! a=1"},
		{"", inPlace, "", false, "done", "a=Z:1!"},
	} {
		w := newWorld(t, c.versioning, c.rw, mem.Options{})
		w.size = 2
		id := w.srv.Put("lab", "p/a", []byte(filled("1")), mem.PutOptions{Tags: map[string]string{"own": "x"}})
		w.put("p/b", "2")
		p := w.fakePlan(w.plan())
		if c.quirk != "" {
			w.srv.SetQuirks(c.quirk)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		w.cancel = cancel
		w.before = func(op string) {
			if op == "GetObject" && w.srv.Counts()["GetObject"] == 1 {
				w.crashAt = len(w.trace) + 1
			}
		}
		if _, err := w.run(ctx, p); !errors.Is(err, errDead) {
			t.Fatal(err)
		}
		cancel(nil)
		w.before, w.crashAt = nil, 0
		w.restart()
		if c.since {
			w.srv.SetTags("lab", "p/a", id, study)
		}
		outs := w.must(p)
		if got := statuses(outs[:1]); got != c.want || c.want == "conflict" && !strings.Contains(outs[0].Message, "tags") {
			t.Errorf("%+v: %+v", c, outs[0])
		}
		left, _, _ := strings.Cut(w.versions(), " b")
		if left != c.left {
			t.Errorf("%+v: left %s", c, w.versions())
		}
		if outs[1].Status != cooper.Done {
			t.Errorf("%+v: %+v", c, outs[1])
		}
	}
}
