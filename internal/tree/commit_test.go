package tree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// do carries out one plan of one shard and gives its outcomes.
func do(t *testing.T, m safefs.FS, id string, changes ...Change) []cooper.Outcome {
	t.Helper()
	f := facts{}
	check(t, hold(m, false, f, carryOut([]plan{{id, [][]Change{changes}}}, f)))
	return f[id+"-0"]
}

func put(t *testing.T, m safefs.FS, name, content string) {
	t.Helper()
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		check(t, m.MkdirAll(name[:i]))
	}
	w, err := m.OpenWrite(name)
	check(t, err)
	check(t, w.Truncate(0))
	_, err = w.Write([]byte(content))
	check(t, err)
	check(t, w.Close())
}

// brief is an outcome in a few words.
func brief(outs []cooper.Outcome) string {
	var s []string
	for _, o := range outs {
		s = append(s, strings.TrimSuffix(fmt.Sprintf("%s %s %s %s", o.Verb, cooper.Quote(o.Key), o.Status, o.Kind), " "))
	}
	return strings.Join(s, "; ")
}

// bare is what is known of a version whose bytes did not arrive.
func bare(r catalog.Row) catalog.Row {
	return catalog.Row{Identity: r.Identity, Shown: r.Shown, FirstSeen: r.FirstSeen}
}

func TestForeignThingsAreNeverTouched(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		a1, a2, ab := version("a", 1), version("a", 2), version("a/b", 3)
		for name, c := range map[string]struct {
			before      []Change          // done first
			foreign     map[string]string // put there by somebody
			changes     []Change
			want        string
			model       []Change // of changes: what happens all the same
			sidecarOnly bool
		}{
			"a file has the name": {
				foreign: map[string]string{"mirror/a": "mine"}, changes: []Change{place(a1)},
				want: "place a failed conflict"},
			"a file that looks like it has the name": {
				foreign: map[string]string{"mirror/a": content(a1.Identity)}, changes: []Change{place(a1)},
				want: "place a failed conflict"},
			"a file is where a directory is needed": {
				foreign: map[string]string{"mirror/a": "mine"}, changes: []Change{place(ab)},
				want: "place a/b failed conflict"},
			"a file is in the place of a file that is to be placed, and of a directory": {
				foreign: map[string]string{"mirror/a": "mine"}, changes: []Change{place(ab), place(a1)},
				want: "place a/b failed conflict; place a failed conflict"},
			"a file has the displaced name": {
				before: []Change{place(ab)}, foreign: map[string]string{"mirror/a%=": "mine"}, changes: []Change{place(a1)},
				want: "place a failed conflict"},
			"a file has the displaced name of one that must step aside": {
				before: []Change{place(a1)}, foreign: map[string]string{"mirror/a%=": "mine"}, changes: []Change{place(ab)},
				want: "place a/b failed conflict"},
			"a directory is in the way": {
				foreign: map[string]string{"mirror/a/mine": ""}, changes: []Change{place(a1)},
				want: "place a done", model: []Change{place(a1)}},
			"the name in history is taken": {
				before: []Change{place(a1)}, foreign: map[string]string{"history/2026-11-20/a%@v1": "mine"},
				changes: []Change{retire(a1, 0), place(a2)},
				want:    "retire a failed conflict; place a failed conflict"},
			"the file to be retired was changed": {
				before: []Change{place(a1)}, foreign: map[string]string{"mirror/a": "changed by somebody"},
				changes: []Change{retire(a1, 0), place(a2)},
				want:    "retire a failed changed; place a failed conflict"},
			"a file is where history needs a directory": {
				before: []Change{place(ab)}, foreign: map[string]string{"history/2026-11-20/a": "mine"}, changes: []Change{retire(ab, 0)},
				want: "retire a/b failed conflict", sidecarOnly: true},
			"others go on": {
				foreign: map[string]string{"mirror/a": "mine"}, changes: []Change{place(a1), place(version("b", 1))},
				want: "place a failed conflict; place b done", model: []Change{place(version("b", 1))}},
		} {
			t.Run(name, func(t *testing.T) {
				if l.Layout == keypath.Inline && c.sidecarOnly {
					t.Skip("history has no directories of its own")
				}
				m := newMemOf(t, l)
				want := model{}
				if c.before != nil {
					do(t, m, "p-before", c.before...)
					want.apply(c.before)
				}
				for p, content := range c.foreign {
					p = of(l, p)
					put(t, m, p, content)
				}
				if got := brief(do(t, m, "p-1", c.changes...)); got != c.want {
					t.Errorf("outcomes: %s\nwant:     %s", got, c.want)
				}
				for _, ch := range c.changes {
					if ch.Op == Place {
						want[ch.New.Identity] = bare(ch.New)
					}
				}
				want.apply(c.model)
				files := m.Files()
				for p, content := range c.foreign {
					p = of(l, p)
					if files[p] != content {
						t.Errorf("%s is %q now", p, files[p])
					}
				}
				cat, err := catalog.OpenFS(m)
				check(t, err)
				rows, err := allRows(cat)
				check(t, err)
				if d := cmp.Diff(want.rows(), rows); d != "" {
					t.Error(d)
				}
			})
		}
	})
}

func TestAVersionStaysInTheMirrorIfItsReplacementCannotBePlaced(t *testing.T) {
	a1, a2 := version("a", 1), version("a", 2)
	m, f := newMem(t), facts{}
	do(t, m, "p-1", place(a1))
	check(t, hold(m, false, f, func(tr *Tree) error {
		if err := tr.Begin(bg, allowed, Run{Plan: "p-2", Shards: 1}); err != nil {
			return err
		}
		p := plan{"p-2", [][]Change{{retire(a1, 1), place(a2)}}} // a2 was never staged
		outs, err := tr.Commit(bg, allowed, p.batch(0))
		if got, want := brief(outs), "retire a deferred conflict; place a failed missing"; got != want {
			t.Errorf("outcomes: %s, want %s", got, want)
		}
		return err
	}))
	want := model{}
	want.apply([]Change{place(a1)})
	want[a2.Identity] = bare(a2)
	if d := want.differences(m); d != "" {
		t.Error(d)
	}
}

func TestMissingAndWrongSources(t *testing.T) {
	a1 := version("a", 1)
	m := newMem(t)
	do(t, m, "p-1", place(a1), place(version("b", 1)))
	check(t, m.Remove("mirror/a"))
	if got, want := brief(do(t, m, "p-2", retire(a1, 0))), "retire a failed missing"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		c := version("c", 1)
		s, err := tr.Staging().Create(c.Identity)
		check(t, err)
		_, err = s.Write([]byte("too short"))
		check(t, err)
		check(t, s.Done(c.LastModified))
		if _, ok := tr.Staging().Find(c.Identity); ok {
			t.Error("bytes of the wrong size were found")
		}
		check(t, tr.Begin(bg, allowed, Run{Plan: "p-3", Shards: 1}))
		p := plan{"p-3", [][]Change{{place(c)}}}
		outs, err := tr.Commit(bg, allowed, p.batch(0))
		if got := brief(outs); got != "place c failed changed" {
			t.Error(got)
		}
		return err
	}))
}

// TestTwoVersionsNeverClaimOneFile: where a file was lost from the mirror and
// another version takes its place, the catalog must not go on to say that the
// lost one is there: repairing it would push the other one out.
func TestTwoVersionsNeverClaimOneFile(t *testing.T) {
	a1, a2 := version("a", 1), version("a", 2)
	m := newMem(t)
	do(t, m, "p-1", place(a1))
	check(t, m.Remove("mirror/a"))
	if got, want := brief(do(t, m, "p-2", retire(a1, 0), place(a2))), "retire a failed missing; place a done"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want := model{}
	want.apply([]Change{place(a2)})
	want[a1.Identity] = bare(a1)
	if d := want.differences(m); d != "" {
		t.Error(d)
	}
}

func TestACopyInHistoryIsSetAside(t *testing.T) {
	a1 := version("a", 1)
	m := newMem(t)
	do(t, m, "p-1", place(a1))
	put(t, m, "history/2026-11-20/a%@v1", content(a1.Identity))
	if got := brief(do(t, m, "p-2", retire(a1, 0))); got != "retire a done" {
		t.Error(got)
	}
	want := model{}
	want.apply([]Change{retire(a1, 0)})
	if d := want.differences(m); d != "" {
		t.Error(d)
	}
	if m.Files()[".cooper/aside/history/2026-11-20/a%@v1"] != content(a1.Identity) {
		t.Error("the copy is gone")
	}
}

// TestAnothersFileIsNotTakenForACopy: the same bytes are at the place of a version,
// but they are those of another one, which was to leave and cannot.
func TestAnothersFileIsNotTakenForACopy(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		wrong := inHistoryAs(version("a", 1), catalog.Older, 0)
		some := wrong
		some.VersionID = ""
		right := wrong
		right.LastModified += 3600_000
		m := newMemOf(t, l)
		do(t, m, "p-1", place(wrong))
		put(t, m, l.to(&Change{Op: Record, Old: wrong, New: some}).path(), "in the way")
		if got, want := brief(do(t, m, "p-2", Change{Op: Record, Old: wrong, New: some}, place(right))), "record a failed conflict; place a failed conflict"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		at := l.to(&Change{Op: Place, New: wrong}).path()
		if got := m.Files()[at]; got != content(wrong.Identity) || len(below(m, asideDir)) > 0 {
			t.Errorf("%s holds %q; aside %v", at, got, below(m, asideDir))
		}
		check(t, m.Remove(l.to(&Change{Op: Record, Old: wrong, New: some}).path()))
		tr, err := openMem(m, false)
		check(t, err)
		rows, err := allRows(tr.Catalog())
		check(t, err)
		check(t, tr.Close())
		if len(rows) != 2 || rows[0].Identity != right.Identity || rows[0].Place != catalog.Nowhere || rows[1].Identity != wrong.Identity || rows[1].Place != catalog.History {
			t.Fatalf("%+v", rows)
		}
		if got, want := brief(do(t, m, "p-3", Change{Op: Record, Old: wrong, New: some}, place(right))), "record a done; place a done"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestAForeignFileThatComesInBetween appears after the check and before the
// renaming. The facts must say so, also if the process dies right then.
func TestAForeignFileThatComesInBetween(t *testing.T) {
	a1, b1 := version("a", 1), version("b", 1)
	p := []plan{{"p-1", [][]Change{{place(a1), place(b1)}}}}
	total := 0
	for k := 0; k == 0 || k <= total; k++ {
		m, f := newMem(t), facts{}
		n, dead, came := 0, false, false
		before := func(op string, paths ...string) error {
			if op == "move" && strings.HasSuffix(paths[1], ".journal") {
				came = true
				hook := m.Before
				m.Before = nil
				put(t, m, "mirror/a", "mine")
				m.Before = hook
			}
			if came {
				n++
			}
			if dead = dead || k > 0 && n == k; dead {
				return errDead
			}
			return nil
		}
		m.Before = before
		m.Read = func(string, ...string) error {
			if dead {
				return errDead
			}
			return nil
		}
		err := hold(m, false, f, carryOut(p, f))
		if k == 0 {
			check(t, err)
			total = n
		} else if !errors.Is(err, errDead) {
			t.Fatalf("operation %d: %v", k, err)
		}
		m = after(m, rand.New(rand.NewPCG(uint64(k), 3)))
		err = hold(m, false, f, carryOut(p, f))
		check(t, err)
		got, want := brief(f["p-1-0"]), "place a failed conflict; place b done"
		if placed := m.Files()["mirror/a"] == content(a1.Identity); placed {
			want = "place a done; place b done" // the foreign file was forgotten in time
		}
		if got != want {
			t.Errorf("operation %d: %s, want %s", k, got, want)
		}
		want2 := model{}
		want2.apply([]Change{place(b1)})
		if strings.HasPrefix(want, "place a done") {
			want2.apply([]Change{place(a1)})
		} else { // what is known of it without its bytes
			want2[a1.Identity] = bare(a1)
		}
		cat, err := catalog.OpenFS(m)
		check(t, err)
		rows, err := allRows(cat)
		check(t, err)
		if d := cmp.Diff(want2.rows(), rows); d != "" {
			t.Errorf("operation %d: %s", k, d)
		}
	}
	if total < 10 {
		t.Errorf("only %d operations", total)
	}
}

// TestFullAtEveryOperation lets the disk be full at one operation. The run ends
// with KindFull; once there is room, the next one goes on.
func TestFullAtEveryOperation(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		plans, want := evolve(rand.New(rand.NewPCG(1, 7)), 2)
		m, f := newMemOf(t, l), facts{}
		total := dieAt(m, -1)
		check(t, hold(m, false, f, carryOut(plans, f)))
		for k := 1; k <= *total; k++ {
			m, f := newMemOf(t, l), facts{}
			n := 0
			m.Before = func(op string, paths ...string) error {
				if n++; n == k {
					return safefs.Fail("cannot "+op, fmt.Sprint(paths), syscall.ENOSPC)
				}
				return nil
			}
			if err := hold(m, false, f, carryOut(plans, f)); cooper.KindOf(err) != cooper.KindFull {
				t.Fatalf("operation %d: %v", k, err)
			}
			if err := hold(m, k%2 == 0, f, carryOut(plans, f)); err != nil {
				t.Fatalf("operation %d, afterwards: %v", k, err)
			}
			if d := want.differences(m); d != "" {
				t.Fatalf("operation %d: %s", k, d)
			}
		}
	})
}

func TestAfterAFailedCommitNothingGoesOnWithoutRecovery(t *testing.T) {
	m := newMem(t)
	a1, b1 := version("a", 1), version("b", 1)
	p := plan{"p-1", [][]Change{{place(a1)}, {place(b1)}}}
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		check(t, stage(tr, a1.Identity))
		check(t, stage(tr, b1.Identity))
		if _, err := tr.Commit(bg, allowed, p.batch(0)); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("a commit before Begin: %v", err)
		}
		check(t, tr.Begin(bg, allowed, Run{Plan: "p-1", Shards: 2}))
		m.Before = func(op string, paths ...string) error {
			if op == "move" && strings.HasPrefix(paths[1], "mirror/") {
				return safefs.Fail("cannot move", paths[1], syscall.EIO)
			}
			return nil
		}
		if _, err := tr.Commit(bg, allowed, p.batch(0)); !errors.Is(err, syscall.EIO) {
			t.Errorf("the commit: %v", err)
		}
		m.Before = nil
		for what, err := range map[string]error{
			"commit": func() error { _, err := tr.Commit(bg, allowed, p.batch(1)); return err }(),
			"begin":  tr.Begin(bg, allowed, Run{Plan: "p-2"}),
			"end":    tr.End(bg, allowed, Ending{Plan: "p-1"}),
			"settle": tr.Settled("p-1", 0),
		} {
			if err == nil {
				t.Errorf("%s went on", what)
			}
		}
		rec, err := tr.Recover(bg, allowed, false)
		if len(rec) != 1 || brief(rec[0].Outcomes) != "place a done" {
			t.Errorf("recovered %+v", rec)
		}
		return err
	}))
}

func TestStagedBytesAreNotTrustedAfterAFailedSync(t *testing.T) {
	m := newMem(t)
	p := plan{"p-1", [][]Change{{place(version("a", 1))}}}
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		id := p.shards[0][0].New.Identity
		check(t, stage(tr, id))
		check(t, tr.Begin(bg, allowed, Run{Plan: "p-1", Shards: 1}))
		m.Before = func(op string, paths ...string) error {
			if op == "sync-all" {
				return safefs.Fail("cannot sync", ".", syscall.EIO)
			}
			return nil
		}
		for range 2 {
			if _, err := tr.Commit(bg, allowed, p.batch(0)); err == nil {
				t.Error("committed what could not be synced")
			}
			m.Before = nil
		}
		if _, ok := tr.Staging().Find(id); ok {
			t.Error("the bytes are still trusted")
		}
		return nil
	}))
}

func TestUndoneIsNotDoneForALaterPlan(t *testing.T) {
	a1 := version("a", 1)
	for i := range uint64(100) {
		r := rand.New(rand.NewPCG(i, 9))
		m, f := newMem(t), facts{}
		n := 0
		m.Before = func(op string, paths ...string) error {
			if op == "move" && strings.HasPrefix(paths[1], "mirror/") || n > 0 {
				n++
				return errDead
			}
			return nil
		}
		if err := hold(m, false, f, carryOut([]plan{{"p-1", [][]Change{{place(a1)}}}}, f)); !errors.Is(err, errDead) {
			t.Fatal(err)
		}
		m = m.Crash(r)
		check(t, hold(m, true, f, func(tr *Tree) error {
			return tr.Begin(bg, allowed, Run{Plan: "p-2", Shards: 1})
		}))
		m = m.Crash(r)
		check(t, hold(m, false, f, func(*Tree) error { return nil }))
		if len(f) != 0 {
			t.Fatalf("facts of what was undone: %v", f)
		}
	}
}

// TestFactsAreNotMoreDurableThanTheCatalog kills the process when the pointer
// is replaced, but not yet on the disk. The next one sees the shard as done,
// settles it, and then the power fails.
func TestFactsAreNotMoreDurableThanTheCatalog(t *testing.T) {
	p := []plan{{"p-1", [][]Change{{place(version("a", 1))}, {place(version("b", 1))}}}}
	for i := range uint64(200) {
		m, f := newMem(t), facts{}
		committed := false
		m.Before = func(op string, paths ...string) error {
			committed = committed || op == "create"
			if committed && op == "sync-dir" && paths[0] == ".cooper/catalog" {
				return errDead
			}
			return nil
		}
		if err := hold(m, false, f, carryOut(p, f)); !errors.Is(err, errDead) {
			t.Fatal(err)
		}
		m = m.Kill()
		check(t, hold(m, false, f, func(*Tree) error { return nil }))
		if len(f) != 1 {
			t.Fatalf("facts: %v", f)
		}
		m = m.Crash(rand.New(rand.NewPCG(i, 4)))
		check(t, hold(m, false, f, func(tr *Tree) error {
			if !tr.Done("p-1")(0) {
				t.Fatal("there are facts of a shard that is not done")
			}
			return nil
		}))
	}
}

func TestBatchesThatMakeNoSense(t *testing.T) {
	a := version("a", 1)
	hist := inHistoryAs(a, catalog.Older, 0)
	for name, c := range map[string]Change{
		"no operation":            {New: a},
		"placed nowhere":          {Op: Place, New: catalog.Row{Identity: a.Identity}},
		"retired from nowhere":    {Op: Retire, New: hist},
		"retired to the mirror":   {Op: Retire, Old: a, New: a},
		"promoted from nowhere":   {Op: Promote, New: a},
		"recorded away":           {Op: Record, Old: a, New: hist},
		"recorded without bytes":  {Op: Record, New: a},
		"another key":             {Op: Retire, Old: version("b", 1), New: hist},
		"a key that is no text":   {Op: Place, New: version("\xff", 1)},
		"no key":                  {Op: Place, New: catalog.Row{Place: catalog.Mirror}},
		"an outcome there is not": {Op: Place, New: a, Outcome: 5},
	} {
		b := Batch{Plan: "p-1", Changes: []Change{c}, Outcomes: make([]cooper.Outcome, 1)}
		if err := b.check(); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newReal(t *testing.T, l layout) (safefs.FS, string) {
	t.Helper()
	dir := t.TempDir()
	tr, err := Open(dir, Options{Create: true, Layout: l.Layout})
	check(t, err)
	check(t, tr.Close())
	fsys, err := safefs.Open(dir)
	check(t, err)
	t.Cleanup(func() { check(t, fsys.Close()) })
	return fsys, dir
}

// realFiles is memfs.FS.Files for a directory.
func realFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	check(t, filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
		rel, _ := filepath.Rel(dir, p)
		switch {
		case err != nil:
			return err
		case rel == "." || rel == metaDir || strings.HasPrefix(rel, metaDir+"/"):
		case info.IsDir():
			files[rel+"/"] = ""
		default:
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			files[rel] = string(b)
			if !info.ModTime().Equal(noon) {
				t.Errorf("%s has the time %v", p, info.ModTime())
			}
		}
		return nil
	}))
	return files
}

func TestManyGenerationsOnARealFileSystem(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		for seed := range soak(t, 2) {
			fsys, dir := newReal(t, l)
			plans, want := evolve(rand.New(rand.NewPCG(seed, 5)), 15)
			f := facts{}
			check(t, hold(fsys, false, f, carryOut(plans, f)))
			if d := cmp.Diff(want.files(l), realFiles(t, dir)); d != "" {
				t.Error(d)
			}
		}
	})
}

// linking renames as file systems without RENAME_NOREPLACE must: by link and
// unlink. It dies between the two of the n-th renaming.
type linking struct {
	safefs.FS
	dir  string
	n    int
	dead bool
}

func (l *linking) Move(from, to string) error {
	if l.dead {
		return errDead
	}
	err := os.Link(filepath.Join(l.dir, from), filepath.Join(l.dir, to))
	var link *os.LinkError
	if errors.As(err, &link) {
		return safefs.Fail("cannot link", to, link.Err)
	}
	if l.n--; l.n == 0 {
		l.dead = true
		return errDead
	}
	return os.Remove(filepath.Join(l.dir, from))
}

func TestCrashBetweenLinkAndUnlink(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		plans, want := evolve(rand.New(rand.NewPCG(4, 7)), 4)
		for n := 1; ; n++ {
			fsys, dir := newReal(t, l)
			f := facts{}
			err := hold(&linking{FS: fsys, dir: dir, n: n}, false, f, carryOut(plans, f))
			if err == nil {
				if n < 20 {
					t.Errorf("only %d renamings", n-1)
				}
				return
			}
			if !errors.Is(err, errDead) {
				t.Fatalf("renaming %d: %v", n, err)
			}
			check(t, hold(&linking{FS: fsys, dir: dir}, n%2 == 0, f, carryOut(plans, f)))
			if d := cmp.Diff(want.files(l), realFiles(t, dir)); d != "" {
				t.Fatalf("renaming %d: %s", n, d)
			}
		}
	})
}
