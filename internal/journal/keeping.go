package journal

import (
	"context"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/permit"
)

// Keeping is the half of an apply.Target that needs nothing but its journal, to
// be embedded in one. It is for targets that leave nothing half done: what an
// interrupted shard has changed stays, and the plan goes on from there.
type Keeping struct {
	Dir Dir
	// Path is the target, for messages; NoUndo is why nothing is taken back.
	Path, NoUndo string
	// Plan is the journal of the plan under way, nil before Begin.
	Plan *Plan
}

// Recover gives what shards of earlier runs came to whose facts may not be in
// the ledger yet.
func (k *Keeping) Recover(_ context.Context, _ permit.Permit, undo bool) ([]apply.Recovered, error) {
	if undo {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: k.Path, Message: k.NoUndo, Remedy: "Leave --undo away to go on with the plan."}
	}
	shards, err := k.Dir.Unsettled()
	if err != nil {
		return nil, err
	}
	found := make([]apply.Recovered, len(shards))
	for i, s := range shards {
		found[i] = apply.Recovered{Run: s.Run, Plan: s.Plan, Shard: s.N, Path: s.Target, Outcomes: s.Outcomes}
	}
	return found, nil
}

// Done tells whether a shard is done.
func (k *Keeping) Done(shard int) bool { return k.Plan.Done(shard) }

// Settled notes that a shard's facts are in the ledger.
func (k *Keeping) Settled(_ context.Context, id string, shard int) error {
	return k.Dir.Settle(id, shard)
}

// End has nothing to note: that all shards are done says it.
func (k *Keeping) End(context.Context, permit.Permit, apply.Summary) error { return nil }
