package job

import (
	"strings"
	"testing"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gcstate"
)

// columnYAML has a status that Cooper may write.
var columnYAML = strings.Replace(filesYAML, "modified: at}", "modified: at, status: {column: status, write: true, changed: {column: since, unit: s}}}", 1)

func newColumnPlatform(t *testing.T) *world {
	w := newFilePlatform(t, append(filesSQL, "ALTER TABLE files ADD COLUMN status TEXT DEFAULT 'AVAILABLE'", "ALTER TABLE files ADD COLUMN since INTEGER")...)
	w.answer = func(string) bool { return true }
	w.declare(columnYAML)
	w.scanned()
	return w
}

// statuses are those of the owner's column.
func (w *world) statuses() string {
	w.t.Helper()
	return strings.Join(w.owned("SELECT status || CASE WHEN since IS NULL THEN '' ELSE '*' END FROM files ORDER BY id"), " ")
}

// TestMarksInTheOwnersColumn: what is marked stands in the owner's column, too, compared and set; what its owner has changed
// meanwhile stays, and is told.
func TestMarksInTheOwnersColumn(t *testing.T) {
	w := newColumnPlatform(t)
	w.marked()
	if got := w.statuses(); got != "AVAILABLE AVAILABLE UNLINKED* UNLINKED*" {
		t.Errorf("marked: %s", got)
	}
	// Done again nothing changes; a link brings it back.
	w.sqlite("INSERT INTO posts VALUES (3, 3)")
	w.scanned()
	w.marked()
	if got := w.statuses(); got != "AVAILABLE AVAILABLE AVAILABLE* UNLINKED*" {
		t.Errorf("linked again: %s", got)
	}
	// Between the plan and its marks the owner changes one.
	w.sqlite("DELETE FROM posts WHERE id = 2", "INSERT INTO files VALUES (5, 'k5', '2025-01-01 00:00:00', 'AVAILABLE', NULL)")
	w.scanned()
	w.answer = func(string) bool {
		w.sqlite("UPDATE files SET status = 'moved' WHERE id = 2")
		return true
	}
	r, err := w.detect().Run(t.Context(), w.Env)
	if err == nil && r.Applied != nil {
		t.Logf("%+v", r.Applied)
	}
	if got := w.statuses(); got != "AVAILABLE moved AVAILABLE* UNLINKED* UNLINKED*" {
		t.Errorf("changed by its owner: %s", got)
	}
}

// TestColumn: what cannot be written is refused before anything is, and a status without a value of its own is
// written as ARCHIVED.
func TestColumn(t *testing.T) {
	w := newColumnPlatform(t)
	open := func(yaml, server string) (column, error) {
		w.declare(yaml)
		c, err := config.Load(w.path("cooper.yaml"))
		w.ok(err)
		var col column
		err = w.Env.begin(func(x *work) (err error) {
			col, err = x.openColumn(t.Context(), c, server)
			return err
		})
		return col, err
	}
	_, err := open(columnYAML, "another")
	w.refused(err, cooper.KindRefused)
	_, err = open(strings.Replace(columnYAML, "column: status,", "column: lower(status),", 1), "")
	w.refused(err, cooper.KindUsage)
	w.sqlite("ALTER TABLE files ADD COLUMN code INTEGER DEFAULT 0")
	_, err = open(strings.Replace(columnYAML, "column: status,", "column: code,", 1), "")
	w.refused(err, cooper.KindUsage)
	col, err := open(strings.Replace(columnYAML, "column: status,", "column: code, values: {AVAILABLE: 0, UNLINKED: 1, ARCHIVED: 2},", 1), "")
	w.ok(err)
	one := []gcstate.Handle{{ID: "1"}, {ID: "77"}}
	set := func(from, to gcstate.Status, want string) {
		t.Helper()
		now, err := col.Set(t.Context(), one, from, to)
		w.ok(err)
		if got := string(now[0]) + " " + string(now[1]); got != want {
			t.Errorf("from %s to %s: %q, want %q", from, to, got, want)
		}
	}
	set(gcstate.Unlinked, gcstate.Archiving, "AVAILABLE ")
	set(gcstate.Available, gcstate.Unlinked, "UNLINKED ")
	set(gcstate.Unlinked, gcstate.Archiving, "ARCHIVING ")
	set(gcstate.Archiving, gcstate.Archived, "ARCHIVED ")
	set(gcstate.Archived, gcstate.Archived, "ARCHIVED ")
	if got := w.owned("SELECT code FROM files WHERE id = 1"); len(got) != 1 || got[0] != "2" {
		t.Errorf("%q", got)
	}
	w.ok(col.Close())
}
