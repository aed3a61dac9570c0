package apply

import (
	"fmt"
	"slices"

	"cooper"
)

// late finds out that what was stored anew comes to nothing in the end, for all of
// it in one way: that no original goes. Each further object would take up room
// beside its original.
type late struct {
	kind cooper.Kind
	like string
	n    int
	over bool // one did not
}

// see counts the end of an outcome whose first half was done, and tells whether it
// is the one by which a run of failures has become too long.
func (l *late) see(o *cooper.Outcome) bool {
	like := ""
	if o.Status == cooper.Failed {
		like = likeness(o)
	}
	switch {
	case l.over:
	case like == "", l.n > 0 && (o.Kind != l.kind || like != l.like):
		l.over = true
	default:
		l.kind, l.like, l.n = o.Kind, like, l.n+1
	}
	return !l.over && l.n == alikeAfter
}

// began notes which outcomes of a shard the commit has to do something for.
func began(outs []cooper.Outcome) []bool {
	anew := make([]bool, len(outs))
	for i := range outs {
		c := outs[i].Content
		anew[i] = outs[i].Status == cooper.Done && c != nil && c.State == cooper.Rewritten
	}
	return anew
}

// sawLate ends the run where the commit fails alike for everything.
func (r *run) sawLate(o *cooper.Outcome) error {
	if slices.Contains(r.job.Ignore, o.Kind) || !r.late.see(o) {
		return nil
	}
	return &cooper.Error{
		Kind: cooper.KindStore, Where: "plan " + r.header.ID,
		Message: fmt.Sprintf("stopped: the first %d objects were all stored anew, and for all of them the rest failed alike: nothing is saved, and both forms are there. The last: %s", alikeAfter, o.Message),
		Remedy:  fmt.Sprintf("Look at one of them; that is the store, or the rights in it. If only the first objects are so, pass them over: --ignore %s", o.Kind),
	}
}
