package inventory_test

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
	"unicode/utf8"

	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
	"cooper/internal/parquetrows/rowstest"
)

// hostileKeys are keys that have broken other programs.
var hostileKeys = []string{
	"a", "a/b", "a-b", "a/", "a//b", "/", "//", "..", "../etc/passwd", ".", "a\x00", "a\x00b", "a\x00\xc3\xbf", "\x00", "\x00\x00",
	"a\xc3\xa9", "ae\xcc\x81", "A", "a b", "a\nb", "\x7f", "\U0010ffff", "a/.cooper/x", strings.Repeat("k", 1024), strings.Repeat("é", 512),
	"a\x00\x00", "a\x01", "a\ufffd",
}

func anyVersion() *rapid.Generator[cooper.Version] {
	class := rapid.SampledFrom([]string{"", "STANDARD", "GLACIER", "ONEZONE_IA"})
	return rapid.Custom(func(t *rapid.T) cooper.Version {
		return cooper.Version{
			Identity: cooper.Identity{
				Key: rapid.OneOf(rapid.SampledFrom(hostileKeys), rapid.StringMatching(`(a/b/c|a/b-c|a)/[0-9]{1,2}`),
					rapid.StringN(1, 20, 80)).Draw(t, "key"),
				VersionID: rapid.OneOf(rapid.SampledFrom([]string{"null", "", "1", strings.Repeat("0", 32), strings.Repeat(".", 32), strings.Repeat("a", 31) + "-"}),
					rapid.StringMatching(`[A-Za-z0-9._]{32}`), rapid.String()).Draw(t, "id"),
				ETag: rapid.OneOf(rapid.SampledFrom([]string{"", "d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e-2"}),
					rapid.StringMatching(`[0-9a-f]{32}(-[0-9]{1,4})?`), rapid.String()).Draw(t, "etag"),
				Size:         rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 5), rapid.Int64Range(0, inventory.MaxSize)).Draw(t, "size"),
				LastModified: cooper.Instant(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 3), rapid.Int64Range(-62135596800000, 253402300799999)).Draw(t, "time")),
			},
			Latest: rapid.Bool().Draw(t, "latest"), DeleteMarker: rapid.Bool().Draw(t, "marker"),
			StorageClass: class.Draw(t, "class"), Tier: class.Draw(t, "tier"), Encryption: class.Draw(t, "encryption"), Checksum: class.Draw(t, "checksum"),
		}
	})
}

// compareAll is the order of a snapshot, and of what Compare leaves open.
func compareAll(v, w cooper.Version) int {
	if c := v.Compare(&w); c != 0 {
		return c
	}
	return strings.Compare(fmt.Sprintf("%t %q %q %q %q", v.DeleteMarker, v.StorageClass, v.Tier, v.Encryption, v.Checksum),
		fmt.Sprintf("%t %q %q %q %q", w.DeleteMarker, w.StorageClass, w.Tier, w.Encryption, w.Checksum))
}

// split deals rows out to parts at random.
func split(r *rand.Rand, rows []cooper.Version, parts int) [][]cooper.Version {
	out := make([][]cooper.Version, parts)
	for _, i := range r.Perm(len(rows)) {
		p := r.IntN(parts)
		out[p] = append(out[p], rows[i])
	}
	return out
}

func TestSnapshotIsTheRowsSortedWithoutDuplicates(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		rows := rapid.SliceOfN(anyVersion(), 0, 60).Draw(t, "rows")
		if len(rows) > 0 {
			rows = append(rows, rows[:rapid.IntRange(0, len(rows)).Draw(t, "again")]...)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 1))
		src := &rowSource{parts: split(r, rows, rapid.IntRange(1, 5).Draw(t, "parts"))}
		at := filepath.Join(dir, fmt.Sprint(n))
		s := buildAt(t, at, src, inventory.BuildOptions{
			Memory: rapid.SampledFrom([]int64{1, 2000, 1 << 20}).Draw(t, "memory"), Workers: rapid.IntRange(1, 3).Draw(t, "workers"),
		})
		want := slices.CompactFunc(slices.SortedFunc(slices.Values(rows), compareAll), func(v, w cooper.Version) bool { return v == w })
		got := mustAll(t, s.Versions(context.Background(), inventory.IterOptions{}))
		if !slices.Equal(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
		if d := s.Meta().Duplicates; d != int64(len(rows)-len(want)) {
			t.Fatalf("%d duplicates, want %d", d, len(rows)-len(want))
		}
		checkCounts(t, s.Meta(), want)
		if err := s.Verify(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
	})
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// checkCounts counts naively.
func checkCounts(t *rapid.T, m inventory.Meta, sorted []cooper.Version) {
	var want inventory.Meta
	latest := map[string][]cooper.Version{}
	for _, v := range sorted {
		if latest[v.Key] == nil {
			latest[v.Key] = []cooper.Version{}
		}
		if v.DeleteMarker {
			want.DeleteMarkers++
		} else {
			want.Versions++
		}
		want.Bytes += v.Size
		of := latest[v.Key]
		if v.Latest {
			of = append(of, v)
		}
		latest[v.Key] = of
	}
	want.Keys = int64(len(latest))
	for _, vs := range latest {
		switch {
		case len(vs) == 0:
			want.Hidden++
		case len(vs) > 1:
			want.Ambiguous++
		case !vs[0].DeleteMarker:
			want.Latest++
			want.LatestBytes += vs[0].Size
		}
	}
	got := inventory.Meta{
		Versions: m.Versions, DeleteMarkers: m.DeleteMarkers, Bytes: m.Bytes,
		Latest: m.Latest, LatestBytes: m.LatestBytes, Ambiguous: m.Ambiguous,
		Hidden: m.Hidden, Keys: m.Keys,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("counted %+v, want %+v", got, want)
	}
}

// The same rows make the same files, however they come.
func TestShuffledAndSplitDifferentlyIsTheSameSnapshot(t *testing.T) {
	const n = 150_000 // more than a row group
	var want []inventory.File
	for i, c := range []struct {
		opt     invtest.Options
		memory  int64
		workers int
		spilled bool
	}{
		{invtest.Options{}, 1 << 30, 1, false},
		{invtest.Options{Parts: 7, Shuffle: 1}, 1 << 30, 2, false},
		{invtest.Options{Parts: 3, Shuffle: 2}, 4 << 20, 3, true},
	} {
		s := build(t, invtest.Synthetic(n, 5, c.opt), inventory.BuildOptions{Memory: c.memory, Workers: c.workers})
		m := s.Meta()
		if i == 0 {
			want = m.Files
		}
		if !slices.Equal(m.Files, want) {
			t.Errorf("%+v: files %+v, want %+v", c, m.Files, want)
		}
		if spilled := m.Runs > c.workers; spilled != c.spilled {
			t.Errorf("%+v: %d runs", c, m.Runs)
		}
		if m.Versions+m.DeleteMarkers != n || !m.Complete || m.Rejected != 0 || m.Duplicates != 0 || m.Ambiguous != 0 {
			t.Errorf("%+v: %+v", c, m)
		}
	}
}

func TestContradicts(t *testing.T) {
	for _, c := range []struct {
		keys, ambiguous int64
		want            bool
	}{{20, 0, false}, {20, 1, true}, {2000, 2, false}, {2000, 3, true}, {1e9, 999, false}, {1e9, 1000, true}, {0, 999, false}} {
		if m := (inventory.Meta{Keys: c.keys, Ambiguous: c.ambiguous}); m.Contradicts() != c.want {
			t.Errorf("%+v", c)
		}
	}
}

func TestMakesNoSense(t *testing.T) {
	for _, c := range []struct {
		rejected, versions, markers int64
		want                        bool
	}{{0, 0, 0, false}, {1, 0, 0, true}, {2, 1, 1, false}, {3, 1, 1, true}} {
		if m := (inventory.Meta{Rejected: c.rejected, Versions: c.versions, DeleteMarkers: c.markers}); m.MakesNoSense() != c.want {
			t.Errorf("%+v", c)
		}
	}
}

// TestSumsStayAtTheirEnd: as many bytes as there are in all the world.
func TestSumsStayAtTheirEnd(t *testing.T) {
	row := version("a", "1", 1, true)
	row.Size = inventory.MaxSize
	var rows []cooper.Version
	for i := range 170_000 { // some more than 2^63 bytes
		row.Key = fmt.Sprintf("k%06d", i)
		rows = append(rows, row)
	}
	m := build(t, &rowSource{parts: [][]cooper.Version{rows}}, inventory.BuildOptions{}).Meta()
	if m.Bytes != cooper.MaxBytes || m.LatestBytes != cooper.MaxBytes || m.Latest != 170_000 {
		t.Errorf("%d bytes, %d latest", m.Bytes, m.LatestBytes)
	}
}

func TestAmbiguousKeys(t *testing.T) {
	rows := []cooper.Version{
		version("good", "1", 1, true), version("good", "2", 2, false),
		version("none", "1", 1, false),
		version("two", "1", 1, true), version("two", "2", 2, true),
	}
	for _, c := range []struct {
		currentOnly bool
		want        int64
	}{{false, 1}, {true, 0}} {
		src := &rowSource{parts: [][]cooper.Version{rows}, meta: inventory.Meta{Scope: inventory.Scope{CurrentOnly: c.currentOnly}}}
		if got := build(t, src, inventory.BuildOptions{}).Meta(); got.Ambiguous != c.want || got.Latest != 1 || got.Hidden != 1 || got.Keys != 3 {
			t.Errorf("current only %t: %d ambiguous, %d latest", c.currentOnly, got.Ambiguous, got.Latest)
		}
	}
}

func TestRowsOutsideTheScopeAreDropped(t *testing.T) {
	src := &rowSource{meta: inventory.Meta{Scope: inventory.Scope{Prefix: "a/b"}}, parts: [][]cooper.Version{{
		version("a/b", "1", 1, true), version("a/b/c", "1", 1, true), version("a/bc", "1", 1, true), version("a", "1", 1, true),
	}}}
	s := build(t, src, inventory.BuildOptions{})
	if m := s.Meta(); m.Versions != 2 || m.Outside != 2 {
		t.Errorf("%d versions, %d outside", m.Versions, m.Outside)
	}
}

func TestSenselessRowsAreSetAside(t *testing.T) {
	bad := func(change func(*cooper.Version)) cooper.Version {
		v := version("bad", "1", 1, true)
		change(&v)
		return v
	}
	src := &rowSource{
		parts: [][]cooper.Version{{
			version("good", "1", 1, true),
			bad(func(v *cooper.Version) { v.Key = "" }),
			bad(func(v *cooper.Version) { v.Key = "bad\xff" }),
			bad(func(v *cooper.Version) { v.Key = "negative"; v.Size = -1 }),
			bad(func(v *cooper.Version) { v.Key = "huge"; v.Size = inventory.MaxSize + 1 }),
			bad(func(v *cooper.Version) { v.Key = "late"; v.LastModified = 1 << 60 }),
			bad(func(v *cooper.Version) { v.Key = "id"; v.VersionID = "\xff" }),
			bad(func(v *cooper.Version) { v.Key = "etag"; v.ETag = "\xff" }),
			bad(func(v *cooper.Version) { v.Key = "class"; v.StorageClass = "\xff" }),
			bad(func(v *cooper.Version) { v.Key = "long"; v.ETag = strings.Repeat("x", 1<<20) }),
		}},
		rejects: []inventory.Rejected{
			{File: "data/1.csv.gz", Row: 7, Key: []byte("torn\x00key"), Reason: "too few fields"},
			{File: "data/1.csv.gz", Row: 8, Key: []byte("torn\x00key"), Reason: "too few fields"},
			{File: "data/2.csv.gz", Row: 1, Key: nil, Reason: "bad \xff"},
			{File: "data/2.csv.gz", Row: 2, Key: []byte(strings.Repeat("x", 1<<21)), Reason: strings.Repeat("y", 1<<21)},
		},
	}
	s := build(t, src, inventory.BuildOptions{})
	m := s.Meta()
	if m.Versions != 1 || m.Rejected != 13 || !m.Complete || m.RejectedFile == nil || m.RejectedFile.Rows != 13 {
		t.Errorf("%+v", m)
	}
	got := keys(t, s.RejectedKeys(t.Context()))
	want := []string{"class", "etag", "huge", "id", "late", "long", "negative", "torn\x00key", strings.Repeat("x", 64<<10)}
	if !slices.Equal(got, want) {
		t.Errorf("rejected keys %.200q", got)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRejectedKeysAreSortedAndUTF8(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		raw := rapid.SliceOfN(rapid.OneOf(
			rapid.Map(rapid.SampledFrom(hostileKeys), func(s string) []byte { return []byte(s) }),
			rapid.SliceOfN(rapid.Byte(), 0, 5)), 0, 40).Draw(t, "keys")
		src := &rowSource{parts: [][]cooper.Version{nil}}
		var want []string
		for i, k := range raw {
			src.rejects = append(src.rejects, inventory.Rejected{File: "f", Row: int64(i + 1), Key: k, Reason: "r"})
			if len(k) > 0 && utf8.Valid(k) {
				want = append(want, string(k))
			}
		}
		slices.Sort(want)
		at := filepath.Join(dir, fmt.Sprint(n))
		got := keys(t, buildAt(t, at, src, inventory.BuildOptions{}).RejectedKeys(context.Background()))
		if !slices.Equal(got, slices.Compact(want)) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever goes wrong, there is a whole snapshot or nothing.
func TestFailureLeavesNothing(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("cut short")
	denied := &cooper.Error{Kind: cooper.KindDenied, Message: "no"}
	for name, c := range map[string]struct {
		ctx  context.Context
		src  inventory.Source
		opt  inventory.BuildOptions
		kind cooper.Kind
	}{
		"part fails":           {t.Context(), &rowSource{parts: [][]cooper.Version{{version("a", "1", 1, true)}, {version("b", "1", 1, true)}}, failure: broken}, inventory.BuildOptions{}, cooper.KindInternal},
		"part fails with kind": {t.Context(), &rowSource{parts: [][]cooper.Version{{version("a", "1", 1, true)}}, failure: denied}, inventory.BuildOptions{}, cooper.KindDenied},
		"fails after spilling": {t.Context(), &rowSource{parts: [][]cooper.Version{{version("a", "1", 1, true), version("b", "1", 1, true)}}, failure: broken}, inventory.BuildOptions{Memory: 1}, cooper.KindInternal},
		"cancelled before":     {cancelled, invtest.Synthetic(100_000, 1, invtest.Options{Parts: 4}), inventory.BuildOptions{}, cooper.KindInterrupted},
		"nowhere to spill":     {t.Context(), invtest.Synthetic(1000, 1, invtest.Options{}), inventory.BuildOptions{Memory: 1, TempDir: "/nonexistent"}, cooper.KindInternal},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			meta, err := inventory.Build(c.ctx, filepath.Join(parent, "s"), c.src, c.opt)
			if cooper.KindOf(err) != c.kind || meta.ID != "" {
				t.Errorf("error %v of kind %s, meta %+v", err, cooper.KindOf(err), meta)
			}
			if left := files(t, parent); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Cancelled at any time: while rows are read, spilled, merged or written.
func TestCancelledAtAnyTime(t *testing.T) {
	const n = 150_000
	for _, c := range []struct{ read, written int64 }{{1, 0}, {n / 2, 0}, {n, 0}, {0, 1}, {0, n}} {
		ctx, cancel := context.WithCancel(t.Context())
		parent := t.TempDir()
		_, err := inventory.Build(ctx, filepath.Join(parent, "s"), invtest.Synthetic(n, 1, invtest.Options{Parts: 4, Shuffle: 3}), inventory.BuildOptions{
			Memory: 8 << 20, Progress: func(read, written int64) {
				if c.read > 0 && read >= c.read || c.written > 0 && written >= c.written {
					cancel()
				}
			},
		})
		cancel()
		left := files(t, parent)
		if len(left) > 0 || cooper.KindOf(err) != cooper.KindInterrupted {
			t.Errorf("%+v: error %v, left behind %v", c, err, left)
		}
	}
}

func TestExistingDirectoryIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	_, err := inventory.Build(t.Context(), dir, &rowSource{}, inventory.BuildOptions{})
	if cooper.KindOf(err) != cooper.KindConflict {
		t.Errorf("got %v", err)
	}
}

func TestEmptySource(t *testing.T) {
	s := build(t, &rowSource{meta: inventory.Meta{Bucket: "b"}}, inventory.BuildOptions{ID: "s-1"})
	m := s.Meta()
	if got := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{})); len(got) > 0 || m.ID != "s-1" || m.Bucket != "b" || !m.Complete || len(m.Files) != 1 {
		t.Errorf("%d versions, %+v", len(got), m)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// More different classes than are numbered.
func TestManyClasses(t *testing.T) {
	var rows []cooper.Version
	for i := range 6000 {
		v := version(fmt.Sprintf("%05d", i), "1", 1, true)
		v.StorageClass, v.Tier = fmt.Sprintf("CLASS_%d", i), strings.Repeat("T", i%300)
		rows = append(rows, v)
	}
	r := rand.New(rand.NewPCG(1, 1))
	s := build(t, &rowSource{parts: split(r, append(rows, rows...), 3)}, inventory.BuildOptions{})
	if got := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{})); !slices.Equal(got, rows) {
		t.Errorf("%d rows, wrong", len(got))
	}
}

// TestAbsentIsNull: what is not known is NULL in the files, whatever is before and
// behind it.
func TestAbsentIsNull(t *testing.T) {
	for _, places := range rowstest.Places {
		src := &rowSource{parts: [][]cooper.Version{nil}}
		for i := range rowstest.Rows {
			v := cooper.Version{Identity: cooper.Identity{Key: fmt.Sprintf("%02d", i), VersionID: "null"}, Latest: true}
			if slices.Contains(places, i) {
				v.VersionID, v.ETag, v.LastModified = "0123456789abcdefABCDEF._.......Z", "d41d8cd98f00b204e9800998ecf8427e-12", 1
			}
			src.parts[0] = append(src.parts[0], v)
		}
		s := build(t, src, inventory.BuildOptions{})
		files, err := filepath.Glob(filepath.Join(s.Dir(), "versions-*.parquet"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		rowstest.Check(t, files[0], places, "version_id", "etag", "etag_text", "last_modified")
	}
}
