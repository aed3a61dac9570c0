package job

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gc/detect"
	"cooper/internal/gcstate"
	"cooper/internal/query"
)

// conditions are those of SQL for what a plan is narrowed to, of the columns bucket and key.
func (a *archivePlan) conditions(args []any) (string, []any, error) {
	if len(a.by.Prefixes) == 0 {
		if a.by.Unindexed {
			return " AND how IS NULL", args, nil
		}
		return "", args, nil
	}
	var parts []string
	for _, p := range a.by.Prefixes {
		bucket, prefix, err := cooper.ParseURL(p)
		if err != nil {
			return "", nil, err
		}
		if bucket == a.archiving.Bucket || !a.config.Judged(bucket) {
			return "", nil, usage("--prefix "+cooper.Quote(p)+": the configuration declares no such bucket", "Name a bucket that it declares, as s3://BUCKET/PREFIX.")
		}
		args = append(args, bucket, prefix)
		n := len(args)
		// As cooper.HasPrefix has it: a/b never matches a/bc.
		parts = append(parts, fmt.Sprintf("(bucket = $%d AND starts_with(key, $%d) AND (length($%d) = 0 OR length(key) = length($%d) OR ends_with($%d, '/') OR substr(key, length($%d) + 1, 1) = '/'))", n-1, n, n, n, n, n))
	}
	where := " AND (" + strings.Join(parts, " OR ") + ")"
	if a.by.Unindexed {
		args = append(args, detect.NoHandleHere)
		where += fmt.Sprintf(" AND (how IS NULL OR how = $%d)", len(args))
	}
	return where, args, nil
}

// buckets are those from which something may go.
func (a *archivePlan) buckets(ctx context.Context, db query.Engine) (all []string, err error) {
	from := "gc_ripe WHERE detection = $1 AND verdict = 'archive'"
	if a.by.Unindexed {
		from = "gc_unindexed WHERE detection = $1"
	}
	where, args, err := a.conditions([]any{a.detection.ID})
	if err != nil {
		return nil, err
	}
	add := func(row []any) error {
		var name string
		err := filled(row, &name)
		all = append(all, name)
		return err
	}
	if err = query.Each(ctx, db, "SELECT DISTINCT bucket FROM "+from+where+" AND key IS NOT NULL ORDER BY bucket", args, add); err != nil || a.by.Unindexed {
		return all, err
	}
	if where, args, err = a.conditions(a.backArgs()); err == nil {
		err = query.Each(ctx, db, "SELECT DISTINCT bucket FROM ("+closedNotRipe+") WHERE true"+where, args, add)
	}
	slices.Sort(all)
	return slices.Compact(slices.DeleteFunc(all, func(b string) bool { return !a.told(b) })), err
}

// ripe are the objects that may go, each with its handles.
func (a *archivePlan) ripe(ctx context.Context, db query.Engine) iter.Seq2[gc.Ripe, error] {
	type row struct {
		gc.Ripe
		gc.RipeHandle
	}
	args := []any{a.detection.ID}
	sql := "SELECT DISTINCT bucket, key, NULL, NULL, NULL, false, false FROM gc_unindexed WHERE detection = $1"
	if !a.by.Unindexed {
		args = append(args, a.detection.Scans[0])
		sql = `SELECT bucket, key, kind, id, status, cleared, key IN (SELECT left(key, -4) FROM gc_handle WHERE scan = $2 AND ends_with(key, '.zst')) FROM gc_ripe WHERE detection = $1 AND verdict = 'archive'`
	}
	where, args, err := a.conditions(args)
	rows := rowsOf(ctx, db, func(cols []any) (r row, err error) {
		var status string
		err = filled(cols, &r.Bucket, &r.Key, &r.Kind, &r.ID, &status, &r.Cleared, &r.Shared)
		r.Status = gcstate.Status(status)
		return r, err
	}, sql+where+" AND key IS NOT NULL ORDER BY ALL", args...)
	return func(yield func(gc.Ripe, error) bool) {
		if err != nil {
			yield(gc.Ripe{}, err)
			return
		}
		var one gc.Ripe
		for r, err := range rows {
			if err != nil {
				yield(gc.Ripe{}, err)
				return
			}
			if one.Bucket != "" && (one.Bucket != r.Bucket || one.Key != r.Key) {
				if !yield(one, nil) {
					return
				}
				one = gc.Ripe{}
			}
			one.Bucket, one.Key, one.Shared = r.Bucket, r.Key, one.Shared || r.Shared
			if r.ID != "" {
				one.Handles = append(one.Handles, r.RipeHandle)
			}
		}
		if one.Bucket != "" {
			yield(one, nil)
		}
	}
}
