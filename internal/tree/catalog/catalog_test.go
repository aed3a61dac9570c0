package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/parquetrows/rowstest"
	"cooper/internal/permit"
	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/memfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var allowed = permit.Issue("r-test")

func check(t interface {
	Helper()
	Fatal(...any)
}, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newMem makes an empty catalog in memory.
func newMem(t testing.TB) (*Catalog, *memfs.FS) {
	t.Helper()
	m := memfs.New()
	check(t, Create(m))
	c, err := OpenFS(m)
	check(t, err)
	return c, m
}

// newCatalog makes an empty catalog below a directory of its own.
func newCatalog(t testing.TB) *Catalog {
	t.Helper()
	tree := t.TempDir()
	fsys, err := safefs.Open(tree)
	check(t, err)
	check(t, Create(fsys))
	check(t, fsys.Close())
	c, err := Open(tree)
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	return c
}

// add commits rows as one delta.
func add(t interface {
	Helper()
	Fatal(...any)
}, c *Catalog, rows ...Row) {
	t.Helper()
	s, err := c.Append(allowed, rows)
	check(t, err)
	next := c.State()
	if s != nil {
		next.Runs = append(slices.Clone(next.Runs), *s)
	}
	check(t, c.Publish(allowed, next))
}

func all(t interface {
	Helper()
	Fatal(...any)
}, c *Catalog, prefix string) []Row {
	t.Helper()
	it := c.Rows(context.Background(), prefix)
	var rows []Row
	for {
		r, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		rows = append(rows, *r)
	}
	check(t, it.Close())
	return rows
}

// full is a row in which nothing is empty.
func full(key string) Row {
	return Row{
		Identity:     cooper.Identity{Key: key, VersionID: "3HL4kqtJvjVBH40Nrjfkd.5DnmqzLNl_", ETag: "9e107d9d372bb6826bd81d3542a419d6-12", Size: 1 << 40, LastModified: 1767323045006},
		DeleteMarker: true, Place: History, Reason: Replaced, Superseded: 1767323045007, Shown: []int64{1, 2, 3}, FirstSeen: 4, AbsentSince: 5, Gone: 6,
		Check: cooper.Verified, Method: "multipart 8388608", Hash: []byte("0123456789abcdef0123456789abcdef"),
	}
}

func TestRowsComeBackExactly(t *testing.T) {
	c := newCatalog(t)
	odd := Row{Identity: cooper.Identity{Key: "b\x00/..", VersionID: "null", ETag: `no "md5"`, LastModified: -5}, Place: Nowhere, Shown: []int64{}}
	bare := Row{Identity: cooper.Identity{Key: "c"}, Place: Mirror}
	one := Row{Identity: cooper.Identity{Key: "d", ETag: "9e107d9d372bb6826bd81d3542a419d6"}, Place: Mirror, Shown: []int64{7}}
	add(t, c, one, bare, odd, full("a"))
	odd.Shown = nil
	if diff := cmp.Diff([]Row{full("a"), odd, bare, one}, all(t, c, "")); diff != "" {
		t.Error(diff)
	}
}

func row(key string, version int, change func(*Row)) Row {
	r := Row{Identity: cooper.Identity{Key: key, VersionID: fmt.Sprintf("v%d", version), LastModified: cooper.Instant(version)}, Place: Mirror, Check: cooper.Verified}
	if change != nil {
		change(&r)
	}
	return r
}

func TestTheNewestWordCounts(t *testing.T) {
	c := newCatalog(t)
	add(t, c, row("a", 1, nil), row("b", 1, nil), row("c", 1, nil))
	add(t, c, row("a", 1, func(r *Row) { r.Reason = "first" }), row("b", 1, func(r *Row) { r.Dropped = true }))
	add(t, c, row("a", 2, nil), row("a", 1, func(r *Row) { r.Reason = "second" }), row("c", 1, nil), row("c", 1, func(r *Row) { r.Reason = "the last of a batch" }))
	want := []Row{row("a", 2, nil), row("a", 1, func(r *Row) { r.Reason = "second" }), row("c", 1, func(r *Row) { r.Reason = "the last of a batch" })}
	if diff := cmp.Diff(want, all(t, c, "")); diff != "" {
		t.Error(diff)
	}
	check(t, c.Compact(context.Background(), allowed, true))
	if diff := cmp.Diff(want, all(t, c, "")); diff != "" {
		t.Errorf("after compaction: %s", diff)
	}
	if s := c.State(); len(s.Runs) != 1 || s.Runs[0].Level != BaseLevel || s.Runs[0].Rows() != 3 {
		t.Errorf("after compaction: %+v", s.Runs)
	}
}

// model is what a catalog must say, by identity.
type model map[cooper.Identity]Row

func (m model) rows(prefix string) []Row {
	var rows []Row
	for _, r := range m {
		if !r.Dropped && cooper.HasPrefix(r.Key, prefix) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return a.Compare(b.Identity) })
	return rows
}

func TestManyGenerationsAgreeWithAMap(t *testing.T) {
	keys := []string{"a", "a/", "a/b", "a-b", "a/b/c", "a0", "b", "é", "\x00"}
	rapid.Check(t, func(rt *rapid.T) {
		fsys := memfs.New()
		check(rt, Create(fsys))
		c, err := OpenFS(fsys)
		check(rt, err)
		m := model{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			var batch []Row
			for range rapid.IntRange(0, 6).Draw(rt, "rows") {
				r := row(rapid.SampledFrom(keys).Draw(rt, "key"), rapid.IntRange(1, 3).Draw(rt, "version"), nil)
				r.Method = fmt.Sprint(rapid.IntRange(0, 99).Draw(rt, "method"))
				r.Dropped = rapid.IntRange(0, 3).Draw(rt, "dropped") == 0
				batch = append(batch, r)
				m[r.Identity] = r
			}
			add(rt, c, batch...)
			switch rapid.IntRange(0, 9).Draw(rt, "then") {
			case 0:
				check(rt, c.Compact(context.Background(), allowed, true))
			case 1:
				check(rt, c.Compact(context.Background(), allowed, false))
			default:
				check(rt, c.Merge(context.Background(), allowed))
			}
		}
		prefix := rapid.SampledFrom(append([]string{""}, keys...)).Draw(rt, "prefix")
		if diff := cmp.Diff(m.rows(prefix), all(rt, c, prefix)); diff != "" {
			rt.Fatalf("prefix %q: %s", prefix, diff)
		}
		key := rapid.SampledFrom(keys).Draw(rt, "lookup")
		got, err := c.Lookup(context.Background(), key)
		check(rt, err)
		want := slices.DeleteFunc(m.rows(""), func(r Row) bool { return r.Key != key })
		if diff := cmp.Diff(want, slices.Clip(got), cmp.Transformer("nil", func(r []Row) []Row { return append([]Row{}, r...) })); diff != "" {
			rt.Fatalf("lookup of %q: %s", key, diff)
		}
		again, err := OpenFS(fsys)
		check(rt, err)
		if diff := cmp.Diff(m.rows(""), all(rt, again, "")); diff != "" {
			rt.Fatalf("opened again: %s", diff)
		}
	})
}

func TestMergingKeepsFewSequences(t *testing.T) {
	c, m := newMem(t)
	const batches = 200
	most := 0
	for i := range batches {
		add(t, c, row(fmt.Sprintf("%05d", i), 1, nil))
		check(t, c.Merge(context.Background(), allowed))
		most = max(most, len(c.State().Runs))
	}
	if most > 3*(fanout-1) {
		t.Errorf("%d sequences at once", most)
	}
	if n := len(all(t, c, "")); n != batches {
		t.Errorf("%d rows, want %d", n, batches)
	}
	entries, err := m.ReadDir(dir)
	check(t, err)
	if want := len(c.State().Runs) + 2; len(entries) != want { // and two pointers
		t.Errorf("%d files in the catalog, want %d", len(entries), want)
	}
}

func fsDir(c *Catalog) string {
	_, err := c.fs.Lstat("none")
	var e *cooper.Error
	if !errors.As(err, &e) {
		panic(err)
	}
	return strings.TrimSuffix(e.Where, "/none")
}

func TestReadingOnWhileTheCatalogIsCompacted(t *testing.T) {
	c := newCatalog(t)
	for i := range 5 {
		add(t, c, row(fmt.Sprint(i), 1, nil))
	}
	reader, err := Open(fsDir(c))
	check(t, err)
	defer func() { check(t, reader.Close()) }()
	it := c.Rows(context.Background(), "")
	check(t, c.Compact(context.Background(), allowed, true))
	add(t, c, row("later", 1, nil))
	n := 0
	for {
		if _, err := it.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	check(t, it.Close())
	if n != 5 {
		t.Errorf("an iterator from before gave %d rows", n)
	}
	if n := len(all(t, reader, "")); n != 6 {
		t.Errorf("a reader with an old state gave %d rows", n)
	}
}

func TestSeekingInManyPages(t *testing.T) {
	c := newCatalog(t)
	var rows []Row
	const n = 3*pageRows + 17
	for i := range n {
		rows = append(rows, row(fmt.Sprintf("%04d/%d", i/10, i%10), 1, nil))
	}
	add(t, c, rows...)
	add(t, c, row("0500/5", 2, nil))
	for prefix, want := range map[string]int{"": n + 1, "0500": 11, "0500/5": 2, "05": 0, "0500/": 11, "0000": 10, fmt.Sprintf("%04d", (n-1)/10): (n-1)%10 + 1, "9999": 0} {
		if got := len(all(t, c, prefix)); got != want {
			t.Errorf("prefix %q: %d rows, want %d", prefix, got, want)
		}
	}
	for _, key := range []string{"0000/0", "0819/1", "0819/2", "2458/9", "x", ""} {
		got, err := c.Lookup(context.Background(), key)
		check(t, err)
		if want := slices.ContainsFunc(rows, func(r Row) bool { return r.Key == key }); (len(got) == 1) != want {
			t.Errorf("lookup of %q: %v", key, got)
		}
	}
}

func TestCleanRemovesLeftoversOnly(t *testing.T) {
	c := newCatalog(t)
	add(t, c, row("a", 1, nil))
	_, err := c.Append(allowed, []Row{row("b", 1, nil)})
	check(t, err)
	check(t, c.Clean(allowed))
	if got := all(t, c, ""); len(got) != 1 {
		t.Errorf("%v", got)
	}
	entries, err := os.ReadDir(filepath.Join(fsDir(c), dir))
	check(t, err)
	if len(entries) != 3 {
		t.Errorf("%v", entries)
	}
}

func TestNothingChangesWithoutAPermit(t *testing.T) {
	c := newCatalog(t)
	var none permit.Permit
	_, err := c.Append(none, []Row{row("a", 1, nil)})
	for _, err := range []error{err, c.Publish(none, c.State()), c.Clean(none)} {
		if err == nil {
			t.Error("allowed")
		}
	}
}

func TestACancelledReadEnds(t *testing.T) {
	c := newCatalog(t)
	var rows []Row
	for i := range 10 * pageRows {
		rows = append(rows, row(fmt.Sprintf("%07d", i), 1, nil))
	}
	add(t, c, rows...)
	ctx, cancel := context.WithCancel(context.Background())
	it := c.Rows(ctx, "")
	_, err := it.Next()
	check(t, err)
	cancel()
	for n := 0; err == nil; n++ {
		if n > len(rows) {
			t.Fatal("never ends")
		}
		_, err = it.Next()
	}
	if cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("%v", err)
	}
	check(t, it.Close())
	it = c.Rows(context.Background(), "") // left in the middle
	_, err = it.Next()
	check(t, err)
	check(t, it.Close())
}

// TestAbsentIsNull: what a row lacks is NULL in the files, whatever is before and
// behind it.
func TestAbsentIsNull(t *testing.T) {
	for _, places := range rowstest.Places {
		tree := t.TempDir()
		fsys, err := safefs.Open(tree)
		check(t, err)
		check(t, CreateFrom(fsys, func(add func(*Row) error) error {
			for i := range rowstest.Rows {
				key := fmt.Sprintf("%02d", i)
				r := Row{Identity: cooper.Identity{Key: key, VersionID: "null"}, Place: Mirror}
				if slices.Contains(places, i) {
					r = full(key)
				}
				check(t, add(&r))
			}
			return nil
		}))
		check(t, fsys.Close())
		files, err := filepath.Glob(filepath.Join(tree, dir, "base-*.parquet"))
		check(t, err)
		rowstest.Check(t, files[0], places, "version_id", "etag", "etag_text", "last_modified", "superseded", "first_seen", "absent_since", "gone", "hash")
	}
}
