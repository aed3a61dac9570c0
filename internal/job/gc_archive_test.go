package job

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/journal"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/store/mem"
)

const archiveYAML = `version: 1
database: sqlite:lab.db
buckets: [lab]
handles: {table: files, id: id, bucket: =lab, key: key, modified: at}
associations:
  posts: {table: posts, object: id, handle: file_id}
detect: {scans: 1, apart: 0s, settle: 0s}
archive: {bucket: depot, after: 0s, smallest: 0B}
`

// archivable is a world in which files 3 and 4, of keys c and d.csv, were unlinked, and nobody names x.
func archivable(t *testing.T) *world {
	t.Helper()
	w := newFilePlatform(t,
		"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, at DATETIME)", "CREATE INDEX files_key ON files (key)",
		"INSERT INTO files VALUES (1, 'a', '2026-01-01 00:00:00'), (2, 'b', '2026-01-01 00:00:00'), (3, 'c', '2026-01-01 00:00:00'), (4, 'd.csv', '2026-01-01 00:00:00'), (5, 'a', '2026-01-01 00:00:00')",
		"CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id INTEGER REFERENCES files)", "CREATE INDEX posts_file ON posts (file_id)",
		"INSERT INTO posts VALUES (1, 1), (2, 2)",
	)
	w.declare(archiveYAML)
	w.store.CreateBucket("lab", "Enabled")
	w.store.CreateBucket("depot", "")
	long := time.Now().Add(-100 * 24 * time.Hour)
	for _, key := range []string{"a", "b", "c", "d.csv.zst", "tmp/x"} {
		w.store.Put("lab", key, []byte("content of "+key), mem.PutOptions{LastModified: long})
	}
	w.answer = func(string) bool { return true }
	w.found()
	return w
}

// found takes an inventory, scans, and detects; twice, so that what becomes UNLINKED is found to be.
func (w *world) found() {
	w.t.Helper()
	for range 2 {
		_, err := TakeSnapshot(w.t.Context(), w.Env, "lab", Source{List: true}, "")
		w.ok(err)
		_, err = w.scan(false).Run(w.t.Context(), w.Env)
		w.ok(err)
		d := w.detect()
		d.Yes = true
		r, err := d.Run(w.t.Context(), w.Env)
		if cooper.KindOf(err) == cooper.KindRefused && r.Plan != nil {
			d.Confirm = r.Plan.Confirmation()
			_, err = d.Run(w.t.Context(), w.Env)
		}
		w.ok(err)
	}
}

func (w *world) archive() *GCArchive {
	return &GCArchive{Config: w.path("cooper.yaml"), WithoutFence: true, ShareLimit: 1, Yes: true, Options: Options{Jobs: 4}}
}

// has are the keys of a bucket, less manifests.
func (w *world) has(bucket string) (keys []string) {
	for _, v := range w.store.Versions(bucket) {
		if !strings.HasPrefix(v.Key, ".cooper/") {
			keys = append(keys, v.Key)
		}
	}
	return keys
}

// TestArchive: what was unlinked moves, what stands for its key; what is linked, and what shares a key with it, stays.
func TestArchive(t *testing.T) {
	w := archivable(t)
	w.same("may go", w.list("archive"), "lab c ", "lab d.csv ")
	g := w.archive()
	g.WithoutFence = false
	_, err := g.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	if !strings.Contains(cooper.RemedyOf(err), "--without-fence") {
		t.Error(err)
	}
	g = w.archive()
	g.PlanOnly = true
	r, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	if r.Plan == nil || r.Plan.Totals["archive"].Count != 2 || !strings.Contains(strings.Join(r.Plan.Warnings, "\n"), "not airtight") {
		t.Errorf("%+v", r.Plan)
	}
	r, err = w.archive().Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionArchive)
	w.same("left", w.has("lab"), "a", "b", "tmp/x")
	w.same("archived", w.has("depot"), "lab/c", "lab/d.csv.zst")
	w.same("told", w.rows("SELECT concat_ws(' ', id, from_status, to_status) FROM gc_transition WHERE to_status LIKE 'ARCH%' ORDER BY since, id"),
		"3 UNLINKED ARCHIVING", "4 UNLINKED ARCHIVING", "3 ARCHIVING ARCHIVED", "4 ARCHIVING ARCHIVED")
	w.found()
	r, err = w.archive().Run(t.Context(), w.Env)
	w.ok(err)
	if r.Nothing == "" {
		t.Errorf("a second time: %+v", r.Plan)
	}
}

// TestArchiveRelinked: a link that was made since the scan is seen by the last look; and a plan does not outlive what it rests on.
func TestArchiveRelinked(t *testing.T) {
	w := archivable(t)
	g := w.archive()
	g.PlanOnly = true
	plans := func() *plan.Header {
		t.Helper()
		r, err := g.Run(t.Context(), w.Env)
		w.ok(err)
		return r.Plan
	}
	h := plans()
	w.sqlite("INSERT INTO posts VALUES (3, 3)")
	r, err := Apply(t.Context(), w.Env, h.ID, Options{Jobs: 4})
	if !strings.Contains(err.Error(), ErrSomeFailed.Error()) || r.Applied.Count(cooper.Failed) != 1 {
		t.Errorf("%v, %+v", err, r.Applied)
	}
	w.same("left", w.has("lab"), "a", "b", "c", "tmp/x")
	w.same("told", w.rows("SELECT concat_ws(' ', id, from_status, to_status) FROM gc_transition WHERE id = '3' ORDER BY since"), "3 AVAILABLE UNLINKED", "3 UNLINKED ARCHIVING", "3 ARCHIVING AVAILABLE")

	for why, change := range map[string]func(){
		"declared": func() { w.declare(archiveYAML + "protect: [{prefix: z/}]\n") },
		"read": func() {
			_, err := w.scan(false).Run(t.Context(), w.Env)
			w.ok(err)
		},
	} {
		w.declare(archiveYAML)
		w.found()
		h = plans()
		change()
		_, err := Apply(t.Context(), w.Env, h.ID, Options{Jobs: 4})
		if w.refused(err, cooper.KindRefused); err != nil && !strings.Contains(cooper.RemedyOf(err), "gc detect") {
			t.Errorf("%s: %v", why, err)
		}
		_, err = g.Run(t.Context(), w.Env)
		w.refused(err, cooper.KindRefused)
	}
}

// TestQuarantine: what no handle names moves, from a folder in which no handle lives only if it is named; a plan that
// moves much wants its digest.
func TestQuarantine(t *testing.T) {
	w := archivable(t)
	g := w.archive()
	g.Unindexed, g.WithoutFence = true, false
	r, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	if r.Nothing == "" {
		t.Errorf("%+v", r.Plan)
	}
	g.Prefixes, g.ShareLimit = []string{"s3://lab/tm"}, 0.1
	if r, err = g.Run(t.Context(), w.Env); err != nil || r.Nothing == "" {
		t.Errorf("a prefix has bounds: %v, %+v", err, r.Plan)
	}
	g.Prefixes = []string{"s3://lab/tmp/"}
	r, err = g.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	g.Confirm = r.Plan.Confirmation()
	r, err = g.Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionArchive)
	w.same("left", w.has("lab"), "a", "b", "c", "d.csv.zst")
	w.same("archived", w.has("depot"), "lab/tmp/x")
	g.Prefixes = []string{"s3://other/"}
	g.Confirm = ""
	_, err = g.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindUsage)
}

// TestArchiveStopped: where objects were moving when a run was stopped, its plan is brought to its end before another is made,
// though more of the database was read since: what had not gone stays.
func TestArchiveStopped(t *testing.T) {
	w := archivable(t)
	g := w.archive()
	g.PlanOnly = true
	r, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	stopped := r.Plan.ID
	p, err := journal.At(w.targetOf("depot")).Open(stopped, r.Plan.Target.Path)
	w.ok(err)
	w.ok(p.Prove("r-1", 0, []cooper.Outcome{{Action: 0, Verb: "archive", Status: cooper.Failed}, {Action: 1, Verb: "archive", Status: cooper.Failed}}))
	w.found()
	r, err = g.Run(t.Context(), w.Env)
	if w.ok(err); r.Plan.ID == stopped || !w.heard("objects were moving when the run of plan "+stopped) {
		t.Errorf("planned: %v", w.told)
	}
	r, err = w.archive().Run(t.Context(), w.Env)
	if r.Applied == nil || r.Plan.ID != stopped || r.Applied.Count(cooper.Failed) != 2 || !errors.Is(err, ErrSomeFailed) {
		t.Errorf("%+v, %v", r.Applied, err)
	}
	w.same("left", w.has("lab"), "a", "b", "c", "d.csv.zst", "tmp/x")
	w.found()
	r, err = w.archive().Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionArchive)
	w.same("archived", w.has("depot"), "lab/c", "lab/d.csv.zst")
}

// targetOf is where runs keep their journal about a bucket.
func (w *world) targetOf(bucket string) string {
	w.t.Helper()
	ws, err := w.OpenWorkspace()
	w.ok(err)
	dir := ws.TargetDir(bucket)
	w.ok(os.MkdirAll(dir, 0o755))
	w.ok(ws.Close())
	return dir
}

// TestArchiveFenced: the owner's own column is closed, and says in the end where the file is; its own words for that count. A
// handle that its owner has made AVAILABLE stays.
func TestArchiveFenced(t *testing.T) {
	w := newFilePlatform(t,
		"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, at DATETIME, state TEXT NOT NULL DEFAULT 'ok', told INTEGER)", "CREATE INDEX files_key ON files (key)",
		"INSERT INTO files (id, key, at) VALUES (1, 'a', '2026-01-01 00:00:00'), (3, 'c', '2026-01-01 00:00:00'), (4, 'd', '2026-01-01 00:00:00')",
		"CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id INTEGER REFERENCES files)", "CREATE INDEX posts_file ON posts (file_id)", "INSERT INTO posts VALUES (1, 1)",
	)
	w.declare(strings.Replace(archiveYAML, "modified: at}", "modified: at, status: {column: state, write: true, values: {AVAILABLE: ok, UNLINKED: idle, ARCHIVED: away}}}", 1))
	w.store.CreateBucket("lab", "Enabled")
	w.store.CreateBucket("depot", "")
	for _, key := range []string{"a", "c", "d"} {
		w.store.Put("lab", key, []byte("content of "+key), mem.PutOptions{LastModified: time.Now().Add(-100 * 24 * time.Hour)})
	}
	w.answer = func(string) bool { return true }
	w.found()
	w.sqlite("UPDATE files SET state = 'idle' WHERE id IN (3, 4)")
	w.found()
	w.same("may go", w.list("archive"), "lab c ", "lab d ")
	g := w.archive()
	g.WithoutFence, g.PlanOnly = false, true
	r, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	w.sqlite("UPDATE files SET state = 'ok' WHERE id = 4")
	r, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 4})
	if !errors.Is(err, ErrSomeFailed) || r.Applied.Count(cooper.Failed) != 1 {
		t.Errorf("%v, %+v", err, r.Applied)
	}
	w.same("left", w.has("lab"), "a", "d")
	w.same("archived", w.has("depot"), "lab/c")
	w.same("told", w.rows("SELECT concat_ws(' ', id, from_status, to_status) FROM gc_transition WHERE since >= (SELECT min(since) FROM gc_transition WHERE to_status = 'ARCHIVING') ORDER BY id, since"),
		"3 UNLINKED ARCHIVING", "3 ARCHIVING ARCHIVED", "4 UNLINKED ARCHIVING", "4 ARCHIVING AVAILABLE")
	w.same("the owner's", w.states(), "1 ok", "3 away", "4 ok")
}

// states are those of the owner's files.
func (w *world) states() (all []string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path("lab.db"))
	w.ok(err)
	rows, err := db.QueryContext(w.t.Context(), "SELECT id || ' ' || state FROM files ORDER BY id")
	w.ok(err)
	for rows.Next() {
		var s string
		w.ok(rows.Scan(&s))
		all = append(all, s)
	}
	w.ok(rows.Err())
	w.ok(rows.Close())
	w.ok(db.Close())
	return all
}

// TestArchiveAskedFor: what a guard was asked for since the plan was made stays, until a complete scan that begins later.
func TestArchiveAskedFor(t *testing.T) {
	w := archivable(t)
	g := w.archive()
	g.PlanOnly = true
	r, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	w.ok(w.begin(func(work *work) error {
		a, err := gcop.ArchivingOf(r.Plan)
		w.ok(err)
		return work.gcFacts().Ask(t.Context(), gcfacts.Asking{Guard: "a-1", Number: 1, Asked: []gcfacts.Asked{{ID: "1", Scope: a.Scope, Handle: "3", Status: "UNLINKED", First: work.now(), Last: work.now(), Count: 1}}})
	}))
	r, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 4})
	if !errors.Is(err, ErrSomeFailed) || r.Applied.Count(cooper.Failed) != 1 {
		t.Errorf("%v, %+v", err, r.Applied)
	}
	w.same("left", w.has("lab"), "a", "b", "c", "tmp/x")
	w.same("told", w.rows("SELECT concat_ws(' ', id, from_status, to_status) FROM gc_transition WHERE id = '3' ORDER BY since"), "3 AVAILABLE UNLINKED", "3 UNLINKED ARCHIVING", "3 ARCHIVING UNLINKED")
}
