package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/manifest"
	"cooper/internal/store/mem"
)

func (w *world) restore(ids ...string) *GCRestore {
	return &GCRestore{Config: w.path("cooper.yaml"), Handles: ids, Days: 7, Tier: "Standard", Yes: true, Options: Options{Jobs: 4}}
}

const recallYAML = `version: 1
database: sqlite:lab.db
buckets: [lab]
handles: {table: files, id: id, bucket: =lab, key: key, modified: at, status: {column: state, write: true, values: {AVAILABLE: ok, UNLINKED: idle, ARCHIVED: away}}}
associations:
  posts: {table: posts, object: id, handle: file_id}
detect: {scans: 1, apart: 0s, settle: 0s}
archive: {bucket: depot, after: 0s, smallest: 0B}
`

// unlinkedFiles is a world in which files 3, 4 and 6, of keys c, d.csv and c, are UNLINKED.
func unlinkedFiles(t *testing.T, yaml string) *world {
	t.Helper()
	w := newFilePlatform(t,
		"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, at DATETIME, state TEXT NOT NULL DEFAULT 'ok')", "CREATE INDEX files_key ON files (key)",
		"INSERT INTO files (id, key, at) VALUES (1, 'a', '2026-01-01 00:00:00'), (2, 'b', '2026-01-01 00:00:00'), (3, 'c', '2026-01-01 00:00:00'), (4, 'd.csv', '2026-01-01 00:00:00'), (6, 'c', '2026-01-01 00:00:00')",
		"CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id INTEGER REFERENCES files)", "CREATE INDEX posts_file ON posts (file_id)",
		"INSERT INTO posts VALUES (1, 1), (2, 2)",
	)
	w.declare(yaml)
	w.store.CreateBucket("lab", "Enabled")
	w.store.CreateBucket("depot", "")
	for _, key := range []string{"a", "b", "c", "d.csv.zst"} {
		w.store.Put("lab", key, []byte("content of "+key), mem.PutOptions{})
	}
	w.answer = func(string) bool { return true }
	_, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	w.inState(map[string]gcstate.Event{"3": gcstate.Unlink, "4": gcstate.Unlink, "6": gcstate.Unlink})
	w.sqlite("UPDATE files SET state = 'idle' WHERE id IN (3, 4, 6)")
	return w
}

// inState has things happen to handles, now.
func (w *world) inState(events map[string]gcstate.Event) {
	w.t.Helper()
	for id, event := range events {
		w.happened(w.Clock(), id, event)
	}
}

// scopeNow is that of the handles, by the last scan.
func (w *world) scopeNow() (all string) {
	w.t.Helper()
	w.ok(w.begin(func(work *work) error {
		_, last, err := work.scansBy(w.t.Context(), w.path("cooper.yaml"))
		all = scope(last.Server)
		return err
	}))
	return all
}

// happened has things happen to a handle at a time.
func (w *world) happened(at time.Time, id string, events ...gcstate.Event) {
	w.t.Helper()
	of := []gcstate.Handle{{Scope: w.scopeNow(), ID: id}}
	w.ok(w.begin(func(work *work) error {
		return work.withState(w.t.Context(), func(s gcstate.State) error {
			for _, event := range events {
				rs, err := s.Get(w.t.Context(), of)
				w.ok(err)
				c, err := rs[0].By(event, cooper.InstantOf(at), "by a test", "r-1")
				w.ok(err)
				_, err = s.Change(w.t.Context(), []gcstate.Change{c})
				w.ok(err)
			}
			return tellState(w.t.Context(), s, work.gcFacts())
		})
	}))
}

// moved is an object that has gone from the lab to the depot; ids are those of its handles, with blanks between them.
type moved struct{ key, plain, ids string }

// moves has objects moved by run r-1, as its manifest tells; of their own time in the depot if at is zero.
func (w *world) moves(at time.Time, told cooper.Instant, objects ...moved) {
	w.t.Helper()
	var lines []manifest.Line
	for _, o := range objects {
		v := w.latestOf("lab", o.key)
		w.store.Put("depot", "lab/"+o.key, []byte("content of "+o.key), mem.PutOptions{Class: "STANDARD_IA", LastModified: at, Metadata: map[string]string{gcop.NoteVersion: v.VersionID, gcop.NoteETag: v.ETag}})
		w.store.DeleteVersion("lab", o.key, v.VersionID)
		line := manifest.Line{Bucket: "lab", Version: v, For: o.plain, Key: "lab/" + o.key}
		for id := range strings.FieldsSeq(o.ids) {
			line.Handles = append(line.Handles, gcop.Holder{ID: id, Status: "UNLINKED"})
		}
		lines = append(lines, line)
	}
	packed, err := manifest.Pack(manifest.Head{Plan: "p-1", Run: "r-1", Scope: w.scopeNow(), Time: told}, lines)
	w.ok(err)
	w.store.Put("depot", manifest.Key("r-1", 0), packed, mem.PutOptions{LastModified: at})
}

// archivedFiles is a world in which files 3, 4 and 6, of keys c, d.csv.zst and c, are in the archive.
func archivedFiles(t *testing.T, yaml string) *world {
	t.Helper()
	w := unlinkedFiles(t, yaml)
	w.moves(time.Time{}, work{Env: w.Env}.now(), moved{"c", "", "3 6"}, moved{"d.csv.zst", "d.csv", "4"})
	for _, event := range []gcstate.Event{gcstate.Fence, gcstate.Arrive} {
		w.inState(map[string]gcstate.Event{"3": event, "4": event, "6": event})
	}
	w.sqlite("UPDATE files SET state = 'away' WHERE id IN (3, 4, 6)")
	return w
}

func (w *world) latestOf(bucket, key string) (latest cooper.Version) {
	for _, v := range w.store.Versions(bucket) {
		if v.Key == key && v.Latest {
			latest = v
		}
	}
	return latest
}

// keysOf are the keys of a bucket, less manifests.
func (w *world) keysOf(bucket string) (keys []string) {
	for _, v := range w.store.Versions(bucket) {
		if !strings.HasPrefix(v.Key, manifest.Prefix) {
			keys = append(keys, v.Key)
		}
	}
	return keys
}

// kept are the statuses that the owner keeps.
func (w *world) kept() []string {
	w.t.Helper()
	return w.owned("SELECT id || ' ' || state FROM files WHERE id > 2 ORDER BY id")
}

// lastly are the statuses that handles have by what was told.
func (w *world) lastly() []string {
	return w.rows("SELECT concat_ws(' ', id, arg_max(to_status, since)) FROM gc_transition GROUP BY id ORDER BY id")
}

// TestRestoreArchived: what is archived comes back for the handles that are named, and what has not gone stays.
func TestRestoreArchived(t *testing.T) {
	w := archivedFiles(t, recallYAML)
	g := w.restore("3")
	g.PlanOnly = true
	r, err := g.Run(t.Context(), w.Env)
	if w.ok(err); r.Plan.Totals["recall"].Count != 1 {
		t.Errorf("%+v", r.Plan)
	}
	w.same("planned only", w.keysOf("lab"), "a", "b")
	r, err = w.restore("3").Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionRecall)
	w.same("back", w.keysOf("lab"), "a", "b", "c")
	w.same("the copies stay", w.keysOf("depot"), "lab/c", "lab/d.csv.zst")
	w.same("told", w.lastly(), "3 AVAILABLE", "4 ARCHIVED", "6 UNLINKED")
	r, err = w.restore("3").Run(t.Context(), w.Env)
	if w.ok(err); r.Nothing == "" {
		t.Errorf("again: %+v", r)
	}
	g = w.restore()
	g.Prefixes = []string{"s3://lab/"}
	r, err = g.Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionRecall)
	w.same("back", w.keysOf("lab"), "a", "b", "c", "d.csv.zst")
	w.same("told", w.lastly(), "3 AVAILABLE", "4 AVAILABLE", "6 AVAILABLE")
	_, err = w.restore("99").Run(t.Context(), w.Env)
	w.refused(err, cooper.KindMissing)
}

// TestRestoreSince: what changed its status since a time; what is UNLINKED stays.
func TestRestoreSince(t *testing.T) {
	w := unlinkedFiles(t, recallYAML)
	g := w.restore()
	g.Since = cooper.InstantOf(time.Now().Add(24 * time.Hour))
	r, err := g.Run(t.Context(), w.Env)
	if w.ok(err); r.Nothing == "" {
		t.Errorf("%+v", r)
	}
	g.Since = cooper.InstantOf(time.Now().Add(-24 * time.Hour))
	r, err = g.Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionRecall)
	w.same("told", w.lastly(), "3 AVAILABLE", "4 AVAILABLE", "6 AVAILABLE")
	w.same("there", w.keysOf("lab"), "a", "b", "c", "d.csv.zst")
}

// TestRestoreWaits: what has to be asked for is RESTORING, and the command given again goes on.
func TestRestoreWaits(t *testing.T) {
	w := archivedFiles(t, recallYAML)
	w.store.SetClass("depot", "lab/c", cooper.NullVersion, "DEEP_ARCHIVE", "")
	for range 2 {
		r, err := w.restore("3").Run(t.Context(), w.Env)
		if w.ok(err); r.Applied.Count(cooper.Deferred) != 1 {
			t.Errorf("%+v", r.Applied)
		}
		w.same("told", w.lastly(), "3 RESTORING", "4 ARCHIVED", "6 ARCHIVED")
	}
	w.store.CompleteRestore("depot", "lab/c", cooper.NullVersion)
	r, err := w.restore("3").Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionRecall)
	w.same("told", w.lastly(), "3 AVAILABLE", "4 ARCHIVED", "6 UNLINKED")
}

// TestRestoreFollows: with a time to wait, one command goes on until the store has brought it, asks ever less often, asks
// nobody again, and takes nothing else along; a time that ends, or somebody who interrupts it, leaves all as it would be without.
func TestRestoreFollows(t *testing.T) {
	w := archivedFiles(t, recallYAML)
	w.store.SetClass("depot", "lab/c", cooper.NullVersion, "DEEP_ARCHIVE", "")
	now := time.Now()
	w.Clock = func() time.Time { return now }
	var pauses []time.Duration
	g := w.restore()
	g.Prefixes = []string{"s3://lab/"}
	g.Wait = 4 * time.Hour
	g.Pause = func(_ context.Context, d time.Duration) error {
		w.same("told", w.lastly(), "3 RESTORING", "4 AVAILABLE", "6 RESTORING")
		pauses, now = append(pauses, d), now.Add(d)
		if len(pauses) == 30 {
			w.store.CompleteRestore("depot", "lab/c", cooper.NullVersion)
		}
		return nil
	}
	r, err := g.Run(t.Context(), w.Env)
	if w.ok(err); r.Applied.Count(cooper.Done) != 1 || r.Applied.Count(cooper.Deferred) != 0 || len(r.Notes) != 0 {
		t.Errorf("%+v", r.Applied)
	}
	w.same("told", w.lastly(), "3 AVAILABLE", "4 AVAILABLE", "6 AVAILABLE")
	if len(pauses) != 30 || pauses[0] != time.Minute || pauses[29] <= time.Minute {
		t.Errorf("looked after %v", pauses)
	}

	for _, interrupted := range []bool{false, true} {
		w := archivedFiles(t, recallYAML)
		w.store.SetClass("depot", "lab/c", cooper.NullVersion, "DEEP_ARCHIVE", "")
		w.Clock = func() time.Time { return now }
		g := w.restore("3")
		g.Wait = 90 * time.Second
		var pauses []time.Duration
		g.Pause = func(_ context.Context, d time.Duration) error {
			if pauses, now = append(pauses, d), now.Add(d); interrupted {
				return context.Canceled
			}
			return nil
		}
		r, err := g.Run(t.Context(), w.Env)
		if interrupted {
			w.refused(err, cooper.KindInterrupted)
		} else if w.ok(err); len(r.Notes) != 1 || fmt.Sprint(pauses) != "[1m0s 30s]" {
			t.Errorf("%q, after %v", r.Notes, pauses)
		}
		if r.Applied == nil || r.Applied.Count(cooper.Deferred) != 1 {
			t.Errorf("%+v", r.Applied)
		}
		w.same("told", w.lastly(), "3 RESTORING", "4 ARCHIVED", "6 ARCHIVED")
	}
}

// TestRestoreCannot: what cannot come back stays ARCHIVED, and the run says so.
func TestRestoreCannot(t *testing.T) {
	w := archivedFiles(t, recallYAML)
	w.store.DeleteVersion("depot", "lab/c", cooper.NullVersion)
	w.store.Put("lab", "d.csv.zst", []byte("newer"), mem.PutOptions{})
	r, err := w.restore("3", "4").Run(t.Context(), w.Env)
	if !errors.Is(err, ErrSomeFailed) || r.Applied.Count(cooper.Failed) != 2 {
		t.Errorf("%v, %+v", err, r.Applied)
	}
	w.same("told", w.lastly(), "3 ARCHIVED", "4 ARCHIVED", "6 ARCHIVED")
	w.same("there", w.keysOf("lab"), "a", "b", "d.csv.zst")
}

// TestRestoreFromArchive: of a workspace that is lost, and without an owner, the archive alone brings all back.
func TestRestoreFromArchive(t *testing.T) {
	for _, ids := range [][]string{{"3"}, nil} {
		w := archivedFiles(t, recallYAML)
		w.ok(os.RemoveAll(w.path("ws")))
		g := w.restore(ids...)
		g.FromArchive = true
		if ids == nil {
			g.Config, g.Archive, g.WithoutOwner = "", "depot", true
		}
		r, err := g.Run(t.Context(), w.Env)
		w.went(r, err, gc.MissionRecall)
		want := []string{"a", "b", "c", "d.csv.zst"}
		if ids != nil {
			want = slices.DeleteFunc(want, func(k string) bool { return k == "d.csv.zst" })
		}
		w.same("back", w.keysOf("lab"), want...)
	}
}

// TestRestoreTellsTheOwner: his column says what is so, by his own words; where he has none, nobody is told.
func TestRestoreTellsTheOwner(t *testing.T) {
	w := archivedFiles(t, recallYAML)
	r, err := w.restore("3").Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionRecall)
	w.same("the owner's", w.kept(), "3 ok", "4 away", "6 idle")
	w = archivedFiles(t, strings.Replace(recallYAML, "write: true", "write: false", 1))
	r, err = w.restore("3").Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionRecall)
	w.same("the owner's", w.kept(), "3 away", "4 away", "6 away")
	w.same("told", w.lastly(), "3 AVAILABLE", "4 ARCHIVED", "6 UNLINKED")
}
