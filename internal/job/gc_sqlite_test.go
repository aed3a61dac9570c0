package job

import (
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver, to make files with

	"cooper"
	"cooper/internal/gc"
)

// newFilePlatform is a world with a platform in a file of SQLite, lab.db beside cooper.yaml.
func newFilePlatform(t *testing.T, statements ...string) *world {
	t.Helper()
	w := newWorld(t)
	w.sqlite(statements...)
	w.Clock = time.Now
	return w
}

// sqlite changes the platform in the file.
func (w *world) sqlite(statements ...string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path("lab.db")+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(10000)")
	w.ok(err)
	for _, s := range statements {
		if _, err := db.ExecContext(w.t.Context(), s); err != nil {
			w.t.Fatalf("%v: %s", err, s)
		}
	}
	w.ok(db.Close())
}

// TestPlatformInAFile: a platform in SQLite, from the first look to what a scan has found. Ids
// stand in columns as texts, floats and bytes.
func TestPlatformInAFile(t *testing.T) {
	w := newFilePlatform(t,
		"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, created_at DATETIME)",
		"INSERT INTO files VALUES (1, 'k1', '2026-01-01 00:00:00'), (2, 'k2', '2026-01-01T00:00:00Z'), (3, 'k3', 1767225600), (4, 'k4', NULL)",
		"CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id REFERENCES files)",
		"INSERT INTO posts VALUES (1, 1), (2, '2'), (3, 3.0), (4, x'34'), (5, NULL), (6, '')",
		"CREATE TABLE notes (slug TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, body TEXT) WITHOUT ROWID", "INSERT INTO notes VALUES ('a', '{\"file\": 7}'), ('B', NULL)",
	)
	made, err := (&GCInit{Config: w.path("cooper.yaml"), Database: "sqlite:" + w.path("lab.db"), Buckets: []string{"app"}}).Run(t.Context(), w.Env)
	w.ok(err)
	if made.Variable != "" || !strings.Contains(made.Text, "database: sqlite:lab.db\n") || !strings.Contains(made.Text, "handle: file_id") {
		t.Fatalf("%s", made.Text)
	}
	w.declare(made.Text + "  notes: {table: notes, object: slug, value: body, as: [json], at: .file}\n")
	r, err := w.scan(false).Run(t.Context(), w.Env)
	r = w.went(r, err, gc.Mission)
	if s := r.Scanned; s == nil || !s.Complete || s.Handles != 4 || s.Links != 5 {
		t.Errorf("%+v", s)
	}
	w.same("dangling", w.list("dangling"), "notes a 7")

	w.sqlite("INSERT INTO posts VALUES (7, 2.5)")
	r, err = w.scan(false).Run(t.Context(), w.Env)
	if s := r.Scanned; err == nil || s == nil || s.Complete || s.Unread != 1 {
		t.Errorf("with a fraction: %+v, %v", s, err)
	}
	w.same("malformed", w.list("malformed"), "posts.file_id posts 7 not an id: 2.5")

	// A copy that takes the file's place is another server.
	content, err := os.ReadFile(w.path("lab.db"))
	w.ok(err)
	w.ok(os.WriteFile(w.path("copy.db"), content, 0o600))
	w.ok(os.Rename(w.path("copy.db"), w.path("lab.db")))
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	if got := strings.Join(w.refusals(), "\n"); !strings.Contains(got, "another server") {
		t.Errorf("%s", got)
	}
}

// TestInitByPath: a table that a person has named may have its keys in a column of paths; none is taken for
// one of handles by that alone.
func TestInitByPath(t *testing.T) {
	w := newFilePlatform(t, "CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT NOT NULL, bytes BIGINT)", "CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id REFERENCES files)")
	g := &GCInit{Config: w.path("cooper.yaml"), Database: "sqlite:" + w.path("lab.db"), Buckets: []string{"app"}}
	_, err := g.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindUsage)
	g.Handles = []string{"files"}
	made, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	if !strings.Contains(made.Text, "key: path\n") {
		t.Errorf("%s", made.Text)
	}
}

// TestCheckSilent: a path that finds nothing where ids of handles stand is seen by a check, once a scan has
// told which ids those are; and a check leaves no facts.
func TestCheckSilent(t *testing.T) {
	w := newFilePlatform(t, "CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT)", "INSERT INTO files VALUES (50001, 'a'), (50002, 'b'), (50003, 'c')",
		"CREATE TABLE pages (id INTEGER PRIMARY KEY, body JSON)", `INSERT INTO pages VALUES (1, '{"files":[50001]}'), (2, '{"files":[50002]}'), (3, NULL), (4, '{"files":[]}'), (5, '{"n":7}')`)
	declare := func(at string) {
		w.declare("version: 1\ndatabase: sqlite:lab.db\nbuckets: [app]\nhandles: {table: files, id: id, bucket: =app, key: key}\nassociations:\n  pages: {table: pages, object: id, value: body, as: [json], at: '." + at + " | each'}\n")
	}
	check := func(looked, silent int64) {
		t.Helper()
		r, err := (&GCCheck{Config: w.path("cooper.yaml")}).Run(t.Context(), w.Env)
		w.ok(err)
		for _, p := range r.Parts {
			if p.Name == "pages" && (p.Tables[0].LookedAt != looked || p.Tables[0].Silent != silent) {
				t.Errorf("%+v", p.Tables[0])
			}
		}
	}
	declare("files")
	check(0, 0)
	_, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	check(5, 0)
	w.sqlite(`UPDATE pages SET body = '{"documents":[50002]}' WHERE id = 2`)
	check(5, 1)
	declare("attachments")
	check(5, 2)
	w.same("rows of scans", w.rows("SELECT count(*) FROM gc_range"), "2")
}
