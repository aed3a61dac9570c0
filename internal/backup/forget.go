package backup

import (
	"context"
	"fmt"
	"slices"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
)

// MissionForget is what the ledger calls taking a snapshot back.
const MissionForget = "forget"

// Forgetting takes a snapshot back that a tree has followed: what the catalog
// believes was seen changes, as far as that snapshot alone said so, and no file does.
// Where the bytes are, and under which day of history, stays as it is; the next
// backup goes on from there.
type Forgetting struct {
	Snapshot catalog.Observed
	others   sightings
	counts   Forgotten
}

// Forgotten counts what changes in a catalog.
type Forgotten struct {
	Snapshot string         `json:"snapshot"`
	TakenAt  cooper.Instant `json:"taken_at"`
	// Rows are versions of which something changes, with their bytes.
	Rows plan.Tally `json:"versions"`
	// Shown: since when they were the latest, or until when. Absence: that they were
	// not listed.
	Shown   int64 `json:"shown"`
	Absence int64 `json:"absence"`
	// Unseen are versions that no other snapshot has listed, and whose bytes stay;
	// Dropped those of them without bytes, which the catalog does not list any more.
	Unseen  int64 `json:"unseen"`
	Dropped int64 `json:"dropped"`
	// Dated are versions in history under the day of the snapshot: they stay there,
	// and a prune counts their age from it.
	Dated int64 `json:"dated"`
}

// NewForgetting finds the snapshot. KindUsage if the tree never saw it; KindRefused
// where a rollback went to it, or something else is unfinished.
func NewForgetting(state catalog.State, dir, id string) (*Forgetting, error) {
	refused := func(message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: dir, Message: message, Remedy: remedy}
	}
	f := &Forgetting{}
	rest := state
	rest.Observed = nil
	for _, o := range state.Observed {
		if o.ID == id {
			f.Snapshot = o
		} else {
			rest.Observed = append(rest.Observed, o)
		}
	}
	if r := state.Run; r != nil {
		switch {
		case r.Snapshot == nil || r.Snapshot.ID != id || r.Mission != Mission:
			return nil, refused(fmt.Sprintf("the %s of plan %s is unfinished, and goes by what the catalog says now", r.Mission, r.Plan),
				fmt.Sprintf("complete it first: cooper apply %s", r.Plan))
		case f.Snapshot.ID == "":
			f.Snapshot = *r.Snapshot
		}
		rest.Run = nil
	}
	if f.Snapshot.ID == "" {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "the tree never followed snapshot " + cooper.Quote(id),
			Remedy: "choose one that `cooper backup status` lists"}
	}
	if p := state.Pinned; p != nil && p.Snapshot == id {
		return nil, refused("the tree was rolled back to this snapshot, and shows it", "go forward first, with `cooper backup run … --forward`")
	}
	f.others = newSightings(&rest)
	f.counts.Snapshot, f.counts.TakenAt = f.Snapshot.ID, f.Snapshot.TakenAt
	return f, nil
}

// Count tells what would change; it changes nothing.
func (f *Forgetting) Count(ctx context.Context, c Catalog) (Forgotten, error) {
	f.counts = Forgotten{Snapshot: f.Snapshot.ID, TakenAt: f.Snapshot.TakenAt}
	err := eachKnown(ctx, c, "", func(rows []catalog.Row) error {
		for i := range rows {
			r := rows[i]
			r.Shown = slices.Clone(r.Shown)
			f.Row(&r)
			f.count(&rows[i], &r)
		}
		return nil
	})
	return f.counts, err
}

func (f *Forgetting) count(was, is *catalog.Row) {
	at, n := f.Snapshot.TakenAt, &f.counts
	if was.Place == catalog.History && was.Superseded == at {
		n.Dated++
	}
	shown := !slices.Equal(was.Shown, is.Shown)
	absence := was.AbsentSince != is.AbsentSince || was.Gone != is.Gone
	seen := was.FirstSeen != is.FirstSeen || is.Dropped
	if !shown && !absence && !seen {
		return
	}
	n.Rows = n.Rows.Add(was.Size)
	if shown {
		n.Shown++
	}
	if absence {
		n.Absence++
	}
	switch {
	case is.Dropped:
		n.Dropped++
	case was.FirstSeen != 0 && is.FirstSeen == 0:
		n.Unseen++
	}
}

// State takes the snapshot out of those that were seen, with the run that led to it if
// that is unfinished. now bounds what a wrong date has made of the time up to which
// versions were forgotten.
func (f *Forgetting) State(now cooper.Instant) func(*catalog.State) {
	return func(s *catalog.State) {
		s.Observed = slices.DeleteFunc(slices.Clone(s.Observed), func(o catalog.Observed) bool { return o.ID == f.Snapshot.ID })
		s.Run = nil
		s.Forgotten = min(s.Forgotten, now)
	}
}

// Row takes out of a row what the snapshot alone has said. Where a later one spoke of
// the key, it said the same unless the row tells otherwise: so what began or ended
// with this one began or ended with that.
func (f *Forgetting) Row(r *catalog.Row) {
	at := f.Snapshot.TakenAt
	if !cooper.HasPrefix(r.Key, f.Snapshot.Prefix) || f.others.after(r.Key, at-1, false) == at {
		return // another snapshot of that instant spoke of it, too
	}
	next := f.others.after(r.Key, at, false)
	f.absence(r, at)
	if r.Shown = withoutInstant(r.Shown, int64(at), int64(next)); len(r.Shown) == 0 {
		r.Shown = nil
	}
	if r.FirstSeen != at {
		return
	}
	r.FirstSeen = next
	if r.AbsentSince != 0 && r.AbsentSince <= next {
		r.FirstSeen = 0
	}
	if r.FirstSeen == 0 && r.Place == catalog.Nowhere && !r.Pruned() {
		r.Dropped = true
	}
}

// absence takes back that a version was not listed. What two absences in a row had
// ended, the version being the latest, one alone does not end.
func (f *Forgetting) absence(r *catalog.Row, at cooper.Instant) {
	ended, gone := r.AbsentSince, r.Gone != 0
	switch {
	case r.AbsentSince == at:
		r.AbsentSince, r.Gone = r.Gone, 0
		if r.AbsentSince != 0 {
			r.Gone = f.others.after(r.Key, r.AbsentSince, true)
		}
	case r.Gone == at && at != 0:
		r.Gone = f.others.after(r.Key, at, true)
	default:
		return
	}
	if n := len(r.Shown); gone && r.Gone == 0 && n > 0 && n%2 == 0 && r.Shown[n-1] == int64(ended) {
		r.Shown = r.Shown[:n-1]
	}
}

// withoutInstant takes an instant out of the times at which a version was the latest;
// next is that of the following snapshot that spoke of its key, 0 if there is none.
func withoutInstant(shown []int64, at, next int64) []int64 {
	i := slices.Index(shown, at)
	if i < 0 {
		return shown
	}
	last := i+1 == len(shown)
	switch {
	case i%2 == 0 && next != 0 && (last || next < shown[i+1]), // it was so at the next one, too
		i%2 == 1 && next != 0 && (last || next < shown[i+1]):
		shown[i] = next
		return shown
	case last:
		return shown[:i]
	}
	return slices.Delete(shown, i, i+2)
}
