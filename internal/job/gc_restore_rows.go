package job

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/query"
)

// objectsOf is SQL for the objects of a scan that may be asked for, and its arguments.
func (a *restoring) objectsOf(scan string, asked map[handle]bool) (where string, args []any) {
	args = []any{scan}
	where = " FROM gc_handle WHERE scan = $1 AND bucket IS NOT NULL AND key IS NOT NULL"
	if len(a.by.Handles) > 0 {
		var rows []string
		for h := range together(asked, a.made) {
			args = append(args, h.kind, h.id)
			rows = append(rows, fmt.Sprintf("($%d, $%d)", len(args)-1, len(args)))
		}
		where += " AND (bucket, key) IN (SELECT bucket, key FROM gc_handle WHERE scan = $1 AND (coalesce(kind, ''), id) IN (" + strings.Join(rows, ", ") + "))"
	}
	return where, args
}

// madeFrom finds what was made from the handles that are asked for, through any number of steps: it went after them, and comes
// back with them. What is AVAILABLE is left out.
func (a *restoring) madeFrom(ctx context.Context, db query.Engine, s gcstate.State, scan string, asked map[handle]bool) error {
	args := []any{scan}
	var some []string
	for h := range asked {
		if len(a.by.Handles) > 0 {
			args = append(args, h.kind, h.id)
			some = append(some, fmt.Sprintf("($%d, $%d)", len(args)-1, len(args)))
		}
	}
	for _, p := range a.prefixes {
		if len(a.by.Handles) == 0 {
			args = append(args, p.bucket, p.prefix)
			some = append(some, fmt.Sprintf("bucket = $%d AND (key = $%d OR starts_with(key, rtrim($%[2]d, '/') || '/') OR $%[2]d = '')", len(args)-1, len(args)))
		}
	}
	if len(some) == 0 {
		return nil // all there is is asked for
	}
	from := "(coalesce(kind, ''), id) IN (" + strings.Join(some, ", ") + ")"
	if len(a.by.Handles) == 0 {
		from = "((" + strings.Join(some, ") OR (") + "))"
	}
	var found []gcstate.Handle
	err := query.Each(ctx, db, `WITH RECURSIVE pair AS MATERIALIZED (SELECT DISTINCT coalesce(kind, '') AS kind, id, source FROM gc_derived WHERE scan = $1 AND id <> source),
		made AS (SELECT p.kind, p.id FROM pair p JOIN (SELECT DISTINCT coalesce(kind, '') AS kind, id FROM gc_handle WHERE scan = $1 AND `+from+`) s ON s.kind = p.kind AND s.id = p.source
			UNION SELECT p.kind, p.id FROM made m JOIN pair p ON p.kind = m.kind AND p.source = m.id) SELECT kind, id FROM made ORDER BY kind, id`, args, func(row []any) error {
		h := gcstate.Handle{Scope: a.recalling.Scope}
		err := filled(row, &h.Kind, &h.ID)
		if of := (handle{h.Kind, h.ID}); !asked[of] || len(a.by.Handles) == 0 {
			found = append(found, h)
		}
		return err
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(found, gcop.RecallsAShard) {
		records, err := s.Get(ctx, some)
		if err != nil {
			return err
		}
		for i := range records {
			if r := &records[i]; r.Status != gcstate.Available && r.Status != gcstate.Deleted && r.Since >= a.by.Since {
				a.made[handle{r.Kind, r.ID}] = true
			}
		}
	}
	return nil
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
			ask := a.made[r.handle] || asked[r.handle] && a.below(r.bucket, r.key)
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
		if a.config.Judged(name) && (len(a.prefixes) == 0 || len(a.made) > 0 || a.inPrefixes(name)) {
			all = append(all, name)
		}
		return err
	})
	return all, err
}

// together are the handles of two sets.
func together(a, b map[handle]bool) map[handle]bool {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func (a *restoring) inPrefixes(bucket string) bool {
	for _, p := range a.prefixes {
		if p.bucket == bucket {
			return true
		}
	}
	return false
}
