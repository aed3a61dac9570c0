package e2e

import (
	"database/sql"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// TestGarbageArchive: the built binary moves what nothing links to into the archive, killed again and again; a link that was
// made at the last moment keeps its file; what was moved comes back with the same bytes, also where the workspace is lost.
func TestGarbageArchive(t *testing.T) {
	strace := e2etest.Strace(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", in("lab.db")+"?_pragma=busy_timeout(10000)")
	must(err)
	defer func() { must(db.Close()) }()
	do := func(sql string, args ...any) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), sql, args...)
		must(err)
	}
	statuses := func() string {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), "SELECT status || ' ' || count(*) FROM files GROUP BY status ORDER BY status")
		must(err)
		defer func() { must(rows.Close()) }()
		var all []string
		for rows.Next() {
			var s string
			must(rows.Scan(&s))
			all = append(all, s)
		}
		must(rows.Err())
		return strings.Join(all, ", ")
	}
	store := mem.New(mem.Options{})
	server := httptest.NewServer(store)
	defer server.Close()
	store.CreateBucket("lab", "Enabled")
	store.CreateBucket("cold", "Enabled")
	do("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT NOT NULL, status TEXT NOT NULL)")
	do("CREATE TABLE posts (id INTEGER PRIMARY KEY, file INTEGER NOT NULL)")
	const files, linked = 40, 10
	body := func(id int) string { return fmt.Sprintf("the bytes of %d%s", id, strings.Repeat(".", id)) }
	for id := range files {
		key := fmt.Sprintf("files/%d é", id)
		store.Put("lab", key, []byte(body(id)), mem.PutOptions{LastModified: time.Now().Add(-1000 * time.Hour), Metadata: map[string]string{"by": "eva"}})
		do("INSERT INTO files VALUES (?, ?, 'AVAILABLE')", id, key)
		if id < linked {
			do("INSERT INTO posts (file) VALUES (?)", id)
		}
	}
	const yaml = `version: 1
database: sqlite:lab.db
buckets: [lab]
handles: {table: files, id: id, bucket: =lab, key: path, modified: {column: "'2024-01-01 00:00:00'"}, status: {column: status, write: true}}
associations:
  posts: {table: posts, object: id, handle: file}
detect: {scans: 1, apart: 0s, settle: 0h, unmodified: 0s}
archive: {bucket: cold, after: 0s, smallest: 1B}
`
	must(os.WriteFile(in("cooper.yaml"), []byte(yaml), 0o600))
	ws, config := in("ws"), in("cooper.yaml")
	run := func(ws string, args ...string) string {
		t.Helper()
		return e2etest.Must(t, server.URL, ws, append([]string{"gc"}, append(args, "--config", config)...)...).Stdout
	}
	look := func() {
		t.Helper()
		e2etest.Must(t, server.URL, ws, "snapshot", "s3://lab", "--list")
		run(ws, "scan")
	}
	look()
	run(ws, "detect", "--yes")
	if got := statuses(); got != "AVAILABLE 10, UNLINKED 30" {
		t.Fatalf("marked: %s", got)
	}
	look()
	run(ws, "detect", "--yes")
	if got := strings.Count(run(ws, "list", "archive", "--tsv"), "\n"); got != files-linked {
		t.Fatalf("%d objects may be archived", got)
	}
	do("INSERT INTO posts (file) VALUES (39)") // after the last scan
	args := []string{"gc", "run", "archive", "--config", config, "--yes", "--share-stop", "100%"}
	kills := 0
	for nth := 2; nth < 60; nth += 6 {
		cmd := e2etest.Command(t.Context(), server.URL, ws, args...)
		e2etest.KilledAt(cmd, strace, "fsync", nth)
		if err := cmd.Run(); err == nil || cmd.ProcessState.Exited() {
			break
		}
		kills++
	}
	if kills == 0 {
		t.Error("nothing was killed")
	}
	e2etest.Run(t, server.URL, ws, args...)
	t.Logf("%d kills; %s", kills, statuses())
	for range 2 { // what was given back on the way waits for another look
		look()
		run(ws, "detect", "--yes")
		e2etest.Must(t, server.URL, ws, args...)
	}
	// One that was on its way when a run was killed, and is linked, is told, and brought back by a person.
	if list := run(ws, "list", "relinked", "--tsv"); strings.Contains(list, "39") {
		run(ws, "restore", "39", "--yes")
	}
	if got := statuses(); got != "ARCHIVED 29, AVAILABLE 11" {
		t.Errorf("archived: %s", got)
	}
	kept := map[string]bool{}
	for _, v := range store.Versions("lab") {
		kept[v.Key] = true
	}
	for id := range files {
		if key := fmt.Sprintf("files/%d é", id); kept[key] != (id < linked || id == 39) {
			t.Errorf("%s is there: %v", key, kept[key])
		}
	}
	run(ws, "restore", "12", "13", "--yes")
	run(in("another"), "restore", "14", "--from-archive", "--yes")
	if got := statuses(); got != "ARCHIVED 26, AVAILABLE 14" {
		t.Errorf("restored: %s", got)
	}
	back := 0
	for _, v := range store.Versions("lab") {
		for _, id := range []int{12, 13, 14} {
			if v.Key == fmt.Sprintf("files/%d é", id) {
				back++
				if b, ok := store.Body("lab", v.Key, v.VersionID); !ok || string(b) != body(id) {
					t.Errorf("%s came back as %q", v.Key, b)
				}
			}
		}
	}
	if back != 3 {
		t.Errorf("%d came back", back)
	}
}
