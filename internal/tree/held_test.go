package tree

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs/memfs"
)

// damage gives a file other bytes, of any length, and keeps its time.
func damage(t *testing.T, m *memfs.FS, name, content string) {
	t.Helper()
	f, err := m.OpenWrite(name)
	check(t, err)
	info, err := f.Stat()
	check(t, err)
	check(t, f.Truncate(0))
	_, err = f.Write([]byte(content))
	check(t, err)
	check(t, f.SetTime(cooper.Instant(info.MTime/1e6)))
	check(t, f.Close())
}

// below are the files under a directory, with their content.
func below(m *memfs.FS, dir string) map[string]string {
	got := m.Files()
	maps.DeleteFunc(got, func(p, _ string) bool { return !strings.HasPrefix(p, dir+"/") || strings.HasSuffix(p, "/") })
	return got
}

func TestPrunedFilesAreGone(t *testing.T) {
	m := newMem(t)
	a, b := version("d/a", 1), version("d/b", 1)
	do(t, m, "p-1", place(a), place(b))
	do(t, m, "p-2", retire(a, 0), retire(b, 0))
	oldA, oldB := inHistoryAs(a, catalog.Replaced, 0), inHistoryAs(b, catalog.Replaced, 0)
	check(t, noFailures(do(t, m, "p-3", prune(oldA, false))))
	if d := (model{a.Identity: prune(oldA, false).New, b.Identity: oldB}).differences(m); d != "" {
		t.Error(d)
	}
	if at := stateOf(t, m).Forgotten; at != 0 {
		t.Errorf("forgotten up to %s, though every row is there", at)
	}
	check(t, noFailures(do(t, m, "p-4", prune(oldB, true))))
	if d := (model{a.Identity: prune(oldA, false).New}).differences(m); d != "" {
		t.Error(d)
	}
	if at := stateOf(t, m).Forgotten; at != oldB.Superseded {
		t.Errorf("forgotten up to %s, want %s", at, oldB.Superseded)
	}
}

func noFailures(outs []cooper.Outcome) error {
	for _, o := range outs {
		if o.Status != cooper.Done {
			return fmt.Errorf("%s: %s: %s", o.Key, o.Kind, o.Message)
		}
	}
	return nil
}

func stateOf(t *testing.T, m *memfs.FS) catalog.State {
	t.Helper()
	c, err := catalog.OpenFS(m)
	check(t, err)
	return c.State()
}

// TestOnlyTheVersionMeantIsPruned: what is not the file that was stored there is
// left, and so is its row.
func TestOnlyTheVersionMeantIsPruned(t *testing.T) {
	a := version("a", 1)
	old := inHistoryAs(a, catalog.Replaced, 0)
	for name, spoil := range map[string]func(m *memfs.FS, path string){
		"changed": func(m *memfs.FS, path string) { damage(t, m, path, "longer than it was before") },
		"missing": func(m *memfs.FS, path string) { check(t, m.Remove(path)) },
	} {
		m := newMem(t)
		do(t, m, "p-1", place(a))
		do(t, m, "p-2", retire(a, 0))
		spoil(m, layout{keypath.Sidecar}.spotOf(&old).path())
		before := below(m, "history")
		for _, forget := range []bool{false, true} {
			outs := do(t, m, fmt.Sprint("p-3", forget), prune(old, forget))
			if outs[0].Status != cooper.Failed || string(outs[0].Kind) != name {
				t.Errorf("%s: %+v", name, outs[0])
			}
		}
		if got := below(m, "history"); !maps.Equal(got, before) {
			t.Errorf("%s: %v, before %v", name, got, before)
		}
		c, err := catalog.OpenFS(m)
		check(t, err)
		if rows, err := allRows(c); err != nil || len(rows) != 1 || rows[0].Place != catalog.History {
			t.Errorf("%s: %v, %v", name, rows, err)
		}
	}
}

// TestPruneTakesNothingElse: no batch may prune what is in the mirror.
func TestPruneTakesNothingElse(t *testing.T) {
	a := version("a", 1)
	other := inHistoryAs(version("a", 2), catalog.Older, 0)
	fromMirror := prune(a, false)
	another := prune(inHistoryAs(a, catalog.Older, 0), false)
	another.New.Identity = other.Identity
	kept := prune(inHistoryAs(a, catalog.Older, 0), false)
	kept.New.Place = catalog.History
	dropped := Change{Op: Record, Old: a, New: a}
	dropped.New.Dropped = true
	for i, c := range []Change{fromMirror, another, kept, dropped} {
		b := Batch{Plan: "p-1", Changes: []Change{c}, Outcomes: make([]cooper.Outcome, 1)}
		if err := b.check(); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("change %d passed: %v", i, err)
		}
	}
}

func TestMendSetsTheDamagedFileAside(t *testing.T) {
	long := "other bytes, and more of them"
	for name, c := range map[string]struct {
		mirror bool
		spoil  func(m *memfs.FS, path string)
		aside  string
	}{
		"rotten": {true, func(m *memfs.FS, path string) {
			damage(t, m, path, strings.Repeat("?", len(content(version("d/a", 1).Identity))))
		}, "??????????"},
		"longer":             {true, func(m *memfs.FS, path string) { damage(t, m, path, long) }, long},
		"missing":            {true, func(m *memfs.FS, path string) { check(t, m.Remove(path)) }, ""},
		"longer, in history": {false, func(m *memfs.FS, path string) { damage(t, m, path, long) }, long},
	} {
		m := newMem(t)
		a := version("d/a", 1)
		do(t, m, "p-1", place(a))
		if !c.mirror {
			do(t, m, "p-2", retire(a, 0))
			a = inHistoryAs(a, catalog.Replaced, 0)
		}
		path := layout{keypath.Sidecar}.spotOf(&a).path()
		c.spoil(m, path)
		check(t, noFailures(do(t, m, "p-3", mend(a))))
		if d := (model{a.Identity: mend(a).New}).differences(m); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		want := map[string]string{}
		if c.aside != "" {
			want[asideDir+"/"+path] = c.aside
		}
		if got := below(m, asideDir); !maps.Equal(got, want) {
			t.Errorf("%s: aside is %v, want %v", name, got, want)
		}
	}
}

// TestMendIntoWhatIsTaken: the damaged file stays where it is, while the bytes that
// were fetched have no place in the mirror.
func TestMendIntoWhatIsTaken(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		m := newMemOf(t, l)
		a := version("d/a", 1)
		do(t, m, "p-1", place(a))
		do(t, m, "p-2", retire(a, 0))
		old := inHistoryAs(a, catalog.Replaced, 0)
		damage(t, m, l.spotOf(&old).path(), "damaged")
		put(t, m, of(l, "mirror/d/a"), "in the way")
		if got, want := brief(do(t, m, "p-3", mendInto(old))), "mend d/a failed conflict"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := m.Files()[l.spotOf(&old).path()]; got != "damaged" || len(below(m, asideDir)) > 0 {
			t.Errorf("history holds %q; aside %v", got, below(m, asideDir))
		}
		check(t, m.Remove(of(l, "mirror/d/a")))
		check(t, noFailures(do(t, m, "p-4", mendInto(old))))
		if d := (model{a.Identity: mendInto(old).New}).differences(m); d != "" {
			t.Error(d)
		}
	})
}

// TestMendWithoutBytesTouchesNothing: what was not fetched after all replaces
// nothing.
func TestMendWithoutBytesTouchesNothing(t *testing.T) {
	m := newMem(t)
	a := version("a", 1)
	do(t, m, "p-1", place(a))
	damage(t, m, "mirror/a", "damaged")
	p := plan{id: "p-2", shards: [][]Change{{mend(a)}}}
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		check(t, tr.Begin(bg, allowed, Run{Plan: p.id, Shards: 1}))
		outs, err := tr.Commit(bg, allowed, p.batch(0)) // nothing is staged
		if err == nil && (outs[0].Status != cooper.Failed || outs[0].Kind != cooper.KindMissing) {
			t.Errorf("%+v", outs[0])
		}
		return err
	}))
	if got := m.Files()["mirror/a"]; got != "damaged" || len(below(m, asideDir)) > 0 {
		t.Errorf("mirror/a holds %q; aside %v", got, below(m, asideDir))
	}
}

// TestADamagedFileGoesBack if what was to take its place is gone at the last
// moment: better a damaged file than none.
func TestADamagedFileGoesBack(t *testing.T) {
	m := newMem(t)
	a := version("a", 1)
	do(t, m, "p-1", place(a))
	damage(t, m, "mirror/a", "damaged")
	staged := stagedPath(&a.Identity)
	m.Before = func(_ string, paths ...string) error {
		if len(paths) == 2 && paths[0] == staged {
			m.Before = nil
			check(t, m.Remove(staged))
		}
		return nil
	}
	if outs := do(t, m, "p-2", mend(a)); outs[0].Status != cooper.Failed {
		t.Errorf("%+v", outs[0])
	}
	if got := m.Files()["mirror/a"]; got != "damaged" || len(below(m, asideDir))+len(below(m, heldDir)) > 0 {
		t.Errorf("mirror/a holds %q; aside %v", got, below(m, asideDir))
	}
}

// TestCrashWhileMending stops before every operation of a shard that mends
// files damaged beyond recognition and such that look right, and one that
// prunes. Undone or completed: no byte of a damaged file is ever lost, the
// right ones are there in the end, and nothing is held back.
func TestCrashWhileMending(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		a, x := version("a", 1), version("d/x", 1)
		y, newer := inHistoryAs(version("d/y", 1), catalog.Replaced, 0), version("d/y", 2)
		h, gone := inHistoryAs(version("d/h", 1), catalog.Replaced, 0), inHistoryAs(version("gone", 1), catalog.Replaced, 0)
		damaged := []string{strings.Repeat("?", len(content(a.Identity))), "longer than it should be", "short", "~~~~~~~~"}
		prepare := func() *memfs.FS {
			m := newMemOf(t, l)
			do(t, m, "p-1", place(a), place(x), place(version("d/h", 1)), place(version("gone", 1)), place(version("d/y", 1)))
			do(t, m, "p-2", retire(version("d/h", 1), 0), retire(version("gone", 1), 0), retire(version("d/y", 1), 0), place(newer))
			damage(t, m, of(l, "mirror/a"), damaged[0])
			damage(t, m, of(l, "mirror/d/x"), damaged[1])
			damage(t, m, l.spotOf(&h).path(), damaged[2])
			damage(t, m, l.spotOf(&y).path(), damaged[3])
			check(t, m.SyncAll())
			return m
		}
		plans := []plan{{id: "p-3", shards: [][]Change{{mend(a), prune(gone, false), mend(x), mend(h), mendInto(y), retire(newer, 1)}}}}
		want := model{a.Identity: mend(a).New, x.Identity: mend(x).New, h.Identity: mend(h).New, gone.Identity: prune(gone, false).New, y.Identity: mendInto(y).New, newer.Identity: retire(newer, 1).New}

		base := prepare()
		total := dieAt(base, -1)
		check(t, hold(base, false, facts{}, carryOut(plans, facts{})))
		for k := 1; k <= *total; k++ {
			r := rand.New(rand.NewPCG(uint64(k), 3))
			m, f := prepare(), facts{}
			dieAt(m, k)
			if err := hold(m, false, f, carryOut(plans, f)); !errors.Is(err, errDead) {
				t.Fatalf("operation %d: did not die: %v", k, err)
			}
			for range r.IntN(3) {
				m = after(m, r)
				dieAt(m, 1+r.IntN(30))
				if err := hold(m, r.IntN(2) == 0, f, func(*Tree) error { return nil }); err != nil && !errors.Is(err, errDead) {
					t.Fatalf("operation %d: %v", k, err)
				}
			}
			m = after(m, r)
			check(t, hold(m, r.IntN(2) == 0, f, func(tr *Tree) error {
				files := m.Files()
				if got := contents(files, damaged); !slices.Equal(got, damaged) {
					t.Errorf("operation %d: after recovery the damaged files are %q", k, got)
				}
				rows, err := tr.Catalog().Lookup(bg, gone.Key)
				check(t, err)
				if _, there := files[l.spotOf(&gone).path()]; len(rows) != 1 || there != (rows[0].Place == catalog.History) {
					t.Errorf("operation %d: the file to be pruned is there: %v; the catalog says %v", k, there, rows)
				}
				return carryOut(plans, f)(tr)
			}))
			if d := want.differences(m); d != "" {
				t.Fatalf("operation %d: %s", k, d)
			}
			if got := contents(m.Files(), []string{content(gone.Identity)}); len(got) > 0 {
				t.Fatalf("operation %d: what was pruned is still there", k)
			}
			if got := contents(below(m, asideDir), damaged); !slices.Equal(got, damaged) {
				t.Fatalf("operation %d: aside holds %q", k, got)
			}
		}
	})
}

// contents are those of the strings that files hold, in order.
func contents(files map[string]string, of []string) []string {
	var got []string
	for _, c := range slices.Sorted(maps.Values(files)) {
		if slices.Contains(of, c) {
			got = append(got, c)
		}
	}
	return got
}

// TestWhatALostJournalHeldIsSetAside: it may be the only copy.
func TestWhatALostJournalHeldIsSetAside(t *testing.T) {
	m := newMem(t)
	a := version("a", 1)
	do(t, m, "p-1", place(a))
	do(t, m, "p-2", retire(a, 0))
	check(t, m.MkdirAll(heldDir))
	check(t, m.Move(layout{keypath.Sidecar}.spotOf(ptr(inHistoryAs(a, catalog.Replaced, 0))).path(), heldPath(&a.Identity)))
	check(t, hold(m, false, facts{}, func(*Tree) error { return nil }))
	if got := slices.Collect(maps.Values(below(m, asideDir))); !slices.Equal(got, []string{content(a.Identity)}) {
		t.Errorf("aside: %q", got)
	}
}

func ptr(r catalog.Row) *catalog.Row { return &r }
