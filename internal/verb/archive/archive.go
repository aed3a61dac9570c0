// Package archive is the target of plans that move objects into an archive bucket: whole objects, with all
// their versions, once every handle of them is closed against new links.
//
// It promises:
//
//   - Not a byte moves before each handle of an object was closed by its owner's own column, whoever
//     began before that is done, and a look at the owner's database has seen no link, no hold and no living
//     source. What the look cannot see waits, closed, for a complete scan that begins afterwards.
//   - An original goes only after its copy was proven to hold the same bytes, and a manifest in the
//     archive bucket tells of it; only the versions that were planned, by their ids, and only if the bucket has no
//     others of that key.
//   - A handle is ARCHIVED only after its object has gone from its place; until then it is readable there.
//     What cannot go is given back: UNLINKED, or AVAILABLE where a link was seen. So is what a run has left ARCHIVING
//     that was killed, and may not go any more, once no plan is moving it and its bytes were seen in their place.
//   - What is lost with a crash, of the process, the machine or the whole workspace, is work alone: each step
//     can be done again, and finds what was done.
//
// Which objects go is left to the mission; how an owner's database is asked to who makes the Fence; how versions
// are removed to the Remover; that nothing else archives, restores or deletes meanwhile to the lock that the
// caller holds.
//
// The order, for a shard, and why a crash between any two steps is harmless:
//
//  1. State: handles become ARCHIVING, which is told before any original goes. After a crash they are found so, by this
//     plan or the next.
//  2. Fence: the owner's column likewise, committed. From here on no link can be made. Who is closed already stays so.
//  3. Wait until every transaction that was open then has ended.
//  4. Look. What may not go is given back, both in the owner's column and in the state; what that leaves half
//     done is ARCHIVING somewhere, which is 1 or 2.
//  5. Copy, each version, oldest first, never over anything. A copy bears in its metadata what it is of: after a
//     crash it is taken up.
//  6. Prove. A proof that was not written down is made again.
//  7. Manifest, in the archive bucket; the proofs, in the journal, durably. Either may be there twice.
//  8. Remove the originals: a look that finds exactly those planned, then the older ones, then the
//     newest. After a crash the look finds what is gone; the copies are found by their proofs.
//  9. The owner's column becomes ARCHIVED, then the state, which is told with the next shard's, at the end, or by whoever
//     opens the state next. After a crash the shard is done again, and all that is left of it is this.
//     Whatever is known by then that would keep an object, one whose originals have all gone, and whose copy is
//     proven, is brought to its end: it is in the archive, and there it is found.
//  10. What came of the shard goes to the journal, then its facts to the ledger.
package archive

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
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

// Fence is what is asked of the owner's database: its primary. Each method takes some handles, at most Most, and
// answers about each in their order.
type Fence interface {
	// Close makes handles ARCHIVING in the owner's column, each only if it is UNLINKED there. Committed when it
	// returns. It gives what the owner says of each then; ARCHIVING is closed, also by an earlier attempt.
	Close(ctx context.Context, hs []gcstate.Handle) ([]gcstate.Status, error)
	// Settle returns once every transaction that was open when Close was committed has ended; KindTimeout after
	// the patience that it has.
	Settle(ctx context.Context) error
	// Look tells what keeps handles from going.
	Look(ctx context.Context, asked []Asked) ([]Sight, error)
	// Set writes a status into the owner's column where it is the one expected, and gives what stands for each. One
	// that is set to what it is expected to be is only looked at.
	Set(ctx context.Context, hs []gcstate.Handle, from, to gcstate.Status) ([]gcstate.Status, error)
}

// Most is how many handles a Fence is asked about at once.
const Most = 1000

// Asked is a handle, with the object that it is taken to have.
type Asked struct {
	gcstate.Handle
	Bucket, Key string
}

// Sight is what was seen of a handle.
type Sight struct {
	// Why it may not go; empty: nothing was seen. Linked: that is a link.
	Why    string
	Linked bool
	// Blind names what cannot be looked at, and could have a link.
	Blind string
}

// Source is a bucket from which objects go.
type Source interface {
	store.Source
	store.Lister
	store.Describer
	store.Locks
}

// Bucket is what is needed of the archive bucket.
type Bucket interface {
	store.Reader
	store.Writer
	store.Lister
	store.Copier
	store.Describer
}

// Remover removes versions of one bucket by their ids: exactly those, the newest of a key last, and none of a key
// that has others. Begin comes once, before everything.
type Remover interface {
	Begin(ctx context.Context, p permit.Permit, h plan.Header) error
	Remove(ctx context.Context, p permit.Permit, actions []cooper.Action, outs []cooper.Outcome) error
}

// From is a bucket from which objects go, and what is known of it.
type From struct {
	Bucket   Source
	Remover  Remover
	Settings store.Settings
}

// Options are what a Target depends on. All but Fence, Held, Moving, Stop, Jobs and Warn must be given.
type Options struct {
	Journal journal.Dir
	State   gcstate.State
	// Fence is nil where nobody is asked: no handle names the objects.
	Fence Fence
	// Archive is where objects go, Settings what it is set to; From are where they come from, by name.
	Archive  Bucket
	Settings store.Settings
	From     map[string]From
	// Versioning, Declared, Read are as they are by now, as gcop.Archiving has them.
	Versioning map[string]string
	Declared   string
	Read       gcop.Reads
	// Words gives the number of the last word of a person's.
	Words func() (int, error)
	// Held tells of handles why they may not go by what Cooper knows itself, as that they were asked for; empty
	// where they may. nil: nothing keeps any.
	Held func(ctx context.Context, hs []gcstate.Handle) ([]string, error)
	// Moving gives the plans, whatever their archive, of which nobody knows what has gone; nil: there are none.
	Moving func() ([]string, error)
	// Tell writes down what the state has not told yet.
	Tell func(ctx context.Context) error
	// Stop is closed when a person wants the run to stop: what only waits is given back then.
	Stop <-chan struct{}
	// Jobs is how many objects are copied at once; 16 if 0.
	Jobs  int
	Clock func() time.Time
	// Warn gets what a person ought to read; may be nil.
	Warn func(message string)
}

const defaultJobs = 16

// Target is an archive bucket into which objects are moved.
type Target struct {
	journal.Keeping
	opt       Options
	archiving gcop.Archiving
	run       string
	planned   int64 // versions of the plan
	proven    map[int64]cooper.Outcome
	missing   atomic.Int64
	// stale says why nothing may move any more by the plan: what has gone already is brought to its end.
	stale string
}

var _ apply.Target = (*Target)(nil)

// New makes the target of a plan that archives.
func New(h *plan.Header, opt Options) (*Target, error) {
	a, err := gcop.ArchivingOf(h)
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
	const noUndo = "what was archived comes back by a restore, not by undoing"
	return &Target{Keeping: journal.Keeping{Dir: opt.Journal, Path: h.Target.Path, NoUndo: noUndo}, opt: opt, archiving: a}, nil
}

// Check wants what the plan rests on to be as it was.
func (t *Target) Check(h plan.Header) error {
	a, err := gcop.ArchivingOf(&h)
	if err != nil {
		return err
	}
	if a.Detection != t.archiving.Detection || a.Bucket != t.archiving.Bucket {
		return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + h.ID, Message: "the plan that was prepared is another"}
	}
	if a.Unindexed != (t.opt.Fence == nil) {
		return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + h.ID, Message: "its handles cannot be closed"}
	}
	if t.stale, err = t.rests(&a); err != nil || t.stale == "" {
		return err
	}
	// An original may have gone, and nobody know.
	p, err := t.opt.Journal.Open(h.ID, h.Target.Path)
	if err != nil {
		return err
	}
	if proven, err := p.Proven(); err != nil || len(proven) > 0 {
		return err
	}
	return stale(h.ID, t.stale)
}

// rests says what of that on which a plan rests is another by now; empty: nothing.
func (t *Target) rests(a *gcop.Archiving) (string, error) {
	words, err := t.opt.Words()
	if err != nil {
		return "", err
	}
	why := a.Outdated(t.opt.Declared, t.opt.Read, words)
	if why == "" && !maps.Equal(a.Versioning, t.opt.Versioning) {
		why = "the versioning of a bucket is another than it was"
	}
	return why, nil
}

func stale(id, why string) error {
	return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + id, Message: why, Remedy: "Look anew, and plan again: cooper gc detect"}
}

// Begin opens the journal of the plan, with what was proven before, lets each Remover see whether its store keeps its
// word, and has told what an earlier run has not.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) (err error) {
	t.run, t.planned = p.Run(), h.Totals[gcop.Archive].Count
	if t.Plan, err = t.opt.Journal.Open(h.ID, h.Target.Path); err != nil {
		return err
	}
	if t.proven, err = t.Plan.Proven(); err != nil {
		return err
	}
	if err := t.opt.Tell(ctx); err != nil || t.Plan.Complete(h) {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(t.opt.From)) {
		if err := t.opt.From[name].Remover.Begin(ctx, p, h); err != nil {
			return err
		}
	}
	return nil
}

// Commit archives the objects of a shard.
func (t *Target) Commit(ctx context.Context, p permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	if !p.Valid() {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + s.Plan, Message: "nobody permits this"}
	}
	if t.stale == "" { // a person may have said a word meanwhile
		var err error
		if t.stale, err = t.rests(&t.archiving); err != nil {
			return nil, err
		}
	}
	b := &batch{Target: t, permit: p, shard: s, outs: outs}
	if len(actions) > 0 && actions[0].Verb == gcop.GiveBack {
		if err := b.giveBackOnly(ctx, actions); err != nil {
			return nil, err
		}
	} else {
		var err error
		if b.all, err = t.divide(actions, outs); err != nil {
			return nil, err
		}
		if err := b.archive(ctx); err != nil {
			return nil, err
		}
	}
	now := cooper.InstantOf(t.opt.Clock())
	for i := range outs {
		outs[i].At = now
	}
	return outs, t.Plan.Write(t.run, s.N, outs)
}

// End has told what the last shard has not.
func (t *Target) End(ctx context.Context, p permit.Permit, sum apply.Summary) error {
	if err := t.opt.Tell(ctx); err != nil {
		return err
	}
	return t.Keeping.End(ctx, p, sum)
}

// batch is the objects of a shard.
type batch struct {
	*Target
	permit permit.Permit
	shard  apply.Shard
	all    []*object
	outs   []cooper.Outcome
}

// archive goes through the steps. An error is one that ends the run.
func (b *batch) archive(ctx context.Context) error {
	for _, step := range []func(context.Context) error{b.finish, b.intend, b.fence, b.wait, b.look, b.copies, b.missed, b.manifest, b.remove, b.arrive} {
		if err := step(ctx); err != nil {
			return err
		}
		// What may not go is closed no longer than it must be.
		if err := b.giveBack(ctx); err != nil {
			return err
		}
	}
	for _, o := range b.all {
		for _, it := range o.items {
			if !it.settled {
				return &cooper.Error{Kind: cooper.KindInternal, Where: o.where(), Message: "nothing is known of what came of it"}
			}
		}
	}
	return nil
}

// live are the objects that may still go.
func (b *batch) live() (some []*object) {
	for _, o := range b.all {
		if o.alive() {
			some = append(some, o)
		}
	}
	return some
}

// missed ends the run where too much is missing: the bucket is not the one that was meant, or somebody else
// removes what is there.
func (b *batch) missed(ctx context.Context) error {
	n := b.missing.Load()
	if 100*n <= b.planned {
		return nil
	}
	err := &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + b.shard.Plan, Message: fmt.Sprintf("stopped: of %d versions, %d are not there; more than one in a hundred", b.planned, n),
		Remedy: "See whether the buckets are those of these handles, and who removes objects there. No row was changed for what is missing."}
	return b.without(ctx, err)
}
