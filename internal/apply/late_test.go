package apply

import (
	"fmt"
	"strings"
	"testing"

	"cooper"
)

// Where nothing of what was stored anew comes to its end, the run does not go on
// storing.
func TestAllFailLate(t *testing.T) {
	for name, c := range map[string]struct {
		well   int64 // this one does not fail
		kind   func(id int64) cooper.Kind
		ignore []cooper.Kind
		ends   bool
	}{
		"all alike": {-1, func(int64) cooper.Kind { return cooper.KindDenied }, nil, true},
		"one went":  {70, func(int64) cooper.Kind { return cooper.KindDenied }, nil, false},
		"various":   {-1, func(id int64) cooper.Kind { return []cooper.Kind{cooper.KindDenied, cooper.KindChanged}[id%2] }, nil, false},
		"ignored":   {-1, func(int64) cooper.Kind { return cooper.KindDenied }, []cooper.Kind{cooper.KindDenied}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, alikeAfter)
			w.outcome = func(*cooper.Action) cooper.Outcome {
				return cooper.Outcome{Status: cooper.Done, Content: &cooper.Content{State: cooper.Rewritten}}
			}
			w.commits = func(outs []cooper.Outcome) {
				for i := range outs {
					if o := &outs[i]; o.Action != c.well {
						o.Status, o.Kind, o.Message = cooper.Failed, c.kind(o.Action), fmt.Sprintf("%s cannot be removed", o.Key)
					}
				}
			}
			job := w.job()
			job.Workers, job.Ignore = 1, c.ignore
			sum, err := Run(t.Context(), job)
			if (err != nil) != c.ends || sum.Finished == c.ends {
				t.Errorf("%v, finished %v", err, sum.Finished)
			}
			if c.ends && (cooper.KindOf(err) != cooper.KindStore || !strings.Contains(err.Error(), "both forms are there")) {
				t.Error(err)
			}
		})
	}
}
