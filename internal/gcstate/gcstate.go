// Package gcstate says what Cooper keeps of file handles whose status it has changed: that one is
// no longer AVAILABLE, since when, why, and which run did it.
//
// A State promises:
//
//   - A change is compared with what is there and made in one step (Change), many at once; of two who
//     change one handle at the same time, one wins and the other hears what stands.
//   - Each change that was made is told as a Transition, which is in the state from the same step on and
//     until somebody has said that he has written it down (Untold, Told). Whoever writes batches down under
//     their number has each transition once, whatever is killed when.
//   - What is lost is never one handle more to delete: where nothing is known, a handle is AVAILABLE.
//     A state that is gone is empty; what can be read of one that is damaged is right, and what
//     cannot is an error that names the remedy. A record never comes out as another.
//
// What can happen to a handle, and what it leads to, is told by events (After); a state keeps whatever it is
// given. Who may make a change and what follows from it is left to missions; to keep what was told, and to make a lost state again from it (Restore), to package job. A state is of one
// workspace. Package gcstatetest checks an implementation.
package gcstate

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"cooper"
)

// Status is what a handle is.
type Status string

// The statuses. A handle of which nothing is known is Available.
const (
	Available Status = "AVAILABLE" // it may be read
	Unlinked  Status = "UNLINKED"  // no link leads to it; it may still be read
	Archiving Status = "ARCHIVING" // its object is on its way to the archive
	Archived  Status = "ARCHIVED"  // its object is in the archive
	Restoring Status = "RESTORING" // its object is on its way back
	Deleted   Status = "DELETED"   // its object is gone
)

// Statuses are all of them, in the order in which a handle takes them; whatever is none of these is no
// status.
var Statuses = []Status{Available, Unlinked, Archiving, Archived, Restoring, Deleted}

// Handle names a file handle.
type Handle struct {
	Scope string // which collection of handles; see ScopeOf
	Kind  string
	ID    string // in normal form
}

// ScopeOf names the collection of the handles of a database, by the own identity of its server and its
// name there: another server's handles are others, whatever their ids.
func ScopeOf(server, database string) string { return server + "/" + database }

// Record is the status of a handle. One that never changed is Available since 0.
type Record struct {
	Handle
	Status Status
	Since  cooper.Instant // of one handle, each is later than the one before
	Before Status         // what it was before; empty if it never changed
	Reason string
	Run    string // that changed it
}

// Change asks for a change of a handle that is From, Since a time that the caller has read. Since the
// times of a handle grow, that is the very record that he has read.
type Change struct {
	Handle
	From   Status
	Since  cooper.Instant // Record.Since
	To     Status         // another than From
	At     cooper.Instant // now
	Reason string
	Run    string
}

// Check says what is wrong with a change by itself, whatever the handle is.
func (c *Change) Check() error {
	switch {
	case c.Scope == "" || c.ID == "":
		return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("a change of no handle: %+v", c.Handle)}
	case !slices.Contains(Statuses, c.From) || !slices.Contains(Statuses, c.To) || c.From == c.To || c.Since < 0 || c.At <= 0:
		return &cooper.Error{Kind: cooper.KindInternal, Where: c.ID, Message: fmt.Sprintf("this is no change: from %q since %d to %q at %d", c.From, c.Since, c.To, c.At)}
	}
	return nil
}

// Result is what came of a change.
type Result struct {
	Changed bool
	// Now is what stands after it. If nothing changed, that is not what the caller has read; it may
	// be what he wanted.
	Now Record
}

// Transition is a change that was made, or a record that was restored (From is To).
type Transition struct {
	ID string // unique for ever
	Handle
	From      Status
	FromSince cooper.Instant
	To        Status
	Since     cooper.Instant
	Reason    string
	Run       string
}

// Batch is what is to be told next. It stays the same, whoever asks, until it is told.
type Batch struct {
	State       string // Info.ID
	Number      int    // 1 of the first, and so on; 0: there is nothing to tell
	Transitions []Transition
}

// Restored is the reason of the transitions by which a state was made again.
const Restored = "restored"

// MostInABatch bounds a batch.
const MostInABatch = 100_000

// Info is about a state as a whole.
type Info struct {
	// ID names the state; one that is made in the place of a lost one has another.
	ID string
	// Told is the number of the last batch that was told. Where later ones of this ID are written down,
	// the state is an old copy: what it says must not be believed.
	Told int
	// Records counts them by scope and status.
	Records map[string]map[Status]int64
}

// Count is how many records there are.
func (i *Info) Count() (n int64) {
	for _, of := range i.Records {
		for _, records := range of {
			n += records
		}
	}
	return n
}

// State is the statuses of handles. Its methods may be called at the same time, also by several
// processes of one machine. A method that has to wait for another gives up after a while
// (KindLocked), and when its context ends.
type State interface {
	// Get gives the records of handles, in the order asked for.
	Get(ctx context.Context, handles []Handle) ([]Record, error)
	// Change makes those changes whose handle is as expected, all in one step, in the order given, and
	// gives what came of each.
	Change(ctx context.Context, changes []Change) ([]Result, error)
	// Walk calls each with the records of a scope that have one of some statuses (none: any), in the order of
	// kind and id, as bytes, as they stood at one moment; one is good during the call. Handles that never changed are not among
	// them. Changes wait meanwhile: each must not make any.
	Walk(ctx context.Context, scope string, statuses []Status, each func(*Record) error) error
	// Info counts.
	Info(ctx context.Context) (Info, error)
	// Untold gives the next batch to tell, of MostInABatch transitions at most.
	Untold(ctx context.Context) (Batch, error)
	// Told forgets the transitions of a batch, as they are written down for good. One that was told already is
	// fine.
	Told(ctx context.Context, number int) error
	// Restore fills a state that has no records, all or nothing: with the last known record of each handle.
	// What happened after these were written down is not known, so that each status begins anew, at the time
	// that is given, and nothing is due earlier than it would have been. Each is told as a transition from the
	// status to itself. A state that has records refuses (KindRefused).
	Restore(ctx context.Context, at cooper.Instant, run string, records iter.Seq2[Record, error]) error
	// Close ends it; a second one does nothing.
	Close() error
}
