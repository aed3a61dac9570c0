// Package abort ends unfinished multipart uploads of a bucket.
//
// It promises that an upload goes only by its key and id, and only if a listing right
// before shows it as the plan has it, its parts, looked at after that, are those of the
// plan, it is old by the store's clock, and no part is younger than a day; and that it
// counts as aborted only once a listing does not show it any more. What cannot be told
// counts against aborting. Listings are of the whole bucket: there are stores that show
// nothing below a prefix, and such that lose some where pages meet, so that what a
// listing does not show is asked for by its id, too. Which uploads go is left to
// missions; requests and their repetition to the store.
//
// The order, for the uploads of a shard, and why a crash between any two requests is
// harmless:
//
//  1. List all uploads of the bucket.
//  2. For each of the shard that is there: list its parts; then abort it. What a
//     crash leaves is still to be done, and nothing refers to what has gone.
//  3. List all again. What is still there, as a part came while it was aborted, is
//     taken up from 2, some times at most.
//  4. Write down what came of the shard, durably; then the facts; then that it is
//     done. A crash before leaves a shard that is done again: the listing does not
//     show what is gone. One after it leaves what Recover gives back.
package abort

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
)

// Bucket is what aborting needs of a store.
type Bucket interface {
	store.Uploads
	store.Clock
	Begin(ctx context.Context, p store.Put) (store.Parts, error)
}

// Options are what a Target depends on.
type Options struct {
	// Journal is the bucket's, whose lock is held.
	Journal journal.Dir
	// Path is the target of the plans, as they name it: s3://BUCKET/PREFIX.
	Path string
	// Prefix is what keys lie below, Protect what is never touched, OlderThan how old
	// an upload must be.
	Prefix    string
	Protect   bucketop.Protection
	OlderThan time.Duration
	// Store has the bucket; PlannedStore is what the plan was made for.
	Store, PlannedStore cooper.Store
	// Jobs is how many requests are under way at once; 16 if 0.
	Jobs  int
	Clock func() time.Time
	// Warn gets what a person ought to read; may be nil.
	Warn func(message string)
}

const defaultJobs = 16

// Target is a bucket of which uploads are aborted.
type Target struct {
	journal.Keeping
	bucket Bucket
	opt    Options
	run    string
	ours   map[journal.Upload]bool
	absent int64 // uploads that were gone before they were to be aborted
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
		Keeping: journal.Keeping{Dir: opt.Journal, Path: opt.Path, NoUndo: "what was aborted cannot be taken back"},
		bucket:  b, opt: opt, ours: map[journal.Upload]bool{},
	}
}

// Check wants a plan for this bucket and prefix at this store.
func (t *Target) Check(h plan.Header) error {
	return bucketop.CheckTarget(h, t.opt.Path, bucketop.Place{Store: t.opt.Store}, bucketop.Place{Store: t.opt.PlannedStore})
}

// Begin opens the journal of the plan, reads which uploads are Cooper's own, and tries
// out whether the store lists uploads and dates them by its clock.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) (err error) {
	t.run = p.Run()
	if t.Plan, err = t.opt.Journal.Open(h.ID, h.Target.Path); err != nil || t.Plan.Complete(h) {
		return err
	}
	if err := t.opt.Journal.Noted(func(u journal.Upload) { t.ours[u] = true }); err != nil {
		return err
	}
	if t.opt.Store.Endpoint == "" { // Amazon's listings and times are documented
		return nil
	}
	return t.probe(ctx, p)
}

// Absent is how many uploads were gone already when they were to be aborted.
func (t *Target) Absent() int64 { return t.absent }

// Commit aborts the uploads of a shard.
func (t *Target) Commit(ctx context.Context, p permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	b, err := t.batch(actions, outs)
	if err != nil {
		return nil, err
	}
	if err := b.work(ctx, p); err != nil {
		return nil, err
	}
	now := cooper.InstantOf(t.opt.Clock())
	for i := range outs {
		outs[i].At = now
	}
	t.absent += b.absent
	return outs, t.Plan.Write(t.run, s.N, outs)
}

// probed is what the keys of probes end in that are uploads; dated is by how much the
// store may date them otherwise than by its clock.
const (
	probed = "-uploads"
	dated  = 15 * time.Minute
)

// probe begins an upload of its own, and wants the listing to show it, dated as it is.
// There are stores that answer listings with nothing, and such that date every upload
// alike: what they say of others is no better. Without a part it costs nothing; what a
// crash leaves of it has the name of a probe, and the next probe takes it.
func (t *Target) probe(ctx context.Context, p permit.Permit) (err error) {
	key := t.opt.Prefix + store.ProbeName + p.Run() + probed
	up, err := t.bucket.Begin(ctx, store.Put{Key: key, Size: 1})
	if cooper.KindOf(err) == cooper.KindDenied {
		t.opt.Warn("nothing may be uploaded below " + t.opt.Path + ": that the store lists and dates uploads as they are could not be tried out")
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, up.Abort(ctx)) }()
	now, err := t.now()
	if err != nil {
		return err
	}
	var at cooper.Instant
	found := false
	var left []store.Upload
	err = t.bucket.Uploads(ctx, "", func(page []store.Upload) error {
		for _, u := range page {
			switch {
			case u.Key == key && u.UploadID == up.UploadID():
				found, at = true, u.Initiated
			case store.IsProbe(u.Key) && strings.HasSuffix(u.Key, probed) && cooper.HasPrefix(u.Key, t.opt.Prefix) && old(u.Initiated, now, bucketop.QuietUpload):
				left = append(left, u)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !found:
		return t.untrue("the store does not list an upload that was just begun: what it lists of others, and what not, cannot be believed")
	case at == 0 || at.Time().Sub(now.Time()).Abs() > dated:
		return t.untrue(fmt.Sprintf("the store says that an upload was begun at %s that was begun just now, at %s: how old others are cannot be told", at, now))
	}
	for _, u := range left {
		if err := t.bucket.AbortUpload(ctx, p, u); err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) untrue(message string) error {
	return &cooper.Error{Kind: cooper.KindRefused, Where: t.opt.Path, Message: message, Remedy: "Nothing was aborted. A tool of the store's own may know better."}
}

// now is the time by the store's clock.
func (t *Target) now() (cooper.Instant, error) {
	at, ahead, ok := t.bucket.Date()
	return bucketop.UploadClock(t.opt.Path, at, ahead, ok)
}

// old tells whether something is longer ago than d.
func old(at, now cooper.Instant, d time.Duration) bool {
	return at != 0 && now.Time().Sub(at.Time()) > d
}

// each does something for items, several at once. The first error ends it.
func (t *Target) each(ctx context.Context, items []*item, f func(ctx context.Context, it *item) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(t.opt.Jobs)
	for _, it := range items {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return f(ctx, it)
		})
	}
	return g.Wait()
}
