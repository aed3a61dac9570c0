package tree

import (
	"context"
	"fmt"
	"slices"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/journal"
)

// Run describes what Begin begins.
type Run struct {
	Plan    string
	Mission string
	Partial bool // the plan was narrowed
	Shards  int  // of all phases
	// Snapshot is what the plan leads to; nil if to none. Finished and At are
	// filled in by End.
	Snapshot *catalog.Observed
	// Store is what the tree is to remember; nil changes nothing.
	Store *cooper.Store
	// Pin pins the tree to the snapshot of the unfinished run that this one
	// supersedes, if there is one.
	Pin bool
}

// Begin makes r the tree's unfinished run, or takes it up again if it is that
// already. Another unfinished run ends as superseded. Recover must have been
// called before.
func (t *Tree) Begin(ctx context.Context, p permit.Permit, r Run) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.mayPublish(ctx, p); err != nil {
		return err
	}
	next := t.State()
	if old := next.Run; old != nil && old.Plan == r.Plan {
		if old.Shards != r.Shards {
			return internal(fmt.Sprintf("plan %s has %d shards now, and had %d", r.Plan, r.Shards, old.Shards))
		}
		if r.Store == nil || next.Store != nil && *next.Store == *r.Store {
			return nil
		}
		next.Store = r.Store
		return t.publish(p, next)
	}
	if r.Store != nil {
		next.Store = r.Store
	}
	if old := next.Run; old != nil && old.Snapshot != nil && old.Done.Count() > 0 {
		next.Observed = observe(next.Observed, *old.Snapshot, false, t.now())
	}
	if old := next.Run; r.Pin && old != nil && old.Snapshot != nil {
		next.Pinned = &catalog.Pin{Snapshot: old.Snapshot.ID, TakenAt: old.Snapshot.TakenAt, At: t.now()}
	}
	next.Run = &catalog.Progress{Plan: r.Plan, Mission: r.Mission, Began: t.now(), Partial: r.Partial, Snapshot: r.Snapshot, Shards: r.Shards}
	return t.publish(p, next)
}

func (t *Tree) mayPublish(ctx context.Context, p permit.Permit) error {
	if err := t.may(p); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if !t.recovered {
		return internal("the tree was to be changed without looking for interrupted shards first")
	}
	return nil
}

// publish moves the pointer. If that fails, nobody knows which one is on disk
// until Recover reads it again.
func (t *Tree) publish(p permit.Permit, next catalog.State) error {
	err := t.catalog.Publish(p, next)
	t.recovered = err == nil
	return err
}

// observe adds a snapshot to those that were seen. One that is seen again
// straight away is the same observation.
func observe(seen []catalog.Observed, o catalog.Observed, finished bool, at cooper.Instant) []catalog.Observed {
	o.Finished, o.At = finished, at
	if n := len(seen); n > 0 && seen[n-1].ID == o.ID {
		o.Finished = o.Finished || seen[n-1].Finished
		seen = seen[:n-1]
	}
	return append(slices.Clone(seen), o)
}

// Revise changes what the catalog says, and no file: revise is called for each row,
// edit for the state. Either all of it is so afterwards or nothing. Recover must have
// been called before.
func (t *Tree) Revise(ctx context.Context, p permit.Permit, revise func(*catalog.Row), edit func(*catalog.State)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.mayPublish(ctx, p); err != nil {
		return err
	}
	err := t.catalog.Revise(ctx, p, revise, edit)
	t.recovered = err == nil
	return err
}

// Done tells which shards of a plan are committed: none if it is not the
// unfinished run.
func (t *Tree) Done(plan string) func(shard int) bool {
	run := t.State().Run
	if run == nil || run.Plan != plan {
		return func(int) bool { return false }
	}
	return func(shard int) bool { return run.Done.Has(shard) }
}

// Ending says how a run ends.
type Ending struct {
	Plan string
	// Finished: every shard is done. Otherwise the run stays the unfinished
	// one, to be taken up again.
	Finished bool
	// Pin pins the tree to the run's snapshot; Unpin takes a pin away. Both
	// count only if Finished.
	Pin, Unpin bool
	// Compact rewrites the catalog's base even if that is not due.
	Compact bool
}

// End ends a run: it records the snapshot the tree now shows, removes staged
// bytes that nobody wants any more, and compacts the catalog if that is due.
func (t *Tree) End(ctx context.Context, p permit.Permit, e Ending) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.mayPublish(ctx, p); err != nil {
		return err
	}
	next := t.State()
	run := next.Run
	if run == nil || run.Plan != e.Plan {
		return internal(fmt.Sprintf("plan %s was to end, but is not the tree's run", e.Plan))
	}
	if !e.Finished {
		return nil
	}
	if n := run.Done.Count(); n != run.Shards {
		return internal(fmt.Sprintf("plan %s was to end as finished with %d of %d shards done", e.Plan, n, run.Shards))
	}
	next.Run = nil
	if e.Unpin {
		next.Pinned = nil
	}
	if run.Snapshot != nil {
		next.Observed = observe(next.Observed, *run.Snapshot, !run.Partial, t.now())
		if e.Pin {
			next.Pinned = &catalog.Pin{Snapshot: run.Snapshot.ID, TakenAt: run.Snapshot.TakenAt, At: t.now()}
		}
	}
	if err := t.publish(p, next); err != nil {
		return err
	}
	if !run.Partial {
		if err := t.Staging().clear(); err != nil {
			return err
		}
	}
	err := t.catalog.Compact(ctx, p, e.Compact)
	t.recovered = err == nil
	return err
}

// await remembers that the facts of an entry are to be settled.
func (t *Tree) await(entry *journal.Entry) {
	t.settleMu.Lock()
	t.unsettled[journalPath(entry.Plan, entry.Shard)] = true
	t.settleMu.Unlock()
}

// Settled tells that the facts of a committed shard were written, so that its
// journal can go.
func (t *Tree) Settled(plan string, shard int) error {
	path := journalPath(plan, shard)
	t.settleMu.Lock()
	defer t.settleMu.Unlock()
	if !t.unsettled[path] {
		return internal(fmt.Sprintf("shard %d of plan %s was settled, but not committed before", shard, plan))
	}
	// Not synced: if the removal is lost, the facts are given once more.
	if err := t.removeIfThere(path); err != nil {
		return err
	}
	delete(t.unsettled, path)
	return nil
}
