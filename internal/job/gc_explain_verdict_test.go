package job

import (
	"slices"
	"testing"
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
