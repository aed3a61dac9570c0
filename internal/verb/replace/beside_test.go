package replace

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
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
		id := w.Server.Put("lab", "p/a", []byte(filled("1")), mem.PutOptions{Tags: map[string]string{"own": "x"}})
		w.put("p/b", "2")
		p := w.planOf(w.plan())
		if c.quirk != "" {
			w.Server.SetQuirks(c.quirk)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		w.Cancel = cancel
		w.Before = func(op string) {
			if op == "GetObject" && w.Server.Counts()["GetObject"] == 1 {
				w.CrashAt = len(w.Trace) + 1
			}
		}
		if _, err := w.run(ctx, p); !errors.Is(err, verbtest.ErrDead) {
			t.Fatal(err)
		}
		cancel(nil)
		w.Before, w.CrashAt = nil, 0
		w.Restart()
		if c.since {
			w.Server.SetTags("lab", "p/a", id, study)
		}
		outs := w.must(p)
		if got := bucketoptest.Statuses(outs[:1]); got != c.want || c.want == "conflict" && !strings.Contains(outs[0].Message, "tags") {
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
