package job

import (
	"os"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gcstate"
	"cooper/internal/journal"
	"cooper/internal/store/mem"
)

// fenced is a world whose owner has a column of statuses, in which the files c, d and e were unlinked, and may go.
func fenced(t *testing.T) *world {
	t.Helper()
	w := newFilePlatform(t,
		"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, at DATETIME, state TEXT NOT NULL DEFAULT 'AVAILABLE')", "CREATE INDEX files_key ON files (key)",
		"INSERT INTO files (id, key, at) VALUES (1, 'a', '2026-01-01 00:00:00'), (3, 'c', '2026-01-01 00:00:00'), (4, 'd', '2026-01-01 00:00:00'), (5, 'e', '2026-01-01 00:00:00')",
		"CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id INTEGER REFERENCES files)", "CREATE INDEX posts_file ON posts (file_id)", "INSERT INTO posts VALUES (1, 1)",
	)
	w.declare(strings.Replace(archiveYAML, "modified: at}", "modified: at, status: {column: state, write: true}}", 1))
	w.store.CreateBucket("lab", "Enabled")
	w.store.CreateBucket("depot", "")
	for _, key := range []string{"a", "c", "d", "e"} {
		w.store.Put("lab", key, []byte("content of "+key), mem.PutOptions{LastModified: time.Now().Add(-100 * 24 * time.Hour)})
	}
	w.answer = func(string) bool { return true }
	w.found()
	w.same("may go", w.list("archive"), "lab c ", "lab d ", "lab e ")
	return w
}

// left makes files ARCHIVING in the state, as a run does that is killed before it comes to the owner.
func (w *world) left(ids ...string) {
	w.t.Helper()
	w.ok(w.begin(func(work *work) error {
		last, _, err := work.lastScan(w.t.Context(), w.path("cooper.yaml"))
		w.ok(err)
		return work.withState(w.t.Context(), func(s gcstate.State) error {
			for _, id := range ids {
				rs, err := s.Get(w.t.Context(), []gcstate.Handle{{Scope: scope(last.Server), ID: id}})
				w.ok(err)
				c, err := rs[0].By(gcstate.Fence, work.now(), "archived by p-0", "r-0")
				w.ok(err)
				_, err = s.Change(w.t.Context(), []gcstate.Change{c})
				w.ok(err)
			}
			return nil
		})
	}))
}

// TestArchiveGivesBack: what a run has left ARCHIVING in the state that was killed before the fence, and that may not go any
// more, is given back by the next: what was linked since is AVAILABLE, what is kept UNLINKED. What may still go goes.
func TestArchiveGivesBack(t *testing.T) {
	w := fenced(t)
	w.left("3", "4", "5")
	w.sqlite("INSERT INTO posts VALUES (3, 3)")
	_, err := (&GCKeep{Config: w.path("cooper.yaml"), Handles: []string{"4"}, Person: "ada", Reason: "wanted"}).Run(t.Context(), w.Env)
	w.ok(err)
	g := w.archive()
	g.WithoutFence = false
	w.found()
	g.PlanOnly = true
	r, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	if r.Plan.Totals["give-back"].Count != 2 || r.Plan.Totals["archive"].Count != 1 || r.Plan.Reasons[gc.BackLinked].Count != 1 || r.Plan.Reasons[gc.BackUnripe].Count != 1 {
		t.Errorf("%v, %v, left %v", r.Plan.Totals, r.Plan.Reasons, r.Plan.Skipped)
	}
	g.PlanOnly = false
	r, err = g.Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionArchive)
	w.same("left", w.has("lab"), "a", "c", "d")
	w.same("the owner's", w.states(), "1 AVAILABLE", "3 AVAILABLE", "4 UNLINKED", "5 ARCHIVED")
	w.same("told", w.rows("SELECT concat_ws(' ', id, from_status, to_status) FROM gc_transition WHERE from_status = 'ARCHIVING' ORDER BY id, since"), "3 ARCHIVING AVAILABLE", "4 ARCHIVING UNLINKED", "5 ARCHIVING ARCHIVED")
	w.found()
	if r, err = g.Run(t.Context(), w.Env); err != nil || r.Nothing == "" {
		t.Errorf("a second time: %v, %+v", err, r.Plan)
	}
}

// TestArchiveGivesBackAtOwner: what its owner has made AVAILABLE, and what another handle needs.
func TestArchiveGivesBackAtOwner(t *testing.T) {
	w := fenced(t)
	w.left("3", "4")
	w.sqlite("UPDATE files SET state = 'AVAILABLE' WHERE id = 3", "INSERT INTO files (id, key, at) VALUES (6, 'd', '2026-01-01 00:00:00')", "INSERT INTO posts VALUES (4, 6)")
	w.found()
	g := w.archive()
	g.WithoutFence, g.Prefixes = false, []string{"s3://lab/c", "s3://lab/d"}
	r, err := g.Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionArchive)
	if r.Plan.Reasons[gc.BackAvailable].Count != 1 || r.Plan.Reasons[gc.BackNeeded].Count != 1 || len(r.Plan.Reasons) != 2 {
		t.Errorf("%v", r.Plan.Reasons)
	}
	w.same("left", w.has("lab"), "a", "c", "d", "e")
	w.same("the owner's", w.states(), "1 AVAILABLE", "3 AVAILABLE", "4 UNLINKED", "5 UNLINKED", "6 AVAILABLE")
	w.same("told", w.rows("SELECT concat_ws(' ', id, from_status, to_status) FROM gc_transition WHERE from_status = 'ARCHIVING' ORDER BY id, since"), "3 ARCHIVING AVAILABLE", "4 ARCHIVING UNLINKED")
}

// TestArchiveGivesNothingBack while objects are moving, by whatever plan, or where bytes are not in their place; nor what was
// closed since the newest scan began.
func TestArchiveGivesNothingBack(t *testing.T) {
	w := fenced(t)
	w.left("3")
	w.sqlite("INSERT INTO posts VALUES (3, 3)")
	w.found()
	g := w.archive()
	g.WithoutFence, g.PlanOnly = false, true
	r, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	first := r.Plan.ID
	g.Prefixes = []string{"s3://lab/e"}
	other, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	p, err := journal.At(w.targetOf("depot")).Open(other.Plan.ID, other.Plan.Target.Path)
	w.ok(err)
	w.ok(p.Prove("r-1", 0, []cooper.Outcome{{Action: 0, Verb: "archive", Status: cooper.Failed}}))
	g.Prefixes = nil
	if r, err = g.Run(t.Context(), w.Env); err != nil || r.Plan.Totals["give-back"].Count != 0 || !w.heard("nothing that was closed is given back") {
		t.Errorf("%v, %v", r.Plan.Totals, err)
	}
	r, err = Apply(t.Context(), w.Env, first, Options{Jobs: 4})
	if r.Applied == nil || r.Applied.Verbs["give-back"][cooper.Failed] != 1 {
		t.Errorf("%v, %+v", err, r.Applied)
	}
	w.same("told", w.rows("SELECT concat_ws(' ', id, from_status, to_status) FROM gc_transition WHERE from_status = 'ARCHIVING' AND id = '3'"))
}

// TestArchivePreviews: what was made from a file goes once that was proven in the archive, and comes back with it.
func TestArchivePreviews(t *testing.T) {
	w := newFilePlatform(t,
		"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, at DATETIME, state TEXT NOT NULL DEFAULT 'AVAILABLE', source INTEGER)", "CREATE INDEX files_key ON files (key)", "CREATE INDEX files_source ON files (source)",
		"INSERT INTO files (id, key, at, source) VALUES (1, 'a', '2026-01-01 00:00:00', NULL), (3, 'c', '2026-01-01 00:00:00', NULL), (4, 'p/d', '2026-01-01 00:00:00', 3), (5, 'e', '2026-01-01 00:00:00', 1)",
		"CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id INTEGER REFERENCES files)", "CREATE INDEX posts_file ON posts (file_id)", "INSERT INTO posts VALUES (1, 1)",
	)
	w.declare(strings.Replace(archiveYAML, "modified: at}", "modified: at, preview_of: source, status: {column: state, write: true}}", 1) + "waive: [files.source]\n")
	w.store.CreateBucket("lab", "Enabled")
	w.store.CreateBucket("depot", "")
	for _, key := range []string{"a", "c", "p/d", "e"} {
		w.store.Put("lab", key, []byte("content of "+key), mem.PutOptions{LastModified: time.Now().Add(-100 * 24 * time.Hour)})
	}
	w.answer = func(string) bool { return true }
	g := w.archive()
	g.WithoutFence = false
	for _, left := range [][]string{{"a", "e", "p/d"}, {"a", "e"}} {
		w.found()
		r, err := g.Run(t.Context(), w.Env)
		w.went(r, err, gc.MissionArchive)
		w.same("left", w.has("lab"), left...)
	}
	w.same("the owner's", w.states(), "1 AVAILABLE", "3 ARCHIVED", "4 ARCHIVED", "5 AVAILABLE")
	for _, by := range []*GCRestore{w.restore("3"), w.restore()} {
		by.PlanOnly = true
		if len(by.Handles) == 0 {
			by.Prefixes, by.PlanOnly = []string{"s3://lab/c"}, false
		}
		r, err := by.Run(t.Context(), w.Env)
		w.ok(err)
		if r.Plan.Totals["recall"].Count != 2 {
			t.Errorf("%v", r.Plan.Totals)
		}
	}
	w.same("back", w.has("lab"), "a", "c", "e", "p/d")
	w.same("the owner's", w.states(), "1 AVAILABLE", "3 AVAILABLE", "4 AVAILABLE", "5 AVAILABLE")
}

// TestArchiveTouched: a configuration that was written anew with the same content is the same; one with another content is not,
// however old its file says that it is.
func TestArchiveTouched(t *testing.T) {
	w := fenced(t)
	g := w.archive()
	g.WithoutFence, g.PlanOnly = false, true
	path := w.path("cooper.yaml")
	b, err := os.ReadFile(path)
	w.ok(err)
	w.ok(os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)))
	if _, err := g.Run(t.Context(), w.Env); err != nil {
		t.Error(err)
	}
	w.ok(os.WriteFile(path, []byte(strings.Replace(string(b), "smallest: 0B", "smallest: 1B", 1)), 0o644))
	w.ok(os.Chtimes(path, time.Time{}, time.Now().Add(-1000*time.Hour)))
	_, err = g.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
}
