package remove

import (
	"testing"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/permit"
	"cooper/internal/store/mem"
)

// TestWhole: of a key of which the bucket has other versions than are to be removed none goes, if that is wished; what
// is gone already does not count.
func TestWhole(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(w *world)
		want      string
		left      int
	}{
		"as planned":    {func(*world) {}, "done done done", 0},
		"one is gone":   {func(w *world) { w.Server.DeleteVersion("lab", "p/a", w.Version("p/a", w.oldest("p/a")).VersionID) }, "done done done", 0},
		"written again": {func(w *world) { w.put("p/a", "3") }, "changed changed done", 3},
		"deleted":       {func(w *world) { w.Server.Delete("lab", "p/a") }, "changed changed done", 3},
	} {
		w := newWorld(t, "Enabled", mem.Options{})
		w.put("p/a", "1")
		w.put("p/a", "2")
		w.put("p/b", "1")
		actions := w.actions("p/", "Enabled")
		tg := w.target(t.TempDir(), "Enabled")
		tg.opt.Whole = true
		c.meanwhile(w)
		if err := tg.Begin(t.Context(), permit.Issue("r-1"), header()); err != nil {
			t.Fatal(err)
		}
		outs := make([]cooper.Outcome, len(actions))
		if err := tg.Remove(t.Context(), permit.Issue("r-1"), actions, outs); err != nil {
			t.Fatal(err)
		}
		if got := bucketoptest.Statuses(outs); got != c.want || len(w.Server.Versions("lab")) != c.left {
			t.Errorf("%s: %s; left:\n%s", name, got, w.left())
		}
	}
}

// oldest is the id of the first version of a key.
func (w *world) oldest(key string) (id string) {
	for _, v := range w.Server.Versions("lab") {
		if v.Key == key {
			id = v.VersionID
		}
	}
	return id
}
