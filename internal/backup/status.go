package backup

import (
	"context"
	"strings"
	"time"

	"cooper"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
)

// Runs is what status reads of the ledger.
type Runs interface {
	// Runs gives the facts about all runs, in the order in which they began.
	Runs(ctx context.Context) ([]ledger.RunFact, error)
}

// Status says how things stand with a tree.
type Status struct {
	Tree string `json:"tree"`
	// Complete is the newest complete snapshot that the tree was brought to;
	// Age is how long ago it was taken, in seconds.
	Complete *catalog.Observed `json:"complete,omitempty"`
	Age      float64           `json:"age"`
	// Pinned is the snapshot a rollback went to.
	Pinned *catalog.Pin `json:"pinned,omitempty"`
	// Unfinished is a run that the next one completes, or supersedes.
	Unfinished *Unfinished `json:"unfinished,omitempty"`
	// Last is what the ledger knows of the last run; Failures and Deferred are
	// its outcomes by kind.
	Last     *LastRun         `json:"last_run,omitempty"`
	Failures map[string]int64 `json:"failures,omitempty"`
	Deferred map[string]int64 `json:"deferred,omitempty"`
	// Observed are the snapshots that a rollback can go to, the oldest first.
	Observed []catalog.Observed `json:"observed"`
	Contents *Contents          `json:"contents,omitempty"`
}

// Unfinished is how far an unfinished run has come.
type Unfinished struct {
	Plan     string         `json:"plan"`
	Mission  string         `json:"mission"`
	Snapshot string         `json:"snapshot,omitempty"`
	Began    cooper.Instant `json:"began"`
	Shards   int            `json:"shards"`
	Left     int            `json:"left"` // shards to go
}

// LastRun is the run that began last.
type LastRun struct {
	ID      string           `json:"id"`
	Plan    string           `json:"plan"`
	Mission string           `json:"mission"`
	Began   cooper.Instant   `json:"began"`
	Ended   cooper.Instant   `json:"ended"`
	Status  ledger.RunStatus `json:"status"`
	Message string           `json:"message,omitempty"`
}

// Contents counts the versions that a catalog lists.
type Contents struct {
	Places map[string]plan.Tally       `json:"places"` // mirror, history
	Checks map[cooper.Check]plan.Tally `json:"checks"` // of those
	// Pending are versions whose bytes have not arrived yet; Lost are those of
	// them that the bucket does not have any more.
	Pending plan.Tally `json:"pending"`
	Lost    plan.Tally `json:"lost"`
	// Pruned are versions whose bytes were deleted by a prune, and which the
	// bucket still lists.
	Pruned        plan.Tally `json:"pruned"`
	DeleteMarkers int64      `json:"delete_markers"`
	// Absent are versions that the last snapshots did not list, and which are
	// not taken for vanished yet.
	Absent plan.Tally `json:"absent"`
}

// StatusOf tells how things stand with the tree at dir. Counting its contents
// reads the whole catalog: without count they are left out.
func StatusOf(ctx context.Context, dir string, c Catalog, runs Runs, now cooper.Instant, count bool) (Status, error) {
	state := c.State()
	s := Status{Tree: dir, Pinned: state.Pinned, Observed: []catalog.Observed{}}
	for _, o := range state.Observed {
		if !o.Finished {
			continue
		}
		s.Observed = append(s.Observed, o)
		if o.Complete && (s.Complete == nil || o.TakenAt >= s.Complete.TakenAt) {
			s.Complete = &o
		}
	}
	if s.Complete != nil {
		s.Age = now.Time().Sub(s.Complete.TakenAt.Time()).Round(time.Second).Seconds()
	}
	if r := state.Run; r != nil {
		s.Unfinished = &Unfinished{Plan: r.Plan, Mission: r.Mission, Began: r.Began, Shards: r.Shards, Left: r.Shards - r.Done.Count()}
		if r.Snapshot != nil {
			s.Unfinished.Snapshot = r.Snapshot.ID
		}
	}
	if err := s.lastRun(ctx, runs); err != nil {
		return Status{}, err
	}
	if !count {
		return s, nil
	}
	var err error
	s.Contents, err = contents(ctx, c)
	return s, err
}

func (s *Status) lastRun(ctx context.Context, runs Runs) error {
	facts, err := runs.Runs(ctx)
	if err != nil {
		return err
	}
	for i := len(facts) - 1; i >= 0; i-- {
		f := &facts[i]
		// A run that was refused did nothing: what failed before stands.
		if f.Target != s.Tree || f.Status == ledger.Aborted && len(f.Counts) == 0 && f.Requests == 0 {
			continue
		}
		s.Last = &LastRun{ID: f.ID, Plan: f.Plan, Mission: f.Mission, Began: f.Began, Ended: f.Ended, Status: f.Status, Message: f.Message}
		s.Failures = byKind(f.Counts, cooper.Failed)
		s.Deferred = byKind(f.Counts, cooper.Deferred)
		return nil
	}
	return nil
}

// byKind picks the counts of one status, which stand under "status/kind".
func byKind(counts map[string]int64, status cooper.Status) map[string]int64 {
	kinds := map[string]int64{}
	for name, n := range counts {
		if kind, ok := strings.CutPrefix(name, string(status)+"/"); ok {
			kinds[kind] = n
		}
	}
	return kinds
}

func contents(ctx context.Context, c Catalog) (*Contents, error) {
	all := &Contents{Places: map[string]plan.Tally{}, Checks: map[cooper.Check]plan.Tally{}}
	var mirror, history plan.Tally
	err := eachKnown(ctx, c, "", func(rows []catalog.Row) error {
		for i := range rows {
			r := &rows[i]
			if r.AbsentSince != 0 && r.Gone == 0 {
				all.Absent = all.Absent.Add(r.Size)
			}
			switch {
			case r.DeleteMarker:
				all.DeleteMarkers++
				continue
			case r.Pruned():
				all.Pruned = all.Pruned.Add(r.Size)
				continue
			case r.Place == catalog.Nowhere && r.Gone != 0:
				all.Lost = all.Lost.Add(r.Size)
				continue
			case r.Place == catalog.Nowhere:
				all.Pending = all.Pending.Add(r.Size)
				continue
			case r.Place == catalog.Mirror:
				mirror = mirror.Add(r.Size)
			default:
				history = history.Add(r.Size)
			}
			all.Checks[r.Check] = all.Checks[r.Check].Add(r.Size)
		}
		return nil
	})
	all.Places["mirror"], all.Places["history"] = mirror, history
	return all, err
}
