package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/checksum"
	"cooper/internal/ledger"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/progress"
	"cooper/internal/store/s3"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/treeop"
	"cooper/internal/verb/copyout"
	"cooper/internal/verb/fetch"
	"cooper/internal/verb/shelve"
	"cooper/internal/verb/verify"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// drive applies plans to, or from, one tree whose lock it holds.
type drive struct {
	app   *app
	ws    *workspace.Workspace
	tree  *tree.Tree
	run   string
	flags *applyFlags
	// locked: the tree's lock is held, and it may be changed.
	locked bool
	// redated counts versions that the store dates otherwise when they are read.
	redated atomic.Int64
	// against counts versions that are kept against the word of their ETag.
	against atomic.Int64
}

// hasTree tells whether a tree is at dir.
func hasTree(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".cooper"))
	return err == nil
}

// parentOf refuses a directory for a tree where not even the one that is to hold
// it is there: with a disk that is not mounted, or a mistyped path, the backup
// would go to another disk.
func parentOf(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(abs); err == nil {
		return nil
	}
	parent := filepath.Dir(abs)
	switch info, err := os.Stat(parent); {
	case errors.Is(err, fs.ErrNotExist):
		return &cooper.Error{Kind: cooper.KindUsage, Where: parent, Message: "there is no such directory to make a tree in",
			Remedy: "Is the path right, and its disk mounted? Then: mkdir -p " + shellQuote(parent)}
	case err == nil && !info.IsDir():
		return &cooper.Error{Kind: cooper.KindUsage, Where: parent, Message: "is not a directory", Remedy: "Give the tree another place."}
	}
	return nil // what else is wrong, opening says
}

func (a *app) openTree(dir string, create bool) (*tree.Tree, error) {
	return a.openTreeAs(dir, create, "")
}

// openTreeAs wants the tree to have a layout; empty is any.
func (a *app) openTreeAs(dir string, create bool, layout keypath.Layout) (*tree.Tree, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return tree.Open(abs, tree.Options{Create: create, Layout: layout, Clock: a.clock, Tell: a.warn})
}

// apart refuses a tree in the directory of the workspace: each has a .cooper of
// its own.
func (a *app) apart(dir string) error {
	ws, err := a.workspaceDir()
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if samePlace(ws, dir) || filepath.Base(ws) == ".cooper" && samePlace(filepath.Dir(ws), dir) {
		return &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "a backup tree and the workspace " + cooper.Quote(ws) + " cannot share a directory",
			Remedy: "Name another DIR, or keep the workspace elsewhere with --workspace or COOPER_WORKSPACE."}
	}
	return nil
}

// samePlace tells whether two paths lead to one directory.
func samePlace(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// treeUse is what a command wants with a tree.
type treeUse int

const (
	makeTree   treeUse = iota // change it, and make it if it is not there
	changeTree                // change one that is there
	readTree                  // look at it; the lock keeps others from changing it meanwhile
)

// withTree opens workspace and tree, takes the lock, and completes whatever an
// earlier run left half done, before f does anything: what f plans is planned
// against the state that the earlier run was meant to reach.
func (a *app) withTree(ctx context.Context, dir, command string, use treeUse, flags *applyFlags, f func(ctx context.Context, d *drive) error) (err error) {
	if err := flags.check(); err != nil {
		return err
	}
	if err := a.apart(dir); err != nil {
		return err
	}
	if use == makeTree {
		if err := parentOf(dir); err != nil {
			return err
		}
	}
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	t, err := a.openTreeAs(dir, use == makeTree, flags.layout)
	if err != nil {
		return err
	}
	defer finally(&err, t.Close)
	d := &drive{app: a, ws: ws, tree: t, run: ws.NewID("r"), flags: flags}
	locked, unlock, err := t.Lock(ctx, tree.Holder{Run: d.run, Command: command})
	if use == readTree && cooper.KindOf(err) == cooper.KindDenied {
		a.note("the tree cannot be written, so it is read without its lock")
		return f(ctx, d)
	} else if err != nil {
		return err
	}
	ctx, d.locked = locked, true
	defer finally(&err, unlock)
	if err := d.recover(ctx); err != nil {
		return err
	}
	return f(ctx, d)
}

// recover completes interrupted shards, or takes them back, and tells of it.
func (d *drive) recover(ctx context.Context) error {
	kinds, err := d.flags.kinds()
	if err != nil {
		return err
	}
	found, err := apply.Recover(ctx, apply.Recovery{
		Run: d.run, Path: d.tree.Dir(), Target: shelve.New(d.tree), Facts: d.facts(), Ignore: kinds, Undo: d.flags.undo,
	})
	var undone, completed int64
	for _, f := range found {
		if f.Undone {
			undone++
		} else {
			completed++
		}
	}
	if completed > 0 {
		d.app.note("completed %s that an earlier run left half done", words.Plural(completed, "shard"))
	}
	if undone > 0 {
		d.app.note("took back %s that an earlier run left half done", words.Plural(undone, "shard"))
	}
	return err
}

func (d *drive) facts() *ledger.Ledger { return ledger.Open(d.ws.LedgerDir()) }

// moveAside takes a file out of mirror and history.
func (d *drive) moveAside(path string) error {
	return apply.Mend(d.run, func(p permit.Permit) error {
		_, err := d.tree.MoveAside(p, path)
		return err
	})
}

// mendTime gives the file of a version its time back.
func (d *drive) mendTime(row *catalog.Row) error {
	return apply.Mend(d.run, func(p permit.Permit) error { return d.tree.MendTime(p, row) })
}

// apply carries out a plan that is about this tree, and writes what came of it.
func (d *drive) apply(ctx context.Context, id string) (sum apply.Summary, err error) {
	p, err := plan.Open(d.ws.PlanDir(id))
	if err != nil {
		return sum, err
	}
	h := p.Header()
	kinds, err := d.flags.kinds()
	if err != nil {
		return sum, err
	}
	if err := d.room(h); err != nil {
		return sum, err
	}
	var src *s3.Bucket
	var from *cooper.Store
	if needsSource(h) {
		bucket, err := bucketArg(h.Source)
		if err != nil {
			return sum, err
		}
		if src, from, err = d.open(ctx, bucket); err != nil {
			return sum, err
		}
		defer src.Close()
	}
	if err := backup.NotFromTheFuture(&h, d.app.storeNow()); err != nil {
		return sum, err
	}
	count := d.app.countersFor(src)
	verbs, target, done, err := d.parts(ctx, h, src, from, count)
	if err != nil {
		return sum, err
	}
	defer finally(&err, done)
	job := apply.Job{
		Run: d.run, Plan: p, Verbs: verbs, Target: target, Facts: d.facts(), Workers: d.flags.jobs,
		Ignore: kinds, Confirm: d.flags.confirm, MaxAge: d.flags.maxAge(), Clock: d.app.clock, Progress: count,
		Warn: func(m string) { d.app.note("warning: %s", m) },
	}
	d.app.limits(&job)
	stop := d.app.follow(count)
	before := d.tree.State()
	sum, err = apply.Run(ctx, job)
	stop()
	d.tellStore(&before)
	if n := d.redated.Load(); n > 0 {
		d.app.note("%s: the store tells another time by GET than by listing, of the same content; that of the listing is kept", words.Plural(n, "object"))
	}
	if n := d.against.Load(); n > 0 {
		d.app.note("warning: %s: the ETag looks like an MD5 and is none of the bytes, which came alike %d times. Either the store makes other ETags, or it holds other bytes than were uploaded. They are kept as unverifiable", words.Plural(n, "object"), checksum.AlikeTimes)
	}
	if err != nil {
		return sum, err
	}
	if needsSource(h) {
		if err := failedAlike(ctx, d.ws, &sum); err != nil {
			return sum, err
		}
	}
	return sum, d.facts().Compact(ctx)
}

// open opens a bucket, and asks whose it is.
func (d *drive) open(ctx context.Context, bucket string) (*s3.Bucket, *cooper.Store, error) {
	b, err := d.app.openBucket(ctx, bucket, d.flags.jobs)
	if err != nil {
		return nil, nil, err
	}
	d.app.setClock(b)
	store, err := b.Store(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	return b, &store, nil
}

// tellStore says what an old tree has learnt, and that one follows another store.
func (d *drive) tellStore(before *catalog.State) {
	switch now := d.tree.State().Store; {
	case now == nil:
	case before.Store == nil && len(before.Observed) > 0:
		d.app.note("the tree remembers now that its bucket is at %s; another store is refused", now)
	case before.Store.Contradicts(now):
		d.app.note("the tree follows the bucket at %s from now on; it was at %s", now, before.Store)
	}
}

// maxPlanAge is how old a plan may be when it is applied. What an old one
// fetched already serves the new one.
const maxPlanAge = 7 * 24 * time.Hour

// room refuses a plan whose end would find the disk full: nothing has been
// fetched yet, and others may live on that disk. A plan that is under way is not
// weighed again: much of what it needs is there.
func (d *drive) room(h plan.Header) error {
	run := d.tree.State().Run
	if h.Mission == backup.MissionRestore || d.flags.anySpace || run != nil && run.Plan == h.ID {
		return nil
	}
	free, err := d.tree.Free()
	if err != nil {
		return err
	}
	e := &cooper.Error{Kind: cooper.KindFull, Where: d.tree.Dir(),
		Remedy: "Make room; or back up a part, with --prefix or --match; or go on all the same, with --no-space-check."}
	switch need := h.Estimate; {
	case need.Disk > free.Bytes:
		e.Message = fmt.Sprintf("the plan needs about %s, and %s are free", words.Bytes(need.Disk), words.Bytes(free.Bytes))
	case need.Inodes > free.Inodes:
		e.Message = fmt.Sprintf("the plan needs about %s, and %s are free", words.Plural(need.Inodes, "inode"), words.Count(free.Inodes))
	default:
		return nil
	}
	return e
}

func needsSource(h plan.Header) bool {
	return h.Totals[treeop.Fetch].Count+h.Totals[treeop.Unarchive].Count > 0
}

func trafficOf(b *s3.Bucket) func() progress.Traffic {
	if b == nil {
		return nil
	}
	return func() progress.Traffic {
		u := b.Usage()
		return progress.Traffic{Requests: u.Get + u.Head + u.Put + u.List + u.Restore + u.Delete, Retries: u.Retries, Throttled: u.Throttled, Wire: b.Moved()}
	}
}

// parts gives the verbs and the target for a plan.
func (d *drive) parts(ctx context.Context, h plan.Header, src *s3.Bucket, from *cooper.Store, count *progress.Counters) (map[string]apply.Verb, apply.Target, func() error, error) {
	if h.Mission == backup.MissionRestore {
		return d.restoreParts(ctx, h, count)
	}
	// nil: the commit does it all.
	verbs := map[string]apply.Verb{treeop.Retire: nil, treeop.Promote: nil, treeop.Record: nil, treeop.Prune: nil, treeop.Defer: fetch.Deferred{}, treeop.Verify: verify.New(d.tree, count.Moved)}
	if src != nil {
		opt := fetch.Options{Moved: count.Moved, Redated: func() { d.redated.Add(1) }, Against: func() { d.against.Add(1) }}
		verbs[treeop.Fetch] = fetch.New(src, fetch.Into(d.tree.Staging()), opt)
		verbs[treeop.Unarchive] = fetch.NewUnarchive(src, fetch.Into(d.tree.Staging()), opt)
	}
	target := shelve.New(d.tree).From(from, d.flags.moved || backup.Moved(&h))
	return verbs, target, func() error { return nil }, nil
}

// restoreParts copies out of the tree to where the plan says.
func (d *drive) restoreParts(ctx context.Context, h plan.Header, count *progress.Counters) (map[string]apply.Verb, apply.Target, func() error, error) {
	if !strings.HasPrefix(h.Target.Path, "s3://") {
		t, err := copyout.ToDirectory(d.tree, h.Target.Path)
		if err != nil {
			return nil, nil, nil, err
		}
		return map[string]apply.Verb{treeop.CopyOut: t}, t, t.Close, nil
	}
	bucket, prefix, err := cooper.ParseURL(h.Target.Path)
	if err != nil {
		return nil, nil, nil, err
	}
	b, store, err := d.open(ctx, bucket)
	if err != nil {
		return nil, nil, nil, err
	}
	if h.Store.Contradicts(store) && !d.flags.moved {
		err := cooper.AnotherStore("plan "+h.ID, "was made for the bucket", h.Store, store, "Give the --endpoint-url and --profile that it was made with, or make a new plan; if the bucket has moved, give --moved.")
		return nil, nil, nil, errors.Join(err, b.Close())
	}
	count.Waits(waitsAt(b))
	t := copyout.ToBucket(d.tree, b, b, prefix)
	return map[string]apply.Verb{treeop.CopyOut: t}, t, func() error { b.Close(); return nil }, nil
}

// treeOf finds the tree a plan needs: its target, or what it restores from.
func treeOf(h plan.Header) (string, error) {
	if h.Mission != backup.MissionRestore {
		return h.Target.Path, nil
	}
	var policy struct {
		Tree string `json:"tree"`
	}
	if err := json.Unmarshal(h.Policy, &policy); err != nil || policy.Tree == "" {
		return "", &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "it does not say which tree it restores from", Remedy: "Make the plan again."}
	}
	return policy.Tree, nil
}

// latest names the newest of what has ids.
const latest = "latest"

// observedSnapshot finds the snapshot a person names by id, by the beginning
// of one, by the time it was taken, or as the latest that the tree followed.
func observedSnapshot(state catalog.State, name string) (string, error) {
	if n := len(state.Observed); name == latest && n > 0 {
		return state.Observed[n-1].ID, nil
	}
	var hits []string
	for _, o := range state.Observed {
		if o.ID == name {
			return o.ID, nil
		}
		matches := strings.HasPrefix(o.ID, name) || strings.HasPrefix(o.TakenAt.String(), name)
		// A tree that was rolled back and went forward followed one twice.
		if matches && !slices.Contains(hits, o.ID) {
			hits = append(hits, o.ID)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		return "", usage("the tree never followed a snapshot "+cooper.Quote(name), "cooper backup status DIR lists those it did.")
	}
	return "", usage(fmt.Sprintf("%s could be any of %s", cooper.Quote(name), strings.Join(hits, ", ")), "Give more of the id.")
}
