package job

import (
	"context"

	"cooper/internal/backup"
	"cooper/internal/plan"
	"cooper/internal/treeop"
)

// Prune deletes old versions from a tree's history.
type Prune struct {
	Dir string
	// What says which: Policy, OlderThan and KeepLast; the rest follows.
	What backup.Prune
	// PlanOnly plans, and deletes nothing. Yes: do not ask.
	PlanOnly, Yes bool
	Options
}

// Run plans under the tree's lock, gives it back while a person thinks,
// and takes it again to carry the plan out; a tree that changed meanwhile
// refuses it.
func (p *Prune) Run(ctx context.Context, e *Env) (r Result, err error) {
	at := place{dir: p.Dir, use: changeTree, command: "backup prune"}
	if err := p.What.Policy.Check(); err != nil {
		return r, err
	}
	if err := at.fits(e); err != nil {
		return r, err
	}
	err = e.begin(func(w *work) error {
		var made plan.Header
		err := w.hold(ctx, at, &p.Options, func(ctx context.Context, h *held) (err error) {
			made, err = p.planned(ctx, h)
			return err
		})
		if err != nil {
			return err
		}
		r.Plan = &made
		if p.PlanOnly {
			return nil
		}
		may, err := w.mayDelete(ctx, &r, treeop.Prune, p.Yes || p.Confirm != "")
		if err != nil || !may {
			return err
		}
		r = Result{}
		return w.hold(ctx, at, &p.Options, func(ctx context.Context, h *held) (err error) {
			r, err = h.carryOutMade(ctx, &made, &p.Options)
			return err
		})
	})
	return r, err
}

// planned makes the plan, or finds the one that the person has confirmed: it was shown
// before, of this tree and with the same parameters.
func (p *Prune) planned(ctx context.Context, h *held) (plan.Header, error) {
	in := p.What
	if p.Confirm != "" {
		return h.confirmed(p.Confirm, backup.MissionPrune, "tree", h.tree.Dir(), in.SamePolicy)
	}
	// Deleting a large file takes no longer than a small one.
	return h.writePlan(unweighed(0), func(id string, out *plan.Writer) (plan.Header, error) {
		in.Unasked = p.Yes
		in.Catalog, in.Dir, in.ID, in.Now = h.tree.Catalog(), h.tree.Dir(), id, h.now()
		return backup.PlanPrune(ctx, in, out)
	})
}
