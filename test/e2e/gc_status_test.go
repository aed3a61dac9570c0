package e2e

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper/test/e2etest"
)

// TestGarbageStatusAndLists: a handle of which nothing is known is an error, and a number of bytes a number.
func TestGarbageStatusAndLists(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ws := filepath.Join(dir, "ws")
	const nowhere = "http://127.0.0.1:1"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "lab.db"))
	must(err)
	for _, s := range []string{"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT, size INTEGER, at DATETIME)", "CREATE TABLE posts (id INTEGER PRIMARY KEY, file INTEGER)",
		"INSERT INTO files VALUES (1, 'a', 10, '2025-01-01 00:00:00'), (2, 'b', 20, '2025-01-01 00:00:00'), (3, 'c', NULL, '2025-01-01 00:00:00')", "INSERT INTO posts VALUES (1, 1)"} {
		_, err := db.ExecContext(t.Context(), s)
		must(err)
	}
	must(db.Close())
	must(os.WriteFile(filepath.Join(dir, "cooper.yaml"), []byte("version: 1\ndatabase: sqlite:lab.db\nbuckets: [app]\nhandles: {table: files, id: id, key: key, size: size, modified: at}\n"+
		"associations: {posts: {table: posts, object: id, handle: file}}\ndetect: {scans: 1, apart: 0s, settle: 0s}\n"), 0o600))
	e2etest.Must(t, nowhere, ws, "gc", "scan")
	e2etest.Must(t, nowhere, ws, "gc", "detect", "--plan-only")
	bytes := map[string]any{}
	for line := range strings.SplitSeq(strings.TrimSpace(e2etest.Must(t, nowhere, ws, "gc", "list", "candidates", "--json").Stdout), "\n") {
		var row struct {
			Handle string
			Bytes  any
		}
		must(json.Unmarshal([]byte(line), &row))
		bytes[row.Handle] = row.Bytes
	}
	if len(bytes) != 2 || bytes["2"] != 20.0 || bytes["3"] != nil {
		t.Errorf("%v", bytes)
	}
	if r := e2etest.Must(t, nowhere, ws, "gc", "status", "2"); !strings.Contains(r.Stdout, "AVAILABLE") {
		t.Errorf("%v", r)
	}
	for _, args := range [][]string{{"nope"}, {"99"}, {"99", "--json"}, {"--", "-5"}} {
		r := e2etest.Run(t, nowhere, ws, append([]string{"gc", "status"}, args...)...)
		if r.Code == 0 || !strings.Contains(r.Stderr, "no such handle is known") || !strings.Contains(r.Stderr, "cooper gc scan") {
			t.Errorf("%q: %v", args, r)
		}
	}
	if r := e2etest.Run(t, nowhere, ws, "gc", "status", "-5"); r.Code != 1 || !strings.Contains(r.Stderr, "cooper gc status -- -5") {
		t.Errorf("%v", r)
	}
}
