package mysql

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"cooper/internal/database"
	"cooper/internal/database/mysqltest"
	"cooper/internal/ownerwrite"
	"cooper/internal/ownerwrite/ownerwritetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMariaDB(t *testing.T) { conforms(t, mysqltest.Start) }

// TestMySQL: MySQL's own server.
func TestMySQL(t *testing.T) { conforms(t, mysqltest.StartMySQL) }

func conforms(t *testing.T, start func(context.Context, ...string) (*mysqltest.Server, error)) {
	ctx := context.Background()
	// A server that would cut short what does not fit, and whose day is another.
	s, err := start(ctx, "--sql-mode=", "--default-time-zone=+05:30")
	if errors.Is(err, mysqltest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	defer func() { must(t, s.Stop()) }()
	c := driver.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd, c.DBName = "unix", s.Socket(), mysqltest.User, mysqltest.Password, mysqltest.Name
	c.Params = map[string]string{"time_zone": "'+00:00'"}
	connector, err := driver.NewConnector(c)
	must(t, err)
	db := sql.OpenDB(connector)
	defer func() { must(t, db.Close()) }()
	exec := func(t testing.TB, text string) (out [][]string) {
		t.Helper()
		rows, err := db.Query(text)
		if err != nil {
			t.Fatalf("%v: %.500s", err, text)
		}
		defer func() { must(t, rows.Close()) }()
		names, err := rows.Columns()
		must(t, err)
		for rows.Next() {
			row, to := make([]sql.NullString, len(names)), make([]any, len(names))
			for i := range to {
				to[i] = &row[i]
			}
			must(t, rows.Scan(to...))
			texts := make([]string, len(names))
			for i := range row {
				texts[i] = row[i].String
			}
			out = append(out, texts)
		}
		must(t, rows.Err())
		return out
	}
	for _, text := range []string{"CREATE USER writer IDENTIFIED BY 'w-word'", "CREATE USER reader IDENTIFIED BY 'r-word'", "GRANT SELECT ON lab.* TO reader", "CREATE TABLE more (id INT)"} {
		exec(t, text)
	}
	open := func(t testing.TB, name, password string) ownerwrite.Writer {
		w, err := Open(ctx, s.As(name, password), database.Options{})
		must(t, err)
		return w
	}
	ownerwritetest.Run(t, ownerwritetest.World{
		Engine: ownerwrite.MySQL, Schema: mysqltest.Name, Exec: exec,
		Open: func(t testing.TB, tables ...string) ownerwrite.Writer {
			exec(t, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM writer")
			exec(t, "GRANT SELECT (id) ON more TO writer")
			for _, table := range tables {
				exec(t, "GRANT SELECT, INSERT, UPDATE ON "+table+" TO writer")
			}
			return open(t, "writer", "w-word")
		},
		ReadOnly: func(t testing.TB) ownerwrite.Writer { return open(t, "reader", "r-word") },
		Kill: func(t testing.TB) {
			for _, row := range exec(t, "SELECT id FROM information_schema.processlist WHERE user = 'writer'") {
				_, err := db.Exec("KILL " + row[0])
				var gone *driver.MySQLError
				if err != nil && (!errors.As(err, &gone) || gone.Number != 1094) {
					t.Fatal(err)
				}
			}
		},
	})
}
