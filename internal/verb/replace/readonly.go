package replace

import (
	"context"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
)

// ReadOnly is the target of plans that read a bucket and change nothing, such
// as those that measure: it remembers what was learnt until the ledger has it.
type ReadOnly struct {
	journal.Keeping
	opt ReadOnlyOptions
	run string
}

// ReadOnlyOptions are what a ReadOnly depends on: those of Options with the same
// names.
type ReadOnlyOptions struct {
	Journal             journal.Dir
	Path                string
	Store, PlannedStore cooper.Store
}

var _ apply.Target = (*ReadOnly)(nil)

// NewReadOnly makes a target that is not changed.
func NewReadOnly(opt ReadOnlyOptions) *ReadOnly {
	return &ReadOnly{Keeping: journal.Keeping{Dir: opt.Journal, Path: opt.Path, NoUndo: "nothing was changed that could be taken back"}, opt: opt}
}

// Check wants a plan for this bucket and prefix at this store.
func (r *ReadOnly) Check(h plan.Header) error {
	return bucketop.CheckTarget(h, r.opt.Path, bucketop.Place{Store: r.opt.Store}, bucketop.Place{Store: r.opt.PlannedStore})
}

// Begin opens the journal of the plan.
func (r *ReadOnly) Begin(_ context.Context, p permit.Permit, h plan.Header) (err error) {
	r.run = p.Run()
	r.Plan, err = r.opt.Journal.Open(h.ID, h.Target.Path)
	return err
}

// Commit writes down what was learnt.
func (r *ReadOnly) Commit(_ context.Context, _ permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	for i := range outs {
		if c := outs[i].Content; c != nil && c.State == cooper.Rewritten {
			return nil, invalid(&actions[i], "a plan that is to change nothing has rewritten it")
		}
	}
	return outs, r.Plan.Write(r.run, s.N, outs)
}
