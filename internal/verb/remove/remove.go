// Package remove removes versions of a bucket for good.
//
// It promises that a version goes only by its id, and only if a look at the
// bucket right before finds it as the plan has it: a null version the same in
// ETag, size and time, a version that was not current still not current, and
// behind one that is current no older one that the plan does not know. What is
// not so is left alone and reported as changed: a newer upload always wins.
// What is there no more counts as done. Which versions go is left to missions;
// requests and their repetition to the store.
//
// The order, for the versions of one key, and why a crash between any two
// requests is harmless:
//
//  1. Look: list the versions of the keys at hand.
//  2. Remove all versions but the latest, in any order. What a reader of the
//     bucket sees does not change. After a crash the rest is still to be done.
//  3. Only for keys of which all in 2 are known to be gone, and in a request of
//     its own, since a store may take those of one request in any order: remove
//     the latest. There is nothing left that could become current; the key
//     disappears. Where anything failed in 2, the latest stays.
//  4. Write down what came of the shard, durably; then the facts; then that the
//     shard is done. A crash before leaves a shard that is done again: the look
//     finds what is gone. One after it leaves what Recover gives back.
package remove

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/look"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
)

// Bucket is what removing needs of a store.
type Bucket interface {
	store.Remover
	store.Lister
	store.Reader
	store.Writer
	store.Uploads
	look.Discarder
}

// Options are what a Target depends on.
type Options struct {
	// Journal is the bucket's, whose lock is held.
	Journal journal.Dir
	// Path is the target of the plans, as they name it: s3://BUCKET/PREFIX.
	Path string
	// Prefix is what keys lie below: nothing else is ever removed.
	Prefix string
	// Versioning is the bucket's now, Planned what it was when the plan was made.
	Versioning, Planned string
	// Lock: object lock is enabled in the bucket.
	Lock bool
	// Whole leaves a key as it is of which the bucket has other versions than are to be removed.
	Whole bool
	// Store has the bucket; PlannedStore is what the plan was made for.
	Store, PlannedStore cooper.Store
	// Jobs is how many requests are under way at once; 16 if 0.
	Jobs  int
	Clock func() time.Time
	// Warn gets what a person ought to read; may be nil.
	Warn func(message string)
}

const defaultJobs = 16

// Target is a bucket from which versions are removed.
type Target struct {
	journal.Keeping
	bucket Bucket
	opt    Options
	run    string
	probes look.Probes
	eyes   store.Lister // what the bucket is looked at with

	absent atomic.Int64 // versions that a look did not find
}

var _ apply.Target = (*Target)(nil)

// New makes a target. Recover needs no bucket: it may be nil for that.
func New(b Bucket, opt Options) *Target {
	if opt.Jobs <= 0 {
		opt.Jobs = defaultJobs
	}
	if opt.Warn == nil {
		opt.Warn = func(string) {}
	}
	return &Target{
		Keeping: journal.Keeping{Dir: opt.Journal, Path: opt.Path, NoUndo: "what was removed cannot be taken back"},
		bucket:  b, opt: opt, eyes: b, probes: look.Probes{Bucket: b, Path: opt.Path, Prefix: opt.Prefix},
	}
}

// Check wants a plan for this bucket and prefix at this store, made while
// versioning was as it is now. At another store a removal by id would succeed and
// remove nothing.
func (t *Target) Check(h plan.Header) error {
	return bucketop.CheckTarget(h, t.opt.Path,
		bucketop.Place{Store: t.opt.Store, Versioning: t.opt.Versioning}, bucketop.Place{Store: t.opt.PlannedStore, Versioning: t.opt.Planned})
}

// Begin opens the journal of the plan, looks whether the bucket can be looked at, and
// discards uploads in parts and probes that earlier runs left. A plan is refused unless
// a probe sees the store remove what it is told to, and compare ETags where the plan
// trusts in that.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) (err error) {
	t.run = p.Run()
	if t.Plan, err = t.opt.Journal.Open(h.ID, h.Target.Path); err != nil || t.Plan.Complete(h) {
		return err
	}
	if t.eyes, err = t.probes.Open(ctx, t.opt.Versioning); err != nil {
		return err
	}
	if err := t.opt.Journal.LeftUploads(func(u journal.Upload) error {
		if u.Probe {
			return t.probes.Sweep(ctx, p, t.bucket, u.Key)
		}
		return look.Discard(ctx, t.bucket, u.Key, u.UploadID)
	}); err != nil {
		return err
	}
	t.probes.Note, t.probes.Over = t.Plan.NoteProbe, t.Plan.ProbeOver
	// Amazon's removals by id are documented; and what object lock keeps, a probe
	// would leave behind.
	err = t.probes.See(ctx, p, look.Conditions{Removal: bucketop.Probes(h.Estimate), Exact: t.opt.Store.Endpoint != "" && !t.opt.Lock})
	if errors.Is(err, look.ErrUntried) {
		t.opt.Warn("nothing may be written below " + t.opt.Path + ": that the store removes the very versions it is told to could not be tried out")
		return nil
	}
	return err
}

// Absent is how many versions were not there any more when they were to be
// removed: all of them, where the bucket is not the one that was meant.
func (t *Target) Absent() int64 { return t.absent.Load() }

// Commit removes the versions of a shard.
func (t *Target) Commit(ctx context.Context, p permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	parts, err := t.divide(actions, outs)
	if err != nil {
		return nil, err
	}
	if err := t.work(ctx, p, parts); err != nil {
		return nil, err
	}
	now := cooper.InstantOf(t.opt.Clock())
	for i := range outs {
		outs[i].At = now
	}
	return outs, t.Plan.Write(t.run, s.N, outs)
}

// Remove is the part of Commit that changes the bucket, for who writes down himself what came of
// it: outs[i] becomes that of actions[i].
func (t *Target) Remove(ctx context.Context, p permit.Permit, actions []cooper.Action, outs []cooper.Outcome) error {
	parts, err := t.divide(actions, outs)
	if err != nil {
		return err
	}
	return t.work(ctx, p, parts)
}

// work takes up the parts of a shard, several at once. The first error that
// says something about the run ends it.
func (t *Target) work(ctx context.Context, p permit.Permit, parts []*part) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(t.opt.Jobs)
	for _, x := range parts {
		g.Go(func() error { return x.run(ctx, p) })
	}
	return g.Wait()
}
