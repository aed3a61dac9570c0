package audit

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/progress"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/memfs"
)

const stamp = cooper.Instant(1763600000000)

// locked makes a tree whose mirror has the files given, by key, and keeps its
// lock until the test ends.
func locked(t *testing.T, m *memfs.FS, files map[string]string) (*tree.Tree, permit.Permit) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tr, err := tree.Open("/tree", tree.Options{FS: m, Create: true, Tick: func() (<-chan time.Time, func()) { return nil, func() {} }})
	must(err)
	ctx, unlock, err := tr.Lock(t.Context(), tree.Holder{Run: "r-0"})
	must(err)
	t.Cleanup(func() { must(unlock()) })
	p := permit.Issue("r-0")
	_, err = tr.Recover(ctx, p, false)
	must(err)
	must(tr.Begin(ctx, p, tree.Run{Plan: "p-0", Shards: 1}))
	b := tree.Batch{Plan: "p-0"}
	for key, content := range files {
		sum := md5.Sum([]byte(content))
		row := catalog.Row{Identity: cooper.Identity{Key: key, VersionID: "v1", ETag: hex.EncodeToString(sum[:]), Size: int64(len(content)), LastModified: stamp},
			Place: catalog.Mirror, Check: cooper.Verified, Method: "md5"}
		st, err := tr.Staging().Create(row.Identity)
		must(err)
		_, err = st.Write([]byte(content))
		must(err)
		must(st.Done(stamp))
		b.Changes = append(b.Changes, tree.Change{Op: tree.Place, New: row, Outcome: len(b.Outcomes)})
		b.Outcomes = append(b.Outcomes, cooper.Outcome{Identity: row.Identity, Status: cooper.Done})
	}
	_, err = tr.Commit(ctx, p, b)
	must(err)
	must(tr.Settled("p-0", 0))
	must(tr.End(ctx, p, tree.Ending{Plan: "p-0", Finished: true}))
	return tr, p
}

// later gives a file another time.
func later(t *testing.T, m *memfs.FS, name string) {
	t.Helper()
	f, err := m.OpenWrite(name)
	if err == nil {
		err = f.SetTime(stamp + 5000)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// look runs an audit and gives its findings in words.
func look(t *testing.T, tr *tree.Tree, opt Options, found func(Finding)) string {
	t.Helper()
	opt.Progress = progress.New(time.Now, nil)
	var all []string
	_, err := Run(t.Context(), tr, opt, func(f Finding) error {
		if found != nil {
			found(f)
		}
		all = append(all, fmt.Sprintf("%s %s sound=%v", f.Problem, f.Path, f.Sound))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// TestOneUnreadableFileHidesNoOthers: a disk with a bad sector is what verifying
// is for.
func TestOneUnreadableFileHidesNoOthers(t *testing.T) {
	m := memfs.New()
	tr, _ := locked(t, m, map[string]string{"a": "1111", "b": "2222", "c": "3333"})
	later(t, m, "mirror/c")
	m.Read = func(op string, paths ...string) error {
		if op == "read" && paths[0] == "mirror/a" {
			return safefs.Fail("cannot read", paths[0], syscall.EIO)
		}
		return nil
	}
	if got, want := look(t, tr, Options{Content: true}, nil), "changed mirror/c sound=true; corrupt mirror/a sound=false"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestDoubtfulFiles: where the time is wrong, the bytes decide what is to be done.
func TestDoubtfulFiles(t *testing.T) {
	m := memfs.New()
	tr, p := locked(t, m, map[string]string{"a": "1111", "b": "2222", "c": "3333"})
	f, err := m.OpenWrite("mirror/b")
	if err == nil {
		_, err = f.Write([]byte("2x22"))
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	later(t, m, "mirror/c")
	if got, want := look(t, tr, Options{}, nil), "changed mirror/b sound=false; changed mirror/c sound=false"; got != want {
		t.Errorf("at a glance: %s, want %s", got, want)
	}
	mend := func(f Finding) {
		if f.Sound {
			if err := tr.MendTime(p, f.Row); err != nil {
				t.Error(err)
			}
		}
	}
	if got, want := look(t, tr, Options{Doubtful: true}, mend), "changed mirror/c sound=true; corrupt mirror/b sound=false"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := look(t, tr, Options{Doubtful: true}, nil), "corrupt mirror/b sound=false"; got != want {
		t.Errorf("after mending the times: %s, want %s", got, want)
	}
}

// TestWhatWasReadAMomentAgo is not read again, and what is known to be corrupt is
// told without reading.
func TestWhatWasReadAMomentAgo(t *testing.T) {
	m := memfs.New()
	tr, p := locked(t, m, map[string]string{"a": "one", "b": "two", "c": "three"})
	rows, err := tr.Catalog().Lookup(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	bad := rows[0]
	bad.Check, bad.Method = cooper.Corrupt, "as it was found"
	if err := tr.Begin(t.Context(), p, tree.Run{Plan: "p-1", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Commit(t.Context(), p, tree.Batch{Plan: "p-1", Changes: []tree.Change{{Op: tree.Record, Old: rows[0], New: bad}}, Outcomes: make([]cooper.Outcome, 1)}); err != nil {
		t.Fatal(err)
	}
	var read []string
	m.Read = func(op string, paths ...string) error {
		if op == "open" && !strings.HasPrefix(paths[0], ".cooper") {
			read = append(read, paths[0])
		}
		return nil
	}
	var asked []string
	judged := func(r *catalog.Row) bool {
		asked = append(asked, r.Key)
		return r.Key == "a"
	}
	if got, want := look(t, tr, Options{Content: true, Judged: judged}, nil), "corrupt mirror/b sound=false"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	if !slices.Equal(asked, []string{"a", "b", "c"}) || !slices.Equal(read, []string{"mirror/c"}) {
		t.Errorf("asked for %v, read %v", asked, read)
	}
	if got, want := look(t, tr, Options{}, nil), "corrupt mirror/b sound=false"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// TestTwoVersionsWithOneFile: the catalog is wrong, and nothing on the disk could
// bear it out.
func TestTwoVersionsWithOneFile(t *testing.T) {
	m := memfs.New()
	tr, p := locked(t, m, map[string]string{"a": "one"})
	rows, err := tr.Catalog().Lookup(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	old := rows[0]
	old.Place, old.Reason, old.Superseded = catalog.History, catalog.Older, stamp
	twin := old
	twin.LastModified -= 60_000
	if err := tr.Begin(t.Context(), p, tree.Run{Plan: "p-1", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Commit(t.Context(), p, tree.Batch{Plan: "p-1", Outcomes: make([]cooper.Outcome, 2), Changes: []tree.Change{
		{Op: tree.Retire, Old: rows[0], New: old}, {Op: tree.Record, Old: twin, New: twin, Outcome: 1}}}); err != nil {
		t.Fatal(err)
	}
	if got, want := look(t, tr, Options{Content: true}, nil), "shared history/2025-11-20/a%@v1 sound=false"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestForeignFilesAreNotLookedUp: finding them takes as much of the catalog for
// many files as for few.
func TestForeignFilesAreNotLookedUp(t *testing.T) {
	opened := func(n int) int {
		files := map[string]string{}
		for i := range n {
			files[fmt.Sprintf("d/%03d", i)] = "some"
		}
		m := memfs.New()
		tr, _ := locked(t, m, files)
		var want []string
		for i := range n/2 + 1 {
			name := fmt.Sprintf("mirror/d/%03d-foreign", i)
			f, err := m.Create(name)
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, "foreign "+name+" sound=false")
		}
		opens := 0
		m.Read = func(op string, paths ...string) error {
			if op == "open" && strings.HasPrefix(paths[0], catalog.Dir+"/") {
				opens++
			}
			return nil
		}
		if got := look(t, tr, Options{}, nil); got != strings.Join(want, "; ") {
			t.Errorf("%s", got)
		}
		return opens
	}
	if few, many := opened(4), opened(200); few != many || few == 0 {
		t.Errorf("the catalog was opened %d times for 4 files, %d times for 200", few, many)
	}
}

// TestSuspectsAreTakenInParts that memory has room for, and none is left out.
func TestSuspectsAreTakenInParts(t *testing.T) {
	p := newPaths()
	for i := range 1000 {
		key := fmt.Sprint(i)
		p.expected(key, key)
		if i%2 == 0 {
			p.stands(key, key)
		}
	}
	parts := slices.Collect(p.suspects(100))
	if len(parts) < 5 || len(parts) > 7 {
		t.Errorf("%d parts: %v", len(parts), parts)
	}
	for i := range 1000 {
		n := 0
		for _, part := range parts {
			if p.suspect(part, fmt.Sprint(i)) {
				n++
			}
		}
		if i%2 == 1 && n != 1 { // even ones may share a cell
			t.Errorf("%d is in %d parts", i, n)
		}
	}
}
