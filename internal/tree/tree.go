// Package tree keeps a backup on a disk: DIR/mirror shows exactly what the
// bucket shows, DIR/history holds every other version, and DIR/.cooper the
// catalog, the journal of what is under way, and staged bytes.
//
// It promises that a crash at any instant loses nothing: a shard's changes
// appear with its catalog rows or can be completed or undone from the journal
// alone; that no file it did not make is overwritten or deleted; that nothing
// is touched through a symbolic link; and that two runs never change one tree
// at a time. What should be where is decided by missions; fetching and
// checking bytes is left to verbs.
package tree

import (
	"context"
	"errors"
	"time"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
)

var errUnwritten = errors.New("being written")

// Options say how to open a tree.
type Options struct {
	// Create makes a tree of an empty or missing directory.
	Create bool
	// FS is the tree's root; nil opens the directory itself.
	FS safefs.FS
	// Clock tells the time; nil is time.Now.
	Clock func() time.Time
	// Tick gives a channel that says when to check that the lock is still
	// held, and a function that ends it; nil is every five seconds.
	Tick func() (<-chan time.Time, func())
}

// Tree is an open backup tree. Reading is safe from many goroutines; one
// process at a time may change it, while it holds the lock.
type Tree struct{}

// Open opens the tree at dir, or makes it. Errors: KindUsage if there is no
// tree (or, with Create, if the directory has other things in it), KindRefused
// if the file system cannot hold one or the tree is of a newer format.
func Open(dir string, opt Options) (*Tree, error) { return nil, errUnwritten }

// Close lets go of the directory. It does not give back the lock.
func (t *Tree) Close() error { return errUnwritten }

// Dir is the absolute path of the tree.
func (t *Tree) Dir() string { return "" }

// Holder says who takes the lock.
type Holder struct {
	Run     string `json:"run"`
	Command string `json:"command"`
}

// Lock takes the tree's lock, without waiting. The context it gives is
// cancelled when the lock is lost; the function gives the lock back. KindLocked
// names who has it. Everything that takes a Permit needs the lock.
func (t *Tree) Lock(ctx context.Context, h Holder) (context.Context, func() error, error) {
	return nil, nil, errUnwritten
}

// State is what the catalog's pointer says.
func (t *Tree) State() catalog.State { return catalog.State{} }

// Catalog reads the tree's catalog.
func (t *Tree) Catalog() *catalog.Catalog { return nil }

// Staging is where bytes lie until their shard is committed.
func (t *Tree) Staging() *Staging { return nil }

// Run describes what Begin begins.
type Run struct {
	Plan    string
	Mission string
	Partial bool // the plan was narrowed
	Shards  int  // of all phases
	// Snapshot is what the plan leads to; nil if to none. Finished and At are
	// filled in by End.
	Snapshot *catalog.Observed
}

// Begin makes r the tree's unfinished run, or takes it up again if it is that
// already. Another unfinished run ends as superseded. Recover must have been
// called before.
func (t *Tree) Begin(ctx context.Context, p permit.Permit, r Run) error { return errUnwritten }

// Done tells which shards of a plan are committed: all are open if it is not
// the unfinished run.
func (t *Tree) Done(plan string) func(shard int) bool { return nil }

// Op is what a Change does to a version's bytes.
type Op uint8

// The changes.
const (
	Place   Op = iota + 1 // staging to mirror or history, as New.Place says
	Retire                // mirror to history
	Promote               // history to mirror
	Record                // the catalog alone; or within history, where New has another path there
)

// Change is one change to the tree.
type Change struct {
	Op Op
	// Old is the row before; zero if there is none. New is the row after. If
	// their identities differ (a version id became known), Old's row goes.
	Old, New catalog.Row
	// Outcome is the index in Batch.Outcomes of the action this belongs to.
	Outcome int
}

// Batch is all that one shard changes, and what came of its actions: together
// in the catalog and the journal, or not at all.
type Batch struct {
	Plan     string
	Shard    int
	Changes  []Change
	Outcomes []cooper.Outcome
}

// Commit carries out a batch and marks its shard done. It gives the outcomes
// as they ended: a change that something foreign stands in the way of, or whose
// bytes are not where they should be, is left out and its outcome becomes
// failed (conflict, missing or changed). If a version could not be placed in the mirror,
// the one it was to replace stays, and that outcome is deferred.
//
// An error means that the shard is not done. KindFull: no room is left.
// After an error that came too late to take everything back, every further
// Commit fails until Recover has been called, by this process or a later one.
func (t *Tree) Commit(ctx context.Context, p permit.Permit, b Batch) ([]cooper.Outcome, error) {
	return nil, errUnwritten
}

// Settled tells that the facts of a committed shard were written, so that its
// journal can go.
func (t *Tree) Settled(plan string, shard int) error { return errUnwritten }

// Recovered is an interrupted shard that was completed or undone, or one that
// was committed but never settled.
type Recovered struct {
	// Run is the run that began the shard: its permit's Run, kept in the
	// journal, so that its facts are written under one name however often
	// that is tried.
	Run   string
	Plan  string
	Shard int
	// Outcomes are those Commit would have given; none if undone.
	Outcomes []cooper.Outcome
	Undone   bool
}

// Recover completes interrupted shards, or undoes them, from the journal alone.
// What it gives and what is not Undone must be written as facts and Settled. It
// also removes leftovers of interrupted work that nobody can use.
func (t *Tree) Recover(ctx context.Context, p permit.Permit, undo bool) ([]Recovered, error) {
	return nil, errUnwritten
}

// Ending says how a run ends.
type Ending struct {
	Plan string
	// Finished: every shard is done. Otherwise the run stays the unfinished
	// one, to be taken up again.
	Finished bool
	// Pin pins the tree to the run's snapshot; Unpin takes a pin away.
	Pin, Unpin bool
	// Compact rewrites the catalog's base even if that is not due.
	Compact bool
}

// End ends a run: it records the snapshot the tree now shows, and compacts the
// catalog if that is due.
func (t *Tree) End(ctx context.Context, p permit.Permit, e Ending) error { return errUnwritten }

// OpenRow opens the bytes of a version; KindMissing if they are not there,
// also for delete markers.
func (t *Tree) OpenRow(row *catalog.Row) (safefs.File, error) { return nil, errUnwritten }

// StatRow describes the file of a version, and gives its path relative to Dir.
// KindMissing if it is not there.
func (t *Tree) StatRow(row *catalog.Row) (safefs.Info, string, error) {
	return safefs.Info{}, "", errUnwritten
}

// WalkMirror calls fn for everything in the mirror that is no directory, with
// its path relative to the mirror (see keypath.ParseMirror), in the order of
// keys as far as names that are too long or foreign let it. It keeps one
// directory's names for each level in memory.
func (t *Tree) WalkMirror(ctx context.Context, fn func(path string, info safefs.Info) error) error {
	return errUnwritten
}

// WalkHistory does the same for history, in the order of days and then keys.
func (t *Tree) WalkHistory(ctx context.Context, fn func(path string, info safefs.Info) error) error {
	return errUnwritten
}

// MoveAside moves a file out of the mirror or history, into .cooper/aside,
// where nothing looks any more. The paths, before and after, are relative to
// Dir.
func (t *Tree) MoveAside(p permit.Permit, path string) (string, error) { return "", errUnwritten }

// Free is the space left for the tree.
func (t *Tree) Free() (safefs.Space, error) { return safefs.Space{}, errUnwritten }

// Staging holds fetched bytes by identity, across runs and plans.
type Staging struct{}

// StagedInfo describes staged bytes.
type StagedInfo struct {
	Path string // relative to the tree
	Size int64  // that of the identity
}

// Find tells whether all bytes of id are staged. After a machine crashed they
// need not be what they were: check them before use, and fetch again what
// cannot be checked.
func (s *Staging) Find(id cooper.Identity) (StagedInfo, bool) { return StagedInfo{}, false }

// Open opens staged bytes.
func (s *Staging) Open(id cooper.Identity) (safefs.File, error) { return nil, errUnwritten }

// Create begins to stage id, in place of what may be staged of it.
func (s *Staging) Create(id cooper.Identity) (*Staged, error) { return nil, errUnwritten }

// Discard removes what is staged of id; nothing is no error.
func (s *Staging) Discard(id cooper.Identity) error { return errUnwritten }

// Staged is a file being staged. It must end with Done or Abort. KindFull if there is no room.
type Staged struct{}

func (s *Staged) Write(b []byte) (int, error) { return 0, errUnwritten }

// ReadAt reads what was written.
func (s *Staged) ReadAt(b []byte, off int64) (int, error) { return 0, errUnwritten }

// Truncate cuts off all but the first size bytes; writing goes on there.
func (s *Staged) Truncate(size int64) error { return errUnwritten }

// Size is how many bytes were written.
func (s *Staged) Size() int64 { return 0 }

// Done gives the file its time and makes it findable; it is not synced: Commit
// does that for a whole shard.
func (s *Staged) Done(mtime cooper.Instant) error { return errUnwritten }

// Abort removes the file. After Done it does nothing.
func (s *Staged) Abort() error { return errUnwritten }
