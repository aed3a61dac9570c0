package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
	"cooper/internal/workspace"
)

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
func failedAlike(ctx context.Context, ws *workspace.Workspace, sum *apply.Summary) error {
	if sum.Count(cooper.Failed) == 0 {
		return nil
	}
	return eachFact(ctx, ws, failedAlikeSQL, sum.Run, func(row []any) error {
		var text [6]string
		for i := range text {
			var ok bool
			if text[i], ok = row[i].(string); !ok {
				return errors.New(fmt.Sprint("the ledger answers with a value that makes no sense: ", row[i]))
			}
		}
		id := cooper.Identity{Key: text[0], VersionID: text[1], ETag: text[2]}
		now := cooper.Outcome{Identity: id, Kind: cooper.Kind(text[3]), Message: text[4]}
		before := now
		before.Message = text[5]
		sum.FailedBefore(&now, &before)
		return nil
	})
}

// eachFact gives the rows of a question to the ledger that has one parameter.
func eachFact(ctx context.Context, ws *workspace.Workspace, sql, parameter string, each func(row []any) error) (err error) {
	db, err := duckdb.Open(duckdb.Options{Memory: 256 << 20})
	if err != nil {
		return err
	}
	defer finally(&err, db.Close)
	if err := db.Views(ctx, query.Sources{Workspace: ws.Dir()}); err != nil {
		return err
	}
	rows, err := db.Query(ctx, sql, parameter)
	if err != nil {
		return err
	}
	defer finally(&err, rows.Close)
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = each(row)
		}
		if err != nil {
			return err
		}
	}
}
