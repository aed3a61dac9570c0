package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cooper/internal/database/mysqltest"
	"cooper/internal/postgres/pgtest"
	"cooper/test/e2etest"
)

// TestGarbageRule: what is printed is what the engine's own client takes, to make the triggers, again, and to remove them; what
// cannot be guarded is told.
func TestGarbageRule(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	type client struct {
		database, dsn string
		words         []string
	}
	run := func(t *testing.T, c client) {
		if _, err := exec.LookPath(c.words[0]); err != nil {
			t.Skip(err)
		}
		ws := filepath.Join(t.TempDir(), "ws")
		said := func(script string) (string, error) {
			cmd := exec.CommandContext(t.Context(), c.words[0], c.words[1:]...) //nolint:gosec // the client of a server that this test has started
			cmd.Dir, cmd.Stdin = filepath.Dir(ws), strings.NewReader(script)
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		takes := func(script string) {
			t.Helper()
			if out, err := said(script); err != nil {
				t.Fatalf("%v: %s\n%s", err, out, script)
			}
		}
		must(os.WriteFile(filepath.Join(filepath.Dir(ws), "dsn"), []byte(c.dsn), 0o600))
		must(os.WriteFile(filepath.Join(filepath.Dir(ws), "cooper.yaml"), []byte("version: 1\ndatabase: "+c.database+`
buckets: [app]
handles: {table: files, id: id, bucket: =app, key: k, status: {column: status, write: true}}
associations:
  posts: {table: posts, object: id, handle: file, where: "live = 1"}
  "a;; -- b": {table: posts, object: id, handle: cover}
  notes: {table: posts, object: id, value: body, as: json, at: .file}
`), 0o600))
		takes("CREATE TABLE files (id BIGINT PRIMARY KEY, k VARCHAR(90), status VARCHAR(20) NOT NULL); CREATE TABLE posts (id BIGINT PRIMARY KEY, file BIGINT, cover BIGINT, live INTEGER, body TEXT); INSERT INTO files VALUES (1, '', 'AVAILABLE'), (2, '', 'ARCHIVED');")
		made := e2etest.Must(t, "http://127.0.0.1:1", ws, "gc", "rule", "ddl").Stdout
		if !strings.Contains(made, "Not guarded: notes (posts): its ids are packed in a value.") || strings.Contains(made, "locked} may be declared") {
			t.Errorf("%s", made)
		}
		takes(made)
		takes(made)
		takes("INSERT INTO posts VALUES (1, 1, NULL, 1, ''); INSERT INTO posts VALUES (2, 2, NULL, 0, '');")
		for _, refused := range []string{"INSERT INTO posts VALUES (3, 2, NULL, 1, '');", "INSERT INTO posts VALUES (3, NULL, 2, 0, '');", "UPDATE posts SET live = 1 WHERE id = 2;"} {
			if out, err := said(refused); err == nil || !strings.Contains(out, "cannot be linked") {
				t.Errorf("%s: %v: %s", refused, err, out)
			}
		}
		takes(e2etest.Must(t, "http://127.0.0.1:1", ws, "gc", "rule", "ddl", "--drop").Stdout)
		takes("UPDATE posts SET live = 1 WHERE id = 2;")
	}
	t.Run("SQLite", func(t *testing.T) {
		run(t, client{"sqlite:lab.db", "", []string{"sqlite3", "-bail", "lab.db"}})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		s, err := pgtest.Start(t.Context())
		if errors.Is(err, pgtest.ErrMissing) {
			t.Skip(err)
		}
		must(err)
		defer func() { must(s.Stop()) }()
		run(t, client{"postgres:file:dsn", s.URL(), []string{"psql", "-v", "ON_ERROR_STOP=1", "-q", s.URL()}})
	})
	t.Run("MariaDB", func(t *testing.T) {
		s, err := mysqltest.Start(t.Context())
		if errors.Is(err, mysqltest.ErrMissing) {
			t.Skip(err)
		}
		must(err)
		defer func() { must(s.Stop()) }()
		run(t, client{"mysql:file:dsn", s.URL(), []string{"mariadb", "--no-defaults", "--socket=" + s.Socket(), "--user=" + mysqltest.User, "--password=" + mysqltest.Password, mysqltest.Name}})
	})
	t.Run("MySQL", func(t *testing.T) {
		s, err := mysqltest.StartMySQL(t.Context())
		if errors.Is(err, mysqltest.ErrMissing) {
			t.Skip(err)
		}
		must(err)
		defer func() { must(s.Stop()) }()
		run(t, client{"mysql:file:dsn", s.URL(), []string{"mariadb", "--no-defaults", "--socket=" + s.Socket(), "--user=" + mysqltest.User, "--password=" + mysqltest.Password, mysqltest.Name}})
	})
}
