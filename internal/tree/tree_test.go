package tree

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/memfs"
)

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "tree")
	if _, err := Open(dir, Options{}); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("no directory: %v", err)
	}
	tr, err := Open(dir, Options{Create: true})
	check(t, err)
	if s := tr.State(); tr.Dir() != dir || s.Generation != 1 || s.Run != nil {
		t.Errorf("a new tree: %s, %+v", tr.Dir(), s)
	}
	if free, err := tr.Free(); err != nil || free.Bytes <= 0 || free.Inodes <= 0 {
		t.Errorf("free: %+v, %v", free, err)
	}
	check(t, tr.Close())
	tr, err = Open(dir, Options{Create: true}) // is there already
	check(t, err)
	check(t, tr.Close())

	other := t.TempDir()
	check(t, os.WriteFile(filepath.Join(other, "thesis.txt"), nil, 0o600))
	for _, create := range []bool{false, true} {
		if _, err := Open(other, Options{Create: create}); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("a directory with other things, create=%v: %v", create, err)
		}
	}
	other = t.TempDir()
	staged := filepath.Join(other, stagingDir, "thesis.txt")
	check(t, os.MkdirAll(filepath.Dir(staged), 0o755))
	check(t, os.WriteFile(staged, []byte("precious"), 0o600))
	if _, err := Open(other, Options{Create: true}); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("something of somebody else's in .cooper: %v", err)
	}
	check(t, os.WriteFile(filepath.Join(dir, versionPath), []byte(`{"format":3,"layout":"sidecar"}`), 0o600))
	if _, err := Open(dir, Options{Create: true}); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("a newer format: %v", err)
	}
	check(t, os.WriteFile(filepath.Join(dir, versionPath), []byte(`{`), 0o600))
	if _, err := Open(dir, Options{}); cooper.KindOf(err) != cooper.KindCorrupt {
		t.Errorf("a broken version file: %v", err)
	}
}

func TestATreeIsOnOneFileSystemWithoutLinks(t *testing.T) {
	for _, name := range []string{"mirror", "history", metaDir} {
		dir := t.TempDir()
		tr, err := Open(dir, Options{Create: true})
		check(t, err)
		check(t, tr.Close())
		elsewhere := filepath.Join(t.TempDir(), "moved")
		check(t, os.Rename(filepath.Join(dir, name), elsewhere))
		check(t, os.Symlink(elsewhere, filepath.Join(dir, name)))
		if _, err := Open(dir, Options{}); err == nil {
			t.Errorf("%s is a link, and nobody minds", name)
		}
	}
}

// folding is a file system that takes names apart from case only for one.
type folding struct{ *memfs.FS }

func (f folding) Create(name string) (safefs.File, error) { return f.FS.Create(strings.ToLower(name)) }

func TestAFileSystemThatFoldsCaseIsRefused(t *testing.T) {
	_, err := openMem(folding{memfs.New()}, true)
	if cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("%v", err)
	}
}

func TestCrashWhileMakingATree(t *testing.T) {
	m := memfs.New()
	total := dieAt(m, -1)
	_, err := openMem(m, true)
	check(t, err)
	for k := 1; k <= *total; k++ {
		m := memfs.New()
		dieAt(m, k)
		if _, err := openMem(m, true); !errors.Is(err, errDead) {
			t.Fatalf("operation %d: %v", k, err)
		}
		m = after(m, rand.New(rand.NewPCG(uint64(k), 2)))
		f := facts{}
		_, err := openMem(m, true)
		check(t, err)
		check(t, hold(m, false, f, carryOut([]plan{{"p-1", [][]Change{{place(version("a", 1))}}}}, f)))
	}
}

// TestTwoMakersOfATree lets another process make a tree, and fill it, between
// this one's look and its lock.
func TestTwoMakersOfATree(t *testing.T) {
	m := memfs.New()
	a1 := version("a", 1)
	m.Before = func(op string, paths ...string) error {
		if op != "mkdir" || paths[0] != asideDir {
			return nil
		}
		m.Before = nil
		other, err := openMem(m, true)
		check(t, err)
		check(t, other.Close())
		do(t, m, "p-1", place(a1))
		return nil
	}
	_, err := openMem(m, true)
	check(t, err)
	if m.Before != nil {
		t.Fatal("nobody came in between")
	}
	want := model{}
	want.apply([]Change{place(a1)})
	if d := want.differences(m); d != "" {
		t.Error(d)
	}
}

func TestTwoLockers(t *testing.T) {
	dir := t.TempDir()
	one, err := Open(dir, Options{Create: true, Clock: func() time.Time { return noon }})
	check(t, err)
	two, err := Open(dir, Options{})
	check(t, err)
	ctx, release, err := one.Lock(bg, Holder{Run: "r-1", Command: "cooper backup run"})
	check(t, err)
	_, _, err = two.Lock(bg, Holder{Run: "r-2"})
	if host, _ := os.Hostname(); cooper.KindOf(err) != cooper.KindLocked || !strings.Contains(err.Error(), fmt.Sprintf("cooper backup run (run r-1), process %d on %s since 2026-11-20T12:00:00Z", os.Getpid(), host)) {
		t.Errorf("the second: %v", err)
	}
	if _, err := two.Recover(bg, allowed, false); err == nil {
		t.Error("recovered without the lock")
	}
	if ctx.Err() != nil {
		t.Error("the lock was lost")
	}
	check(t, release())
	check(t, release())
	if ctx.Err() == nil {
		t.Error("the lock was given back, and its context goes on")
	}
	_, release, err = two.Lock(bg, Holder{})
	check(t, err)
	check(t, release())
	check(t, one.Close())
	check(t, two.Close())
}

func TestALostLockStopsEverything(t *testing.T) {
	const others = `{"run":"r-other","command":"backup run","pid":7,"host":"elsewhere"}`
	for name, lose := range map[string]func(lock string) error{
		"another file": func(lock string) error {
			return errors.Join(os.Rename(lock, lock+".old"), os.WriteFile(lock, nil, 0o600))
		},
		"removed": os.Remove,
		// As on a network file system whose locks do not reach from host to host.
		"another's line": func(lock string) error { return os.WriteFile(lock, []byte(others), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := loseLock(t, lose)
			if b, err := os.ReadFile(filepath.Join(dir, lockPath)); name == "another's line" && string(b) != others {
				t.Errorf("what the other wrote became %q, %v", b, err)
			}
		})
	}
}

// loseLock loses the lock of a tree while it is held.
func loseLock(t *testing.T, lose func(lock string) error) (dir string) {
	dir = t.TempDir()
	tick := make(chan time.Time)
	tr, err := Open(dir, Options{Create: true, Tick: func() (<-chan time.Time, func()) { return tick, func() {} }})
	check(t, err)
	ctx, release, err := tr.Lock(bg, Holder{})
	check(t, err)
	_, err = tr.Recover(ctx, allowed, false)
	check(t, err)
	for range 2 { // by the second the first was looked at
		select {
		case tick <- noon:
		case <-ctx.Done():
			t.Fatalf("cancelled without a reason: %v", context.Cause(ctx))
		}
	}
	check(t, lose(filepath.Join(dir, lockPath)))
	// The watcher may look only now at the tick before, and be gone.
	select {
	case tick <- noon:
		<-ctx.Done()
	case <-ctx.Done():
	}
	if err := context.Cause(ctx); cooper.KindOf(err) != cooper.KindLocked {
		t.Errorf("the cause: %v", err)
	}
	if err := tr.Begin(bg, allowed, Run{Plan: "p-1"}); cooper.KindOf(err) != cooper.KindLocked {
		t.Errorf("a change after the loss: %v", err)
	}
	if err := tr.catalog.Publish(allowed, tr.State()); cooper.KindOf(err) != cooper.KindLocked {
		t.Errorf("published after the loss: %v", err)
	}
	check(t, release())
	check(t, tr.Close())
	return dir
}

func TestNothingChangesWithoutAPermit(t *testing.T) {
	m := newMem(t)
	var none permit.Permit
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		_, commit := tr.Commit(bg, none, Batch{Plan: "p"})
		_, recovery := tr.Recover(bg, none, false)
		_, aside := tr.MoveAside(none, "mirror/a")
		for _, err := range []error{commit, recovery, aside, tr.Begin(bg, none, Run{Plan: "p"}), tr.End(bg, none, Ending{})} {
			if cooper.KindOf(err) != cooper.KindInternal {
				t.Errorf("%v", err)
			}
		}
		return nil
	}))
}

func TestSymbolicLinksInTheTree(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		fsys, dir := newReal(t, l)
		outside := t.TempDir()
		at := func(p string) string { return filepath.Join(dir, of(l, p)) }
		check(t, os.Symlink(outside, at("mirror/x")))
		check(t, os.Symlink(filepath.Join(outside, "y"), at("mirror/y")))
		check(t, os.MkdirAll(filepath.Dir(at("history/2026-11-20/h")), 0o755))
		check(t, os.Symlink(outside, at("history/2026-11-20/h")))
		changes := []Change{place(version("x/passwd", 1)), place(version("x", 1)), place(version("y", 1)), place(inHistoryAs(version("h/f", 1), catalog.Older, 0)), place(version("fine", 1))}
		want := "place x/passwd failed conflict; place x failed conflict; place y failed conflict; place h/f failed conflict; place fine done"
		if got := brief(do(t, fsys, "p-1", changes...)); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		left, err := os.ReadDir(outside)
		check(t, err)
		if len(left) != 0 {
			t.Errorf("outside: %v", left)
		}
	})
}

// swapping puts a link in the place of a directory in the middle of a commit.
type swapping struct {
	safefs.FS
	swap func()
}

func (s *swapping) Move(from, to string) error {
	if s.swap != nil && strings.HasPrefix(to, "mirror/d/") {
		s.swap()
		s.swap = nil
	}
	return s.FS.Move(from, to)
}

func TestADirectorySwappedForALinkInMidRun(t *testing.T) {
	fsys, dir := newReal(t, layout{keypath.Sidecar})
	outside := t.TempDir()
	do(t, fsys, "p-1", place(version("d/one", 1)))
	s := &swapping{FS: fsys, swap: func() {
		check(t, os.Rename(filepath.Join(dir, "mirror/d"), filepath.Join(dir, "mirror/gone")))
		check(t, os.Symlink(outside, filepath.Join(dir, "mirror/d")))
	}}
	do(t, s, "p-2", place(version("d/two", 1)), place(version("d/three", 1)))
	left, err := os.ReadDir(outside)
	check(t, err)
	if len(left) != 0 {
		t.Errorf("outside: %v", left)
	}
	if got := brief(do(t, fsys, "p-3", place(version("d/four", 1)))); got != "place d/four failed conflict" {
		t.Errorf("afterwards: %s", got)
	}
}

// hardKeys are those of the field notes.
var hardKeys = []string{"..", ".", "../../etc/passwd", "a//b", "/lead", "trail/", "//", "/", "nul\x00byte", "new\nline", strings.Repeat("c", 255), strings.Repeat("c", 256),
	strings.Repeat("k", 1024), strings.Repeat("/", 1024), strings.Repeat("\x01", 1024), strings.Repeat("d/", 511) + "e", "Case", "case", "\u00e9", "e\u0301", "100%", "%41", "%", "a%=", "a%@v", "a%~",
	"file", "file/below", ".cooper/lock", "CURRENT.json", " ", "-rf", "back\\slash", strings.Repeat("é", 500)}

func TestHardKeys(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		fsys, dir := newReal(t, l)
		var in, out []Change
		m := model{}
		for _, key := range hardKeys {
			in = append(in, place(version(key, 1)), place(inHistoryAs(version(key, 2), catalog.Older, 0)))
			out = append(out, retire(version(key, 1), 1))
		}
		for i, changes := range [][]Change{in, out} {
			for _, o := range do(t, fsys, fmt.Sprint("p-", i), changes...) {
				if o.Status != cooper.Done {
					t.Errorf("%+v", o)
				}
			}
			m.apply(changes)
			if d := cmp.Diff(m.files(l), realFiles(t, dir)); d != "" {
				t.Fatal(d)
			}
		}
		tr, err := openMem(fsys, false)
		check(t, err)
		for _, r := range m {
			f, err := tr.OpenRow(&r)
			check(t, err)
			check(t, f.Close())
		}
		var seen []string
		check(t, tr.Walk(bg, func(f File) error {
			if f.Place != catalog.History || !f.Info.IsFile() {
				t.Errorf("%q is no path in history", f.Path)
			}
			seen = append(seen, f.Key)
			return nil
		}))
		if len(seen) != 2*len(hardKeys) {
			t.Errorf("%d files in history", len(seen))
		}
	})
}

func TestWalkIsInTheOrderOfKeys(t *testing.T) {
	m := newMem(t)
	keys := []string{"a", "a/b", "a-b", "a0", "a/b/c", "a/", "..", "b", "%", "a//x", "\x01"}
	var changes []Change
	for _, k := range keys {
		changes = append(changes, place(version(k, 1)))
	}
	do(t, m, "p-1", changes...)
	tr, err := openMem(m, false)
	check(t, err)
	var got []string
	check(t, tr.Walk(bg, func(f File) error {
		if f.Place != catalog.Mirror {
			t.Errorf("%q", f.Path)
		}
		got = append(got, f.Key)
		return nil
	}))
	slices.Sort(keys)
	if d := cmp.Diff(keys, got); d != "" {
		t.Error(d)
	}
	stop := errors.New("enough")
	if err := tr.Walk(bg, func(File) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func TestReadingRows(t *testing.T) {
	m := newMem(t)
	a, ab, marker := version("a", 1), version("a/b", 1), catalog.Row{Identity: cooper.Identity{Key: "x"}, DeleteMarker: true}
	do(t, m, "p-1", place(a), place(ab))
	tr, err := openMem(m, false)
	check(t, err)
	if info, p, err := tr.StatRow(&a); err != nil || p != "mirror/a%=" || info.Size != a.Size {
		t.Errorf("%v, %s, %v", info, p, err)
	}
	for _, r := range []catalog.Row{marker, version("b", 1), inHistoryAs(a, catalog.Older, 0)} {
		if _, _, err := tr.StatRow(&r); cooper.KindOf(err) != cooper.KindMissing {
			t.Errorf("%v", err)
		}
		if _, err := tr.OpenRow(&r); cooper.KindOf(err) != cooper.KindMissing {
			t.Errorf("%v", err)
		}
	}
	put(t, m, "mirror/a/b", "longer than it was before")
	if info, p, err := tr.StatRow(&ab); err != nil || p != "mirror/a/b" || info.Size == ab.Size {
		t.Errorf("a changed file: %v, %s, %v", info, p, err)
	}
}

func TestMoveAside(t *testing.T) {
	m := newMem(t)
	a := version("a", 1)
	do(t, m, "p-1", place(a))
	do(t, m, "p-2", place(version("a/b", 1)))
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		put(t, m, "mirror/d/foreign", "mine")
		for i, want := range []string{".cooper/aside/mirror/d/foreign", ".cooper/aside/~2/mirror/d/foreign"} {
			put(t, m, "mirror/d/foreign", fmt.Sprint(i))
			got, err := tr.MoveAside(allowed, "mirror/d/foreign")
			check(t, err)
			if got != want || m.Files()[want] != fmt.Sprint(i) {
				t.Errorf("moved to %s", got)
			}
		}
		for _, p := range []string{".cooper/VERSION", "mirror", "history/", "x", "mirror/../.cooper/lock"} {
			if to, err := tr.MoveAside(allowed, p); err == nil {
				t.Errorf("%s moved to %s", p, to)
			}
		}
		_, err := tr.MoveAside(allowed, "mirror/a/b") // what it displaced takes its place
		return err
	}))
	want := model{}
	want.apply([]Change{place(a)})
	got := m.Files()
	if got["mirror/a"] != content(a.Identity) || got["mirror/d/"] != "" {
		t.Errorf("%v", got)
	}
}

func TestStagedBytesAreFoundAgain(t *testing.T) {
	m := newMem(t)
	id, other := version("a", 1).Identity, version("b", 1).Identity
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		s := tr.Staging()
		st, err := s.Create(id)
		check(t, err)
		_, err = st.Write([]byte("begun, and never en"))
		check(t, err)
		if _, ok := s.Find(id); ok {
			t.Error("found before it was done")
		}
		check(t, st.Truncate(0))
		_, err = st.Write([]byte(content(id)))
		check(t, err)
		b := make([]byte, 3)
		if _, err := st.ReadAt(b, 0); err != nil || string(b) != content(id)[:3] || st.Size() != id.Size {
			t.Errorf("%q, %d, %v", b, st.Size(), err)
		}
		check(t, st.Done(id.LastModified))
		check(t, st.Abort())
		unfinished, err := s.Create(other)
		check(t, err)
		_, err = unfinished.Write([]byte(content(other)))
		return err
	}))
	m = m.Kill()
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		if info, ok := tr.Staging().Find(id); !ok || info.Size != id.Size {
			t.Errorf("%+v, %v", info, ok)
		}
		if _, ok := tr.Staging().Find(other); ok {
			t.Error("found, although it was never done: all its bytes are there, but it does not have its time")
		}
		check(t, stage(tr, other)) // over what is left of it
		changed := id
		changed.ETag = "other"
		if _, ok := tr.Staging().Find(changed); ok {
			t.Error("another version was found")
		}
		check(t, tr.Staging().Discard(id))
		check(t, tr.Staging().Discard(id))
		if _, ok := tr.Staging().Find(id); ok {
			t.Error("found after it was discarded")
		}
		return nil
	}))
}

func TestOnlyWhatWasStagedIsCleared(t *testing.T) {
	m := newMem(t)
	tr, err := openMem(m, false)
	check(t, err)
	check(t, stage(tr, version("a", 1).Identity))
	put(t, m, stagingDir+"/thesis.txt", "precious")
	check(t, tr.Staging().clear())
	if got := below(m, stagingDir); len(got) != 1 || got[stagingDir+"/thesis.txt"] != "precious" {
		t.Errorf("%v", got)
	}
	check(t, tr.Close())
}

func TestRunsBeginEndAndAreSuperseded(t *testing.T) {
	m := newMem(t)
	snap := func(n int) *catalog.Observed {
		return &catalog.Observed{ID: fmt.Sprint("s-", n), TakenAt: cooper.Instant(n), Complete: true}
	}
	a, b := version("a", 1), version("b", 1)
	check(t, hold(m, false, facts{}, func(tr *Tree) error {
		check(t, tr.Begin(bg, allowed, Run{Plan: "p-1", Mission: "backup", Shards: 2, Snapshot: snap(1)}))
		check(t, stage(tr, a.Identity))
		p := plan{"p-1", [][]Change{{place(a)}, {place(b)}}}
		_, err := tr.Commit(bg, allowed, p.batch(0))
		check(t, err)
		check(t, tr.Settled("p-1", 0))
		if _, err := tr.Commit(bg, allowed, p.batch(0)); err == nil {
			t.Error("a shard was committed twice")
		}
		if err := tr.End(bg, allowed, Ending{Plan: "p-1", Finished: true}); err == nil {
			t.Error("finished with a shard to do")
		}
		check(t, tr.End(bg, allowed, Ending{Plan: "p-1"})) // interrupted
		generation := tr.State().Generation
		check(t, tr.Begin(bg, allowed, Run{Plan: "p-1", Shards: 2}))
		if s := tr.State(); s.Generation != generation || !tr.Done("p-1")(0) || tr.Done("p-1")(1) || tr.Done("p-2")(0) {
			t.Errorf("taken up again: %+v", s.Run)
		}
		check(t, tr.Begin(bg, allowed, Run{Plan: "p-2", Mission: "rollback", Snapshot: snap(2)}))
		check(t, tr.End(bg, allowed, Ending{Plan: "p-2", Finished: true, Pin: true}))
		if pin := tr.State().Pinned; pin == nil || pin.Snapshot != "s-2" || pin.At != cooper.InstantOf(noon) {
			t.Errorf("pinned: %+v", pin)
		}
		check(t, tr.Begin(bg, allowed, Run{Plan: "p-3", Partial: true, Snapshot: snap(3)}))
		check(t, stage(tr, b.Identity))
		check(t, tr.End(bg, allowed, Ending{Plan: "p-3", Finished: true, Unpin: true, Compact: true}))
		if _, ok := tr.Staging().Find(b.Identity); !ok {
			t.Error("a partial run took away what is staged")
		}
		check(t, tr.Begin(bg, allowed, Run{Plan: "p-4", Snapshot: snap(3)}))
		check(t, tr.End(bg, allowed, Ending{Plan: "p-4", Finished: true}))
		if _, ok := tr.Staging().Find(b.Identity); ok {
			t.Error("staged bytes nobody wants are kept")
		}
		return nil
	}))
	tr, err := openMem(m, false)
	check(t, err)
	s := tr.State()
	var seen []string
	for _, o := range s.Observed {
		seen = append(seen, fmt.Sprintf("%s finished=%v", o.ID, o.Finished))
	}
	if got, want := strings.Join(seen, ", "), "s-1 finished=false, s-2 finished=true, s-3 finished=true"; got != want {
		t.Errorf("observed %s, want %s", got, want)
	}
	if s.Run != nil || s.Pinned != nil || len(s.Runs) != 1 || s.Runs[0].Level != catalog.BaseLevel {
		t.Errorf("%+v", s)
	}
}

func TestJournalsThatAreNotWhole(t *testing.T) {
	m := newMem(t)
	put(t, m, ".cooper/journal/p-9-0.journal.tmp", "cooper jour")
	check(t, hold(m, false, facts{}, func(*Tree) error { return nil }))
	if _, ok := m.Files()[".cooper/journal/p-9-0.journal.tmp"]; ok {
		t.Error("a journal that never was is kept")
	}
	put(t, m, ".cooper/journal/p-9-0.journal", "cooper journal 1\n")
	if err := hold(m, false, facts{}, func(*Tree) error { return nil }); cooper.KindOf(err) != cooper.KindCorrupt {
		t.Errorf("a journal that was damaged: %v", err)
	}
	check(t, m.Remove(".cooper/journal/p-9-0.journal"))
	put(t, m, ".cooper/journal/p-9-0.journal", "cooper journal 3\n")
	if err := hold(m, false, facts{}, func(*Tree) error { return nil }); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("a journal of a newer program: %v", err)
	}
}

func TestAnUnchangedRunTouchesNoFile(t *testing.T) {
	m := newMem(t)
	do(t, m, "p-1", place(version("a", 1)), place(version("b/c", 1)))
	m.Before = func(op string, paths ...string) error {
		for _, p := range paths {
			if !strings.HasPrefix(p, metaDir) {
				t.Errorf("%s %s", op, p)
			}
		}
		return nil
	}
	m.Read = func(op string, paths ...string) error {
		if strings.HasPrefix(paths[0], "mirror/") && paths[0] != "mirror/none" || strings.HasPrefix(paths[0], "history/") && paths[0] != "history/none" {
			t.Errorf("%s %s", op, paths[0])
		}
		return nil
	}
	f := facts{}
	check(t, hold(m, false, f, carryOut([]plan{{"p-2", nil}}, f)))
}
