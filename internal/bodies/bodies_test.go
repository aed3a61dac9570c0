package bodies

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cooper"
	"cooper/internal/warc"
)

var at = time.Date(2022, 11, 10, 10, 5, 0, 0, time.UTC)

func body(n int) []byte { return fmt.Appendf(nil, "body %d %s", n, strings.Repeat("x", n%50)) }

func digest(n int) warc.Digest { return warc.Sum(body(n)) }

// staged gives records of bodies, as they were encoded.
func staged(t testing.TB, numbers ...int) func() (Staged, error) {
	t.Helper()
	e, err := warc.NewEncoder(6)
	if err != nil {
		t.Fatal(err)
	}
	return func() (Staged, error) {
		if len(numbers) == 0 {
			return Staged{}, io.EOF
		}
		b, d, err := e.Response(&warc.Response{URL: fmt.Sprintf("http://example.org/%d", numbers[0]), At: at, Status: 200, Body: body(numbers[0])})
		numbers = numbers[1:]
		return Staged{Digest: d, Record: b}, err
	}
}

func opened(t testing.TB, dir string, opt Options) *Archive {
	t.Helper()
	a, err := Open(t.Context(), dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func closed(t testing.TB, a *Archive) {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// content is what is in the files of a directory, by name.
func content(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, sub := range []string{"warc", "index"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, sub, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.Join(sub, e.Name())] = string(b)
		}
	}
	return all
}

func restored(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"warc", "index"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// holds compares an archive with the bodies that it should have, and no others.
func holds(t testing.TB, a *Archive, numbers map[int]bool) {
	t.Helper()
	if n := a.Count(); n != int64(len(numbers)) {
		t.Errorf("%d bodies, not %d", n, len(numbers))
	}
	for n := range numbers {
		rec, err := a.Get(digest(n))
		if err != nil || !bytes.Equal(rec.Body(), body(n)) {
			t.Fatalf("the body %d: %v", n, err)
		}
	}
	if _, err := a.Get(warc.Sum([]byte("never"))); cooper.KindOf(err) != cooper.KindMissing {
		t.Errorf("one that was never added: %v", err)
	}
}

// TestAdd: each body is there once, whatever comes how often and in how many additions, in files of a size,
// and the archive is the same whenever it is made.
func TestAdd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
	var batches [][]int
	for range 60 {
		var b []int
		for range r.IntN(40) {
			b = append(b, r.IntN(400))
		}
		batches = append(batches, b)
	}
	var made []map[string]string
	for reopen := range 2 {
		dir := t.TempDir()
		opt := Options{Full: 4000, Software: "Cooper"}
		a := opened(t, dir, opt)
		want := map[int]bool{}
		for _, b := range batches {
			before := len(want)
			for _, n := range b {
				want[n] = true
			}
			added, err := a.Add(staged(t, b...), at)
			if err != nil || added != int64(len(want)-before) {
				t.Fatal(added, err)
			}
			if reopen == 1 {
				closed(t, a)
				a = opened(t, dir, opt)
			}
		}
		holds(t, a, want)
		if len(a.runs) > 10 {
			t.Errorf("%d runs", len(a.runs))
		}
		closed(t, a)
		made = append(made, content(t, dir))
		v, err := Verify(t.Context(), dir, false, func(err error) { t.Error(err) })
		if err != nil || !v.Well() || v.Records != int64(len(want)) || v.Twice != 0 {
			t.Errorf("%+v, %v", v, err)
		}
	}
	if !maps.Equal(made[0], made[1]) {
		t.Error("the same additions made other files")
	}
	if n := len(made[0]); n < 5 {
		t.Errorf("only %d files", n)
	}
}

// TestCrash: an addition that was cut off at any byte, before its index and at each step of joining runs,
// and is made again, leaves what an undisturbed one does.
func TestCrash(t *testing.T) {
	opt := Options{Full: 1500, Software: "Cooper"}
	first, second := []int{1, 2, 3, 4, 5, 6}, []int{5, 7, 8, 9, 10, 11, 12}
	dir := t.TempDir()
	a := opened(t, dir, opt)
	if _, err := a.Add(staged(t, first...), at); err != nil {
		t.Fatal(err)
	}
	closed(t, a)
	before := content(t, dir)
	a = opened(t, dir, opt)
	if _, err := a.Add(staged(t, second...), at); err != nil {
		t.Fatal(err)
	}
	all := map[int]bool{}
	for n := 1; n <= 12; n++ {
		all[n] = true
	}
	holds(t, a, all)
	closed(t, a)
	after := content(t, dir)
	warcs := func(files map[string]string) map[string]string {
		out := maps.Clone(files)
		maps.DeleteFunc(out, func(name, _ string) bool { return strings.HasPrefix(name, "index") })
		return out
	}
	cuts := 0
	try := func(files map[string]string) {
		t.Helper()
		cuts++
		dir := restored(t, files)
		a, err := Open(t.Context(), dir, opt)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Add(staged(t, second...), at); err != nil {
			t.Fatal(err)
		}
		holds(t, a, all)
		closed(t, a)
		if got := warcs(content(t, dir)); !maps.Equal(got, warcs(after)) {
			t.Fatalf("other files of records: %v", slices.Sorted(maps.Keys(got)))
		}
	}
	names := slices.Sorted(maps.Keys(warcs(after)))
	for i, name := range names {
		const step = 29 // so that all parts of records are met
		for n := len(before[name]); n <= len(after[name]); n += min(step, max(1, len(after[name])-n)) {
			files := maps.Clone(before)
			for _, whole := range names[:i] {
				files[whole] = after[whole]
			}
			files[name] = after[name][:n]
			try(files)
		}
	}
	// The index is made, and both what it was made of and it are there.
	files := maps.Clone(after)
	for name, text := range before {
		if strings.HasPrefix(name, "index") {
			files[name] = text
		}
	}
	try(files)
	// No index at all.
	try(warcs(after))
	if cuts < 50 {
		t.Errorf("only %d places", cuts)
	}
}

// TestDamage: what is damaged is told with its place, and is archived anew where it comes again; what
// can be read stays.
func TestDamage(t *testing.T) {
	opt := Options{Full: 1500}
	numbers := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	dir := t.TempDir()
	a := opened(t, dir, opt)
	for _, n := range numbers {
		if _, err := a.Add(staged(t, n), at); err != nil {
			t.Fatal(err)
		}
	}
	p, ok, err := a.find(digest(3))
	if err != nil || !ok {
		t.Fatal(err)
	}
	closed(t, a)
	files := content(t, dir)
	name := "warc/" + fileName(p.file)
	b := []byte(files[name])
	b[p.offset+int64(p.length)/2] ^= 0x40
	files[name] = string(b)
	dir = restored(t, files)
	a = opened(t, dir, opt)
	if _, err := a.Get(digest(3)); cooper.KindOf(err) != cooper.KindCorrupt || !strings.Contains(err.Error(), fileName(p.file)) {
		t.Errorf("a damaged record: %v", err)
	}
	closed(t, a)
	for _, mend := range []bool{false, true} {
		var told []error
		v, err := Verify(t.Context(), dir, mend, func(err error) { told = append(told, err) })
		if err != nil || v.Well() || v.Damaged != 1 || v.Lost != 1 || v.Records != 9 || len(told) != 1 || !strings.Contains(told[0].Error(), fmt.Sprintf("byte %d", p.offset)) {
			t.Fatalf("%+v, %v, %v", v, err, told)
		}
	}
	a = opened(t, dir, opt)
	if known, err := a.Known(digest(3)); known || err != nil {
		t.Errorf("known although it is lost: %v", err)
	}
	if added, err := a.Add(staged(t, numbers...), at); added != 1 || err != nil {
		t.Errorf("added %d again: %v", added, err)
	}
	all := map[int]bool{}
	for _, n := range numbers {
		all[n] = true
	}
	holds(t, a, all)
	closed(t, a)

	// An index that is damaged is an error, and is made anew.
	for name, text := range content(t, dir) {
		if strings.HasPrefix(name, "index") {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text[:len(text)-1]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Open(t.Context(), dir, opt); cooper.KindOf(err) != cooper.KindCorrupt {
		t.Errorf("a damaged index: %v", err)
	}
	if v, err := Verify(t.Context(), dir, true, func(error) {}); err != nil || v.Records != 10 {
		t.Errorf("%+v, %v", v, err)
	}
	a = opened(t, dir, opt)
	holds(t, a, all)
	closed(t, a)

	// A file that is gone is told, and nothing else is touched.
	if err := os.Remove(filepath.Join(dir, "warc", fileName(1))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, opt); cooper.KindOf(err) != cooper.KindCorrupt || !strings.Contains(err.Error(), fileName(1)) {
		t.Errorf("a file is gone: %v", err)
	}
}

// TestFailed: an addition that fails leaves nothing that the next one could not deal with.
func TestFailed(t *testing.T) {
	dir := t.TempDir()
	a := opened(t, dir, Options{Full: 700})
	mine := errors.New("mine")
	next := staged(t, 1, 2, 3, 4, 5, 6)
	n := 0
	if _, err := a.Add(func() (Staged, error) {
		if n++; n == 5 {
			return Staged{}, mine
		}
		return next()
	}, at); !errors.Is(err, mine) {
		t.Fatal(err)
	}
	holds(t, a, nil)
	if _, err := a.Add(staged(t, 7, 8, 1), at); err != nil {
		t.Fatal(err)
	}
	holds(t, a, map[int]bool{7: true, 8: true, 1: true})
	closed(t, a)
	a = opened(t, dir, Options{Full: 700})
	defer closed(t, a)
	for i := range 9 {
		if _, err := a.Get(digest(i)); err != nil && cooper.KindOf(err) != cooper.KindMissing {
			t.Error(err)
		}
	}
	if _, err := a.Get(digest(8)); err != nil {
		t.Error(err)
	}
}

// TestReaders: many look bodies up while one adds.
func TestReaders(t *testing.T) {
	a := opened(t, t.TempDir(), Options{Full: 5000})
	defer closed(t, a)
	var wg sync.WaitGroup
	added := make(chan int, 200)
	for range 4 {
		wg.Go(func() {
			for n := range added {
				if rec, err := a.Get(digest(n)); err != nil || !bytes.Equal(rec.Body(), body(n)) {
					t.Errorf("%d: %v", n, err)
				}
			}
		})
	}
	for n := range 200 {
		if _, err := a.Add(staged(t, n), at); err != nil {
			t.Error(err)
		}
		added <- n
	}
	close(added)
	wg.Wait()
}

// rowsOf makes n rows with digests in order.
func rowsOf(n int) func() (row, error) {
	i := uint64(0)
	return func() (r row, err error) {
		if i == uint64(n) { //nolint:gosec // a count
			return r, io.EOF
		}
		i++
		// As digests are: even, and not predictable below.
		binary.BigEndian.PutUint64(r.digest[:], i*(1<<63/uint64(n))*2-uint64(rand.N(1<<10))) //nolint:gosec // no secret
		r.place = place{file: 1, offset: int64(i), length: 1}                                //nolint:gosec // a count
		return r, nil
	}
}

// BenchmarkKnown looks digests up among as many as COOPER_BODIES says, a million otherwise.
func BenchmarkKnown(b *testing.B) {
	count := 1_000_000
	if s := os.Getenv("COOPER_BODIES"); s != "" {
		if _, err := fmt.Sscan(s, &count); err != nil {
			b.Fatal(err)
		}
	}
	a := &Archive{dir: b.TempDir(), index: "index"}
	if err := os.Mkdir(a.path("index"), 0o700); err != nil {
		b.Fatal(err)
	}
	r, err := a.writeRun(1, 1, int64(count), rowsOf(count))
	if err != nil {
		b.Fatal(err)
	}
	a.runs = append(a.runs, r)
	defer func() {
		if err := a.Close(); err != nil {
			b.Error(err)
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		var d warc.Digest
		binary.BigEndian.PutUint64(d[:], rand.Uint64()) //nolint:gosec // no secret
		if known, err := a.Known(d); known || err != nil {
			b.Fatal(known, err)
		}
	}
}
