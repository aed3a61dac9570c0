package job

import (
	"slices"
	"strings"
	"testing"

	"cooper/internal/gcstate"
)

// TestExplainIsNotBehind: what a scan has found since the last detection, and what was marked since, is not talked over by its
// lists.
func TestExplainIsNotBehind(t *testing.T) {
	w := newFilePlatform(t, filesSQL...)
	w.answer = func(string) bool { return true }
	w.declare(filesYAML)
	verdict := func(want string) {
		t.Helper()
		x, err := (&GCExplain{Config: w.path("cooper.yaml"), Handle: "3"}).Run(t.Context(), w.Env)
		w.ok(err)
		if x.Verdict.Is != want {
			t.Errorf("it is %q (%s), want %q", x.Verdict.Is, x.Verdict.Why, want)
		}
		if stays := "It stays while anything links to it, and until 1 complete scan after that saw no link."; want == "linked" && !slices.Contains(x.Verdict.ToChange, stays) {
			t.Errorf("what would change that: %q", x.Verdict.ToChange)
		}
	}
	w.scanned()
	w.marked()
	verdict("candidate")
	w.sqlite("INSERT INTO posts VALUES (3, 3)")
	w.scanned()
	verdict("linked") // the detection did not know
	w.marked()
	verdict("linked") // and it is AVAILABLE again
}

// TestExplainArchived: what was moved since the last scan is ARCHIVED, whatever its owner said then.
func TestExplainArchived(t *testing.T) {
	w := newColumnPlatform(t)
	w.marked()
	w.scanned()
	in, err := scopeOf(w)
	w.ok(err)
	w.ok(w.Env.begin(func(x *work) error {
		state, err := x.openState(t.Context())
		if err != nil {
			return err
		}
		defer func() { w.ok(state.Close()) }()
		for _, e := range []gcstate.Event{gcstate.Fence, gcstate.Arrive} {
			h := gcstate.Handle{Scope: in, ID: "3"}
			r, err := state.Get(t.Context(), []gcstate.Handle{h})
			w.ok(err)
			change, err := r[0].By(e, x.now(), "moved", "r-1")
			w.ok(err)
			_, err = state.Change(t.Context(), []gcstate.Change{change})
			w.ok(err)
		}
		return nil
	}))
	x, err := (&GCExplain{Config: w.path("cooper.yaml"), Handle: "3"}).Run(t.Context(), w.Env)
	w.ok(err)
	if x.Status != "ARCHIVED" || x.Verdict.Is != "archived" || !strings.Contains(strings.Join(x.Verdict.ToChange, ""), "gc restore 3") {
		t.Errorf("%s, %+v", x.Status, x.Verdict)
	}
}

// scopeOf is the scope of the handles of the last scan.
func scopeOf(w *world) (s string, err error) {
	err = w.Env.begin(func(x *work) error {
		scan, _, err := x.lastScan(w.t.Context(), w.path("cooper.yaml"))
		if err == nil {
			s = scope(scan.Server)
		}
		return err
	})
	return s, err
}
