package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"cooper/internal/database"
	"cooper/internal/database/databasetest"
	"cooper/internal/postgres/pgtest"
)

var ctx = context.Background()

// shared is started with the first test that needs it, and made as strange as an
// owner's may be.
var shared = sync.OnceValues(func() (*pgtest.Server, error) { return pgtest.Start(ctx) })

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := shared(); err == nil {
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func server(t testing.TB) *pgtest.Server {
	t.Helper()
	s, err := shared()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	for _, set := range []string{"timezone = 'Asia/Kolkata'", "datestyle = 'German'", "bytea_output = 'escape'", "extra_float_digits = -3", "standard_conforming_strings = off", "intervalstyle = 'iso_8601'"} {
		run(t, s, "ALTER DATABASE lab SET "+set)
	}
	return s
}

// as is the URL for another user.
func as(t testing.TB, s *pgtest.Server, name, password string) string {
	u, err := url.Parse(s.URL())
	must(t, err)
	u.User = url.UserPassword(name, password)
	return u.String()
}

func open(t testing.TB, dsn string, o database.Options) *Database {
	t.Helper()
	d, err := Open(ctx, dsn, o)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

// run runs SQL beside the code under test.
func run(t testing.TB, s *pgtest.Server, sql string) (out [][]string) {
	t.Helper()
	conn, err := pgconn.Connect(ctx, s.URL())
	must(t, err)
	defer func() { must(t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, "SET standard_conforming_strings = on; SET timezone = 'UTC'; SET datestyle = 'ISO'").ReadAll()
	must(t, err)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatalf("%v: %.500s", err, sql)
	}
	for _, r := range results {
		for _, row := range r.Rows {
			texts := make([]string, len(row))
			for i := range row {
				texts[i] = string(row[i])
			}
			out = append(out, texts)
		}
	}
	return out
}

func TestConformance(t *testing.T) {
	s := server(t)
	databasetest.Run(t, databasetest.World{
		Postgres: true,
		Open: func(t testing.TB, reader bool, o database.Options) database.Database {
			dsn := s.URL()
			if reader {
				dsn = as(t, s, "reader", "r-word")
			}
			d, err := Open(ctx, dsn, o)
			must(t, err)
			return d
		},
		Exec: func(t testing.TB, sql string) [][]string { return run(t, s, sql) },
	})
}
