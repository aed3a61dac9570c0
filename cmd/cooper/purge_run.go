package main

import (
	"context"
	"errors"
	"math"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/inventory"
	"cooper/internal/journal"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/purge"
	"cooper/internal/verb/remove"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// purgeShard is how many versions a shard has: some requests at once, and little
// to look at again after a crash.
const purgeShard = 10_000

// purge plans, shows the plan, asks, and carries it out.
func (a *app) purge(ctx context.Context, arg string, f *purgeFlags) (err error) {
	policy, err := f.checked(arg, a.json)
	if err != nil {
		return err
	}
	stdout := a.stdout
	if f.deleted == stdoutName { // plan and summary make room
		a.stdout = a.stderr
		defer func() { a.stdout = stdout }()
	}
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	b, err := a.openBucket(ctx, f.bucket, f.apply.jobs)
	if err != nil {
		return err
	}
	store, err := b.Store(ctx)
	if err == nil {
		policy.Versioning, err = b.Versioning(ctx)
	}
	if err == nil {
		err = canLook(ctx, b, f.prefix, policy.Versioning)
	}
	if err = errors.Join(err, b.Close()); err != nil {
		return err
	}
	policy.Endpoint = store.Endpoint
	h, err := a.purgePlan(ctx, ws, f, policy, &store)
	if err != nil {
		return err
	}
	all := h.Totals[bucketop.Remove]
	if ended, err := a.offer(h, all, f.planOnly); ended || err != nil {
		return err
	}
	if !f.yes && f.apply.confirm == "" {
		if may, err := a.mayDelete(ctx, h, all); err != nil || !may {
			return err
		}
	}
	err = a.applyPurge(ctx, ws, h, &f.apply)
	if f.deleted != "" {
		// What was removed was removed, however the run ended.
		err = errors.Join(err, writeDeleted(context.WithoutCancel(ctx), ws, h.ID, f.deleted, stdout))
	}
	return err
}

// purgePlan makes the plan, or finds the one that the person has confirmed.
func (a *app) purgePlan(ctx context.Context, ws *workspace.Workspace, f *purgeFlags, policy purge.Policy, store *cooper.Store) (h plan.Header, err error) {
	if f.apply.confirm != "" {
		target := "s3://" + f.bucket + "/" + f.prefix
		return confirmedPlan(ws, f.apply.confirm, purge.Mission, "bucket", target, func(h *plan.Header) bool { return purge.SamePolicy(h, policy) })
	}
	prices, err := price.Load("")
	if err != nil {
		return h, err
	}
	listed := ""
	if f.source.list { // a report is read whole: the share counts against all of it
		listed = f.prefix
	}
	snap, err := a.takeSnapshot(ctx, ws, f.bucket, f.source, listed)
	if err != nil {
		return h, err
	}
	if got := snap.Meta().Bucket; got != f.bucket {
		return h, usage("snapshot "+snap.Meta().ID+" is one of the bucket "+cooper.Quote(got), "Take one of s3://"+f.bucket+".")
	}
	from, done, err := a.choices(ctx, ws, f, &policy, snap.Meta().ID)
	defer finally(&err, done)
	if err != nil {
		return h, err
	}
	return a.writeLimited(ws, plan.Limits{Actions: purgeShard, Bytes: math.MaxInt64}, func(id string, w *plan.Writer) (plan.Header, error) {
		return purge.Plan(ctx, purge.Inputs{Snapshot: inventory.ViewOf(snap), Policy: policy, Chosen: from, Prices: prices, Store: store, Moved: f.apply.moved, ID: id, Now: cooper.InstantOf(a.clock())}, w)
	})
}

// applyPurge carries out a plan under the bucket's lock.
func (a *app) applyPurge(ctx context.Context, ws *workspace.Workspace, h plan.Header, f *applyFlags) (err error) {
	policy, err := purge.PolicyOf(&h)
	if err != nil {
		return err
	}
	kinds, err := f.kinds()
	if err != nil {
		return err
	}
	bucket, prefix, err := cooper.ParseURL(h.Target.Path)
	if err != nil {
		return err
	}
	run := ws.NewID("r")
	unlock, err := ws.LockTarget(bucket, run, "purge run")
	if err != nil {
		return err
	}
	defer finally(&err, unlock)
	b, err := a.openBucket(ctx, bucket, f.jobs)
	if err != nil {
		return err
	}
	defer finally(&err, b.Close)
	versioning, err := b.Versioning(ctx)
	if err != nil {
		return err
	}
	lock := false
	if b.Endpoint() != "" { // what a store cannot tell keeps nothing from being removed
		settings, err := b.Settings(ctx)
		if cooper.KindOf(err) == cooper.KindInterrupted {
			return err
		}
		lock = settings.Lock
	}
	store, err := b.Store(ctx)
	if err != nil {
		return err
	}
	p, err := plan.Open(ws.PlanDir(h.ID))
	if err != nil {
		return err
	}
	facts := ledger.Open(ws.LedgerDir())
	count := a.countersFor(b)
	warn := func(m string) { a.caution("%s", m) }
	target := remove.New(b, remove.Options{
		Journal: journal.At(ws.TargetDir(bucket)), Path: h.Target.Path, Prefix: prefix, Versioning: versioning, Planned: policy.Versioning, Lock: lock,
		Store: store, PlannedStore: bucketop.PlannedStore(&h, policy.Endpoint), Jobs: f.jobs, Clock: a.clock, Warn: warn,
	})
	job := apply.Job{
		Run: run, Plan: p, Facts: facts,
		// nil: the commit does it all.
		Verbs:   map[string]apply.Verb{bucketop.Remove: nil},
		Target:  target,
		Workers: 1, ShardsInFlight: 2, Ignore: kinds, Confirm: f.confirm, MaxAge: f.maxAge(), Undo: f.undo, Clock: a.clock, Progress: count,
		Warn: warn,
	}
	a.limits(&job)
	stop := a.follow(count)
	sum, err := apply.Run(ctx, job)
	stop()
	if err == nil {
		err = errors.Join(facts.Compact(ctx), failedAlike(ctx, ws, &sum))
	}
	if n := target.Absent(); n > 0 {
		a.caution("not there any more: %s; a run that was stopped has removed them, or somebody else, or this is not the bucket of the snapshot", words.Plural(n, "version"))
	}
	if err := a.finished(ran{Plan: &h, Applied: &sum}, err); err != nil {
		return err
	}
	return a.failedBefore(ctx, ws, h.ID, run)
}
