package job

import (
	"context"
	"iter"
	"slices"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gc/detect"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/journal"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
)

// closedNotRipe are the handles that are ARCHIVING by what the state has told, and that by a detection ($1) do not go: with
// the object that they had in its newest scan ($2), what their owner said of them then, and whether a link was seen. Of
// what an inventory cannot tell, nothing is said.
const closedNotRipe = `
	SELECT h.bucket, h.key, h.kind, h.id, h.status AS said, l.id IS NOT NULL AS linked, r.verdict
	FROM (SELECT bucket, key, coalesce(kind, '') AS kind, id, status FROM gc_handle WHERE scan = $2 AND bucket IS NOT NULL AND key IS NOT NULL
		QUALIFY row_number() OVER (PARTITION BY kind, id ORDER BY candidate DESC, bucket, key) = 1) h
	SEMI JOIN (SELECT coalesce(kind, '') AS kind, id FROM (SELECT kind, id, to_status FROM gc_transition WHERE scope = $3
		QUALIFY row_number() OVER (PARTITION BY kind, id ORDER BY since DESC) = 1) WHERE to_status = 'ARCHIVING') c ON c.kind = h.kind AND c.id = h.id
	LEFT JOIN (SELECT DISTINCT coalesce(kind, '') AS kind, id FROM gc_relinked WHERE detection = $1) l ON l.kind = h.kind AND l.id = h.id
	LEFT JOIN (SELECT coalesce(kind, '') AS kind, id, max(verdict) AS verdict, bool_or(verdict IN ('` + detect.MayGo + `', '` + detect.NotTold + `')) AS goes
		FROM gc_ripe WHERE detection = $1 GROUP BY ALL) r ON r.kind = h.kind AND r.id = h.id
	WHERE NOT coalesce(r.goes, false)`

func (a *archivePlan) backArgs() []any {
	return []any{a.detection.ID, a.detection.Scans[0], a.archiving.Scope}
}

// back are the objects whose handles are given back, and when the newest scan began. While objects are moving by whatever
// plan nothing is given back.
func (a *archivePlan) back(ctx context.Context, db query.Engine, buckets []string) (all iter.Seq2[gc.Ripe, error], scanned cooper.Instant, err error) {
	if a.by.Unindexed || len(buckets) == 0 {
		return nil, 0, nil
	}
	if moving, err := a.moving(); err != nil || len(moving) > 0 {
		if err == nil {
			a.tell(Caution, "objects were moving when the run of plan %s was stopped: until it has come to its end, nothing that was closed is given back", moving[0])
		}
		return nil, 0, err
	}
	p, err := plan.Open(a.ws.PlanDir(a.detection.Scans[0]))
	if err != nil {
		return nil, 0, err
	}
	where, args, err := a.conditions(a.backArgs())
	if err != nil {
		return nil, 0, err
	}
	return a.closed(ctx, db, where, args), p.Header().Created, nil
}

// closed reads them.
func (a *archivePlan) closed(ctx context.Context, db query.Engine, where string, args []any) iter.Seq2[gc.Ripe, error] {
	type row struct {
		gc.Ripe
		gc.RipeHandle
		said, verdict string
	}
	rows := rowsOf(ctx, db, func(cols []any) (r row, err error) {
		err = filled(cols, &r.Bucket, &r.Key, &r.Kind, &r.ID, &r.said, &r.Linked, &r.verdict)
		return r, err
	}, "SELECT * FROM ("+closedNotRipe+") WHERE true"+where+" ORDER BY ALL", args...)
	return func(yield func(gc.Ripe, error) bool) {
		var one gc.Ripe
		for r, err := range rows {
			if err != nil {
				yield(gc.Ripe{}, err)
				return
			}
			if !a.told(r.Bucket) {
				continue
			}
			if one.Bucket != r.Bucket || one.Key != r.Key {
				if one.Bucket != "" && !yield(one, nil) {
					return
				}
				one = gc.Ripe{Bucket: r.Bucket, Key: r.Key}
			}
			r.Status = gcstate.Archiving
			one.Handles = append(one.Handles, r.RipeHandle)
			if why := a.whyBack(r.Kind, r.said, r.verdict, r.Linked); one.Why == "" || why == gc.BackLinked {
				one.Why = why
			}
		}
		if one.Bucket != "" {
			yield(one, nil)
		}
	}
}

// told tells whether the detection had an inventory of a bucket.
func (a *archivePlan) told(bucket string) bool {
	return slices.ContainsFunc(a.detection.Snapshots, func(s gcfacts.Inventoried) bool { return s.Bucket == bucket })
}

// whyBack says why a handle is given back.
func (a *archivePlan) whyBack(kind, said, verdict string, linked bool) string {
	available := false
	for _, h := range a.config.Handles {
		available = available || h.Kind == kind && mayWrite(h) && gcstate.Status(h.Status.State(said)) == gcstate.Available
	}
	switch {
	case linked:
		return gc.BackLinked
	case available:
		return gc.BackAvailable
	case verdict == detect.Delayed:
		return gc.BackNeeded
	case verdict == detect.TooSmall:
		return gc.BackSmall
	}
	return gc.BackUnripe
}

// moving are the plans that archive, whatever their archive, of which nobody knows what has gone.
func (w *work) moving() (all []string, err error) {
	ids, err := w.ws.Plans()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		p, err := plan.Open(w.ws.PlanDir(id))
		if err != nil {
			return nil, err
		}
		h := p.Header()
		a, err := gcop.ArchivingOf(&h)
		if err != nil {
			continue
		}
		moving, err := journal.At(w.ws.TargetDir(a.Bucket)).Moving(id)
		if err != nil {
			return nil, err
		}
		if moving {
			all = append(all, id)
		}
	}
	return all, nil
}
