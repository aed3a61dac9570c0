package shell

import (
	"strings"
	"testing"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/job"
	"cooper/internal/plan"
)

// TestNextStepsTheSecondTime: what failed alike before is not to wait for the next
// inventory once more; what a person has to do stays said.
func TestNextStepsTheSecondTime(t *testing.T) {
	const next = "The next inventory will show what is there now."
	for _, c := range []struct {
		reason    apply.Reason
		says, not string
	}{
		{apply.Reason{Kind: cooper.KindChanged, Count: 1, Remedy: next}, next, "before"},
		{apply.Reason{Kind: cooper.KindChanged, Count: 1, Again: 1, Remedy: next}, "failed in the same way before", "next inventory"},
		{apply.Reason{Kind: cooper.KindMissing, Count: 2, Again: 2}, "2 of the 2: these very versions", "take up what is there now"},
		{apply.Reason{Kind: cooper.KindMissing, Count: 2, Again: 1}, "take up what is there now", "2 of the 2"},
		{apply.Reason{Kind: cooper.KindConflict, Count: 1, Again: 1, Remedy: "Look at both objects."}, "Look at both objects.", "before"},
	} {
		r := &job.Result{Plan: &plan.Header{}, Applied: &apply.Summary{Reasons: []apply.Reason{c.reason}}}
		got := strings.Join(nextSteps(r, []cooper.Kind{c.reason.Kind}), "\n")
		if !strings.Contains(got, c.says) || strings.Contains(got, c.not) {
			t.Errorf("%+v: %s", c.reason, got)
		}
	}
}
