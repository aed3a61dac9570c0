package tree

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/memfs"
)

var inline = layout{keypath.Inline}

func TestATreeKeepsItsLayout(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		m := newMemOf(t, l)
		for _, want := range append(layouts, layout{}) {
			tr, err := Open("/tree", Options{FS: m, Create: true, Layout: want.Layout})
			if want.Layout != "" && want != l {
				if cooper.KindOf(err) != cooper.KindRefused {
					t.Errorf("opened as %s: %v", want.Layout, err)
				}
				continue
			}
			check(t, err)
			if tr.Layout() != l.Layout {
				t.Errorf("the layout is %s", tr.Layout())
			}
		}
		for p := range m.Files() {
			if top, _, _ := strings.Cut(p, "/"); l == inline && top != metaDir && top != "." {
				t.Errorf("%s in a new inline tree", p)
			}
		}
	})
}

// withTime puts a file that has a version's content and time.
func withTime(t *testing.T, m safefs.FS, name string, r *catalog.Row) {
	t.Helper()
	put(t, m, name, content(r.Identity))
	f, err := m.OpenWrite(name)
	check(t, err)
	check(t, f.SetTime(r.LastModified))
	check(t, f.Close())
}

// TestFormerNamesOfNullVersions: what s3invsync named after the ETag alone is
// found, and moved from there; but it never passes for the target of a change.
func TestFormerNamesOfNullVersions(t *testing.T) {
	m := newMemOf(t, inline)
	null := version("d/a", 1)
	null.VersionID = cooper.NullVersion
	old := inHistoryAs(null, catalog.Older, 0)
	do(t, m, "p-1", place(old))
	check(t, m.Move(inline.History(old.Identity, 0), "d/a.old.null.e1"))
	tr, err := openMem(m, false)
	check(t, err)
	if _, p, err := tr.StatRow(&old); err != nil || p != "d/a.old.null.e1" {
		t.Errorf("%s, %v", p, err)
	}
	if got := brief(do(t, m, "p-2", promote(old))); got != "promote \"d/a\" done" && got != "promote d/a done" {
		t.Error(got)
	}
	if got := m.Files()["d/a"]; got != content(null.Identity) {
		t.Errorf("d/a is %q", got)
	}

	// The same content once more, at the same time, as a file that nobody knows.
	withTime(t, m, "d/a.old.null.e1", &null)
	if got := brief(do(t, m, "p-3", retire(null, 0))); got != "retire d/a done" {
		t.Error(got)
	}
	files := m.Files()
	if _, still := files["d/a"]; still || files[inline.History(null.Identity, 0)] != content(null.Identity) || files["d/a.old.null.e1"] == "" {
		t.Errorf("%v", files)
	}
}

// TestALongNameStepsAside: the displaced form of a name of 250 bytes is two
// names, and leaves no directory behind.
func TestALongNameStepsAside(t *testing.T) {
	long := strings.Repeat("n", 250)
	m := newMemOf(t, inline)
	file, below := version(long, 1), version(long+"/x", 1)
	want := model{}
	for i, changes := range [][]Change{{place(file)}, {place(below)}, {retire(below, 0)}, {promote(inHistoryAs(below, catalog.Replaced, 0))},
		{Change{Op: Retire, Old: file, New: inHistoryAs(file, catalog.Deleted, 0)}}, {promote(inHistoryAs(file, catalog.Deleted, 0))}} {
		for _, o := range do(t, m, "p-"+string(rune('a'+i)), changes...) {
			if o.Status != cooper.Done {
				t.Fatalf("%d: %+v", i, o)
			}
		}
		want.apply(changes)
		if d := want.differences(m); d != "" {
			t.Fatalf("%d: %s", i, d)
		}
	}
}

// TestHistoryNeedsADirectory: an older version of a key below one that has a
// file pushes that file aside.
func TestHistoryNeedsADirectory(t *testing.T) {
	m := newMemOf(t, inline)
	a, below := version("a", 1), inHistoryAs(version("a/b", 1), catalog.Older, 0)
	do(t, m, "p-1", place(a))
	if got := brief(do(t, m, "p-2", place(below))); got != "place a/b done" {
		t.Error(got)
	}
	want := model{}
	want.apply([]Change{place(a), place(below)})
	if d := want.differences(m); d != "" {
		t.Error(d)
	}
}

// TestWhatTheirProgramLeft: its JSON files stay, are not foreign, and keep their
// directory, whose name a key then cannot have.
func TestWhatTheirProgramLeft(t *testing.T) {
	m := newMemOf(t, inline)
	below, a := version("a/b", 1), version("a", 1)
	do(t, m, "p-1", place(below))
	put(t, m, "a/"+TheirVersions, "{}")
	put(t, m, TheirState, "{}")
	put(t, m, "a/.s3invsync.download.x1", "cut sho")
	do(t, m, "p-2", Change{Op: Retire, Old: below, New: inHistoryAs(below, catalog.Deleted, 0)})
	if got := brief(do(t, m, "p-3", place(a))); got != "place a done" {
		t.Error(got)
	}
	tr, err := openMem(m, false)
	check(t, err)
	var got []string
	check(t, tr.Walk(bg, func(f File) error {
		got = append(got, f.Place.String()+" "+f.Path)
		return nil
	}))
	slices.Sort(got)
	if d := cmp.Diff([]string{"history a/b.old.v1.e1", "mirror .%a%=", "nowhere a/.s3invsync.download.x1"}, got); d != "" {
		t.Error(d)
	}
	if _, p, err := tr.StatRow(&a); err != nil || p != ".%a%=" {
		t.Errorf("%s, %v", p, err)
	}
}

// guarded does not let anybody look into lost+found.
type guarded struct{ *memfs.FS }

func (g guarded) ReadDir(name string) ([]safefs.Info, error) {
	if name == lostFound {
		return nil, safefs.Fail("cannot list", name, fs.ErrPermission)
	}
	return g.FS.ReadDir(name)
}

func TestLostAndFoundIsPassedOver(t *testing.T) {
	m := memfs.New()
	check(t, m.MkdirAll(lostFound))
	tr, err := Open("/tree", Options{FS: guarded{m}, Create: true, Layout: keypath.Inline})
	check(t, err)
	check(t, tr.Walk(bg, func(f File) error {
		t.Errorf("%s", f.Path)
		return nil
	}))
}

func TestMoveAsideInAnInlineTree(t *testing.T) {
	m := newMemOf(t, inline)
	put(t, m, "d/mine", "mine")
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		for _, p := range []string{".cooper/VERSION", ".cooper", "../x", "x/../.cooper/lock"} {
			if to, err := tr.MoveAside(allowed, p); err == nil {
				t.Errorf("%s moved to %s", p, to)
			}
		}
		_, err := tr.MoveAside(allowed, "d/mine")
		return err
	}))
	files := m.Files()
	if _, left := files["d/"]; left || files[".cooper/aside/d/mine"] != "mine" {
		t.Errorf("%v", files)
	}
}

func TestAnInlineTreeIsNotMadeAmongOtherThings(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, "mirror"), 0o755))
	if _, err := Open(dir, Options{Create: true, Layout: keypath.Inline}); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("%v", err)
	}
}

// TestCrashWhileALabelIsSetRight: a version in history turns out not to be the one
// whose id it has. It gets another path, and the right one takes its place, in
// one shard, whatever stops it.
func TestCrashWhileALabelIsSetRight(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		wrong := inHistoryAs(version("d/a", 1), catalog.Older, 0)
		some := wrong
		some.VersionID = ""
		right := wrong
		right.LastModified += 3600_000
		plans := []plan{{"p-2", [][]Change{{{Op: Record, Old: wrong, New: some}, place(right)}}}}
		if l.to(&plans[0].shards[0][1]).path() != l.from(&plans[0].shards[0][0]).path() {
			t.Fatal("the paths do not meet")
		}
		prepare := func() *memfs.FS {
			m := newMemOf(t, l)
			do(t, m, "p-1", place(wrong))
			return m
		}
		base := prepare()
		total := dieAt(base, -1)
		check(t, hold(base, false, facts{}, carryOut(plans, facts{})))
		for k := 1; k <= *total; k++ {
			r := rand.New(rand.NewPCG(uint64(k), 5))
			m, f := prepare(), facts{}
			check(t, m.SyncAll())
			dieAt(m, k)
			if err := hold(m, false, f, carryOut(plans, f)); !errors.Is(err, errDead) {
				t.Fatalf("operation %d: did not die: %v", k, err)
			}
			for range r.IntN(3) {
				m = after(m, r)
				dieAt(m, 1+r.IntN(20))
				if err := hold(m, r.IntN(2) == 0, f, func(*Tree) error { return nil }); err != nil && !errors.Is(err, errDead) {
					t.Fatalf("operation %d: %v", k, err)
				}
			}
			m = after(m, r)
			check(t, hold(m, r.IntN(2) == 0, f, carryOut(plans, f)))
			for _, o := range f["p-2-0"] {
				if o.Status != cooper.Done {
					t.Fatalf("operation %d: %+v", k, o)
				}
			}
			want := model{some.Identity: some, right.Identity: right}
			if d := want.differences(m); d != "" {
				t.Fatalf("operation %d: %s", k, d)
			}
			tr, err := openMem(m, false)
			check(t, err)
			for _, row := range want {
				if info, p, err := tr.StatRow(&row); err != nil || !info.ModifiedAt(row.LastModified) {
					t.Fatalf("operation %d: %s: %+v, %v", k, p, info, err)
				}
			}
		}
	})
}
