package job

import (
	"context"
	"fmt"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/plan"
	"cooper/internal/words"
)

// Rollback makes the mirror of a tree show an earlier snapshot again.
type Rollback struct {
	Dir string
	// To names the snapshot: its id, a unique beginning, or the time it was taken.
	To            string
	Prefix, Match string
	// Fetch fetches versions whose bytes the tree does not have.
	Fetch bool
	// PlanOnly plans, and changes nothing.
	PlanOnly bool
	Options
}

// Run plans, and carries it out unless the mirror would not be as it was.
func (b *Rollback) Run(ctx context.Context, e *Env) (r Result, err error) {
	policy := narrowed(b.Prefix, b.Match)
	if err := policy.Check(); err != nil {
		return r, err
	}
	at := place{dir: b.Dir, use: changeTree, command: "backup rollback"}
	err = e.in(ctx, at, &b.Options, func(ctx context.Context, h *held) error {
		state := h.tree.State()
		to, err := followed(&state, b.To)
		if err != nil {
			return err
		}
		made, err := h.writePlan(plan.Limits{}, func(id string, out *plan.Writer) (plan.Header, error) {
			return backup.PlanRollback(ctx, backup.Rollback{
				Catalog: h.tree.Catalog(), Dir: h.tree.Dir(), Snapshot: to, Policy: policy, Fetch: b.Fetch,
				ID: id, Now: h.now(),
			}, out)
		})
		if err != nil {
			return err
		}
		if b.PlanOnly {
			r.Plan = &made
			return nil
		}
		if n := made.Skipped[backup.SkippedNewer].Count; n > 0 {
			return &cooper.Error{Kind: cooper.KindRefused, Where: h.tree.Dir(),
				Message: fmt.Sprintf("the mirror would not be as it was then: of %s, it would keep other contents, as the tree does not have those of then any more", words.Plural(n, "key")),
				Remedy:  "Give --fetch to get what the bucket still has. To go back without them: cooper apply " + made.ID}
		}
		if err := h.Listener.ShowPlan(&made, false); err != nil {
			return err
		}
		r, err = h.carryOutMade(ctx, &made, &b.Options)
		return err
	})
	return r, err
}

// rollbacks is the mission that takes a tree back.
type rollbacks struct{ trees }

// conclude tells that a rollback did not reach its snapshot, where it had to leave
// versions out.
func (rollbacks) conclude(_ context.Context, _ *held, r *Result, err error) error {
	n := r.Plan.Skipped[backup.SkippedMissing].Count + r.Plan.Skipped[backup.SkippedPruned].Count
	if err == nil && n > 0 && r.Applied.Count(cooper.Failed) == 0 {
		r.Notes = append(r.Notes, words.Plural(n, "version")+" left out, as the tree does not have the bytes: --fetch gets them")
		return ErrSomeFailed
	}
	return nil
}
