package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/inventory"
	"cooper/internal/inventory/s3report"
)

// backup is the daily command to the tree "tree".
func (w *world) backup() *Backup {
	policy := backup.Careful()
	policy.ShareLimit = 1
	return &Backup{Bucket: "lab", Dir: w.path("tree"), Source: Source{List: true}, Policy: policy, Keep: 7}
}

// backedUp is a world with a tree that has followed two snapshots: of the first a is
// replaced, b deleted, c as it was. It gives the first.
func backedUp(t *testing.T) (*world, string) {
	t.Helper()
	w := emptyLab(t, "Enabled")
	w.put("1", "a", "b", "c")
	r, err := w.backup().Run(t.Context(), w.Env)
	first := w.went(r, err, backup.Mission).Snapshot.ID
	w.later(time.Hour)
	w.put("2", "a")
	w.store.Delete("lab", "b")
	r, err = w.backup().Run(t.Context(), w.Env)
	w.went(r, err, backup.Mission)
	return w, first
}

func (w *world) mirror(want ...string) {
	w.t.Helper()
	w.same("the mirror", w.files("tree/mirror"), want...)
}

func TestBackup(t *testing.T) {
	w := emptyLab(t, "Enabled")
	w.put("1", "a", "d/b")
	r, err := w.backup().Run(t.Context(), w.Env)
	r = w.went(r, err, backup.Mission)
	w.mirror("a: a 1", "d/b: d/b 1")
	w.same("facts", w.facts(r.Plan.ID), "fetch done a", "fetch done d/b")
	w.same("shown", w.shown, r.Plan.ID+" in short")
	if r.Snapshot == nil || r.Snapshot.ID != r.Plan.Snapshot.ID || r.Applied.Bytes == 0 {
		t.Errorf("the result does not tell all: %+v", r)
	}

	w.later(time.Hour)
	w.put("2", "a")
	w.store.Delete("lab", "d/b")
	planned, err := w.backup().Plan(t.Context(), w.Env)
	w.ok(err)
	w.mirror("a: a 1", "d/b: d/b 1")
	r, err = Apply(t.Context(), w.Env, planned.Plan.ID, Options{})
	r = w.went(r, err, backup.Mission)
	w.mirror("a: a 2")
	w.same("facts", w.facts(r.Plan.ID), "fetch done a", "record done d/b", "retire done a", "retire done d/b")
	if n := len(w.files("tree/history")); n != 2 {
		t.Errorf("%d files in history", n)
	}
}

// TestBackupOfAMistypedBucket: there is no tree where nothing could be planned.
func TestBackupOfAMistypedBucket(t *testing.T) {
	w := emptyLab(t, "")
	b := w.backup()
	b.Bucket = "lap"
	_, err := b.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindMissing)
	if HasTree(b.Dir) {
		t.Error("there is a tree")
	}
}

// TestBackupOfNowhere: what is wrong with the options is said before anything is made.
func TestBackupOfNowhere(t *testing.T) {
	w := emptyLab(t, "")
	for name, change := range map[string]func(*Backup){
		"layout":    func(b *Backup) { b.Layout = "loose" },
		"keep":      func(b *Backup) { b.Keep = -1 },
		"prices":    func(b *Backup) { b.Prices = w.path("none") },
		"source":    func(b *Backup) { b.Source = Source{} },
		"match":     func(b *Backup) { b.Policy.Match = "(" },
		"parent":    func(b *Backup) { b.Dir = w.path("not/there") },
		"workspace": func(b *Backup) { b.Dir = w.Workspace },
	} {
		b := w.backup()
		change(b)
		if _, err := b.Run(t.Context(), w.Env); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Lstat(w.Workspace); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a workspace: %v", err)
	}
}

// TestBackupAndTheShareStop: more than the share goes with the digest alone.
func TestBackupAndTheShareStop(t *testing.T) {
	w := emptyLab(t, "Enabled")
	w.put("1", "a", "b")
	b := w.backup()
	b.Policy = backup.Careful()
	r, err := b.Run(t.Context(), w.Env)
	w.went(r, err, backup.Mission)
	w.store.Delete("lab", "b")
	w.later(time.Hour)
	r, err = b.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	if !r.Refused(err) || r.Plan == nil || r.Snapshot == nil {
		t.Fatalf("%+v", r)
	}
	w.mirror("a: a 1", "b: b 1")
	r, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{Confirm: r.Plan.Confirmation()})
	w.went(r, err, backup.Mission)
	w.mirror("a: a 1")
}

// TestBackupRetains: what a tree leaves behind in the workspace is bounded.
func TestBackupRetains(t *testing.T) {
	w := emptyLab(t, "Enabled")
	for _, text := range []string{"1", "2", "3"} {
		w.put(text, "a")
		b := w.backup()
		b.Keep = 2
		r, err := b.Run(t.Context(), w.Env)
		w.went(r, err, backup.Mission)
		w.later(time.Hour)
	}
	ws, err := w.OpenWorkspace()
	w.ok(err)
	defer ws.Close()
	plans, err := ws.Plans()
	w.ok(err)
	snapshots, err := ws.Snapshots()
	w.ok(err)
	if len(plans) != 2 || len(snapshots) != 2 {
		t.Errorf("%v and %v are kept", plans, snapshots)
	}
}

// reports are two of the bucket, an hour apart, in a directory; a is replaced between them.
func (w *world) reports() (dir string, names []string) {
	w.t.Helper()
	dir = w.path("reports")
	for _, text := range []string{"1", "2"} {
		w.put(text, "a")
		m, err := TakeSnapshot(w.t.Context(), w.Env, "lab", Source{List: true}, "")
		w.ok(err)
		ws, err := w.OpenWorkspace()
		w.ok(err)
		snap, err := OpenSnapshot(ws, m.ID)
		w.ok(errors.Join(err, ws.Close()))
		rows := snap.Versions(w.t.Context(), inventory.IterOptions{})
		_, err = s3report.WriteDir(w.t.Context(), dir, s3report.WriteOptions{SourceBucket: "lab", ConfigID: "daily", Format: "CSV", TakenAt: m.TakenAt}, rows)
		w.ok(errors.Join(err, rows.Close()))
		w.later(time.Hour)
	}
	dates, err := Reports(w.t.Context(), w.Env, dir+"/lab/daily")
	w.ok(err)
	for _, d := range dates {
		names = append(names, d.Name)
	}
	return dir + "/lab/daily", names
}

func TestBackupOfARange(t *testing.T) {
	w := emptyLab(t, "Enabled")
	dir, names := w.reports()
	if len(names) != 2 {
		t.Fatalf("reports: %v", names)
	}
	var trace []string
	b := w.backup()
	b.Source = Source{Inventory: dir}
	b.Range = &Range{
		Follows: func(name string, n, all int) { trace = append(trace, fmt.Sprintf("%d of %d: %s", n, all, name)) },
		Passed:  func(name, _ string) error { trace = append(trace, "not "+name); return nil },
		Came: func(r Result, err error) error {
			w.went(r, err, backup.Mission)
			trace = append(trace, w.facts(r.Plan.ID)...)
			return nil
		},
	}
	_, err := b.Run(t.Context(), w.Env)
	w.ok(err)
	w.mirror("a: a 2")
	w.same("followed", trace, "1 of 2: "+names[0], "fetch done a", "2 of 2: "+names[1], "fetch done a", "retire done a")
	w.same("runs", w.rows("SELECT DISTINCT plan FROM outcome ORDER BY ALL"), w.begun...)
	trace = nil
	_, err = b.Run(t.Context(), w.Env)
	w.ok(err)
	w.same("passed over", trace, "not "+names[0], "not "+names[1])

	// Nothing is made where no report is from that time.
	b.Dir, b.Range.From = w.path("other"), cooper.InstantOf(w.clock().Add(time.Hour))
	_, err = b.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindMissing)
	if HasTree(b.Dir) {
		t.Error("there is a tree")
	}
}

// TestBackupOfARangeStops: an error ends it, and says how to go on.
func TestBackupOfARangeStops(t *testing.T) {
	w := emptyLab(t, "Enabled")
	dir, names := w.reports()
	b := w.backup()
	b.Source = Source{Inventory: dir}
	b.Range = &Range{Follows: func(string, int, int) {}, Passed: func(string, string) error { return nil },
		Came: func(_ Result, err error) error { return errors.Join(err, errors.New("enough")) }}
	_, err := b.Run(t.Context(), w.Env)
	var e *cooper.Error
	if !errors.As(err, &e) || e.Where != "report "+names[0] || e.Message != "stopped here, at 1 of 2 reports" || !strings.Contains(e.Remedy, "it takes up this report") {
		t.Errorf("%v", err)
	}
	w.mirror("a: a 1")
}

// TestUndo: a plan that is taken back is not carried out.
func TestUndo(t *testing.T) {
	w := emptyLab(t, "Enabled")
	w.put("1", "a")
	r, err := w.backup().Plan(t.Context(), w.Env)
	w.ok(err)
	_, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{Undo: true})
	w.refused(err, cooper.KindUsage) // there is no tree
	r, err = w.backup().Run(context.Background(), w.Env)
	w.went(r, err, backup.Mission)
	r, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{Undo: true})
	if w.ok(err); r.Applied != nil || !w.heard("1 nothing is half done any more") {
		t.Errorf("%+v", r)
	}
}
