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
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
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
}

// Options are what a Target depends on.
type Options struct {
	// Dir is where the journal is kept, of one bucket; its lock is held.
	Dir string
	// Path is the target of the plans, as they name it: s3://BUCKET/PREFIX.
	Path string
	// Prefix is what keys lie below: nothing else is ever removed.
	Prefix string
	// Versioning is the bucket's now, Planned what it was when the plan was made.
	Versioning, Planned string
	// Endpoint is the store's URL, empty for Amazon S3; PlannedEndpoint that of
	// the store that the plan was made for.
	Endpoint, PlannedEndpoint string
	// Jobs is how many requests are under way at once; 16 if 0.
	Jobs  int
	Clock func() time.Time
}

const defaultJobs = 16

// Target is a bucket from which versions are removed.
type Target struct {
	bucket  Bucket
	opt     Options
	journal *journal // of the plan under way; nil before Begin
	run     string

	absent atomic.Int64 // versions that a look did not find

	alone       sync.Mutex // held during the probe for keys that go alone
	probedAlone bool
}

var _ apply.Target = (*Target)(nil)

// New makes a target. Recover needs no bucket: it may be nil for that.
func New(b Bucket, opt Options) *Target {
	if opt.Jobs <= 0 {
		opt.Jobs = defaultJobs
	}
	return &Target{bucket: b, opt: opt}
}

// Recover gives what shards of earlier runs came to whose facts may not be in
// the ledger yet. Nothing is ever half done: a removal is, or is not, and cannot
// be taken back.
func (t *Target) Recover(_ context.Context, _ permit.Permit, undo bool) ([]apply.Recovered, error) {
	if undo {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: t.opt.Path, Message: "what was removed cannot be taken back"}
	}
	return unsettled(t.opt.Dir)
}

// Check wants a plan for this bucket and prefix at this store, made while
// versioning was as it is now. At another store a removal by id would succeed and
// remove nothing.
func (t *Target) Check(h plan.Header) error {
	refused := func(message string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Message: message, Remedy: "Make a new plan."}
	}
	if h.Target.Kind != bucketop.TargetKind || h.Target.Path != t.opt.Path {
		return refused(fmt.Sprintf("was made for the %s %s, not for %s", h.Target.Kind, cooper.Quote(h.Target.Path), cooper.Quote(t.opt.Path)))
	}
	if t.opt.Endpoint != t.opt.PlannedEndpoint {
		return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Remedy: "Give the --endpoint-url that it was made with, or make a new plan.",
			Message: fmt.Sprintf("was made for the bucket at %s, not for the one at %s", place(t.opt.PlannedEndpoint), place(t.opt.Endpoint))}
	}
	if t.opt.Versioning != t.opt.Planned {
		return refused(fmt.Sprintf("was made while versioning of the bucket was %s; it is %s now", word(t.opt.Planned), word(t.opt.Versioning)))
	}
	return nil
}

func place(endpoint string) string {
	if endpoint == "" {
		return "Amazon S3"
	}
	return cooper.Quote(endpoint)
}

func word(versioning string) string {
	if versioning == "" {
		return "never enabled"
	}
	return versioning
}

// Begin opens the journal of the plan. A plan that trusts the store to compare
// ETags is refused unless a probe sees it do so.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) error {
	j, err := openJournal(t.opt.Dir, h)
	if err != nil {
		return err
	}
	t.journal, t.run = j, p.Run()
	if bucketop.Probes(h.Estimate) && !j.complete(h) {
		return t.probe(ctx, p)
	}
	return nil
}

// Done tells whether a shard is done.
func (t *Target) Done(shard int) bool { return t.journal.done[shard] }

// Absent is how many versions were not there any more when they were to be
// removed: all of them, where the bucket is not the one that was meant.
func (t *Target) Absent() int64 { return t.absent.Load() }

// Settled notes that a shard's facts are in the ledger.
func (t *Target) Settled(_ context.Context, id string, shard int) error {
	return settle(t.opt.Dir, id, shard)
}

// End has nothing to note: that all shards are done says it.
func (t *Target) End(context.Context, permit.Permit, apply.Summary) error { return nil }

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
	return outs, t.journal.write(t.run, s.N, outs)
}

// work takes up the parts of a shard, several at once. The first error that
// says something about the run ends it.
func (t *Target) work(ctx context.Context, p permit.Permit, parts []*part) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan *part)
	ended := make(chan error)
	workers := min(t.opt.Jobs, len(parts))
	for range workers {
		go func() {
			var errs error
			for x := range todo {
				if err := x.run(ctx, p); err != nil {
					errs = errors.Join(errs, err)
					cancel(err)
				}
			}
			ended <- errs
		}()
	}
	for _, x := range parts {
		todo <- x
	}
	close(todo)
	var errs error
	for range workers {
		errs = errors.Join(errs, <-ended)
	}
	if errs != nil {
		return context.Cause(ctx)
	}
	return nil
}
