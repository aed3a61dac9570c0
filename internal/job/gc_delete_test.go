package job

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/codec/zstd"
	"cooper/internal/gc"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/manifest"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

const deleteYAML = `version: 1
database: sqlite:lab.db
buckets: [lab]
handles: {table: files, id: id, bucket: =lab, key: key, modified: at, status: {column: state, write: true, values: {AVAILABLE: ok, UNLINKED: idle, ARCHIVED: away}}}
associations:
  posts: {table: posts, object: id, handle: file_id}
detect: {scans: 1, apart: 0s, settle: 0s}
archive: {bucket: depot, after: 0s, smallest: 0B, keep: 30d}
`

func (w *world) forget() *GCDelete {
	return &GCDelete{Config: w.path("cooper.yaml"), ShareLimit: 1, Yes: true, Options: Options{Jobs: 4}}
}

// longAgo is when what is in the archive was archived.
func longAgo() time.Time { return time.Now().Add(-60 * 24 * time.Hour) }

// longArchived is a world in which files 3, 4 and 6, of keys c, d.csv and c, were archived 60 days ago, and tmp/x, which nobody
// names; something else is there, too. What is known of that is as new as may be.
func longArchived(t *testing.T, yaml string) *world {
	t.Helper()
	w := newFilePlatform(t,
		"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, at DATETIME, state TEXT NOT NULL DEFAULT 'ok')", "CREATE INDEX files_key ON files (key)",
		"INSERT INTO files (id, key, at) VALUES (1, 'a', '2020-01-01 00:00:00'), (2, 'b', '2020-01-01 00:00:00'), (3, 'c', '2020-01-01 00:00:00'), (4, 'd.csv', '2020-01-01 00:00:00'), (6, 'c', '2020-01-01 00:00:00')",
		"CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id INTEGER REFERENCES files)", "CREATE INDEX posts_file ON posts (file_id)",
		"INSERT INTO posts VALUES (1, 1), (2, 2)",
	)
	w.declare(yaml)
	w.at = time.Now() // the store's clock
	w.store.CreateBucket("lab", "Enabled")
	w.store.CreateBucket("depot", "")
	for _, key := range []string{"a", "b", "c", "d.csv.zst", "tmp/x"} {
		w.store.Put("lab", key, []byte("content of "+key), mem.PutOptions{LastModified: time.Now().Add(-100 * 24 * time.Hour)})
	}
	w.answer = func(string) bool { return true }
	_, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	w.moves(longAgo(), cooper.InstantOf(longAgo()), moved{"c", "", "3 6"}, moved{"d.csv.zst", "d.csv", "4"}, moved{"tmp/x", "", ""})
	w.store.Put("depot", "lab/theirs", []byte("of somebody else"), mem.PutOptions{LastModified: longAgo()})
	for _, id := range []string{"3", "4", "6"} {
		w.happened(longAgo(), id, gcstate.Unlink, gcstate.Fence, gcstate.Arrive)
	}
	w.sqlite("UPDATE files SET state = 'away' WHERE id IN (3, 4, 6)")
	w.known()
	return w
}

// known takes inventories, scans and detects.
func (w *world) known() {
	w.t.Helper()
	for _, bucket := range []string{"lab", "depot"} {
		_, err := TakeSnapshot(w.t.Context(), w.Env, bucket, Source{List: true}, "")
		w.ok(err)
	}
	_, err := w.scan(false).Run(w.t.Context(), w.Env)
	w.ok(err)
	d := w.detect()
	d.Yes = true
	_, err = d.Run(w.t.Context(), w.Env)
	w.ok(err)
}

// TestDelete: what has been in the archive for long enough goes, and what nobody names; what is not ours stays, and manifests do.
// DELETED is what the next inventory shows; and not, what a later one shows.
func TestDelete(t *testing.T) {
	w := longArchived(t, deleteYAML)
	w.same("may go", w.list("delete"), "lab c", "lab d.csv")
	g := w.forget()
	g.PlanOnly = true
	r, err := g.Run(t.Context(), w.Env)
	w.ok(err)
	if n := r.Plan.Totals["forget"].Count; n != 3 || r.Plan.Totals["vanish"].Count != 0 || r.Plan.Skipped[gc.SkippedForeign].Count != 1 || r.Plan.Estimate.SavedUSD <= 0 {
		t.Errorf("%+v", r.Plan)
	}
	w.same("planned only", w.has("depot"), "lab/c", "lab/d.csv.zst", "lab/theirs", "lab/tmp/x")
	kept := w.store.Versions("depot")[0]
	body, _ := w.store.Body("depot", "lab/c", cooper.NullVersion)
	r, err = w.forget().Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionForget)
	w.same("left", w.has("depot"), "lab/theirs")
	if kept.Key != manifest.Key("r-1", 0) || w.store.Versions("depot")[0].Key != kept.Key {
		t.Errorf("the manifest is gone: %v", w.store.Versions("depot"))
	}
	w.same("nothing is said", w.lastly(), "3 ARCHIVED", "4 ARCHIVED", "6 ARCHIVED")
	w.known()
	r, err = w.forget().Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionForget)
	w.same("said", w.rows("SELECT concat_ws(' ', id, from_status, to_status, regexp_replace(reason, ' .p-.*', '')) FROM gc_transition WHERE to_status = 'DELETED' ORDER BY id"),
		"3 ARCHIVED DELETED deleted by a plan, and not in the inventory of the archive", "4 ARCHIVED DELETED deleted by a plan, and not in the inventory of the archive", "6 ARCHIVED DELETED deleted by a plan, and not in the inventory of the archive")
	w.same("the owner's", w.kept(), "3 DELETED", "4 DELETED", "6 DELETED")
	r, err = w.forget().Run(t.Context(), w.Env)
	if w.ok(err); r.Nothing == "" {
		t.Errorf("a third time: %+v", r.Plan)
	}
	// A copy is there again.
	w.store.Put("depot", "lab/c", body, mem.PutOptions{LastModified: longAgo()})
	w.known()
	r, err = w.forget().Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionForget)
	w.same("seen again", w.lastly(), "3 ARCHIVED", "4 DELETED", "6 ARCHIVED")
}

// TestDeleteKeeps: each of what keeps an object, before a plan is made, or after.
func TestDeleteKeeps(t *testing.T) {
	const both, nobodys = "lab/d.csv.zst lab/tmp/x", "lab/c lab/d.csv.zst"
	for name, c := range map[string]struct {
		before, after func(w *world)
		gone          string
		kind          cooper.Kind // of the run
	}{
		"linked before":    {before: func(w *world) { w.sqlite("INSERT INTO posts VALUES (3, 3)") }, gone: both},
		"linked after":     {after: func(w *world) { w.sqlite("INSERT INTO posts VALUES (3, 6)") }, gone: both},
		"the owner's":      {after: func(w *world) { w.sqlite("UPDATE files SET state = 'ok' WHERE id = 3") }, gone: both},
		"the owner's word": {after: func(w *world) { w.sqlite("UPDATE files SET state = 'idle' WHERE id = 3") }, gone: both},
		"kept by hand": {before: func(w *world) {
			_, err := (&GCKeep{Config: w.path("cooper.yaml"), Handles: []string{"6"}, Person: "p", Reason: "x"}).Run(w.t.Context(), w.Env)
			w.ok(err)
		}, gone: both},
		"kept after": {after: func(w *world) {
			_, err := (&GCKeep{Config: w.path("cooper.yaml"), Handles: []string{"6"}, Person: "p", Reason: "x"}).Run(w.t.Context(), w.Env)
			w.ok(err)
		}, kind: cooper.KindRefused},
		"read after": {after: func(w *world) {
			_, err := w.scan(false).Run(w.t.Context(), w.Env)
			w.ok(err)
		}, kind: cooper.KindRefused},
		"restoring":       {before: func(w *world) { w.happened(longAgo(), "3", gcstate.Recall) }, gone: both},
		"restoring after": {after: func(w *world) { w.happened(longAgo(), "3", gcstate.Recall) }, gone: both},
		"a restore was planned": {before: func(w *world) {
			g := w.restore("3")
			g.PlanOnly = true
			_, err := g.Run(w.t.Context(), w.Env)
			w.ok(err)
		}, gone: both},
		"a restore is planned": {after: func(w *world) {
			g := w.restore("3")
			g.PlanOnly = true
			_, err := g.Run(w.t.Context(), w.Env)
			w.ok(err)
		}, kind: cooper.KindRefused},
		"in its place":         {after: func(w *world) { w.store.Put("lab", "c", []byte("another"), mem.PutOptions{}) }, gone: both},
		"named before":         {before: func(w *world) { w.sqlite("INSERT INTO files (id, key, at) VALUES (7, 'tmp/x', '2020-01-01 00:00:00')") }, gone: nobodys},
		"named after":          {after: func(w *world) { w.sqlite("INSERT INTO files (id, key, at) VALUES (7, 'tmp/x', '2020-01-01 00:00:00')") }, gone: nobodys},
		"another handle of it": {after: func(w *world) { w.sqlite("INSERT INTO files (id, key, at) VALUES (7, 'c', '2020-01-01 00:00:00')") }, gone: both},
		"of what was made of it": {after: func(w *world) {
			w.sqlite("INSERT INTO files (id, key, at) VALUES (7, 'd.csv.zst', '2020-01-01 00:00:00')")
		}, gone: "lab/c lab/tmp/x"},
		"its row is gone":        {after: func(w *world) { w.sqlite("DELETE FROM files WHERE id = 3") }, gone: both},
		"it names another":       {before: func(w *world) { w.sqlite("UPDATE files SET key = 'z' WHERE id = 3") }, gone: both},
		"it names another after": {after: func(w *world) { w.sqlite("UPDATE files SET key = 'z' WHERE id = 3") }, gone: both},
		"not long enough": {before: func(w *world) {
			w.happened(longAgo(), "3", gcstate.Recall)
			w.happened(time.Now().Add(-20*24*time.Hour), "3", gcstate.Withhold)
		}, gone: both},
		"the copy is young": {before: func(w *world) {
			v := w.latestOf("depot", "lab/c")
			o, err := w.Stores.Open(w.t.Context(), w.Env, "depot", 1)
			w.ok(err)
			head, err := o.Head(w.t.Context(), store.Ref{Key: "lab/c"}, 0)
			w.ok(err)
			w.ok(o.Close())
			body, _ := w.store.Body("depot", "lab/c", v.VersionID)
			w.store.Put("depot", "lab/c", body, mem.PutOptions{LastModified: time.Now().Add(-20 * 24 * time.Hour), Metadata: head.Metadata})
		}, gone: both},
		"another is there": {before: func(w *world) {
			w.store.Put("depot", "lab/c", []byte("another"), mem.PutOptions{LastModified: longAgo()})
		}, gone: both},
		"written since": {after: func(w *world) { w.store.Put("depot", "lab/c", []byte("another"), mem.PutOptions{}) }, gone: both},
		"another platform's": {before: func(w *world) {
			text := `{"format":1,"plan":"p-7","run":"r-7","shard":0,"scope":"another","time":"2020-01-01T00:00:00Z","count":1}` + "\n" +
				`{"bucket":"lab","version":{"key":"tmp/x","version_id":"v","etag":"e","size":1},"archive_key":"lab/tmp/x"}` + "\n"
			packed, err := zstd.Append(nil, []byte(text), 3)
			w.ok(err)
			w.store.Put("depot", manifest.Key("r-7", 0), packed, mem.PutOptions{})
		}, gone: nobodys},
		"asked for": {after: func(w *world) {
			w.ok(w.begin(func(work *work) error {
				_, last, err := work.scansBy(w.t.Context(), w.path("cooper.yaml"))
				w.ok(err)
				return work.gcFacts().Ask(w.t.Context(), gcfacts.Asking{Guard: "a-1", Number: 1, Asked: []gcfacts.Asked{{ID: "1", Scope: scope(last.Server), Handle: "3", Status: "ARCHIVED", First: work.now(), Last: work.now(), Count: 1}}})
			}))
		}, gone: both},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("takes seconds each")
			}
			w := longArchived(t, deleteYAML)
			if c.before != nil {
				c.before(w)
				w.known()
			}
			had := w.has("depot")
			g := w.forget()
			g.PlanOnly = true
			r, err := g.Run(t.Context(), w.Env)
			w.ok(err)
			if c.after != nil {
				c.after(w)
			}
			_, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 4})
			switch {
			case c.kind != "":
				w.refused(err, c.kind)
			case err != nil && !strings.Contains(err.Error(), ErrSomeFailed.Error()):
				t.Fatal(err)
			}
			var gone []string
			for _, key := range had {
				if !slices.Contains(w.has("depot"), key) {
					gone = append(gone, key)
				}
			}
			w.same("gone", gone, strings.Fields(c.gone)...)
		})
	}
}

// TestDeleteRefused: without a term, without an inventory, and without a fence.
func TestDeleteRefused(t *testing.T) {
	w := longArchived(t, strings.Replace(deleteYAML, ", keep: 30d", "", 1))
	_, err := w.forget().Run(t.Context(), w.Env)
	if w.refused(err, cooper.KindRefused); !strings.Contains(cooper.RemedyOf(err), "keep: 365d") {
		t.Error(err)
	}
	w = longArchived(t, strings.Replace(deleteYAML, "write: true", "write: false", 1))
	_, err = w.forget().Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	g := w.forget()
	g.WithoutFence = true
	r, err := g.Run(t.Context(), w.Env)
	r = w.went(r, err, gc.MissionForget)
	if !strings.Contains(strings.Join(r.Plan.Warnings, "\n"), "not airtight") {
		t.Errorf("%v", r.Plan.Warnings)
	}
	w = longArchived(t, deleteYAML)
	w.ok(os.RemoveAll(w.path("ws/snapshot")))
	_, err = w.forget().Run(t.Context(), w.Env)
	w.refused(err, cooper.KindMissing)
	w = longArchived(t, deleteYAML)
	g = w.forget()
	g.ShareLimit = 0.1
	r, err = g.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	g.Confirm = r.Plan.Confirmation()
	r, err = g.Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionForget)
}

// TestDeleteRestored: a copy goes whose original is back, bytes and all; where something else is in its place it stays.
func TestDeleteRestored(t *testing.T) {
	w := longArchived(t, deleteYAML)
	r, err := w.restore("3", "4").Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionRecall)
	w.known()
	g := w.forget()
	r, err = g.Run(t.Context(), w.Env)
	r = w.went(r, err, gc.MissionForget)
	w.same("left", w.has("depot"), "lab/c", "lab/d.csv.zst", "lab/theirs")
	if r.Plan.Skipped[gc.SkippedBack].Count != 2 {
		t.Errorf("%v", r.Plan.Skipped)
	}
	w.store.Put("lab", "c", []byte("content of d"), mem.PutOptions{})
	w.known()
	g = w.forget()
	g.Restored = true
	r, err = g.Run(t.Context(), w.Env)
	if !errors.Is(err, ErrSomeFailed) || r.Applied.Count(cooper.Failed) != 1 {
		t.Errorf("%v, %+v", err, r.Applied)
	}
	w.same("left", w.has("depot"), "lab/c", "lab/theirs")
	w.same("there", w.keysOf("lab"), "a", "b", "c", "c", "d.csv.zst")
}
