package tree

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/journal"
)

// Batch is all that one shard changes, and what came of its actions: together
// in the catalog and the journal, or not at all.
type Batch struct {
	Plan     string
	Shard    int
	Changes  []Change
	Outcomes []cooper.Outcome
}

// Change is one change to the tree: its Op, the row before (Old, zero if there
// is none) and after (New), and the index in Batch.Outcomes of the action it
// belongs to (Outcome).
type Change = journal.Change

// Op is what a Change does to a version's bytes.
type Op = journal.Op

// The changes.
const (
	Place   = journal.Place   // staging to mirror or history, as New.Place says
	Retire  = journal.Retire  // mirror to history
	Promote = journal.Promote // history to mirror
	Record  = journal.Record  // the catalog alone; or within history, where New has another path there
	Prune   = journal.Prune   // history to nowhere: held back until the catalog says so, then deleted
	Mend    = journal.Mend    // staging to where the version is already, or from history to the mirror; the damaged file is set aside
)

// arrives tells whether a change brings a file to the mirror.
func arrives(c *Change) bool { return c.Op != Record && c.New.Place == catalog.Mirror }

// mendsInto tells whether a change brings to the mirror what was damaged in
// history.
func mendsInto(c *Change) bool {
	return c.Op == Mend && c.Old.Place == catalog.History && c.New.Place == catalog.Mirror
}

// check looks for what no caller should ask for.
func (b *Batch) check() error {
	if b.Plan == "" || strings.ContainsAny(b.Plan, "/\x00") || b.Shard < 0 {
		return internal(fmt.Sprintf("a batch of plan %q, shard %d", b.Plan, b.Shard))
	}
	for i := range b.Changes {
		c := &b.Changes[i]
		ok := c.Outcome >= 0 && c.Outcome < len(b.Outcomes) && utf8.ValidString(c.New.Key) && len(c.New.Key) > 0 &&
			(!c.New.Dropped || c.New.Place == catalog.Nowhere) &&
			(c.Op == Place || c.Old.Key == c.New.Key || c.Op == Record && c.Old.Key == "")
		switch c.Op {
		case Place:
			ok = ok && c.New.Place != catalog.Nowhere
		case Retire:
			ok = ok && c.Old.Place == catalog.Mirror && c.New.Place == catalog.History
		case Promote:
			ok = ok && c.Old.Place == catalog.History && c.New.Place == catalog.Mirror
		case Record:
			// The bytes stay: where they are, or nowhere.
			ok = ok && (c.Old.Key == "" && c.New.Place == catalog.Nowhere || c.Old.Key != "" && c.Old.Place == c.New.Place)
		case Prune:
			// Nothing is ever deleted but from history.
			ok = ok && c.Old.Place == catalog.History && c.New.Place == catalog.Nowhere && c.Old.Identity == c.New.Identity
		case Mend:
			same := c.Old.Place != catalog.Nowhere && c.Old.Place == c.New.Place && c.New.Identity == c.Old.Identity && c.Old.Superseded == c.New.Superseded
			ok = ok && (same || mendsInto(c))
		default:
			ok = false
		}
		if !ok {
			return internal(fmt.Sprintf("change %d of plan %s, shard %d makes no sense: %s of %s from %s to %s", i, b.Plan, b.Shard, c.Op, cooper.Quote(c.New.Key), c.Old.Place, c.New.Place))
		}
	}
	return nil
}
