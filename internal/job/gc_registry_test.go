package job

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"cooper/internal/database/mysqltest"
	"cooper/internal/gc"
)

const registryYAML = `version: 1
database: DATABASE
buckets: [app]
handles: {table: files, id: id, bucket: =app, key: key}
associations: {}
registry: {table: file_links}
`

// TestRegistry: on each engine, the table that is delivered, with the statements that are: a link
// that was ended is none, and one that was made again is; nobody's clock undoes one. A registry
// that has lost a row makes no complete scan.
func TestRegistry(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		w := newFilePlatform(t, "CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT)")
		w.registry(t, "sqlite", "sqlite:lab.db", func(sql string) { w.sqlite(sql) })
	})
	t.Run("postgres", func(t *testing.T) {
		w := newPlatform(t)
		w.sql("DROP TABLE posts; DROP TABLE files; CREATE TABLE files (id bigint PRIMARY KEY, key text)")
		w.registry(t, "postgres", "postgres:env:COOPER_TEST_PLATFORM", w.sql)
	})
	t.Run("mysql", func(t *testing.T) {
		s, err := mysqltest.Start(t.Context())
		if errors.Is(err, mysqltest.ErrMissing) {
			t.Skip(err)
		}
		w := newWorld(t)
		w.ok(err)
		t.Cleanup(func() { w.ok(s.Stop()) })
		w.Clock = time.Now
		t.Setenv("COOPER_TEST_MYSQL", s.URL())
		c := driver.NewConfig()
		c.Net, c.Addr, c.User, c.Passwd, c.DBName = "unix", s.Socket(), mysqltest.User, mysqltest.Password, mysqltest.Name
		connector, err := driver.NewConnector(c)
		w.ok(err)
		db := sql.OpenDB(connector)
		defer db.Close()
		exec := func(sql string) {
			_, err := db.ExecContext(t.Context(), sql)
			w.ok(err)
		}
		exec("CREATE TABLE files (id BIGINT PRIMARY KEY, `key` VARCHAR(100))")
		w.registry(t, "mysql", "mysql:env:COOPER_TEST_MYSQL", exec)
	})
}

func (w *world) registry(t *testing.T, engine, database string, exec func(string)) {
	t.Helper()
	w.declare(strings.Replace(registryYAML, "DATABASE", database, 1))
	ddl, err := GCRegistryDDL(w.path("cooper.yaml"), engine)
	w.ok(err)
	bound := func(sql, handle, object string) {
		exec(strings.NewReplacer(":handle", handle, ":type", "'post'", ":object", "'"+object+"'").Replace(sql))
	}
	exec("INSERT INTO files VALUES (1, 'k1'), (2, 'k2'), (3, 'k3'), (4, 'k4')")
	exec(ddl.Table)
	for _, handle := range []string{"1", "2", "3", "4"} {
		bound(ddl.Link, handle, "a")
	}
	bound(ddl.Link, "2", "b")
	bound(ddl.Unlink, "2", "a")
	bound(ddl.Unlink, "3", "a")
	bound(ddl.Unlink, "4", "a")
	bound(ddl.Link, "4", "a")
	bound(ddl.Unlink, "1", "never made")
	scanned := func(want ...string) {
		t.Helper()
		r, err := w.scan(false).Run(t.Context(), w.Env)
		r = w.went(r, err, gc.Mission)
		if s := r.Scanned; s == nil || !s.Complete {
			t.Errorf("%+v", s)
		}
		w.same("links", w.list("links"), want...)
	}
	// The clock may not have moved between link and its end: then it is one still.
	long := "'2026-01-01'"
	if engine == "sqlite" {
		long = "'2026-01-01T00:00:00.000Z'"
	}
	exec("UPDATE file_links SET linked_at = " + long + " WHERE handle < 4")
	scanned("registry post/a 1", "registry post/a 4", "registry post/b 2")
	// Ended in a future that a clock has since come back from; and made again.
	future := map[string]string{"sqlite": "'2999-01-01T00:00:00.000Z'", "mysql": "'2999-01-01'", "postgres": "'2999-01-01'"}[engine]
	exec("UPDATE file_links SET unlinked_at = " + future + " WHERE handle = 3")
	bound(ddl.Link, "3", "a")
	scanned("registry post/a 1", "registry post/a 3", "registry post/a 4", "registry post/b 2")

	// What ends is no loss of rows.
	exec("UPDATE file_links SET linked_at = " + long + " WHERE handle = 1")
	bound(ddl.Unlink, "1", "a")
	scanned("registry post/a 3", "registry post/a 4", "registry post/b 2")

	exec("DELETE FROM file_links WHERE handle = 2 AND object = 'a'")
	r, err := w.scan(false).Run(t.Context(), w.Env)
	if s := r.Scanned; !errors.Is(err, ErrSomeFailed) || s == nil || s.Complete || len(s.Suspects) != 1 || s.Suspects[0] != "registry: 4 rows, and 5 in the last complete scan" {
		t.Errorf("a registry that shrank: %+v, %v", s, err)
	}
}

// TestRegistryFilled: what the statements of a backfill put into the registry is what it lacked, and
// from then on registry and scan agree.
func TestRegistryFilled(t *testing.T) {
	ddl, err := GCRegistryDDL("nowhere", "sqlite")
	if err != nil {
		t.Fatal(err)
	}
	w := newFilePlatform(t, "CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT)", "INSERT INTO files VALUES (1, 'k1'), (2, 'k2'), (3, 'k3'), (4, 'k4')",
		"CREATE TABLE posts (name TEXT NOT NULL PRIMARY KEY, file_id INTEGER)", "INSERT INTO posts VALUES ('it''s :type', 1), ('b', 2), ('c', 99), ('d', 4)", ddl.Table,
		"INSERT INTO file_links VALUES (3, 'posts', 'x', '2026-01-01T00:00:00.000Z', NULL), (4, 'posts', 'd', '2026-01-01T00:00:00.000Z', NULL)")
	w.declare(strings.NewReplacer("DATABASE", "sqlite:lab.db", "{}", "{posts: {table: posts, object: name, handle: file_id}}").Replace(registryYAML))
	g := &GCRegistry{Config: w.path("cooper.yaml")}
	if err := g.Diff(t.Context(), w.Env, nil); err == nil {
		t.Error("a comparison without a scan")
	}
	scan := func() {
		t.Helper()
		_, err := w.scan(false).Run(t.Context(), w.Env)
		w.ok(err)
	}
	disagreed := func() (all []string) {
		t.Helper()
		w.ok(g.Diff(t.Context(), w.Env, func(x GCDisagreed) error {
			all = append(all, x.Handle+" "+x.Linked)
			return nil
		}))
		return all
	}
	scan()
	w.same("disagreed", disagreed(), "1 scan", "2 scan", "3 registry")
	var statements, filled []string
	backfill := func() {
		t.Helper()
		statements, filled = nil, nil
		w.ok(g.Backfill(t.Context(), w.Env, func(x GCBackfilled) error {
			statements, filled = append(statements, x.SQL), append(filled, x.Handle+" "+x.Type+" "+x.Object)
			return nil
		}))
	}
	backfill()
	w.same("filled", filled, "2 posts b", "1 posts it's :type")
	w.sqlite(statements...)
	w.sqlite(statements...) // again
	scan()
	w.same("disagreed", disagreed(), "3 registry")
	backfill()
	w.same("filled", filled)
}
