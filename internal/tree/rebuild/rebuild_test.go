package rebuild_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/inventory/extsort"
	"cooper/internal/permit"
	"cooper/internal/progress"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/rebuild"
	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/memfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	allowed = permit.Issue("r-test")
	now     = time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample is a tree of the given kind, as another program left it.
func sample(t *testing.T, name string) *memfs.FS {
	t.Helper()
	b, err := os.ReadFile("../testdata/format1/" + name + ".tar.gz")
	check(t, err)
	z, err := gzip.NewReader(bytes.NewReader(b))
	check(t, err)
	m := memfs.New()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		p := path.Clean(h.Name)
		if h.Typeflag == tar.TypeDir {
			check(t, m.MkdirAll(p))
			continue
		}
		content, err := io.ReadAll(r)
		check(t, err)
		put(t, m, p, string(content), cooper.InstantOf(h.ModTime))
	}
	check(t, m.SyncAll())
	return m
}

func put(t *testing.T, m *memfs.FS, p, content string, at cooper.Instant) {
	t.Helper()
	f, err := m.OpenWrite(p)
	check(t, err)
	check(t, f.Truncate(0))
	_, err = f.Write([]byte(content))
	check(t, err)
	check(t, f.SetTime(at))
	check(t, f.Close())
}

func options(m safefs.FS) tree.Options {
	return tree.Options{FS: m, Clock: func() time.Time { return now }, Tick: func() (<-chan time.Time, func()) { return nil, func() {} }}
}

// recovered is what a run does first with a tree: it is an error if that fails.
func recovered(m safefs.FS) error {
	tr, err := tree.Open("/tree", options(m))
	if err != nil {
		return err
	}
	ctx, release, err := tr.Lock(context.Background(), tree.Holder{Run: "r-test", Command: "test"})
	if err != nil {
		return err
	}
	_, err = tr.Recover(ctx, allowed, false)
	return errors.Join(err, release())
}

func rows(t *testing.T, m *memfs.FS) []catalog.Row {
	t.Helper()
	c, err := catalog.OpenFS(m)
	check(t, err)
	it := c.Rows(context.Background(), "")
	var rows []catalog.Row
	for {
		r, err := it.Next()
		if errors.Is(err, io.EOF) {
			check(t, it.Close())
			return rows
		}
		check(t, err)
		rows = append(rows, *r)
	}
}

// again makes the catalog of a tree again; known are versions that a snapshot lists.
func again(m *memfs.FS, dir string, known []catalog.Row) (res rebuild.Result, err error) {
	opt := options(m)
	tr, err := tree.OpenBroken(context.Background(), "/tree", opt)
	if err != nil {
		return res, err
	}
	ctx, release, err := tr.Lock(context.Background(), tree.Holder{Run: "r-test", Command: "test"})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, release()) }()
	return rebuild.Run(ctx, tr, allowed, rebuild.Options{
		Now: cooper.InstantOf(now), Progress: progress.New(time.Now, nil), Sort: extsort.Options{Memory: 1 << 20, Dir: dir},
		Known: func(_ context.Context, add func(*rebuild.Candidate) error) error {
			for _, r := range known {
				if err := add(&rebuild.Candidate{Identity: r.Identity, DeleteMarker: r.DeleteMarker, Latest: r.Place == catalog.Mirror, Source: rebuild.FromSnapshot}); err != nil {
					return err
				}
			}
			return nil
		},
		Agree: func(rebuild.Result) (bool, error) { return true, nil },
	})
}

// contents are the files outside of .cooper.
func contents(m *memfs.FS) map[string]string {
	files := m.Files()
	maps.DeleteFunc(files, func(p, _ string) bool { return strings.HasPrefix(p, ".cooper/") })
	return files
}

const dir = catalog.Dir + "/"

// lose damages or removes files of a catalog.
func lose(t *testing.T, m *memfs.FS, names ...string) {
	t.Helper()
	for p, content := range m.Files() {
		for _, n := range names {
			if ok, err := path.Match(n, p); err != nil {
				t.Fatal(err)
			} else if ok && strings.HasSuffix(p, ".json") {
				put(t, m, p, strings.Replace(content, "runs", "suns", 1), 1)
			} else if ok {
				check(t, m.Remove(p))
			}
		}
	}
	check(t, m.SyncAll())
}

// unverified is how rows come out: of none were the bytes looked at.
func unverified(rs []catalog.Row) []catalog.Row {
	out := slices.Clone(rs)
	for i := range out {
		if out[i].Place != catalog.Nowhere {
			out[i].Check, out[i].Method = cooper.Unverified, catalog.Adopted
		}
	}
	return out
}

// TestPointersLost: where the files are there, nothing but what was verified is lost.
func TestPointersLost(t *testing.T) {
	for _, name := range []string{"sidecar", "inline", "pinned", "pruned"} {
		for what, broken := range map[string][]string{"damaged": {dir + "CURRENT*.json"}, "one damaged, a file gone": {dir + "CURRENT.json", dir + "CURRENT.second.json", dir + "delta-*"}} {
			t.Run(name+" "+what, func(t *testing.T) {
				m := sample(t, name)
				check(t, recovered(m))
				was, files := rows(t, m), contents(m)
				lose(t, m, broken...)
				if err := recovered(m); cooper.KindOf(err) != cooper.KindCorrupt {
					t.Fatalf("with damaged pointers: %v", err)
				}
				res, err := again(m, t.TempDir(), nil)
				check(t, err)
				if !res.Done || res.Broken > 0 || res.By[rebuild.FromNothing]+res.By[rebuild.FromName] > 0 || res.Observed == 0 {
					t.Errorf("%+v", res)
				}
				if d := cmp.Diff(unverified(was), rows(t, m)); d != "" {
					t.Error(d)
				}
				check(t, recovered(m))
				if d := cmp.Diff(files, contents(m)); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

// TestAllOfTheCatalogLost: files and a snapshot tell which versions are there; without
// one, what the names tell.
func TestAllOfTheCatalogLost(t *testing.T) {
	for _, name := range []string{"sidecar", "inline", "interrupted", "prune-interrupted"} {
		for _, listed := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				m := sample(t, name)
				full := sample(t, name)
				check(t, recovered(full))
				known := rows(t, full)
				files := contents(m)
				lose(t, m, dir+"CURRENT*.json", dir+"*.parquet", ".cooper/former/*")
				if !listed {
					known = nil
				}
				res, err := again(m, t.TempDir(), known)
				check(t, err)
				got := rows(t, m)
				if n := res.Mirror.Count + res.History.Count; int(n) != len(got) || n < 90 || res.Observed != 0 || listed == (res.By[rebuild.FromNothing] > 0) {
					t.Errorf("%+v, %d rows", res, len(got))
				}
				for i := range got {
					r := &got[i]
					if !listed && r.Place == catalog.Mirror && !r.Doubtful() || r.Check != cooper.Unverified || len(r.Shown) > 0 {
						t.Errorf("claimed: %+v", r)
					}
					if listed && !slices.ContainsFunc(known, func(k catalog.Row) bool { return k.Identity == r.Identity }) {
						t.Errorf("not a version of the bucket: %+v", r)
					}
					if r.Place == catalog.History && strings.HasPrefix(name, "s") && (r.VersionID == "" || r.Superseded == 0) {
						t.Errorf("in history: %+v", r)
					}
				}
				check(t, recovered(m))
				if d := cmp.Diff(files, contents(m)); d != "" {
					t.Error(d)
				}
				for p := range m.Files() {
					if strings.HasPrefix(p, ".cooper/journal/") && p != ".cooper/journal/" {
						t.Errorf("%s is still there", p)
					}
				}
			})
		}
	}
}

// TestASoundCatalogIsLeft: nothing is made again that is whole.
func TestASoundCatalogIsLeft(t *testing.T) {
	m := sample(t, "sidecar")
	check(t, recovered(m))
	files := m.Files()
	if _, err := again(m, t.TempDir(), nil); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("%v", err)
	}
	if d := cmp.Diff(files, m.Files(), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

// TestOnlyARunThatWasEnding: what looked like damage before the lock was there is looked at
// again with it.
func TestOnlyARunThatWasEnding(t *testing.T) {
	m := sample(t, "sidecar")
	check(t, recovered(m))
	pointers := map[string]string{}
	for p, content := range m.Files() {
		if strings.HasPrefix(p, dir+"CURRENT") {
			pointers[p] = content
		}
	}
	lose(t, m, dir+"CURRENT*.json")
	tr, err := tree.OpenBroken(context.Background(), "/tree", options(m))
	check(t, err)
	check(t, tr.StillBroken(context.Background()))
	for p, content := range pointers {
		put(t, m, p, content, 1)
	}
	if err := tr.StillBroken(context.Background()); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("%v", err)
	}
}

var errDead = errors.New("the process is dead")

// TestCrashAtEveryOperation: whenever it is killed, it can be done again, and comes to
// the same; nothing of a version, and nothing of the former catalog, is lost.
func TestCrashAtEveryOperation(t *testing.T) {
	for _, name := range []string{"sidecar", "prune-interrupted"} {
		broken := func() *memfs.FS {
			m := sample(t, name)
			lose(t, m, dir+"CURRENT*.json")
			return m
		}
		m := broken()
		files := contents(m)
		total := 0
		m.Before = func(string, ...string) error { total++; return nil }
		_, err := again(m, t.TempDir(), nil)
		check(t, err)
		want := rows(t, m)
		for k := 1; k <= total; k++ {
			r := rand.New(rand.NewPCG(9, uint64(k)))
			m := broken()
			n, dead := 0, false
			m.Before = func(string, ...string) error {
				if n++; n == k || dead {
					dead = true
					return errDead
				}
				return nil
			}
			if _, err := again(m, t.TempDir(), nil); !errors.Is(err, errDead) {
				t.Fatalf("operation %d: did not die: %v", k, err)
			}
			if r.IntN(4) == 0 {
				m = m.Kill()
			} else {
				m = m.Crash(r)
			}
			if err := recovered(m); err != nil { // not done yet
				if _, err := again(m, t.TempDir(), nil); err != nil {
					t.Fatalf("operation %d: %v", k, err)
				}
				check(t, recovered(m))
			}
			if d := cmp.Diff(want, rows(t, m)); d != "" {
				t.Fatalf("operation %d: %s", k, d)
			}
			if d := cmp.Diff(files, contents(m)); d != "" {
				t.Fatalf("operation %d: %s", k, d)
			}
		}
	}
}

// TestVersionsThatLookAlike: where times are coarse, versions of a key may have one size
// and time. None is taken for another, and no file of a version for a foreign one.
func TestVersionsThatLookAlike(t *testing.T) {
	const at = cooper.Instant(1793577600000)
	for _, layout := range []keypath.Layout{keypath.Sidecar, keypath.Inline} {
		for _, told := range []string{"pointers lost", "listed", "latest unknown", "two of three"} {
			t.Run(string(layout)+" "+told, func(t *testing.T) {
				m := memfs.New()
				opt := options(m)
				opt.Create, opt.Layout = true, layout
				var known []catalog.Row
				tr, err := tree.Open("/tree", opt)
				check(t, err)
				ctx, release, err := tr.Lock(context.Background(), tree.Holder{Run: "r-test", Command: "test"})
				check(t, err)
				_, err = tr.Recover(ctx, allowed, false)
				check(t, err)
				check(t, release())
				for i, place := range []catalog.Place{catalog.History, catalog.Mirror, catalog.History} {
					r := catalog.Row{Place: place, Check: cooper.Verified, Method: "md5",
						Identity: cooper.Identity{Key: "k", VersionID: "v" + string(rune('0'+i)), ETag: strings.Repeat(string(rune('a'+i)), 32), Size: 4, LastModified: at}}
					p := tr.Layout().Mirror("k")
					if place == catalog.History {
						r.Reason, r.Superseded = catalog.Older, at
						p = tr.Layout().History(r.Identity, at)
					}
					check(t, m.MkdirAll(path.Dir(p)))
					put(t, m, p, "abc"+string(rune('0'+i)), at)
					known = append(known, r)
				}
				check(t, m.SyncAll())
				var opts []catalog.Row
				lose(t, m, dir+"CURRENT*.json")
				switch told {
				case "pointers lost":
					base := catalogOf(t, known)
					for p, content := range base.Files() {
						if strings.HasPrefix(p, dir+"base-") {
							put(t, m, p, content, 1)
						}
					}
				case "listed":
					opts = known
				default:
					opts = slices.Clone(known)
					for i := range opts {
						opts[i].Place = catalog.History // none is called the latest
					}
					if told == "two of three" { // the file of one is gone
						check(t, m.Remove(tr.Layout().History(known[0].Identity, at)))
					}
				}
				res, err := again(m, t.TempDir(), opts)
				check(t, err)
				got := rows(t, m)
				want := map[string]catalog.Place{"v0": catalog.History, "v1": catalog.Mirror, "v2": catalog.History}
				if told == "two of three" {
					want = map[string]catalog.Place{"": catalog.Mirror, "v2": catalog.History}
				}
				have := map[string]catalog.Place{}
				for _, r := range got {
					have[r.VersionID] = r.Place
				}
				if d := cmp.Diff(want, have); d != "" || res.Foreign != 0 || res.Missing.Count != 0 {
					t.Errorf("%s\n%+v", d, res)
				}
			})
		}
	}
}

// catalogOf is where a catalog of these rows lies.
func catalogOf(t *testing.T, rs []catalog.Row) *memfs.FS {
	t.Helper()
	m := memfs.New()
	check(t, m.MkdirAll(catalog.Dir))
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(a, b catalog.Row) int { return a.Compare(b.Identity) })
	err := catalog.CreateFrom(m, func(add func(*catalog.Row) error) error {
		for i := range rs {
			if err := add(&rs[i]); err != nil {
				return err
			}
		}
		return nil
	})
	check(t, err)
	return m
}
