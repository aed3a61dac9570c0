package e2e

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver, to make a platform with

	"cooper/test/e2etest"
)

const registered = `version: 1
database: sqlite:lab.db
buckets: [app]
handles: {table: files, id: id, bucket: =app, key: key}
associations: {posts: {table: posts, object: id, handle: file_id}}
registry: {table: file_links, database: sqlite:lab.db}
`

// TestGarbageRegistry: a backfill that is killed at any write, again and again, ends with the rows of one that was
// let be, each once; it says since when the registry may be believed, and never without having ended.
func TestGarbageRegistry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ws, file := filepath.Join(dir, "ws"), filepath.Join(dir, "lab.db")
	const nowhere = "http://127.0.0.1:1"
	platform := func(text string) (rows []string) {
		t.Helper()
		db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(10000)")
		if err != nil {
			t.Fatal(err)
		}
		all, err := db.QueryContext(t.Context(), text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for all.Next() {
			var row string
			if err := all.Scan(&row); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
		if err := all.Err(); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if err := os.WriteFile(filepath.Join(dir, "cooper.yaml"), []byte(registered), 0o600); err != nil {
		t.Fatal(err)
	}
	platform("CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT)")
	platform("CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id INTEGER)")
	platform("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) INSERT INTO files SELECT i, 'k' || i FROM n")
	platform("INSERT INTO posts SELECT id, id FROM files")
	table, _, _ := strings.Cut(e2etest.Must(t, nowhere, ws, "gc", "registry", "ddl", "sqlite").String(), ";")
	if i := strings.Index(table, "CREATE TABLE"); i >= 0 {
		table = table[i:]
	}
	platform(table)
	e2etest.Must(t, nowhere, ws, "gc", "scan")

	if r := e2etest.Run(t, nowhere, ws, "gc", "registry", "backfill"); r.Code != 4 {
		t.Errorf("nobody is there to ask: %v", r)
	}
	if r := e2etest.Must(t, nowhere, ws, "gc", "registry", "backfill", "--plan-only"); !strings.Contains(r.String(), "it lacks 900 links") || strings.Contains(r.String(), "complete_since") {
		t.Errorf("planned: %v", r)
	}
	if rows := platform("SELECT object FROM file_links"); len(rows) != 0 {
		t.Errorf("rows before a yes: %d", len(rows))
	}
	strace := e2etest.Strace(t)
	kills := 0
	for nth := 3; ; nth += 13 {
		cmd := e2etest.Command(t.Context(), nowhere, ws, "gc", "registry", "backfill", "--yes")
		var said strings.Builder
		cmd.Stdout = &said
		e2etest.KilledAt(cmd, strace, "pwrite64", nth)
		if err := cmd.Run(); err == nil {
			break
		} else if cmd.ProcessState.Exited() {
			t.Fatalf("neither killed nor at its end: %v", err)
		}
		if kills++; strings.Contains(said.String(), "complete_since") {
			t.Errorf("killed, and yet: %s", said.String())
		}
	}
	if kills < 3 {
		t.Errorf("only %d kills", kills)
	}
	if r := e2etest.Must(t, nowhere, ws, "gc", "registry", "backfill", "--yes"); !strings.Contains(r.String(), "declare under registry: complete_since: 2") {
		t.Errorf("given again: %v", r)
	}
	got := platform("SELECT handle || type || object FROM file_links ORDER BY handle")
	e2etest.Same(t, got, platform("SELECT id || 'posts' || id FROM posts ORDER BY id"))
	if different := platform("SELECT DISTINCT linked_at FROM file_links"); len(different) != 1 {
		t.Errorf("as old as %q", different)
	}

	// A person's word is a row as well.
	e2etest.Must(t, nowhere, ws, "gc", "link", "7", "--object", "report", "--type", "print")
	if rows := platform("SELECT object FROM file_links WHERE type = 'print' AND unlinked_at IS NULL"); len(rows) != 1 {
		t.Errorf("%q", rows)
	}
	e2etest.Must(t, nowhere, ws, "gc", "scan")
	if r := e2etest.Must(t, nowhere, ws, "gc", "registry", "diff"); strings.Contains(r.String(), "scan") {
		t.Errorf("registry and scan disagree: %v", r)
	}
}
