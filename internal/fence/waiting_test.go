package fence

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	maria "cooper/internal/database/mysql"
	"cooper/internal/database/mysqltest"
	"cooper/internal/database/postgres"
	"cooper/internal/gcstate"
	statelite "cooper/internal/gcstate/sqlite"
	"cooper/internal/postgres/pgtest"
)

// owner is one connection of an owner's program.
type owner func(sql string)

// platform is a real server, with a table of files and one of posts.
type platform struct {
	connect func(user string) owner
	open    func(user string) (database.Database, error)
	yaml    string
	// grant lets the user scans see the transactions of others; prepare leaves one prepared, commit ends it.
	grant, prepare, commit string
}

// waits holds a server to what Settle promises.
func waits(t *testing.T, p *platform) {
	ctx := context.Background()
	one, two := p.connect("root"), p.connect("root")
	for _, sql := range []string{"CREATE TABLE files (id BIGINT PRIMARY KEY, k VARCHAR(100), status VARCHAR(20))", "CREATE TABLE posts (id BIGINT PRIMARY KEY, file BIGINT)", "CREATE INDEX by_file ON posts (file)",
		"INSERT INTO files VALUES (1, 'a', 'UNLINKED')"} {
		one(sql)
	}
	c, err := config.Parse("cooper.yaml", []byte(p.yaml))
	must(t, err)
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	state, err := statelite.Open(ctx, filepath.Join(t.TempDir(), "state.db"), statelite.Options{NewID: func() string { return "state" }})
	must(t, err)
	defer func() { must(t, state.Close()) }()
	var wait func()
	fence := func(user string) (*Fence, func()) {
		db, err := p.open(user)
		must(t, err)
		f, err := New(ctx, Options{Database: db, Config: c, State: state, Patience: 2 * time.Second, Clock: func() time.Time { return now }, Wait: func(_ context.Context, d time.Duration) error {
			now = now.Add(d)
			if wait != nil {
				wait()
			}
			return nil
		}})
		must(t, err)
		return f, func() { must(t, db.Close()) }
	}
	if p.grant != "" {
		f, done := fence("scans")
		if err := f.Mark(ctx); cooper.KindOf(err) != cooper.KindDenied || !strings.Contains(cooper.RemedyOf(err), "GRANT") {
			t.Errorf("a user who sees nothing: %v", err)
		}
		done()
		one(p.grant)
	}
	f, done := fence("scans")
	defer func() { done() }()
	must(t, f.Mark(ctx))
	must(t, f.Settle(ctx))
	same(t, "blind", f.Blind())
	for _, isolation := range []string{"READ COMMITTED", "REPEATABLE READ"} {
		// Somebody has read the status, and will write a link.
		two("BEGIN")
		two("ROLLBACK")
		if isolation == "REPEATABLE READ" && strings.HasPrefix(p.yaml, "version: 1\ndatabase: postgres") {
			two("BEGIN ISOLATION LEVEL REPEATABLE READ")
		} else {
			two("BEGIN")
		}
		two("SELECT status FROM files WHERE id = 1")
		must(t, f.Mark(ctx))
		waited := 0
		wait = func() {
			if waited++; waited == 3 {
				two("INSERT INTO posts VALUES (1, 1)")
				two("COMMIT")
				if p.grant == "GRANT pg_read_all_stats TO scans" { // InnoDB tells times to the second
					two("BEGIN") // another one, of the same connection, began after the fence
					two("SELECT status FROM files WHERE id = 1")
				}
			}
		}
		must(t, f.Settle(ctx))
		if waited < 3 {
			t.Errorf("%s: the link came after %d looks", isolation, waited)
		}
		sights, err := f.Look(ctx, []Asked{{Handle: gcstate.Handle{ID: "1"}, Bucket: "app", Key: "a"}})
		must(t, err)
		if !sights[0].Linked {
			t.Errorf("%s: the link that was waited for is not seen: %+v", isolation, sights[0])
		}
		two("ROLLBACK")
		one("DELETE FROM posts")
	}
	wait = nil
	two("BEGIN")
	two("SELECT status FROM files WHERE id = 1")
	must(t, f.Mark(ctx))
	before := now
	if err := f.Settle(ctx); cooper.KindOf(err) != cooper.KindTimeout || now.Sub(before) < 2*time.Second || now.Sub(before) > 3*time.Second {
		t.Errorf("one that does not end: %v after %s", err, now.Sub(before))
	}
	two("ROLLBACK")
	must(t, f.Settle(ctx))
	if p.prepare == "" {
		return
	}
	// A prepared transaction belongs to nobody, and is open.
	for sql := range strings.SplitSeq(p.prepare, ";") {
		two(sql)
	}
	must(t, f.Mark(ctx))
	waited := 0
	wait = func() {
		if waited++; waited == 2 {
			two(p.commit)
		}
	}
	must(t, f.Settle(ctx))
	if waited < 2 {
		t.Errorf("the prepared one was waited for %d looks", waited)
	}
}

const plain = `
buckets: [app]
handles: {table: files, id: id, key: k, bucket: =app, status: {column: status, write: true}}
associations: {posts: {table: posts, object: id, handle: file}}
`

func TestWaitingOnPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server")
	}
	ctx := context.Background()
	server, err := pgtest.Start(ctx)
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	defer func() { must(t, server.Stop()) }()
	as := func(user string) string {
		u, err := url.Parse(server.URL())
		must(t, err)
		if user != "root" {
			u.User = url.UserPassword(user, "x")
		}
		return u.String()
	}
	p := &platform{
		connect: func(user string) owner {
			conn, err := pgconn.Connect(ctx, as(user))
			must(t, err)
			t.Cleanup(func() { _ = conn.Close(ctx) })
			return func(sql string) {
				t.Helper()
				if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
		},
		open:  func(user string) (database.Database, error) { return postgres.Open(ctx, as(user), database.Options{}) },
		yaml:  "version: 1\ndatabase: postgres:env:APP" + plain,
		grant: "GRANT pg_read_all_stats TO scans",
	}
	root := p.connect("root")
	root("CREATE ROLE scans LOGIN PASSWORD 'x'")
	root("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO scans")
	waits(t, p)
}

func TestWaitingOnMariaDB(t *testing.T) { waitsOnMySQL(t, mysqltest.Start) }

func TestWaitingOnMySQL(t *testing.T) { waitsOnMySQL(t, mysqltest.StartMySQL) }

func waitsOnMySQL(t *testing.T, start func(context.Context, ...string) (*mysqltest.Server, error)) {
	if testing.Short() {
		t.Skip("it starts a server")
	}
	ctx := context.Background()
	server, err := start(ctx)
	if errors.Is(err, mysqltest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	defer func() { must(t, server.Stop()) }()
	p := &platform{
		connect: func(user string) owner {
			c := mysql.NewConfig()
			c.User, c.Net, c.Addr, c.DBName = user, "unix", server.Socket(), mysqltest.Name
			connector, err := mysql.NewConnector(c)
			must(t, err)
			conn, err := connector.Connect(ctx)
			must(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			return func(sql string) {
				t.Helper()
				if strings.HasPrefix(sql, "SELECT") {
					rows, err := conn.(sqldriver.QueryerContext).QueryContext(ctx, sql, nil)
					if err != nil {
						t.Fatalf("%s: %v", sql, err)
					}
					for rows.Next(make([]sqldriver.Value, len(rows.Columns()))) == nil {
					}
					must(t, rows.Close())
					return
				}
				if _, err := conn.(sqldriver.ExecerContext).ExecContext(ctx, sql, nil); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
		},
		open: func(user string) (database.Database, error) {
			u := url.URL{Scheme: "mysql", User: url.UserPassword(user, "x"), Host: "localhost", Path: "/" + mysqltest.Name, RawQuery: "socket=" + url.QueryEscape(server.Socket())}
			return maria.Open(ctx, u.String(), database.Options{})
		},
		yaml:    "version: 1\ndatabase: mysql:env:APP" + plain,
		grant:   "GRANT PROCESS ON *.* TO scans",
		prepare: "XA START 'x';INSERT INTO posts VALUES (2, 1);XA END 'x';XA PREPARE 'x'",
		commit:  "XA COMMIT 'x'",
	}
	root := p.connect("root")
	root("CREATE USER scans IDENTIFIED BY 'x'")
	root("GRANT SELECT ON lab.* TO scans")
	rights := "GRANT REPLICATION CLIENT, SUPER ON *.* TO scans"
	root(rights)
	waits(t, p)
}

// TestWaitingOnSQLite: who wrote has had the file to himself.
func TestWaitingOnSQLite(t *testing.T) {
	l := newLab(t, declared)
	f := l.fence()
	must(t, f.Mark(t.Context()))
	must(t, f.Settle(t.Context()))
	if len(f.open) != 0 || slices.Contains(f.Blind(), "posts") {
		t.Errorf("%v, %q", f.open, f.Blind())
	}
}
