package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/compress"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/progress"
	"cooper/internal/store/s3"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// ran is what a run command prints as JSON.
type ran struct {
	Snapshot *inventory.Meta `json:"snapshot,omitempty"`
	Plan     *plan.Header    `json:"plan,omitempty"`
	Applied  *apply.Summary  `json:"applied,omitempty"`
	// Became is of compress run, Estimate of compress estimate.
	Became   *compressedTo    `json:"became,omitempty"`
	Estimate *compress.Result `json:"estimate,omitempty"`
}

// backupRun chains snapshot, plan and apply under the tree's lock.
func (a *app) backupRun(ctx context.Context, from, dir string, f *backupFlags) error {
	if f.dates.given() {
		if err := f.dates.check(f); err != nil {
			return err
		}
	}
	if f.planOnly {
		return a.backupPlan(ctx, from, dir, f)
	}
	bucket, policy, err := f.checked(from, dir)
	if err != nil {
		return err
	}
	if err := a.apart(dir); err != nil {
		return err
	}
	if isFree(dir) {
		first := a.snapshotFirst
		if f.dates.given() {
			first = a.reportsFirst
		}
		if err := first(ctx, bucket, f); err != nil {
			return err
		}
	}
	return a.withTree(ctx, dir, "backup run", makeTree, &f.apply, func(ctx context.Context, d *drive) error {
		if f.dates.given() {
			return a.backupRange(ctx, d, bucket, f, policy)
		}
		return a.backupOnce(ctx, d, bucket, f, policy)
	})
}

// isFree tells whether nothing is at dir yet.
func isFree(dir string) bool {
	entries, err := os.ReadDir(dir)
	return len(entries) == 0 && (err == nil || errors.Is(err, fs.ErrNotExist))
}

// snapshotFirst takes the snapshot before there is a tree, so that a mistyped
// bucket leaves none behind.
func (a *app) snapshotFirst(ctx context.Context, bucket string, f *backupFlags) (err error) {
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	snap, err := a.takeSnapshot(ctx, ws, bucket, f.source, f.listed())
	if err != nil {
		return err
	}
	if err := ofBucket(snap, bucket); err != nil {
		return err
	}
	f.source = sourceFlags{snapshot: snap.Meta().ID}
	return nil
}

// reportsFirst looks for the reports of a range before there is a tree.
func (a *app) reportsFirst(ctx context.Context, _ string, f *backupFlags) error {
	at, err := a.location(ctx, f.source.inventory)
	if err != nil {
		return err
	}
	defer at.done()
	_, err = a.reportsIn(ctx, at.Location, at.prefix, f)
	return err
}

// ofBucket refuses a snapshot of another bucket.
func ofBucket(snap *inventory.Snapshot, bucket string) error {
	got := snap.Meta().Bucket
	if got == bucket {
		return nil
	}
	return usage("snapshot "+snap.Meta().ID+" is one of the bucket "+cooper.Quote(got), "Take one of s3://"+bucket+", or leave --snapshot out.")
}

// listed is the prefix a listing is narrowed to: nothing else needs to be listed.
func (f *backupFlags) listed() string {
	if f.source.list {
		return f.prefix
	}
	return ""
}

// backupOnce brings the tree to one snapshot.
func (a *app) backupOnce(ctx context.Context, d *drive, bucket string, f *backupFlags, policy backup.Policy) error {
	snap, h, err := a.makePlan(ctx, d.ws, d.tree.Catalog(), d.tree, bucket, d.tree.Dir(), f, policy)
	if err != nil {
		return err
	}
	m := snap.Meta()
	m.Files = nil
	err = a.applyPlanned(ctx, d, ran{Snapshot: &m, Plan: &h}, false)
	if err == nil || errors.Is(err, errSomeFailed) {
		if failed := a.retain(d, f.keep); failed != nil {
			return failed
		}
	}
	return err
}

// applyPlanned shows a plan and carries it out, or says how to.
func (a *app) applyPlanned(ctx context.Context, d *drive, r ran, planOnly bool) error {
	if planOnly {
		return a.planned(r)
	}
	if !a.json {
		if err := a.showBrief(*r.Plan); err != nil {
			return err
		}
	}
	sum, err := d.apply(ctx, r.Plan.ID)
	r.Applied = &sum
	return a.finished(r, err)
}

// backupPlan takes no lock and changes no tree: it reads the catalog as it is.
func (a *app) backupPlan(ctx context.Context, from, dir string, f *backupFlags) (err error) {
	bucket, policy, err := f.checked(from, dir)
	if err != nil {
		return err
	}
	if err := a.apart(dir); err != nil {
		return err
	}
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	var known backup.Catalog = noCatalog{}
	var space spacer
	if hasTree(abs) {
		t, err := a.openTreeAs(abs, false, f.apply.layout)
		if err != nil {
			return err
		}
		defer finally(&err, t.Close)
		known, space, abs = t.Catalog(), t, t.Dir()
	}
	snap, h, err := a.makePlan(ctx, ws, known, space, bucket, abs, f, policy)
	if err != nil {
		return err
	}
	m := snap.Meta()
	m.Files = nil
	return a.planned(ran{Snapshot: &m, Plan: &h})
}

// checked looks at arguments and flags before anything is opened or made.
func (f *backupFlags) checked(from, dir string) (bucket string, p backup.Policy, err error) {
	if bucket, err = bucketArg(from); err != nil {
		return "", p, err
	}
	if l := f.apply.layout; l != "" && !l.Known() {
		return "", p, usage("--layout "+cooper.Quote(string(l))+" is not known", "It is sidecar or inline.")
	}
	if f.keep < 0 {
		return "", p, usage("--keep must not be negative", "0 keeps all snapshots and plans.")
	}
	if _, err = price.Load(f.prices); err != nil {
		return "", p, err
	}
	if p, err = f.policy(); err != nil {
		return "", p, err
	}
	for _, check := range []func() error{f.source.check, p.Check, f.apply.check, func() error { return parentOf(dir) }} {
		if err = check(); err != nil {
			return "", p, err
		}
	}
	return bucket, p, nil
}

// makePlan takes the snapshot and writes the plan that leads to it.
func (a *app) makePlan(ctx context.Context, ws *workspace.Workspace, known backup.Catalog, space spacer, bucket, dir string, f *backupFlags, policy backup.Policy) (*inventory.Snapshot, plan.Header, error) {
	var none plan.Header
	prices, err := price.Load(f.prices)
	if err != nil {
		return nil, none, err
	}
	snap, err := a.takeSnapshot(ctx, ws, bucket, f.source, f.listed())
	if err != nil {
		return nil, none, err
	}
	if err := ofBucket(snap, bucket); err != nil {
		return nil, none, err
	}
	free, err := freeSpace(space)
	if err != nil {
		return nil, none, err
	}
	h, err := a.writePlan(ws, func(id string, w *plan.Writer) (plan.Header, error) {
		return backup.Plan(ctx, backup.Inputs{
			Snapshot: backup.Of(snap), Catalog: known, Dir: dir, Layout: string(f.apply.layout), Policy: policy, Prices: prices, Free: free,
			ID: id, Now: cooper.InstantOf(a.clock()), Clock: a.storeNow(),
		}, w)
	})
	return snap, h, err
}

// writePlan gives f a writer for a new plan, and clears up if it fails.
func (a *app) writePlan(ws *workspace.Workspace, f func(id string, w *plan.Writer) (plan.Header, error)) (plan.Header, error) {
	return a.writeLimited(ws, plan.Limits{}, f)
}

// writeLimited is writePlan with limits of its own on the shards.
func (a *app) writeLimited(ws *workspace.Workspace, limits plan.Limits, f func(id string, w *plan.Writer) (plan.Header, error)) (plan.Header, error) {
	id := ws.NewID("p")
	w, err := plan.Create(ws.PlanDir(id), id, limits)
	if err != nil {
		return plan.Header{}, err
	}
	defer w.Abort()
	return f(id, w)
}

// spacer tells how much room there is; nil where nobody knows yet.
type spacer interface{ Free() (safefs.Space, error) }

func freeSpace(s spacer) (*backup.Space, error) {
	if s == nil {
		return nil, nil
	}
	free, err := s.Free()
	if err != nil {
		return nil, err
	}
	return &backup.Space{Bytes: free.Bytes, Inodes: free.Inodes}, nil
}

// retain drops what this tree has left in the workspace beyond the newest keep:
// snapshots it has followed, since its own catalog has what they said, and
// plans, since the ledger has what came of them.
func (a *app) retain(d *drive, keep int) error {
	if keep <= 0 {
		return nil
	}
	snapshots, err := d.ws.Snapshots()
	if err != nil {
		return err
	}
	observed := d.tree.State().Observed
	snapshots = slices.DeleteFunc(snapshots, func(id string) bool {
		return !slices.ContainsFunc(observed, func(o catalog.Observed) bool { return o.ID == id })
	})
	for _, id := range snapshots[:max(0, len(snapshots)-keep)] {
		if err := d.ws.RemoveSnapshot(id); err != nil {
			return err
		}
	}
	plans, err := d.ws.Plans()
	if err != nil {
		return err
	}
	plans = slices.DeleteFunc(plans, func(id string) bool {
		p, err := plan.Open(d.ws.PlanDir(id))
		return err != nil || p.Header().Target.Path != d.tree.Dir()
	})
	for _, id := range plans[:max(0, len(plans)-keep)] {
		if err := d.ws.RemovePlan(id); err != nil {
			return err
		}
	}
	return nil
}

// planned ends a command that made a plan and applies nothing.
func (a *app) planned(r ran) error {
	if a.json {
		return a.emit(r)
	}
	if err := a.showPlan(*r.Plan); err != nil {
		return err
	}
	if len(r.Plan.Totals) == 0 {
		a.say("\nThere is nothing to do.")
		return nil
	}
	confirm := ""
	if r.Plan.Share.Exceeded() {
		confirm = " --confirm " + r.Plan.Confirmation()
	}
	a.say("\nApply it with: cooper apply %s%s", r.Plan.ID, confirm)
	return nil
}

// finished tells what a run did, whatever its end, and makes failed objects an
// error.
func (a *app) finished(r ran, err error) error {
	// A refusal comes before anything is done, unless a store turns out in the
	// middle of a run to do what it was not told, or credentials expire there.
	nothingDone := r.Applied == nil || r.Applied.Earlier+r.Applied.Committed == 0
	switch kind := cooper.KindOf(err); {
	case (kind == cooper.KindRefused || kind == cooper.KindUsage) && nothingDone:
		// The plan alone may be of use to a program.
		if a.json {
			r.Applied = nil
			return errors.Join(err, a.emit(r))
		}
		return err
	}
	if r.Applied != nil && r.Applied.Run != "" {
		if shown := a.showSummary(r); err == nil {
			err = shown
		}
	}
	if err != nil {
		return err
	}
	if r.Applied != nil && r.Applied.Count(cooper.Failed) > 0 {
		return errSomeFailed
	}
	// A rollback that had to leave versions out did not reach its snapshot.
	if n := r.Plan.Skipped[backup.SkippedMissing].Count + r.Plan.Skipped[backup.SkippedPruned].Count; r.Plan.Mission == backup.MissionRollback && n > 0 {
		a.note("%s left out, as the tree does not have the bytes: --fetch gets them", words.Plural(n, "version"))
		return errSomeFailed
	}
	return nil
}

// countersFor counts one apply, with the traffic of the bucket it reads from, and says
// what is waited for there; nil is none.
func (a *app) countersFor(b *s3.Bucket) *progress.Counters {
	c := progress.New(a.clock, trafficOf(b))
	if b != nil {
		c.Waits(waitsAt(b))
	}
	return c
}

func waitsAt(b *s3.Bucket) func() []progress.Wait {
	return func() (waits []progress.Wait) {
		for _, w := range b.Waiting() {
			waits = append(waits, progress.Wait(w))
		}
		return waits
	}
}
