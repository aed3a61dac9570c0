// Package forget is the target of plans that delete from an archive bucket: whole objects, with all of their versions there,
// that nothing needs any more, and of which manifests tell. And of plans by which handles become DELETED, as an inventory of the
// archive bucket does not have their copies any more.
//
// It promises:
//
//   - Only a version goes that says of itself that it is the copy that a manifest tells of, by its id, and only if there are no
//     others of its key that the plan does not know. What Cooper keeps for itself in the bucket is never touched.
//   - Right before, each handle of the object is what the plan says, ARCHIVED in the owner's own column where he has one that is
//     written, and a look at his database has seen no link, no hold, no living source and no other handle. What the
//     look cannot see, a complete scan that began after the handle was ARCHIVED has.
//   - A copy of what nobody names goes only if still no handle names it, as the owner's database is asked; one of what is back in
//     its place only if that was proven, bytes and all.
//   - A handle is DELETED only by an inventory, and only if a look does not find its copies either.
//   - What is lost with a crash is work alone: each step can be done again, and finds what was done.
//
// Which objects go is left to the mission; how an owner's database is asked to who makes the Owner; how versions are removed to the
// Remover; that nothing archives or restores meanwhile to the lock that the caller holds.
//
// The order, for a shard, and why a crash between any two steps is harmless:
//
//  1. Handles that have vanished, or were seen again: look at the archive; the owner's column; then the state, which is told. After
//     a crash they are found to be what they are to be.
//  2. Look at what the archive has of each object. What has gone is done.
//  3. The state, a guard's notes, the owner's column and his database are asked. Nothing is changed.
//  4. Look at the places that the objects are from, and at each copy. Nothing is changed.
//  5. Remove: a look that finds exactly those planned, or what is left of them, then the older ones, then the newest. After a crash
//     the rest is still to be asked about, and to go.
//  6. What came of the shard goes to the journal, then its facts to the ledger. The state stays as it is: DELETED is what an
//     inventory shows.
package forget

import (
	"context"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
)

// Owner is what is asked of the owner's database: its primary. Each method takes Most at most, and answers about each in their
// order.
type Owner interface {
	// Set writes a status into the owner's column where it is the one expected, and gives what stands for each. One
	// that is set to what it is expected to be is only looked at.
	Set(ctx context.Context, hs []gcstate.Handle, from, to gcstate.Status) ([]gcstate.Status, error)
	// Look tells what keeps handles.
	Look(ctx context.Context, asked []Asked) ([]Sight, error)
	// Named tells of objects what names them, or why that cannot be known; empty where nothing does.
	Named(ctx context.Context, objects []Object) ([]string, error)
}

// Most is how many handles or objects an Owner is asked about at once.
const Most = 1000

// Object is one by its place.
type Object struct{ Bucket, Key string }

// Asked is a handle, with the object that it is taken to have.
type Asked struct {
	gcstate.Handle
	Object
}

// Sight is what was seen of a handle.
type Sight struct {
	// Why it is to be kept; empty: nothing was seen.
	Why string
	// Blind names what cannot be looked at, and could have a link.
	Blind string
}

// Bucket is what is needed of the archive bucket.
type Bucket interface {
	store.Reader
	store.Lister
	store.Locks
}

// Place is a bucket that objects are from.
type Place interface {
	store.Reader
	store.Lister
}

// Remover removes versions of the archive bucket by their ids: exactly those, the newest of a key last, and none of a key
// that has others. Begin comes once, before everything.
type Remover interface {
	Begin(ctx context.Context, p permit.Permit, h plan.Header) error
	Remove(ctx context.Context, p permit.Permit, actions []cooper.Action, outs []cooper.Outcome) error
}

// Options are what a Target depends on. All but Held, Jobs and Warn must be given.
type Options struct {
	Journal journal.Dir
	State   gcstate.State
	Owner   Owner
	// Archive is the bucket that is deleted from, Settings what it is set to, Versioning that by now.
	Archive    Bucket
	Settings   store.Settings
	Versioning string
	Remover    Remover
	// Places are the buckets that objects are from, by name.
	Places map[string]Place
	// Declared, Read are as they are by now, as gcop.Marking has them.
	Declared string
	Read     gcop.Reads
	// Words gives the number of the last word of a person's.
	Words func() (int, error)
	// Held tells of handles why they may not go by what Cooper knows itself, as that they were asked for; empty
	// where they may. nil: nothing keeps any.
	Held func(ctx context.Context, hs []gcstate.Handle) ([]string, error)
	// Tell writes down what the state has not told yet.
	Tell func(ctx context.Context) error
	// Jobs is how many copies are looked at at once; 16 if 0.
	Jobs  int
	Clock func() time.Time
	// Warn gets what a person ought to read; may be nil.
	Warn func(message string)
}

const defaultJobs = 16

// Target is an archive bucket that is deleted from.
type Target struct {
	journal.Keeping
	opt        Options
	forgetting gcop.Forgetting
	run        string
}

var _ apply.Target = (*Target)(nil)

// New makes the target of a plan that deletes.
func New(h *plan.Header, opt Options) (*Target, error) {
	f, err := gcop.ForgettingOf(h)
	if err != nil {
		return nil, err
	}
	if opt.Jobs <= 0 {
		opt.Jobs = defaultJobs
	}
	if opt.Warn == nil {
		opt.Warn = func(string) {}
	}
	if opt.Held == nil {
		opt.Held = func(_ context.Context, hs []gcstate.Handle) ([]string, error) { return make([]string, len(hs)), nil }
	}
	const noUndo = "what was deleted cannot be taken back"
	return &Target{Keeping: journal.Keeping{Dir: opt.Journal, Path: h.Target.Path, NoUndo: noUndo}, opt: opt, forgetting: f}, nil
}

// Check wants what the plan rests on to be as it was.
func (t *Target) Check(h plan.Header) error {
	f, err := gcop.ForgettingOf(&h)
	if err != nil {
		return err
	}
	if f.Detection != t.forgetting.Detection || f.Bucket != t.forgetting.Bucket || f.Snapshot != t.forgetting.Snapshot {
		return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + h.ID, Message: "the plan that was prepared is another"}
	}
	return t.rests(h.ID)
}

// rests is the error of a plan of which that on which it rests is another by now.
func (t *Target) rests(id string) error {
	words, err := t.opt.Words()
	if err != nil {
		return err
	}
	f := &t.forgetting
	why := f.Outdated(t.opt.Declared, t.opt.Read, words)
	if why == "" && f.Versioning != t.opt.Versioning {
		why = "the versioning of the archive bucket is another than it was"
	}
	if why == "" {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + id, Message: why, Remedy: "Look anew, and plan again: cooper gc detect"}
}

// Begin opens the journal of the plan, lets the Remover see whether the store keeps its word, and has told what an earlier run
// has not.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) (err error) {
	t.run = p.Run()
	if t.Plan, err = t.opt.Journal.Open(h.ID, h.Target.Path); err != nil {
		return err
	}
	if err := t.opt.Tell(ctx); err != nil || t.Plan.Complete(h) {
		return err
	}
	return t.opt.Remover.Begin(ctx, p, h)
}

// Commit deletes the objects of a shard.
func (t *Target) Commit(ctx context.Context, p permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	if !p.Valid() {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + s.Plan, Message: "nobody permits this"}
	}
	if err := t.rests(s.Plan); err != nil { // a person may have said a word meanwhile
		return nil, err
	}
	b := &batch{Target: t, permit: p, shard: s}
	if err := b.divide(actions, outs); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{b.vanish, b.lookThere, b.records, b.owners, b.links, b.names, b.places, b.copies, b.remove} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	now := cooper.InstantOf(t.opt.Clock())
	for i := range outs {
		outs[i].At = now
	}
	for _, o := range b.all {
		if !o.settled {
			return nil, &cooper.Error{Kind: cooper.KindInternal, Where: o.where(), Message: "nothing is known of what came of it"}
		}
	}
	return outs, t.Plan.Write(t.run, s.N, outs)
}

// batch is the objects of a shard.
type batch struct {
	*Target
	permit permit.Permit
	shard  apply.Shard
	all    []*object
	gone   []*vanished
}

// live are the objects that may still go.
func (b *batch) live() (some []*object) {
	for _, o := range b.all {
		if !o.settled {
			some = append(some, o)
		}
	}
	return some
}
