package mysql

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"cooper/internal/database"
	"cooper/internal/database/databasetest"
	"cooper/internal/database/mysqltest"
)

var ctx = context.Background()

// shared is started with the first test that needs it. It is as strange as an owner's
// server may be.
var shared = sync.OnceValues(func() (*mysqltest.Server, error) {
	return mysqltest.Start(ctx, "--default-time-zone=+05:30", "--sql-mode=ANSI_QUOTES,PIPES_AS_CONCAT,NO_ZERO_DATE", "--group-concat-max-len=8", "--general-log=1")
})

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

func server(t testing.TB) *mysqltest.Server {
	t.Helper()
	s, err := shared()
	if errors.Is(err, mysqltest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	run(t, s, "SET GLOBAL sql_select_limit = 3")
	return s
}

func open(t testing.TB, dsn string, o database.Options) *Database {
	t.Helper()
	d, err := Open(ctx, dsn, o)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

// run runs SQL beside the code under test, with the modes that it is written for.
func run(t testing.TB, s *mysqltest.Server, sql string) (out [][]string) {
	t.Helper()
	c := driver.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName, c.MaxAllowedPacket = mysqltest.User, mysqltest.Password, "unix", s.Socket(), mysqltest.Name, 1<<30
	c.Params = map[string]string{"time_zone": "'+00:00'", "sql_mode": "''", "sql_select_limit": "18446744073709551615", "max_recursive_iterations": "100000000"}
	connector, err := driver.NewConnector(c)
	must(t, err)
	raw, err := connector.Connect(ctx)
	must(t, err)
	defer func() { must(t, raw.Close()) }()
	rows, err := raw.(conn).QueryContext(ctx, sql, nil)
	if err != nil {
		t.Fatalf("%v: %.500s", err, sql)
	}
	values := make([]sqldriver.Value, len(rows.Columns()))
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			must(t, rows.Close())
			return out
		}
		must(t, err)
		row := make([]string, len(values))
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			row[i] = fmt.Sprint(v)
		}
		out = append(out, row)
	}
}

func TestConformance(t *testing.T) {
	s := server(t)
	databasetest.Run(t, databasetest.World{
		Open: func(t testing.TB, reader bool, o database.Options) database.Database {
			dsn := s.URL()
			if reader {
				dsn = s.As("reader", "r-word")
			}
			d, err := Open(ctx, dsn, o)
			must(t, err)
			return d
		},
		Exec: func(t testing.TB, sql string) [][]string { return run(t, s, sql) },
	})
}
