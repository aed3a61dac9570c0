package job

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"cooper/internal/gc"
	"cooper/internal/query"
)

// objectsOf is SQL for the objects of a scan that may be asked for, and its arguments.
func (a *restoring) objectsOf(scan string, asked map[handle]bool) (where string, args []any) {
	args = []any{scan}
	where = " FROM gc_handle WHERE scan = $1 AND bucket IS NOT NULL AND key IS NOT NULL"
	if len(a.by.Handles) > 0 {
		var rows []string
		for h := range asked {
			args = append(args, h.kind, h.id)
			rows = append(rows, fmt.Sprintf("($%d, $%d)", len(args)-1, len(args)))
		}
		where += " AND (bucket, key) IN (SELECT bucket, key FROM gc_handle WHERE scan = $1 AND (coalesce(kind, ''), id) IN (" + strings.Join(rows, ", ") + "))"
	}
	return where, args
}

// wanted are the objects of which handles are asked for, by bucket and key, each with all of its handles.
func (a *restoring) wanted(ctx context.Context, db query.Engine, scan string, asked map[handle]bool) iter.Seq2[gc.Wanted, error] {
	type row struct {
		bucket, key string
		handle
		size int64
	}
	where, args := a.objectsOf(scan, asked)
	rows := rowsOf(ctx, db, func(cols []any) (r row, err error) {
		r.size = -1
		err = filled(cols, &r.bucket, &r.key, &r.kind, &r.id, &r.size)
		return r, err
	}, "SELECT DISTINCT bucket, key, kind, id, size"+where+" ORDER BY bucket, key, kind, id", args...)
	return func(yield func(gc.Wanted, error) bool) {
		var x gc.Wanted
		is := false
		for r, err := range rows {
			if err != nil {
				yield(x, err)
				return
			}
			if r.bucket != x.Bucket || r.key != x.Key {
				if is && !yield(x, nil) {
					return
				}
				x, is = gc.Wanted{Bucket: r.bucket, Key: r.key}, false
			}
			ask := asked[r.handle] && a.below(r.bucket, r.key)
			x.Handles, x.Bytes, is = append(x.Handles, gc.WantedHandle{Kind: r.kind, ID: r.id, Asked: ask}), max(x.Bytes, r.size), is || ask
		}
		if is {
			yield(x, nil)
		}
	}
}

// bucketsOf are the buckets in which objects are asked for.
func (a *restoring) bucketsOf(ctx context.Context, db query.Engine, scan string, asked map[handle]bool) (all []string, err error) {
	where, args := a.objectsOf(scan, asked)
	err = query.Each(ctx, db, "SELECT DISTINCT bucket"+where+" ORDER BY bucket", args, func(row []any) error {
		var name string
		err := filled(row, &name)
		if a.config.Judged(name) && (len(a.prefixes) == 0 || a.inPrefixes(name)) {
			all = append(all, name)
		}
		return err
	})
	return all, err
}

func (a *restoring) inPrefixes(bucket string) bool {
	for _, p := range a.prefixes {
		if p.bucket == bucket {
			return true
		}
	}
	return false
}
