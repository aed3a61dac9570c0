package e2e

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"cooper/internal/postgres/pgtest"
)

// postgresCmd runs a database beside a script:
//
//	postgres start     and $PG is its URL
//	postgres 'SQL'     whose rows go to stdout, values parted by |
func postgresCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: postgres start, or postgres SQL")
	}
	ctx := context.Background()
	if args[0] == "start" {
		server, err := pgtest.Start(ctx)
		ts.Check(err)
		ts.Defer(func() { ts.Check(server.Stop()) })
		ts.Setenv("PG", server.URL())
		return
	}
	conn, err := pgx.Connect(ctx, ts.Getenv("PG"))
	ts.Check(err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, args[0])
	ts.Check(err)
	lines, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
		v, err := r.Values()
		return strings.TrimSuffix(fmt.Sprintf(strings.Repeat("%v|", len(v)), v...), "|") + "\n", err
	})
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), strings.Join(lines, ""))
}

// postgresIsThere is the condition postgres of scripts.
func postgresIsThere(condition string) (bool, error) {
	if condition != "postgres" {
		return false, fmt.Errorf("unknown condition %q", condition)
	}
	return pgtest.Installed(), nil
}
