package extsort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"cooper"
)

type record struct{ key, data string }

func compareRecords(a, b record) int {
	if c := bytes.Compare([]byte(a.key), []byte(b.key)); c != 0 {
		return c
	}
	return bytes.Compare([]byte(a.data), []byte(b.data))
}

// sortAll feeds records to several feeders in turn and merges them.
func sortAll(t rapid.TB, opt Options, in []record) []record {
	s := New(opt)
	feeders := make([]*Feeder, max(opt.Feeders, 1))
	for i := range feeders {
		feeders[i] = s.Feeder()
	}
	for i, r := range in {
		if err := feeders[i%len(feeders)].Add(context.Background(), []byte(r.key), []byte(r.data)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range feeders {
		f.Close()
	}
	m, err := s.Merge(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var out []record
	for m.Next() {
		out = append(out, record{string(m.Key()), string(m.Data())})
	}
	if m.Err() != nil {
		t.Fatal(m.Err())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// anyRecord draws keys that share beginnings, ended so that none is a prefix
// of another.
func anyRecord() *rapid.Generator[record] {
	return rapid.Custom(func(t *rapid.T) record {
		key := rapid.OneOf(
			rapid.StringMatching(`[ab]{0,3}`),
			rapid.StringMatching(`(long/common/path/of/many/keys/){0,3}[a-c]{0,20}`),
			rapid.StringMatching(`[\x01-\xff]{0,40}`),
		).Draw(t, "key")
		data := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 10, 40)).Draw(t, "data")
		return record{key + "\x00", data}
	})
}

func TestSortsAsASortDoes(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(anyRecord(), 0, 300).Draw(t, "records")
		opt := Options{
			Memory:  rapid.SampledFrom([]int64{1, 500, 5000, 1 << 20}).Draw(t, "memory"),
			Feeders: rapid.IntRange(1, 4).Draw(t, "feeders"), Dir: dir,
		}
		got := sortAll(t, opt, in)
		want := slices.SortedFunc(slices.Values(in), compareRecords)
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
	nothingIn(t, dir)
}

func TestManyRecordsWithLongCommonPaths(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var in []record
	for i := range 50_000 {
		in = append(in, record{fmt.Sprintf("zarr/%08x-1234/%d/0/%d/%d\x00", r.IntN(40)*7919, r.IntN(3), r.IntN(30), r.IntN(30)), fmt.Sprint(i)})
	}
	want := slices.SortedFunc(slices.Values(in), compareRecords)
	for _, memory := range []int64{200_000, 1 << 30} {
		if got := sortAll(t, Options{Memory: memory, Feeders: 2, Dir: t.TempDir()}, in); !slices.Equal(got, want) {
			t.Errorf("memory %d: wrong order", memory)
		}
	}
}

// More runs than are merged at once.
func TestMergesInTwoSteps(t *testing.T) {
	dir := t.TempDir()
	var in []record
	for i := range 3*maxRuns + 17 {
		in = append(in, record{fmt.Sprintf("%05d\x00", i*7919%100_000), ""})
	}
	s := New(Options{Memory: 1, Dir: dir})
	f := s.Feeder()
	for _, r := range in {
		if err := f.Add(t.Context(), []byte(r.key), nil); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	m, err := s.Merge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.Runs() != len(in) || len(m.sources) > maxRuns+1 {
		t.Errorf("%d runs, %d sources", m.Runs(), len(m.sources))
	}
	var got []record
	for m.Next() {
		got = append(got, record{string(m.Key()), ""})
	}
	slices.SortFunc(in, compareRecords)
	if !slices.Equal(got, in) || m.Err() != nil {
		t.Errorf("wrong order, error %v", m.Err())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	nothingIn(t, dir)
}

func TestSortedInputIsNotSortedAgain(t *testing.T) {
	var s slab
	for i := range 1000 {
		s.add(fmt.Appendf(nil, "%05d\x00", i), nil, bytes.Compare)
	}
	if s.unsorted {
		t.Error("ascending keys were taken for unsorted")
	}
	s.add([]byte("0\x00"), nil, bytes.Compare)
	if !s.unsorted {
		t.Error("a smaller key went unnoticed")
	}
}

func TestRecordTooLarge(t *testing.T) {
	f := New(Options{Memory: 1 << 20, Dir: t.TempDir()}).Feeder()
	if err := f.Add(t.Context(), make([]byte, MaxRecord), []byte{1}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("got %v", err)
	}
}

func TestLargeRecords(t *testing.T) {
	in := []record{
		{string(bytes.Repeat([]byte("b"), MaxRecord/2)) + "\x00", "1"}, {"a\x00", string(bytes.Repeat([]byte("d"), MaxRecord/2))},
		{string(bytes.Repeat([]byte("b"), MaxRecord/2)) + "\x00", "0"}, {"c\x00", ""},
	}
	for _, memory := range []int64{1, 1 << 30} {
		got := sortAll(t, Options{Memory: memory, Dir: t.TempDir()}, in)
		if !slices.Equal(got, slices.SortedFunc(slices.Values(in), compareRecords)) {
			t.Errorf("memory %d: wrong order", memory)
		}
	}
}

func TestCancelledWhileSpilling(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := New(Options{Memory: 1, Dir: dir})
	f := s.Feeder()
	err := f.Add(ctx, []byte("a\x00"), nil)
	if err == nil {
		err = f.Add(ctx, []byte("b\x00"), nil)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	nothingIn(t, dir)
}

func TestNoDirectoryToSpillTo(t *testing.T) {
	s := New(Options{Memory: 1, Dir: t.TempDir() + "/gone"})
	f := s.Feeder()
	if err := f.Add(t.Context(), []byte("a\x00"), nil); err != nil {
		t.Fatal(err)
	}
	err := f.Add(t.Context(), []byte("b\x00"), nil)
	if cooper.KindOf(err) != cooper.KindInternal || err == nil {
		t.Errorf("got %v", err)
	}
}

func TestCheckSpaceRefusesWhatNoDiskHas(t *testing.T) {
	err := CheckSpace(t.TempDir(), 1<<60)
	var e *cooper.Error
	if !errors.As(err, &e) || e.Kind != cooper.KindFull || e.Remedy == "" {
		t.Errorf("got %v", err)
	}
	if err := CheckSpace(t.TempDir(), 0); err != nil {
		t.Error(err)
	}
}

// A run that was cut short is an error, never the end.
func TestRunCutShort(t *testing.T) {
	w, err := newRunWriter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := w.write(fmt.Appendf(nil, "key %03d\x00", i), []byte("data")); err != nil {
			t.Fatal(err)
		}
	}
	run, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	run.size -= 3
	s := New(Options{Dir: t.TempDir()})
	s.files = append(s.files, run)
	m, err := s.Merge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for m.Next() {
		n++
	}
	if n != 99 || m.Err() == nil {
		t.Errorf("%d records, error %v", n, m.Err())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func nothingIn(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func BenchmarkSort(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var keys [][]byte
	for range 500_000 {
		keys = append(keys, fmt.Appendf(nil, "zarr/%08x-1234-5678/%d/0/0/%d/%d\x00", r.IntN(400)*7919, r.IntN(3), r.IntN(30), r.IntN(30)))
	}
	var s slab
	for b.Loop() {
		s.reset()
		for _, k := range keys {
			s.add(k, []byte("0123456789abcdef0123456789abcdef01234567"), bytes.Compare)
		}
		s.sort(bytes.Compare)
	}
	b.ReportMetric(float64(len(keys)*b.N)/b.Elapsed().Seconds(), "records/s")
}
