// Package journal writes down what one shard is about to change in a tree, so
// that it can be completed or undone after a crash without any plan.
//
// An Entry in its file holds every intent and every outcome; amendments, added
// later, say which changes came to nothing after all. Each record has a
// checksum; an entry without its last record is torn. Where the file lies, when
// it is synced and what the intents mean is left to package tree.
package journal

import (
	"cooper"
	"cooper/internal/tree/catalog"
)

// Op is what a Change does to a version's bytes.
type Op uint8

// The changes.
const (
	Place   Op = iota + 1 // staging to mirror or history, as New.Place says
	Retire                // mirror to history
	Promote               // history to mirror
	Record                // the catalog alone; or within history, where New has another path there
	Prune                 // history to nowhere: held back until the catalog says so, then deleted
	Mend                  // staging to where the version is already, or from history to the mirror; the damaged file is set aside
)

// String is the name that messages use.
func (o Op) String() string {
	switch o {
	case Place:
		return "place"
	case Retire:
		return "retire"
	case Promote:
		return "promote"
	case Record:
		return "record"
	case Prune:
		return "prune"
	case Mend:
		return "mend"
	}
	return "unknown"
}

// Change is one change to the tree.
type Change struct {
	Op Op
	// Old is the row before; zero if there is none. New is the row after. If
	// their identities differ (a version id became known), Old's row goes.
	Old, New catalog.Row
	// Outcome is the index in the batch's Outcomes of the action this belongs
	// to.
	Outcome int
}

// Entry is what the journal knows of one shard.
type Entry struct {
	// Run is the run that began the shard (its permit's), so that whoever
	// recovers it writes its facts under the same name, once.
	Run   string
	Plan  string
	Shard int
	// Generation is that of the catalog the changes start from. The commit
	// makes the next one: an entry whose generation is not the catalog's any
	// more is done.
	Generation int64
	Changes    []Change
	Outcomes   []cooper.Outcome
	// Amendments were added after the entry.
	Amendments []Amendment
}

// Amendment says that a change was left out.
type Amendment struct {
	Change  int // its index
	Kind    cooper.Kind
	Message string
}
