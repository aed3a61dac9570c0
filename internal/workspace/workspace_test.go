package workspace

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *Workspace {
	t.Helper()
	w, err := Open(dir, Options{Clock: func() time.Time { return noon }, Rand: func() uint16 { return 0x4f1c }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func exists(t *testing.T, name string) bool {
	t.Helper()
	_, err := os.Lstat(name)
	return err == nil
}

func TestOpenMakesAndReopens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", ".cooper")
	for range 2 {
		w := open(t, dir)
		if b, err := os.ReadFile(filepath.Join(w.Dir(), "VERSION")); err != nil || string(b) != "cooper workspace 1\n" {
			t.Errorf("VERSION is %q, %v", b, err)
		}
	}
	// What a crash before VERSION leaves is no obstacle.
	half := t.TempDir()
	if err := os.WriteFile(filepath.Join(half, "VERSION.123"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, half)
}

func TestOpenRefusesWhatIsNoWorkspace(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		kind       cooper.Kind
		message    string
	}{
		"other files":    {"thesis.tex", "x", cooper.KindUsage, "not a workspace"},
		"newer":          {"VERSION", "cooper workspace 2\n", cooper.KindUsage, "format 2"},
		"a tree's state": {"VERSION", "cooper tree 1\n", cooper.KindUsage, "not a workspace"},
		"damaged":        {"VERSION", "cooper workspace one\n", cooper.KindInvalid, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, Options{})
			if cooper.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.message) {
				t.Errorf("got %v", err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("Open left something: %v", entries)
			}
		})
	}
}

func TestIDsAscend(t *testing.T) {
	w := open(t, t.TempDir())
	if got := w.NewID("s"); got != "s-20261120T120000Z-4f1c" {
		t.Errorf("got %s", got)
	}
	if got := w.NewID("s"); got != "s-20261120T120000Z-9e39" {
		t.Errorf("a second in the same instant: got %s", got)
	}
	if got := w.NewID("r"); got != "r-20261120T120000Z-4f1c" {
		t.Errorf("another kind: got %s", got)
	}
	// The clock was set back since another process made this one.
	mkdir(t, w.PlanDir("p-20261120T130000Z-ffff"))
	if got := w.NewID("p"); got != "p-20261120T130001Z-4f1c" {
		t.Errorf("after a later one: got %s", got)
	}
	mkdir(t, filepath.Join(w.LedgerDir(), "run"))
	for _, name := range []string{"r-20261120T140000Z-0007.parquet", "r-20261120T150000Z-0008.parquet.tmp-1"} {
		if err := os.WriteFile(filepath.Join(w.LedgerDir(), "run", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.NewID("r"); got != "r-20261120T140000Z-4f24" {
		t.Errorf("after a run of the ledger: got %s", got)
	}
}

// TestRunsAtOnceHaveTheirOwnIDs: a run is in the ledger when it has ended, so that two
// that begin after a later one see the same last.
func TestRunsAtOnceHaveTheirOwnIDs(t *testing.T) {
	dir := t.TempDir()
	var ids []string
	for n := range uint16(2) {
		w, err := Open(dir, Options{Clock: func() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }, Rand: func() uint16 { return n }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() })
		mkdir(t, filepath.Join(w.LedgerDir(), "run"))
		if err := os.WriteFile(filepath.Join(w.LedgerDir(), "run", "r-20261120T140000Z-ffff.parquet"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, w.NewID("r"))
	}
	if want := []string{"r-20261120T140001Z-0000", "r-20261120T140001Z-0001"}; !slices.Equal(ids, want) {
		t.Errorf("got %q", ids)
	}
}

func TestResolve(t *testing.T) {
	w := open(t, t.TempDir())
	if _, err := w.Resolve(Snapshot, Latest); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("none there: %v", err)
	}
	a, b := "s-20261119T120000Z-0001", "s-20261120T120000Z-0002"
	for _, id := range []string{b, a, "s-20261121T120000Z-0003.tmp-77", "p-20261120T120000Z-0002"} {
		mkdir(t, w.SnapshotDir(id))
	}
	for s, want := range map[string]string{a: a, "s-20261119": a, "s-20261120T": b, "latest": b, "s-2026": "", "s-20261121": "", "p": "", "": "", "../plan": ""} {
		got, err := w.Resolve(Snapshot, s)
		if got != want || (want == "") != (err != nil) {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
		if err != nil && cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%q: kind %s", s, cooper.KindOf(err))
		}
	}
	if _, err := w.Resolve(Snapshot, "s-2026"); !strings.Contains(err.Error(), a) || !strings.Contains(err.Error(), b) {
		t.Errorf("the candidates are not named: %v", err)
	}
}

func TestRemoveSnapshot(t *testing.T) {
	w := open(t, t.TempDir())
	id := w.NewID("s")
	mkdir(t, filepath.Join(w.SnapshotDir(id), "x"))
	for _, wrong := range []string{"", "..", "s-20261119T120000Z-0001", "s-"} {
		if err := w.RemoveSnapshot(wrong); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if err := w.RemoveSnapshot(id); err != nil {
		t.Fatal(err)
	}
	if ids, err := w.Snapshots(); len(ids) != 0 || err != nil {
		t.Errorf("left: %v, %v", ids, err)
	}
	if left, _ := os.ReadDir(filepath.Join(w.Dir(), "tmp")); len(left) != 0 {
		t.Errorf("tmp holds %v", left)
	}
}

func TestLeftoversGoOnlyWhenNobodyUsesTheWorkspace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "w[1]*")
	first, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	tmp, err := first.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	id := first.NewID("s")
	building := first.SnapshotDir(id) + ".tmp-9"
	mkdir(t, building)
	mkdir(t, first.SnapshotDir(id))

	second := open(t, dir)
	if !exists(t, tmp) || !exists(t, building) {
		t.Fatal("a second Open cleared what a living process works on")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if exists(t, tmp) || exists(t, building) {
		t.Error("leftovers are still there")
	}
	if !exists(t, first.SnapshotDir(id)) {
		t.Error("a whole snapshot was cleared")
	}
}

func TestReadOnlyWorkspace(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("rights do not bind root")
	}
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, "snapshot", "s-20261119T120000Z-0001"))
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte("cooper workspace 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	w := open(t, dir)
	if id, err := w.Resolve(Snapshot, Latest); err != nil || id != "s-20261119T120000Z-0001" {
		t.Errorf("got %q, %v", id, err)
	}
}
