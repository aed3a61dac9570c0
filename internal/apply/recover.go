package apply

import (
	"cmp"
	"context"
	"slices"

	"cooper"
	"cooper/internal/permit"
)

// Recovery is one call of Recover.
type Recovery struct {
	Run    string // the id of this run
	Path   string // of the target, for the facts
	Target Target
	Facts  Facts
	// Ignore are kinds of failure that a person chose to pass over.
	Ignore []cooper.Kind
	// Undo takes interrupted shards back instead of completing them.
	Undo bool
}

// Recover brings a target to a state that a plan meant, without any plan, and
// writes the facts that interrupted runs owe. Missions look at a target only
// after it. It gives the shards it found, also those before an error.
func Recover(ctx context.Context, r Recovery) ([]Recovered, error) {
	found, err := r.Target.Recover(ctx, permit.Issue(r.Run), r.Undo)
	if err != nil {
		return nil, err
	}
	for i, f := range found {
		if f.Undone {
			continue
		}
		// The facts bear the id of the run that began the shard: if it came to
		// writing them, they are there already and stay the only ones.
		ignore(r.Ignore, f.Outcomes)
		err := r.Facts.WriteOutcomes(ctx, f.Run, f.Shard, f.Plan, cmp.Or(f.Path, r.Path), f.Outcomes)
		if err == nil {
			err = r.Target.Settled(ctx, f.Plan, f.Shard)
		}
		if err != nil {
			return found[:i], err
		}
	}
	return found, nil
}

// ignore marks the failures that a person chose to pass over.
func ignore(kinds []cooper.Kind, outs []cooper.Outcome) {
	if len(kinds) == 0 {
		return
	}
	for i := range outs {
		if o := &outs[i]; o.Status == cooper.Failed && slices.Contains(kinds, o.Kind) {
			o.Status = cooper.Ignored
		}
	}
}

// Mend gives f a permit for what no plan covers: setting files aside that stand
// where the target has none of its own. The caller holds the target's lock and
// has called Recover.
func Mend(run string, f func(permit.Permit) error) error { return f(permit.Issue(run)) }
