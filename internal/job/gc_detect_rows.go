package job

import (
	"context"
	"errors"
	"iter"
	"time"

	"cooper/internal/gc/detect"
	"cooper/internal/gcop"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
)

func candidatesIn(ctx context.Context, db query.Engine, detection string) iter.Seq2[gcfacts.Candidate, error] {
	return rowsOf(ctx, db, func(row []any) (c gcfacts.Candidate, err error) {
		c.Alone = -1
		err = filled(row, &c.Kind, &c.ID, &c.Alone)
		return c, err
	}, "SELECT kind, id, alone FROM gc_candidate WHERE detection = $1 ORDER BY kind, id_number, id", detection)
}

func relinkedIn(ctx context.Context, db query.Engine, detection string) iter.Seq2[gcfacts.Relinked, error] {
	return rowsOf(ctx, db, func(row []any) (r gcfacts.Relinked, err error) {
		err = filled(row, &r.Kind, &r.ID, &r.Status, &r.Scan)
		return r, err
	}, "SELECT kind, id, status, scan FROM gc_relinked WHERE detection = $1 ORDER BY kind, id_number, id", detection)
}

// errEnough ends a walk over rows that nobody wants more of.
var errEnough = errors.New("enough")

// rowsOf are the rows of an answer, one after the other, and the error that ended it.
func rowsOf[T any](ctx context.Context, db query.Engine, of func([]any) (T, error), sql string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := query.Each(ctx, db, sql, args, func(row []any) error {
			v, err := of(row)
			if err == nil && !yield(v, nil) {
				err = errEnough
			}
			return err
		})
		if err != nil && !errors.Is(err, errEnough) {
			var none T
			yield(none, err)
		}
	}
}

// filled puts the columns of a row where they belong; what is absent stays as it is.
func filled(row []any, to ...any) error {
	for i, v := range row {
		if v == nil {
			continue
		}
		ok := false
		switch p := to[i].(type) {
		case *string:
			*p, ok = v.(string)
		case *int64:
			*p, ok = v.(int64)
		case *bool:
			*p, ok = v.(bool)
		case *time.Time:
			*p, ok = v.(time.Time)
		}
		if !ok {
			return senseless(v)
		}
	}
	return nil
}

// readsOf tells how much of a database has been read by each scan. A range without the name of
// who answered may be of it.
func readsOf(ctx context.Context, db query.Engine, server string) (gcop.Reads, error) {
	all := gcop.Reads{}
	err := query.Each(ctx, db, `SELECT r.scan, count(*), any_value(s.scan IS NOT NULL) FROM gc_range r LEFT JOIN gc_scan s USING (scan) WHERE coalesce(r.server, '') IN ('', $1) GROUP BY r.scan`, []any{server}, func(row []any) error {
		var scan string
		var at gcop.Reading
		err := filled(row, &scan, &at.Ranges, &at.Ended)
		all[scan] = at
		return err
	})
	return all, err
}

func keptBy(ctx context.Context, db query.Engine, detection string) (all []GCKeptReason, err error) {
	count := map[string]int64{}
	err = query.Each(ctx, db, "SELECT reason, count(*) FROM gc_kept WHERE detection = $1 GROUP BY reason", []any{detection}, func(row []any) error {
		var why string
		var n int64
		err := filled(row, &why, &n)
		count[why] = n
		return err
	})
	for _, why := range detect.Reasons {
		if n := count[why]; n > 0 {
			all = append(all, GCKeptReason{why, n})
		}
	}
	return all, err
}
