package job

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/query"
	"cooper/internal/tree/catalog"
)

// A Question is asked of the facts in a workspace.
type Question struct {
	// Trees are directories of backup trees whose catalogs are asked, too.
	Trees []string
	// Snapshot is the one whose rows the table version has; empty for all.
	Snapshot string
}

// Ask opens an engine over the workspace for f, with most of the memory there is.
func Ask(ctx context.Context, e *Env, q Question, f func(query.Engine) error) error {
	return e.begin(func(w *work) error {
		src := query.Sources{Workspace: w.ws.Dir(), Snapshot: q.Snapshot}
		for _, dir := range q.Trees {
			c, err := catalogFiles(e, dir)
			if err != nil {
				return err
			}
			src.Catalogs = append(src.Catalogs, c)
		}
		// The engine's limit is on its buffers; a quarter is left for everything else.
		return w.large(ctx, e.Memory*3/4, src, f)
	})
}

// large asks a question whose answer may need memory, and room on the disk.
func (w *work) large(ctx context.Context, memory int64, src query.Sources, f func(query.Engine) error) error {
	return w.tempDir(func(dir string) error {
		return w.engine(ctx, EngineOptions{Memory: memory, TempDir: dir}, src, f)
	})
}

// smallQuestion is the memory for questions about one plan or run.
const smallQuestion = 256 << 20

// small asks what needs little.
func (w *work) small(ctx context.Context, f func(query.Engine) error) error {
	return w.engine(ctx, EngineOptions{Memory: smallQuestion}, query.Sources{Workspace: w.ws.Dir()}, f)
}

func (w *work) engine(ctx context.Context, opt EngineOptions, src query.Sources, f func(query.Engine) error) (err error) {
	db, err := w.Engine(opt)
	if err != nil {
		return err
	}
	defer finally(&err, db.Close)
	if err := db.Views(ctx, src); err != nil {
		return err
	}
	return f(db)
}

// each gives f the rows of an answer about one plan or run, which must have as many
// columns as f expects.
func (w *work) each(ctx context.Context, f func(row []any) error, sql string, args ...any) error {
	return w.small(ctx, func(db query.Engine) error { return query.Each(ctx, db, sql, args, f) })
}

// senseless is the error of a row that the ledger cannot have.
func senseless(x any) error {
	return errors.New(fmt.Sprint("the ledger answers with a value that makes no sense: ", x))
}

// catalogFiles names the files that make a tree's catalog.
func catalogFiles(e *Env, dir string) (query.Catalog, error) {
	t, err := OpenTree(e, dir)
	if err != nil {
		return query.Catalog{}, err
	}
	runs := t.State().Runs
	c := query.Catalog{Tree: t.Dir()}
	for _, run := range runs {
		var names []string
		for _, f := range run.Files {
			names = append(names, filepath.Join(t.Dir(), ".cooper", "catalog", f.Name))
		}
		c.Runs = append(c.Runs, names)
	}
	c.Verify = func(ctx context.Context) (err error) {
		cat, err := catalog.Open(c.Tree)
		if err != nil {
			return err
		}
		defer finally(&err, cat.Close)
		return cat.VerifyFiles(ctx, runs)
	}
	return c, t.Close()
}

// failedEarlier counts what failed in runs of a plan before the one given, as
// the ledger has it: a plan that is taken up again does not try those objects
// anew, and must not end as if all were well.
func (w *work) failedEarlier(ctx context.Context, plan, run string) (n int64, err error) {
	err = w.each(ctx, func(row []any) error {
		var ok bool
		if n, ok = row[0].(int64); !ok {
			return senseless(row[0])
		}
		return nil
	}, "SELECT count(*) FROM outcome WHERE plan = ? AND run <> ? AND status = 'failed'", plan, run)
	return n, err
}

// failedAlikeSQL finds the failures of a run whose very version failed in an earlier
// run on the same bucket: what is said of those must not be that a new plan helps.
const failedAlikeSQL = `
SELECT DISTINCT ON (now.action) now.key, coalesce(now.version_id, ''), coalesce(now.etag, ''), now.kind, coalesce(now.message, ''), coalesce(before.message, '')
FROM outcome AS now JOIN outcome AS before
  ON before.key = now.key AND before.version_id IS NOT DISTINCT FROM now.version_id AND before.etag IS NOT DISTINCT FROM now.etag
  AND before.verb = now.verb AND before.kind = now.kind AND split_part(before.target, '/', 3) = split_part(now.target, '/', 3)
WHERE now.run = $1 AND now.status = 'failed' AND before.run <> $1 AND before.status = 'failed' AND before.ended <= now.ended
ORDER BY now.action, before.ended DESC`

// failedAlike counts them in the summary.
func (w *work) failedAlike(ctx context.Context, sum *apply.Summary) error {
	if sum.Count(cooper.Failed) == 0 {
		return nil
	}
	return w.each(ctx, func(row []any) error {
		var text [6]string
		for i := range text {
			var ok bool
			if text[i], ok = row[i].(string); !ok {
				return senseless(row[i])
			}
		}
		id := cooper.Identity{Key: text[0], VersionID: text[1], ETag: text[2]}
		now := cooper.Outcome{Identity: id, Kind: cooper.Kind(text[3]), Message: text[4]}
		before := now
		before.Message = text[5]
		sum.FailedBefore(&now, &before)
		return nil
	}, failedAlikeSQL, sum.Run)
}
