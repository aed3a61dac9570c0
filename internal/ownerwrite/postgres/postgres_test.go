package postgres

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"cooper/internal/database"
	"cooper/internal/ownerwrite"
	"cooper/internal/ownerwrite/ownerwritetest"
	"cooper/internal/postgres/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	ctx := context.Background()
	s, err := pgtest.Start(ctx)
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	defer func() { must(t, s.Stop()) }()
	exec := func(t testing.TB, sql string) (out [][]string) {
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
	for _, set := range []string{"timezone = 'Asia/Kolkata'", "datestyle = 'German'", "standard_conforming_strings = off"} {
		exec(t, "ALTER DATABASE lab SET "+set)
	}
	exec(t, "REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE CREATE ON DATABASE lab FROM PUBLIC; CREATE ROLE writer LOGIN PASSWORD 'w-word'; CREATE ROLE reader LOGIN PASSWORD 'r-word'")
	exec(t, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader")
	exec(t, "CREATE TABLE more (id int); GRANT INSERT ON more TO writer")
	open := func(t testing.TB, name, password string) ownerwrite.Writer {
		u, err := url.Parse(s.URL())
		must(t, err)
		u.User = url.UserPassword(name, password)
		w, err := Open(ctx, u.String(), database.Options{})
		must(t, err)
		return w
	}
	ownerwritetest.Run(t, ownerwritetest.World{
		Engine: ownerwrite.PostgreSQL, Schema: "public", Exec: exec,
		Open: func(t testing.TB, tables ...string) ownerwrite.Writer {
			exec(t, "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM writer")
			for _, table := range tables {
				exec(t, "GRANT SELECT, INSERT, UPDATE ON "+table+" TO writer")
			}
			return open(t, "writer", "w-word")
		},
		ReadOnly: func(t testing.TB) ownerwrite.Writer { return open(t, "reader", "r-word") },
		Kill: func(t testing.TB) {
			exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cooper'")
		},
	})
}
