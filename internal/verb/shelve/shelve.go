// Package shelve makes what was decided and fetched visible in a backup tree:
// it is the target of plans whose verbs are those of package treeop.
//
// It promises that every action's outcome, also a failed one, ends in the
// catalog as treeop.Apply says, and that a version leaves the mirror only when
// its replacement is there. How moves, catalog and journal stay one through a
// crash is left to package tree; fetching to package fetch.
package shelve

import (
	"context"
	"fmt"
	"slices"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// Kind is the kind of plan.Target that is a tree.
const Kind = "tree"

// Tree is the part of tree.Tree that changes it.
type Tree interface {
	Dir() string
	State() catalog.State
	Recover(ctx context.Context, p permit.Permit, undo bool) ([]tree.Recovered, error)
	Begin(ctx context.Context, p permit.Permit, r tree.Run) error
	Done(plan string) func(shard int) bool
	Commit(ctx context.Context, p permit.Permit, b tree.Batch) ([]cooper.Outcome, error)
	Settled(plan string, shard int) error
	End(ctx context.Context, p permit.Permit, e tree.Ending) error
}

// Target is a tree as the target of a plan.
type Target struct {
	tree   Tree
	header plan.Header
	done   func(shard int) bool
	store  *cooper.Store
	moved  bool
}

// New makes a target of a tree, whose lock the caller holds.
func New(t Tree) *Target {
	return &Target{tree: t, done: func(int) bool { return false }}
}

// From says which store the bytes come from, nil if from none. moved: the tree
// follows it from now on, although it remembers another.
func (t *Target) From(store *cooper.Store, moved bool) *Target {
	t.store, t.moved = store, moved
	return t
}

var _ apply.Target = (*Target)(nil)

// Recover completes or undoes what was interrupted.
func (t *Target) Recover(ctx context.Context, p permit.Permit, undo bool) ([]apply.Recovered, error) {
	found, err := t.tree.Recover(ctx, p, undo)
	if err != nil {
		return nil, err
	}
	out := make([]apply.Recovered, len(found))
	for i, f := range found {
		out[i] = apply.Recovered{Run: f.Run, Plan: f.Plan, Shard: f.Shard, Outcomes: f.Outcomes, Undone: f.Undone}
	}
	return out, nil
}

// Check wants the plan to be for this tree, and the tree to be as it was when
// the plan was made, or half-way through it.
func (t *Target) Check(h plan.Header) error {
	if h.Target.Kind != Kind || h.Target.Path != t.tree.Dir() {
		return &cooper.Error{
			Kind: cooper.KindRefused, Where: "plan " + h.ID,
			Message: fmt.Sprintf("was made for the %s %s, not for the tree %s", h.Target.Kind, cooper.Quote(h.Target.Path), cooper.Quote(t.tree.Dir())),
			Remedy:  "Make a plan for this tree, or apply the plan where it belongs.",
		}
	}
	if err := t.checkStore(&h); err != nil {
		return err
	}
	state := t.tree.State()
	if state.Run != nil && state.Run.Plan == h.ID || state.Generation == h.Target.Generation {
		return nil
	}
	return &cooper.Error{
		Kind: cooper.KindRefused, Where: "plan " + h.ID,
		Message: fmt.Sprintf("was made when the tree %s was at generation %d; it is at %d now", cooper.Quote(t.tree.Dir()), h.Target.Generation, state.Generation),
		Remedy:  "Make a new plan: what this one has fetched already serves it too.",
	}
}

// checkStore refuses a plan that was made for another store than the bytes would
// come from, and one for another than the tree remembers: a bucket there may have the
// same name, and other bytes.
func (t *Target) checkStore(h *plan.Header) error {
	known := t.tree.State().Store
	const remedy = "Give the --endpoint-url and --profile of the tree's bucket, or make a new plan; if it is the same bucket, which has moved, give --moved."
	switch {
	case t.moved:
		return nil
	case known.Contradicts(t.store):
		return cooper.AnotherStore(t.tree.Dir(), "the tree follows the bucket", known, t.store, remedy)
	case h.Store.Contradicts(t.store):
		return cooper.AnotherStore("plan "+h.ID, "was made for the bucket", h.Store, t.store, remedy)
	case known.Contradicts(h.Store):
		return cooper.AnotherStore("plan "+h.ID, "the tree follows the bucket", known, h.Store, remedy)
	}
	return nil
}

// remembered is the store that the tree is to remember.
func (t *Target) remembered(h *plan.Header) *cooper.Store {
	known, now := t.tree.State().Store, t.store
	if !h.Store.Contradicts(now) {
		now = now.With(h.Store)
	}
	if known.Contradicts(now) {
		return now
	}
	return known.With(now)
}

// Begin makes the plan the tree's unfinished run, or takes it up again.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) error {
	run := tree.Run{Plan: h.ID, Mission: h.Mission, Partial: h.Partial, Store: t.remembered(&h)}
	for _, ph := range h.Phases {
		run.Shards += ph.Shards
	}
	if s := h.Snapshot; s != nil {
		run.Snapshot = &catalog.Observed{
			ID: s.ID, TakenAt: s.TakenAt, Source: s.Source, Bucket: s.Bucket,
			Prefix: s.Scope.Prefix, CurrentOnly: s.Scope.CurrentOnly, Complete: s.Complete,
		}
	}
	// What takes the place of a rollback that was interrupted, a repair, say, must
	// not let the next backup undo it; but for a backup of all that was rolled back.
	old := t.tree.State().Run
	run.Pin = old != nil && treeop.Pins(old.Mission) && !treeop.Pins(h.Mission) && !goesForward(&h, old.Snapshot)
	if err := t.tree.Begin(ctx, p, run); err != nil {
		return err
	}
	t.header, t.done = h, t.tree.Done(h.ID)
	return nil
}

// Done tells whether a shard was committed before this run began.
func (t *Target) Done(shard int) bool { return t.done(shard) }

// Commit brings a shard into mirror, history and catalog.
func (t *Target) Commit(ctx context.Context, p permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	// A version must not leave the mirror for one whose download failed.
	if err := treeop.Settle(actions, outs); err != nil {
		return nil, err
	}
	batch := tree.Batch{Plan: s.Plan, Shard: s.N, Changes: make([]tree.Change, 0, len(actions)), Outcomes: outs}
	for i := range actions {
		c, needed, err := change(&actions[i], &outs[i])
		if err != nil {
			return nil, err
		}
		if needed {
			c.Outcome = i
			batch.Changes = append(batch.Changes, c)
		}
	}
	return t.tree.Commit(ctx, p, batch)
}

// Settled lets the shard's journal go.
func (t *Target) Settled(_ context.Context, plan string, shard int) error {
	return t.tree.Settled(plan, shard)
}

// End records what the tree shows now. A rollback pins the tree, so that the
// next backup does not undo it unasked; a backup of all that was rolled back,
// let through all the same, takes the pin away.
func (t *Target) End(ctx context.Context, p permit.Permit, s apply.Summary) error {
	return t.tree.End(ctx, p, tree.Ending{
		Plan: s.Plan, Finished: s.Finished,
		Pin:   treeop.Pins(t.header.Mission),
		Unpin: t.coversPin(),
	})
}

// coversPin tells whether the plan goes forward from the snapshot that the tree
// is pinned to.
func (t *Target) coversPin() bool {
	state := t.tree.State()
	if state.Pinned == nil {
		return false
	}
	var pinned *catalog.Observed
	for i := range state.Observed {
		if o := &state.Observed[i]; o.ID == state.Pinned.Snapshot {
			pinned = o
		}
	}
	return goesForward(&t.header, pinned)
}

// goesForward tells whether a plan is a backup of all keys that the snapshot of a
// rollback speaks of, the whole bucket if that is nil: one of some keys alone
// leaves the others rolled back.
func goesForward(h *plan.Header, from *catalog.Observed) bool {
	prefix := ""
	if from != nil {
		prefix = from.Prefix
	}
	return treeop.Follows(h.Mission) && !h.Partial && h.Snapshot != nil && cooper.HasPrefix(prefix, h.Snapshot.Scope.Prefix)
}

// change turns an action and its outcome into a change of the tree. It is not
// needed where the catalog would say the same as before.
func change(a *cooper.Action, out *cooper.Outcome) (tree.Change, bool, error) {
	args, err := treeop.Decode(a.Args)
	if err != nil {
		return tree.Change{}, false, err
	}
	old, err := treeop.Before(*a)
	if err != nil {
		return tree.Change{}, false, err
	}
	row, err := treeop.Apply(old, *a, *out)
	if err != nil {
		return tree.Change{}, false, err
	}
	c := tree.Change{Op: tree.Record, New: row}
	if args.Was != nil {
		c.Old = old
		if out.Status != cooper.Done && equal(&old, &row) {
			return c, false, nil
		}
	}
	if out.Status != cooper.Done {
		return c, true, nil
	}
	switch a.Verb {
	case treeop.Fetch, treeop.Unarchive:
		c.Op = tree.Place
		if old.Place != catalog.Nowhere { // fetched again
			c.Op = tree.Mend
		}
	case treeop.Prune:
		c.Op = tree.Prune
	case treeop.Retire:
		c.Op = tree.Retire
	case treeop.Promote:
		c.Op = tree.Promote
	case treeop.Record, treeop.Defer, treeop.Verify:
	default:
		return c, false, &cooper.Error{
			Kind: cooper.KindInvalid, Where: cooper.Quote(a.Version.Key),
			Message: "the verb " + cooper.Quote(a.Verb) + " does nothing to a tree",
		}
	}
	return c, true, nil
}

// equal compares two rows in everything.
func equal(a, b *catalog.Row) bool {
	return a.Identity == b.Identity && a.DeleteMarker == b.DeleteMarker &&
		a.Place == b.Place && a.Reason == b.Reason && a.Superseded == b.Superseded &&
		slices.Equal(a.Shown, b.Shown) &&
		a.FirstSeen == b.FirstSeen && a.AbsentSince == b.AbsentSince && a.Gone == b.Gone &&
		a.Check == b.Check && a.Method == b.Method && slices.Equal(a.Hash, b.Hash) && a.Dropped == b.Dropped
}
