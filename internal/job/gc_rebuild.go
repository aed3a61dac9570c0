package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/gcstate/sqlite"
	"cooper/internal/query"
	"cooper/internal/words"
)

// GCRebuild makes the state of handles anew, from what the ledger has of it.
type GCRebuild struct {
	// Yes answers what would be asked.
	Yes bool
}

// GCRebuilt is what was made.
type GCRebuilt struct {
	// Made: it was made, and nobody said no.
	Made bool `json:"made"`
	// Records are the handles that are not AVAILABLE, by status.
	Records map[gcstate.Status]int64 `json:"records"`
	// Aside is where the old file is, if there was one.
	Aside string         `json:"aside,omitempty"`
	At    cooper.Instant `json:"at,omitempty"`
}

// lastTransitions are the last known records of all handles that are not AVAILABLE. Of one handle
// the times grow; why it is what it is says its last change, and not that it was made anew.
const lastTransitions = `SELECT scope, kind, id, arg_max(to_status, since) AS to_status, max(since) AS since,
	arg_max(from_status, since) FILTER (from_status <> to_status), arg_max(reason, since) FILTER (from_status <> to_status)
	FROM gc_transition GROUP BY scope, kind, id HAVING arg_max(to_status, since) <> 'AVAILABLE'`

// Run makes it. The order, and why a crash between any two steps is harmless:
//
//  1. Tell the ledger what the present state has not told, if it can be read.
//  2. Put an empty state in the place of the present one, whose file is kept. Whoever opens it sees that the
//     ledger has more, and refuses until it is rebuilt.
//  3. Fill it, all at once, with what the ledger has. Each status begins anew now, so that nothing
//     is due earlier than it would have been.
func (g *GCRebuild) Run(ctx context.Context, e *Env) (r GCRebuilt, err error) {
	err = e.begin(func(w *work) (err error) {
		release, err := w.gcFacts().Hold(ctx)
		if err != nil {
			return err
		}
		defer finally(&err, release)
		present, err := w.presentState(ctx)
		if err != nil {
			return err
		}
		if r.Records, err = w.toldRecords(ctx); err != nil {
			return err
		}
		question := ""
		if present > 0 {
			question = fmt.Sprintf("There is a state that can be read, of %s. Make it anew from the ledger, by which %s?", handles(present), counted(r.Records))
		}
		may, err := w.consent(ctx, &decision{show: func() error { return nil }, given: g.Yes, question: question, nothing: "nothing was made anew", where: w.statePath(), remedy: "In scripts, give --yes."})
		if err != nil || !may {
			return err
		}
		return g.make(ctx, w, &r)
	})
	return r, err
}

// counted says how many handles are what.
func counted(records map[gcstate.Status]int64) string {
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(records)) {
		parts = append(parts, fmt.Sprintf("%s %s", words.Count(records[s]), s))
	}
	if len(parts) == 0 {
		return "all handles are AVAILABLE"
	}
	return strings.Join(parts, ", ") + " are known"
}

// presentState lets the present state tell what it has not told, and counts its records; none if it is
// damaged. One of whose changes the ledger lacks some is an error.
func (w *work) presentState(ctx context.Context) (n int64, err error) {
	s, err := sqlite.Open(ctx, w.statePath(), sqlite.Options{NewID: w.stateID})
	if err == nil {
		defer finally(&err, s.Close)
		var is stateStanding
		if is, err = w.standingOf(ctx, s); err == nil {
			// What it alone knows would not come back.
			if err = w.lacking(is); err == nil {
				err = tellState(ctx, s, w.gcFacts())
			}
			n = is.info.Count()
		}
	}
	if cooper.KindOf(err) == cooper.KindInvalid {
		w.tell(Caution, "the present state is damaged: changes that it had not told the ledger are not known any more, and those handles count as what they were before")
		return 0, nil
	}
	return n, err
}

func (w *work) toldRecords(ctx context.Context) (map[gcstate.Status]int64, error) {
	n := map[gcstate.Status]int64{}
	err := w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
		return query.Each(ctx, db, "SELECT to_status, count(*) FROM ("+lastTransitions+") GROUP BY ALL", nil, func(row []any) error {
			status, ok := row[0].(string)
			count, is := row[1].(int64)
			if !ok || !is || !slices.Contains(gcstate.Statuses, gcstate.Status(status)) {
				return senseless(row)
			}
			n[gcstate.Status(status)] = count
			return nil
		})
	})
	return n, err
}

func (g *GCRebuild) make(ctx context.Context, w *work, r *GCRebuilt) (err error) {
	s, aside, err := sqlite.Replace(ctx, w.statePath(), sqlite.Options{NewID: w.stateID})
	if err != nil {
		return err
	}
	defer finally(&err, s.Close)
	r.Aside, r.At = aside, w.now()
	err = w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
		stopped := errors.New("stopped")
		return s.Restore(ctx, r.At, w.ws.NewID("r"), func(yield func(gcstate.Record, error) bool) {
			err := query.Each(ctx, db, lastTransitions, nil, func(row []any) error {
				record, err := recordOf(row)
				if !yield(record, err) {
					return stopped
				}
				return nil
			})
			if err != nil && !errors.Is(err, stopped) {
				yield(gcstate.Record{}, err)
			}
		})
	})
	if err == nil {
		err = tellState(ctx, s, w.gcFacts())
	}
	r.Made = err == nil
	return err
}

// recordOf reads a row of lastTransitions.
func recordOf(row []any) (r gcstate.Record, err error) {
	var text [7]string
	for i, v := range row {
		if i == 4 {
			continue
		}
		var ok bool
		if text[i], ok = v.(string); !ok && v != nil {
			return r, senseless(v)
		}
	}
	since, ok := row[4].(time.Time)
	if !ok {
		return r, senseless(row[4])
	}
	return gcstate.Record{
		Handle: gcstate.Handle{Scope: text[0], Kind: text[1], ID: text[2]}, Status: gcstate.Status(text[3]), Since: cooper.InstantOf(since), Before: gcstate.Status(text[5]), Reason: text[6],
	}, nil
}
