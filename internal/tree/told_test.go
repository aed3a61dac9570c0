package tree

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs/memfs"
)

// TestWhatAStoreToldIsKeptByCommits: also where the version id becomes known, though no
// plan speaks of it.
func TestWhatAStoreToldIsKeptByCommits(t *testing.T) {
	text := "text/csv"
	a := version("a", 1)
	a.Told = &catalog.Told{ContentType: &text}
	m := newMem(t)
	// A program of later writes it; journals of now do not have it.
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		if err := ensureStaged(tr, a.Identity); err != nil {
			return err
		}
		f := facts{}
		if err := carryOut([]plan{{"p-0", [][]Change{{place(a)}}}}, f)(tr); err != nil {
			return err
		}
		s, err := tr.catalog.Append(allowed, []catalog.Row{a})
		if err != nil {
			return err
		}
		next := tr.State()
		next.Runs = append(next.Runs[:len(next.Runs):len(next.Runs)], *s)
		return tr.catalog.Publish(allowed, next)
	}))
	plain := a
	plain.Told = nil
	now := plain
	now.VersionID += "-known"
	do(t, m, "p-1", Change{Op: Record, Old: plain, New: now})
	do(t, m, "p-2", retire(now, 1), place(version("a", 2)))
	want := model{}
	old := inHistoryAs(now, catalog.Replaced, 1)
	old.Told = a.Told
	want.apply([]Change{place(version("a", 2)), {Op: Place, New: old}})
	c, err := catalog.OpenFS(m)
	check(t, err)
	rows, err := allRows(c)
	check(t, err)
	if d := cmp.Diff(want.rows(), rows); d != "" {
		t.Error(d)
	}
}

// TestAnOldPointerIsTold: whoever only reads a tree whose pointer was put back is told.
func TestAnOldPointerIsTold(t *testing.T) {
	m := memfs.New()
	var told []string
	opt := Options{FS: m, Create: true, Tell: func(message string) { told = append(told, message) }}
	if _, err := Open("/tree", opt); err != nil || len(told) > 0 {
		t.Fatal(told, err)
	}
	f, err := m.OpenWrite(catalog.Dir + "/delta-0000000009-0.parquet")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	opt.Create = false
	if _, err := Open("/tree", opt); err != nil || len(told) != 1 || !strings.Contains(told[0], "old copy") {
		t.Error(told, err)
	}
}

// TestAVersionFileThatIsGone: a tree that has lost it is no new directory, and no other
// program's; whoever meets it is told what to write.
func TestAVersionFileThatIsGone(t *testing.T) {
	m := newMem(t)
	a := version("a", 1)
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		if err := ensureStaged(tr, a.Identity); err != nil {
			return err
		}
		return carryOut([]plan{{"p-0", [][]Change{{place(a)}}}}, facts{})(tr)
	}))
	check(t, m.Remove(versionPath))
	files := m.Files()
	_, read := Open("/tree", Options{FS: m})
	_, made := Open("/tree", Options{FS: m, Create: true})
	_, broken := OpenBroken(t.Context(), "/tree", Options{FS: m, Layout: keypath.Sidecar})
	for _, err := range []error{read, made, broken} {
		var e *cooper.Error
		if !errors.As(err, &e) || e.Kind != cooper.KindCorrupt || !strings.Contains(e.Remedy, `{"format":1,"layout":"sidecar"}`) {
			t.Errorf("%v", err)
		}
	}
	if d := cmp.Diff(files, m.Files()); d != "" {
		t.Error(d)
	}
}

// TestEmptyDirectoriesThatACopyLeftOut are made again.
func TestEmptyDirectoriesThatACopyLeftOut(t *testing.T) {
	m := newMem(t)
	for _, name := range []string{stagingDir, journalDir} {
		check(t, m.RemoveDir(name))
	}
	a := version("a", 1)
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		if err := ensureStaged(tr, a.Identity); err != nil {
			return err
		}
		return carryOut([]plan{{"p-0", [][]Change{{place(a)}}}}, facts{})(tr)
	}))
}
