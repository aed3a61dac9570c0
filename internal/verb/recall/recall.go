// Package recall is the target of plans that bring objects back from the archive bucket, each with all the
// versions that it had, or that say that one which has not gone yet stays where it is.
//
// It promises:
//
//   - A handle is AVAILABLE only after a byte of its object was read in its place, and what is there was proven
//     to be what is in the archive.
//   - Nothing is overwritten and nothing is removed: what was written in the place of an object since is told of, and
//     the object stays in the archive. Its copy there stays also when it is back, until it is deleted by a plan.
//   - What has to be asked of the store first, as its class wants it, is asked, and left for the next plan: RESTORING,
//     and never AVAILABLE before it can be read.
//   - Only handles that are what the plan says are changed, in the state and in the owner's column. The others of
//     an object that is back begin anew, UNLINKED as of now.
//   - The archive bucket is enough: without a state, and without an owner, bytes come back all the same.
//
// Which handles are wanted, and which there are of an object, is left to the mission; to read that from the archive
// alone to Find; how an owner's database is told to who makes the Owner; that nothing else archives, restores or deletes
// meanwhile to the lock that the caller holds.
//
// The order, for a shard, and why a crash between any two steps is harmless:
//
//  1. State: wanted handles become RESTORING, which is told while objects are copied; then the owner's column. After a
//     crash they are found so, by this plan or the next.
//  2. Look at what the archive has of each object, and what is in its place.
//  3. Ask the store for copies that cannot be read yet. Asked again, it says that it is under way. The object is left for the
//     next plan.
//  4. Copy, each version, oldest first, never over anything. After a crash what is in the place is compared with
//     the copies, the oldest with the oldest, and taken up if it has the same bytes.
//  5. Prove, and read a byte of what is there now. Nothing is written down of that: it is done again.
//  6. The owner's column: AVAILABLE for who was asked for, UNLINKED for the others; of what cannot come back, ARCHIVED. The
//     object can be read by then, and the state follows when the shard is done again.
//  7. The state likewise, in one step, which is told with the next shard's, at the end, or by whoever opens the state
//     next. After a crash it tells by its reason that this plan did it.
//  8. What came of the shard goes to the journal, then its facts to the ledger.
package recall

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
)

// Owner is what is told to the owner's database.
type Owner interface {
	// Set writes a status into the owner's column where it is the one expected, and gives what stands for each. One
	// that is set to what it is expected to be is only looked at.
	Set(ctx context.Context, hs []gcstate.Handle, from, to gcstate.Status) ([]gcstate.Status, error)
}

// Most is how many handles an Owner is told of at once.
const Most = 1000

// Bucket is what is needed of the archive bucket.
type Bucket interface {
	store.Source
	store.Lister
	store.Describer
	store.Archiver
}

// Place is a bucket into which objects come back.
type Place interface {
	store.Reader
	store.Lister
	store.Copier
	store.Describer
}

// To is a bucket into which objects come back, and what is known of it.
type To struct {
	Bucket     Place
	Versioning string
	Settings   store.Settings
}

// Options are what a Target depends on. All but State, Owner, Jobs and Warn must be given.
type Options struct {
	Journal journal.Dir
	// State is nil where none is asked: the plan was made from the archive alone.
	State gcstate.State
	// Owner is nil where none is told.
	Owner Owner
	// Archive is from where objects come, Settings what it is set to; To are the buckets they come back to, by name.
	Archive  Bucket
	Settings store.Settings
	To       map[string]To
	// Declared is the digest of the configuration's file by now; empty where the plan has none.
	Declared string
	// Tell writes down what the state has not told yet.
	Tell func(ctx context.Context) error
	// Jobs is how many objects are copied at once; 16 if 0.
	Jobs  int
	Clock func() time.Time
	// Warn gets what a person ought to read; may be nil.
	Warn func(message string)
}

const defaultJobs = 16

// Target is an archive bucket from which objects are brought back.
type Target struct {
	journal.Keeping
	opt       Options
	recalling gcop.Recalling
	run       string
}

var _ apply.Target = (*Target)(nil)

// New makes the target of a plan that brings objects back.
func New(h *plan.Header, opt Options) (*Target, error) {
	r, err := gcop.RecallingOf(h)
	if err != nil {
		return nil, err
	}
	if opt.Jobs <= 0 {
		opt.Jobs = defaultJobs
	}
	if opt.Warn == nil {
		opt.Warn = func(string) {}
	}
	const noUndo = "what is back is archived again by a plan that archives, not by undoing"
	return &Target{Keeping: journal.Keeping{Dir: opt.Journal, Path: h.Target.Path, NoUndo: noUndo}, opt: opt, recalling: r}, nil
}

// Check wants what the plan rests on to be as it was.
func (t *Target) Check(h plan.Header) error {
	r, err := gcop.RecallingOf(&h)
	switch {
	case err != nil:
		return err
	case r.Bucket != t.recalling.Bucket || r.Scope != t.recalling.Scope || r.FromArchive != t.recalling.FromArchive:
		return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + h.ID, Message: "the plan that was prepared is another"}
	case r.FromArchive != (t.opt.State == nil):
		return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + h.ID, Message: "it is not known whether a state is to be asked"}
	case r.Declared != t.opt.Declared:
		return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Message: r.Config + " has changed since", Remedy: "Plan again: cooper gc restore"}
	}
	return nil
}

// Begin opens the journal of the plan, and has told what an earlier run has not.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) (err error) {
	t.run = p.Run()
	if t.Plan, err = t.opt.Journal.Open(h.ID, h.Target.Path); err != nil || t.opt.State == nil {
		return err
	}
	return t.opt.Tell(ctx)
}

// Commit brings the objects of a shard back.
func (t *Target) Commit(ctx context.Context, p permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	if !p.Valid() {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + s.Plan, Message: "nobody permits this"}
	}
	b := &batch{Target: t, permit: p, shard: s}
	if err := b.divide(actions, outs); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{b.intend, b.look, b.bring, b.settle} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	now := cooper.InstantOf(t.opt.Clock())
	for _, o := range b.all {
		if o.fate == unknown {
			return nil, &cooper.Error{Kind: cooper.KindInternal, Where: o.where(), Message: "nothing is known of what came of it"}
		}
		o.out.At = now
	}
	return outs, t.Plan.Write(t.run, s.N, outs)
}

// End has told what the last shard has not.
func (t *Target) End(ctx context.Context, p permit.Permit, sum apply.Summary) error {
	if t.opt.State != nil {
		if err := t.opt.Tell(ctx); err != nil {
			return err
		}
	}
	return t.Keeping.End(ctx, p, sum)
}

// batch is the objects of a shard.
type batch struct {
	*Target
	permit permit.Permit
	shard  apply.Shard
	all    []*object
}

func (b *batch) divide(actions []cooper.Action, outs []cooper.Outcome) error {
	for i := range actions {
		r, err := gcop.RecalledOf(&actions[i])
		if err != nil {
			return err
		}
		to, known := b.opt.To[r.Bucket]
		if !known || r.Bucket == b.recalling.Bucket {
			return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(r.Key), Message: "the plan would bring it back into " + cooper.Quote(r.Bucket) + ", which is not among its buckets",
				Remedy: "Make a new plan with this version of cooper."}
		}
		o := &object{Recalled: r, to: to, out: &outs[i]}
		for _, w := range r.Handles {
			o.holders = append(o.holders, &holder{Want: w, handle: gcstate.Handle{Scope: b.recalling.Scope, Kind: w.Kind, ID: w.ID}})
		}
		b.all = append(b.all, o)
	}
	return nil
}

// live are the objects of which it is open what comes of them.
func (b *batch) live() (some []*object) {
	for _, o := range b.all {
		if o.fate == unknown {
			some = append(some, o)
		}
	}
	return some
}

// bring brings objects back, several at once, and has told that they are wanted.
func (b *batch) bring(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.opt.Jobs)
	if b.opt.State != nil {
		g.Go(func() error { return b.opt.Tell(ctx) })
	}
	for _, o := range b.live() {
		g.Go(func() error {
			err := b.object(ctx, o)
			switch {
			case err == nil:
				return nil
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case cooper.KindOf(err).EndsRun():
				return err
			}
			o.failed(err)
			return nil
		})
	}
	return g.Wait()
}
