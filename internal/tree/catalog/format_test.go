package catalog

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/tree/safefs/memfs"
)

func p[T any](v T) *T { return &v }

// told is a row of which everything was told.
func told(key string) Row {
	r := row(key, 1, nil)
	r.Told = &Told{ContentType: p("text/csv"), ContentEncoding: p(""), ContentDisposition: p("attachment"), ContentLanguage: p("en"), CacheControl: p("no-cache"),
		Metadata: p(`{"a":"b"}`), Tags: p(`{}`), ChecksumMethod: p("CRC64NVME"), Checksum: []byte("12345678")}
	return r
}

// TestWhatAStoreToldIsKept by everything that rewrites rows, also where a newer row of
// the version does not have it, or has a part.
func TestWhatAStoreToldIsKept(t *testing.T) {
	c := newCatalog(t)
	var rows []Row
	for i := range 2*pageRows + 5 { // pages with and without
		r := row(strings.Repeat("k", 1+i/pageRows)+string(rune('a'+i%26))+string(rune('0'+i/26%10)), i, nil)
		if i == pageRows+7 {
			r.Told = &Told{Tags: p(`{"x":"y"}`)}
		}
		rows = append(rows, r)
	}
	add(t, c, rows...)
	add(t, c, told("z1"), told("z2"), told("z3"))
	newer, part, gone := row("z1", 1, func(r *Row) { r.Reason = "newer" }), row("z2", 1, nil), row("z3", 1, func(r *Row) { r.Dropped = true })
	part.Told = &Told{ContentType: p("text/plain"), ChecksumMethod: p("SHA256"), Checksum: []byte("x")}
	add(t, c, newer, part, gone)
	newer.Told = told("z1").Told
	part.Told = &Told{}
	*part.Told = *told("z2").Told
	part.Told.ContentType, part.Told.ChecksumMethod, part.Told.Checksum = p("text/plain"), p("SHA256"), []byte("x")
	slices.SortFunc(rows, func(a, b Row) int { return a.Compare(b.Identity) })
	want := append(slices.Clone(rows), newer, part)
	if s := c.State(); !s.Tells() {
		t.Error("the pointer does not say that something was told")
	}
	if diff := cmp.Diff(want, all(t, c, "")); diff != "" {
		t.Error(diff)
	}
	check(t, c.Compact(context.Background(), allowed, true))
	if diff := cmp.Diff(want, all(t, c, "")); diff != "" {
		t.Error(diff)
	}
	got, err := c.Lookup(context.Background(), "z1")
	check(t, err)
	if diff := cmp.Diff([]Row{newer}, got); diff != "" {
		t.Error(diff)
	}
}

// TestColumnsThatAreNullCostNothing: a few bits a row.
func TestColumnsThatAreNullCostNothing(t *testing.T) {
	c := newCatalog(t)
	var rows []Row
	for i := range 4 * pageRows {
		rows = append(rows, zarrRow(i))
	}
	size := func(rows []Row) int64 {
		s, err := c.Append(allowed, rows)
		check(t, err)
		return s.Files[0].Bytes
	}
	n := int64(len(rows))
	before := size(rows)
	f, err := c.fs.Open(dir + "/delta-0000000002-0.parquet")
	check(t, err)
	file, err := parquet.OpenFile(f, before)
	check(t, err)
	var null int64
	for _, g := range file.Metadata().RowGroups {
		for _, chunk := range g.Columns[colTold:] {
			null += chunk.MetaData.TotalCompressedSize
		}
	}
	check(t, f.Close())
	t.Logf("%d bytes a row, %.2f bits of them for %d columns of NULL", before/n, float64(8*null)/float64(n), columnCount-colTold)
	if 8*null > n {
		t.Errorf("%d bytes of NULL in %d rows", null, n)
	}
	for i := range rows {
		rows[i].Told = &Told{ContentType: p("application/octet-stream")}
	}
	if with := size(rows); with-before > 200*n/pageRows {
		t.Errorf("one value for all of %d rows takes %d bytes", n, with-before)
	}
}

// pointers reads what lies on the disk.
func pointers(m *memfs.FS) (first, second string) {
	return m.Files()[currentPath], m.Files()[secondPath]
}

func write(t *testing.T, m *memfs.FS, path, content string) {
	t.Helper()
	check(t, writeWhole(m, path, []byte(content)))
}

// TestTwoCopiesOfThePointer: whatever happens to one, the newest that is whole counts, it
// is told, and the next run heals it; two that contradict each other are an error.
func TestTwoCopiesOfThePointer(t *testing.T) {
	damage := func(s string) string { return strings.Replace(s, "runs", "suns", 1) }
	for name, x := range map[string]struct {
		change func(t *testing.T, m *memfs.FS, old, now string)
		tells  string // a part of the doubt
		kind   cooper.Kind
	}{
		"none":               {func(*testing.T, *memfs.FS, string, string) {}, "", ""},
		"first damaged":      {func(t *testing.T, m *memfs.FS, _, now string) { write(t, m, currentPath, damage(now)) }, "CURRENT.json is damaged", ""},
		"first cut":          {func(t *testing.T, m *memfs.FS, _, now string) { write(t, m, currentPath, now[:len(now)/2]) }, "CURRENT.json is damaged", ""},
		"second damaged":     {func(t *testing.T, m *memfs.FS, _, now string) { write(t, m, secondPath, damage(now)) }, "CURRENT.second.json is damaged", ""},
		"first missing":      {func(t *testing.T, m *memfs.FS, _, _ string) { check(t, m.Remove(currentPath)) }, "CURRENT.json is missing", ""},
		"second missing":     {func(t *testing.T, m *memfs.FS, _, _ string) { check(t, m.Remove(secondPath)) }, "CURRENT.second.json is missing", ""},
		"yesterday's first":  {func(t *testing.T, m *memfs.FS, old, _ string) { write(t, m, currentPath, old) }, "of generation 1, an old copy", ""},
		"yesterday's second": {func(t *testing.T, m *memfs.FS, old, _ string) { write(t, m, secondPath, old) }, "of generation 1, an old copy", ""},
		"both damaged": {func(t *testing.T, m *memfs.FS, _, now string) {
			write(t, m, currentPath, damage(now))
			write(t, m, secondPath, damage(now))
		}, "", cooper.KindCorrupt},
		"both missing": {func(t *testing.T, m *memfs.FS, _, _ string) {
			check(t, m.Remove(currentPath))
			check(t, m.Remove(secondPath))
		}, "", cooper.KindMissing},
		"without a seal": {func(t *testing.T, m *memfs.FS, _, now string) {
			at := strings.LastIndex(now, ",\n \"seal\"")
			write(t, m, currentPath, now[:at]+"}")
			write(t, m, secondPath, now[:at]+"}")
		}, "", cooper.KindCorrupt},
		"two of one generation": {func(t *testing.T, m *memfs.FS, _, _ string) {
			s := newState(4, nil)
			raw, err := encodeState(&s)
			check(t, err)
			write(t, m, currentPath, string(raw))
		}, "", cooper.KindCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			c, m := newMem(t)
			old, _ := pointers(m)
			for _, key := range []string{"a", "b", "c"} {
				add(t, c, row(key, 1, nil))
			}
			now, second := pointers(m)
			if now != second {
				t.Fatal("the copies differ")
			}
			x.change(t, m, old, now)
			got, err := OpenFS(m)
			if cooper.KindOf(err) != x.kind {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			if n := len(all(t, got, "")); n != 3 {
				t.Errorf("%d rows", n)
			}
			if told := strings.Join(got.Doubts(), "\n"); !strings.Contains(told, x.tells) || (told == "") != (x.tells == "") {
				t.Errorf("told: %q", told)
			}
			check(t, got.Heal(allowed))
			check(t, got.Clean(allowed))
			if a, b := pointers(m); a != now || b != now {
				t.Error("not healed")
			}
			check(t, got.Publish(allowed, got.State()))
		})
	}
}

// TestAnOldPointerTouchesNothing: both copies put back, as from a copy of yesterday.
func TestAnOldPointerTouchesNothing(t *testing.T) {
	c, m := newMem(t)
	add(t, c, row("a", 1, nil))
	old, _ := pointers(m)
	for range 3 {
		add(t, c, row("b", 1, nil))
	}
	write(t, m, currentPath, old)
	write(t, m, secondPath, old)
	got, err := OpenFS(m)
	check(t, err)
	before := m.Files()
	if err := got.Clean(allowed); cooper.KindOf(err) != cooper.KindRefused || !errors.Is(err, ErrOld) {
		t.Errorf("%v", err)
	}
	if d := cmp.Diff(before, m.Files()); d != "" {
		t.Error(d)
	}
}

// TestNothingGoesUnlessAllIsThere: with a file missing or cut nothing is set aside, nor
// compacted.
func TestNothingGoesUnlessAllIsThere(t *testing.T) {
	for _, cut := range []bool{true, false} {
		c, m := newMem(t)
		add(t, c, row("a", 1, nil))
		add(t, c, row("b", 1, nil))
		_, err := c.Append(allowed, []Row{row("c", 1, nil)}) // of a crash
		check(t, err)
		name := dir + "/" + c.State().Runs[0].Files[0].Name
		if cut {
			write(t, m, name, m.Files()[name][:100])
		} else {
			check(t, m.Remove(name))
		}
		before := m.Files()
		for what, err := range map[string]error{"clean": c.Clean(allowed), "compact": c.Compact(context.Background(), allowed, true)} {
			if cooper.KindOf(err) != cooper.KindCorrupt && cooper.KindOf(err) != cooper.KindMissing {
				t.Errorf("%s: %v", what, err)
			}
		}
		if d := cmp.Diff(before, m.Files()); d != "" {
			t.Error(d)
		}
	}
}

// TestTheFormerStateIsKept: after a compaction, and until the next one, the pointer and the
// files that it replaced can be brought back.
func TestTheFormerStateIsKept(t *testing.T) {
	c, m := newMem(t)
	for _, key := range []string{"a", "b"} {
		add(t, c, row(key, 1, nil))
	}
	want := all(t, c, "")
	check(t, c.Compact(context.Background(), allowed, true))
	for i := range 3 * fanout { // merges of deltas in between
		add(t, c, row("c", i, nil))
		check(t, c.Merge(context.Background(), allowed))
	}
	back := memfs.New()
	check(t, back.MkdirAll(dir))
	n := 0
	for p, content := range m.Files() {
		if name, ok := strings.CutPrefix(p, formerDir+"/"); ok && name != "" {
			write(t, back, dir+"/"+name, content)
			n++
		}
	}
	b, err := OpenFS(back)
	check(t, err)
	if d := cmp.Diff(want, all(t, b, "")); d != "" {
		t.Error(d)
	}
	if n > 3+fanout {
		t.Errorf("%d files are kept", n)
	}
	check(t, c.Compact(context.Background(), allowed, true))
	check(t, c.Compact(context.Background(), allowed, true))
	for p := range m.Files() {
		if strings.HasPrefix(p, formerDir+"/delta-0000000002") {
			t.Errorf("%s is kept for ever", p)
		}
	}
}

// TestPublishingLooksAgain: a pointer that somebody else has changed is not replaced.
func TestPublishingLooksAgain(t *testing.T) {
	c, m := newMem(t)
	other, err := OpenFS(m)
	check(t, err)
	add(t, other, row("a", 1, nil))
	if err := c.Publish(allowed, c.State()); cooper.KindOf(err) != cooper.KindLocked {
		t.Errorf("%v", err)
	}
	check(t, c.Refresh())
	check(t, c.Publish(allowed, c.State()))
	lost := errors.New("the lock is lost")
	c.Guard(func() error { return lost })
	before, _ := pointers(m)
	if err := c.Publish(allowed, c.State()); !errors.Is(err, lost) {
		t.Errorf("%v", err)
	}
	if after, _ := pointers(m); after != before {
		t.Error("published without the lock")
	}
}

// TestEveryByteOfAFileIsChecked: flipped, cut or longer, whatever is read of it.
func TestEveryByteOfAFileIsChecked(t *testing.T) {
	good := sample(t)
	meta := File{Name: "x.parquet", Rows: 3, Bytes: int64(len(good)), FirstKey: "a", LastKey: "c", Sums: sumsOf(good)}
	if n, err := readAs(t, good, meta); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		b := bytes.Clone(good)
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		if n, err := readAs(t, b, meta); n > 0 || cooper.KindOf(err) != cooper.KindCorrupt {
			t.Errorf("%d rows, %v", n, err)
		}
	}
	if n, err := readAs(t, append(bytes.Clone(good), 0), meta); n > 0 || cooper.KindOf(err) != cooper.KindCorrupt {
		t.Errorf("a byte more: %d rows, %v", n, err)
	}
}
