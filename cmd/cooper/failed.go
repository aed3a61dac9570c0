package main

import (
	"context"
	"errors"
	"fmt"

	"cooper/internal/query"
	"cooper/internal/query/duckdb"
	"cooper/internal/workspace"
)

// failedEarlier counts what failed in runs of a plan before the one given, as
// the ledger has it: a plan that is taken up again does not try those objects
// anew, and must not end as if all were well.
func failedEarlier(ctx context.Context, ws *workspace.Workspace, plan, run string) (n int64, err error) {
	db, err := duckdb.Open(duckdb.Options{Memory: 256 << 20})
	if err != nil {
		return 0, err
	}
	defer finally(&err, db.Close)
	if err := db.Views(ctx, query.Sources{Workspace: ws.Dir()}); err != nil {
		return 0, err
	}
	rows, err := db.Query(ctx, "SELECT count(*) FROM outcome WHERE plan = ? AND run <> ? AND status = 'failed'", plan, run)
	if err != nil {
		return 0, err
	}
	defer finally(&err, rows.Close)
	row, err := rows.Next()
	if err != nil {
		return 0, err
	}
	n, ok := row[0].(int64)
	if !ok {
		return 0, errors.New(fmt.Sprint("a count that is no number: ", row[0]))
	}
	return n, nil
}
