package sqlite

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/database"
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

// file makes one with an odd name, and runs SQL in it.
func file(t *testing.T) (path string, exec func(t testing.TB, text string) [][]string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a b?c#%25.db")
	exec = func(t testing.TB, text string) (out [][]string) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=busy_timeout(10000)")
		must(t, err)
		defer func() { must(t, db.Close()) }()
		rows, err := db.Query(text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
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
	exec(t, "PRAGMA journal_mode = wal")
	exec(t, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
	return path, exec
}

func TestConformance(t *testing.T) {
	path, exec := file(t)
	ownerwritetest.Run(t, ownerwritetest.World{
		Engine: ownerwrite.SQLite, Schema: "main", Exec: exec,
		Open: func(t testing.TB, _ ...string) ownerwrite.Writer {
			w, err := Open(context.Background(), "sqlite:"+path, database.Options{})
			must(t, err)
			return w
		},
	})
}

// TestOddTimes: a table with times of another form is no registry that can be written to; nor is a file that may
// not be written.
func TestOddTimes(t *testing.T) {
	path, exec := file(t)
	exec(t, "CREATE TABLE l (handle INTEGER NOT NULL, type TEXT NOT NULL, object TEXT NOT NULL, linked_at TEXT NOT NULL, unlinked_at TEXT, PRIMARY KEY (handle, type, object))")
	look := func() error {
		w, err := Open(context.Background(), "sqlite:"+path, database.Options{})
		must(t, err)
		defer func() { must(t, w.Close()) }()
		_, err = w.Registry(context.Background(), database.Name{Schema: "main", Table: "l"}, ownerwrite.Columns{Handle: "handle", Type: "type", Object: "object", Linked: "linked_at", Unlinked: "unlinked_at"})
		return err
	}
	must(t, look())
	exec(t, "INSERT INTO l VALUES (1, 'a', 'b', '2026-03-01 12:00:00', NULL)")
	if err := look(); cooper.KindOf(err) != cooper.KindRefused {
		t.Error(err)
	}
	exec(t, "DELETE FROM l")
	if os.Getuid() == 0 {
		t.Skip("nothing is forbidden to root")
	}
	must(t, os.Chmod(path, 0o400))
	if err := look(); cooper.KindOf(err) != cooper.KindDenied {
		t.Error(err)
	}
}
