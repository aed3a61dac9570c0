package job

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/gcstate"
)

// filesSQL is a platform of old files, of which posts link to the first two.
var filesSQL = []string{
	"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, at DATETIME NOT NULL)",
	"INSERT INTO files VALUES (1, 'k1', '2025-01-01 00:00:00'), (2, 'k2', '2025-01-01 00:00:00'), (3, 'k3', '2025-01-01 00:00:00'), (4, 'k4', '2025-01-01 00:00:00')",
	"CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id BIGINT)",
	"INSERT INTO posts VALUES (1, 1), (2, 2)",
	"CREATE TABLE holds (file_id BIGINT, active BIGINT)",
	"INSERT INTO holds VALUES (3, 1), (4, 0)",
}

const filesYAML = `version: 1
database: sqlite:lab.db
buckets: [app]
handles: {table: files, id: id, key: key, modified: at}
associations:
  posts: {table: posts, object: id, handle: file_id}
detect: {scans: 1, apart: 0s}
`

// scanned reads the platform once more.
func (w *world) scanned() {
	w.t.Helper()
	_, err := w.scan(false).Run(w.t.Context(), w.Env)
	w.ok(err)
}

// TestIncidentHoldDeclaredAfterTheScans: a hold that was declared, or widened, after the scans that count is in none of
// their facts; these do not count any more.
func TestIncidentHoldDeclaredAfterTheScans(t *testing.T) {
	w := newFilePlatform(t, filesSQL...)
	w.answer = func(string) bool { return true }
	w.declare(filesYAML + "protect: {table: holds, handle: file_id, where: active = 1}\n")
	w.scanned()
	w.declare(filesYAML + "protect: {table: holds, handle: file_id, where: active >= 0}\n")
	_, err := w.detect().Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	w.same("marked though held", w.transitions())
	w.scanned()
	w.same("marked though held", w.marked())
	w.declare(filesYAML)
	w.scanned()
	if got := w.marked(); len(got) != 2 {
		t.Errorf("marked when nothing is held: %v", got)
	}
}

// TestIncidentStateOneBatchOld: a copy of the state that lacks but the last batch of changes is as old as any: a handle
// that was linked again would be UNLINKED since a time before that.
func TestIncidentStateOneBatchOld(t *testing.T) {
	w := newFilePlatform(t, filesSQL...)
	w.answer = func(string) bool { return true }
	w.declare(filesYAML)
	w.scanned()
	w.same("marked", w.marked(), "3 AVAILABLE UNLINKED no link in a complete scan", "4 AVAILABLE UNLINKED no link in a complete scan")
	file := filepath.Join(w.Env.Workspace, "gc", "state.db")
	old, err := os.ReadFile(file)
	w.ok(err)
	w.sqlite("INSERT INTO posts VALUES (3, 3)")
	w.scanned()
	if got := w.marked(); len(got) != 3 || !strings.HasPrefix(got[2], "3 UNLINKED AVAILABLE") {
		t.Fatalf("linked again: %v", got)
	}
	present, err := os.ReadFile(file)
	w.ok(err)

	w.ok(os.WriteFile(file, old, 0o600))
	_, err = w.detect().Run(t.Context(), w.Env)
	if w.refused(err, cooper.KindRefused); err == nil || !strings.Contains(err.Error(), "old copy") {
		t.Errorf("an old copy: %v", err)
	}

	// The present one, of whose changes the ledger lacks the last batch.
	w.ok(os.WriteFile(file, present, 0o600))
	batches, err := filepath.Glob(filepath.Join(w.Env.Workspace, "ledger", "gc_transition", "*-00000002.parquet"))
	if w.ok(err); len(batches) != 1 {
		t.Fatalf("batches: %v", batches)
	}
	told, err := os.ReadFile(batches[0])
	w.ok(err)
	w.ok(os.Remove(batches[0]))
	_, err = w.detect().Run(t.Context(), w.Env)
	if w.refused(err, cooper.KindRefused); err == nil || !strings.Contains(err.Error(), "lacks") {
		t.Errorf("a batch that is gone: %v", err)
	}
	w.ok(os.WriteFile(strings.TrimSuffix(batches[0], ".parquet")+".lost", nil, 0o600))
	w.marked()
	w.ok(os.Remove(strings.TrimSuffix(batches[0], ".parquet") + ".lost"))
	w.ok(os.WriteFile(batches[0], told, 0o600))
	w.marked()

	// That of another workspace.
	other := newFilePlatform(t, filesSQL...)
	other.answer = w.answer
	other.declare(filesYAML)
	other.scanned()
	other.marked()
	theirs, err := os.ReadFile(filepath.Join(other.Env.Workspace, "gc", "state.db"))
	w.ok(err)
	w.ok(os.WriteFile(file, theirs, 0o600))
	_, err = w.detect().Run(t.Context(), w.Env)
	if w.refused(err, cooper.KindRefused); err == nil || !strings.Contains(err.Error(), "another's") {
		t.Errorf("the state of another workspace: %v", err)
	}
	r, err := (&GCRebuild{}).Run(t.Context(), w.Env)
	w.ok(err)
	if r.Records[gcstate.Unlinked] != 1 {
		t.Errorf("made anew: %+v", r)
	}
}
