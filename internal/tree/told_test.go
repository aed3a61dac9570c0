package tree

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper/internal/tree/catalog"
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
