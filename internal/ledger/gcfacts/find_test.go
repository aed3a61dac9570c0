package gcfacts

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"cooper"
	"cooper/internal/ledger/sealed"
)

// TestFind: what is found is what is there, whatever ids are, in pages and row groups of which
// most have nothing of it.
func TestFind(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
	ids := func(n int) string {
		switch n % 3 {
		case 0:
			return strconv.Itoa(n)
		case 1:
			return fmt.Sprintf("00000000-0000-0000-0000-%012x", n)
		}
		return fmt.Sprintf("text %d, longer than the sixteen bytes that an index keeps", n)
	}
	const handles, rows = 500, 30_000
	want := map[string]int{}
	for shard := range 2 {
		w := begin(t, s, scan1, shard)
		for i := range handles {
			must(t, w.Handle(Handle{Kind: "blob", ID: ids(i*2 + shard), Bucket: "b", Key: fmt.Sprintf("k/%d/\xff"[:4+i%3*1], i%100), Size: int64(i)}))
		}
		for i := range rows {
			n := r.IntN(handles * 2)
			want[ids(n)]++
			must(t, w.Link("a", strconv.Itoa(i), Target{Kind: "blob", ID: ids(n)}))
		}
		must(t, w.Link("key", "1", Target{Kind: "", Bucket: "b", Key: "k/1"}))
		must(t, w.Link("key", "2", Target{Kind: "other", Bucket: "b", Key: "k/1"}))
		must(t, w.Link("key", "3", Target{Bucket: "c", Key: "k/1"}))
		must(t, w.Link("key", "4", Target{Bucket: "b", Key: "\xff"}))
		must(t, w.Derived(Derived{Name: "preview", Kind: "blob", ID: ids(3), Source: ids(4)}))
		must(t, w.Hold(Hold{Role: Protected, Table: "holds", Kind: "blob", ID: ids(5)}))
		must(t, w.Range(Range{What: OfKind, Table: "files", Number: shard}))
		must(t, w.Commit(ctx))
	}
	for n := 0; n < handles*2; n += 7 {
		links, err := s.FindLinks(ctx, scan1, "blob", ids(n))
		if err != nil || links.Count != want[ids(n)] || len(links.First) != min(links.Count, mostFound) {
			t.Fatalf("%s: %d links, %v; wanted %d", ids(n), links.Count, err, want[ids(n)])
		}
		h, err := s.FindHandles(ctx, scan1, "blob", ids(n))
		if err != nil || h.Count != 1 || h.First[0].ID != ids(n) || h.First[0].Size != int64(n/2) {
			t.Fatalf("%s: %+v, %v", ids(n), h, err)
		}
	}
	count := func(n int, err error) int {
		must(t, err)
		return n
	}
	for what, c := range map[string][2]int{
		"of another kind":    {count(f(s.FindLinks(ctx, scan1, "legacy", ids(7)))), 0},
		"of another scan":    {count(f(s.FindLinks(ctx, scan2, "blob", ids(7)))), 0},
		"of nobody":          {count(f(s.FindLinks(ctx, scan1, "blob", ids(handles*2)))), 0},
		"links by key":       {count(f(s.FindLinksByKey(ctx, scan1, "blob", "b", "k/1"))), 2},
		"links by bytes":     {count(f(s.FindLinksByKey(ctx, scan1, "blob", "b", "\xff"))), 2},
		"links of the kind":  {count(f(s.FindLinksByKey(ctx, scan1, "other", "b", "k/1"))), 4},
		"sources":            {count(f(s.FindSources(ctx, scan1, "blob", ids(3)))), 2},
		"derived":            {count(f(s.FindDerived(ctx, scan1, "blob", ids(4)))), 2},
		"derived of another": {count(f(s.FindDerived(ctx, scan1, "blob", ids(3)))), 0},
		"holds":              {count(f(s.FindHolds(ctx, scan1, "blob", ids(5)))), 2},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %d, wanted %d", what, c[0], c[1])
		}
	}
	byKey := map[string]int{}
	must(t, s.EachHandle(ctx, scan1, func(h *Handle) error { byKey[h.Key]++; return nil }))
	for key, n := range byKey {
		if found, err := s.FindSiblings(ctx, scan1, "b", key); err != nil || found.Count != n {
			t.Errorf("%q: %d siblings, %v; wanted %d", key, found.Count, err, n)
		}
	}
	// Damage in what is read is named.
	names, _, err := s.Files(Links)
	must(t, err)
	b, err := os.ReadFile(names[0])
	must(t, err)
	b = slices.Clone(b)
	b[len(b)/3] ^= 1
	must(t, os.WriteFile(names[0], b, 0o600))
	failed := 0
	for n := 0; n < handles*2; n += 7 {
		if _, err := s.FindLinks(ctx, scan1, "blob", ids(n)); err != nil {
			if failed++; cooper.KindOf(err) != cooper.KindInvalid {
				t.Fatal(err)
			}
		}
	}
	if failed == 0 {
		t.Error("a flipped bit is not seen")
	}
}

// TestFilters: what is looked for out of order has a filter, where there are values, and only there.
func TestFilters(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	w := begin(t, s, scan1, 0)
	must(t, w.Handle(Handle{ID: "1", Bucket: "b", Key: "k"}))
	must(t, w.Link("a", "1", Target{ID: "1"}))
	must(t, w.Derived(Derived{Name: "preview", ID: "00000000-0000-0000-0000-000000000001", Source: "2"}))
	must(t, w.Range(Range{What: OfKind, Table: "files"}))
	must(t, w.Commit(ctx))
	for table, want := range map[string][]string{Handles: {"key"}, Links: {"id_number"}, Deriveds: {"id_uuid", "source_number"}, Ranges: nil} {
		names, _, err := s.Files(table)
		must(t, err)
		var got []string
		must(t, sealed.With(names[0], func(in *sealed.File) error {
			pq, err := in.Indexed()
			must(t, err)
			for i, c := range pq.RowGroups()[0].ColumnChunks() {
				if filter := c.BloomFilter(); filter != nil && filter.Size() > 0 {
					got = append(got, pq.Schema().Columns()[i][0])
				}
			}
			return nil
		}))
		if !slices.Equal(got, want) {
			t.Errorf("%s has filters of %v, wanted %v", table, got, want)
		}
	}
}

func f[T any](found Found[T], err error) (int, error) { return found.Count, err }

// TestFindListed: what a detection says of a handle, and how its status changed.
func TestFindListed(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	detect(t, s, found)
	for id, want := range map[string]Listed{
		"1": {List: Candidates, Alone: 7}, "2": {List: Candidates, Alone: -1}, "3": {List: Kepts, Reason: "young", Alone: -1}, "00000000-0000-0000-0000-00000000000a": {List: Relinkeds, Status: "UNLINKED", Alone: -1},
		"5": {List: Missings, Alone: -1}, "6": {List: NearMisses, Other: "c", Alone: -1},
	} {
		if got, err := s.FindListed(ctx, detection1, "blob", id); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	if got, err := s.FindListed(ctx, detection1, "other", "1"); err != nil || len(got) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
	must(t, s.Tell(ctx, batch(1)))
	got, err := s.FindTransitions(ctx, "s/db", "blob", "7")
	if err != nil || got.Count != 1 || got.First[0].To != "UNLINKED" || got.First[0].Reason != "no link" {
		t.Errorf("%+v, %v", got, err)
	}
}

// BenchmarkFind tells how long it takes to find the links of a handle among so many at random, in ranges
// of a million.
func BenchmarkFind(b *testing.B) {
	s := Open(filepath.Join(b.TempDir(), "ledger"))
	n := 2_000_000
	if text := os.Getenv("COOPER_BENCH_LINKS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		must(b, err)
	}
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
	began := processor(b)
	for shard := range max(1, n/1_000_000) {
		w := begin(b, s, scan1, shard)
		for i := range min(n, 1_000_000) {
			must(b, w.Link("a", strconv.Itoa(i), Target{ID: strconv.Itoa(r.IntN(n))}))
		}
		must(b, w.Range(Range{What: OfAssociation, Table: "links", Number: shard}))
		must(b, w.Commit(ctx))
	}
	b.ReportMetric(float64(n)/1e6/(processor(b)-began).Seconds(), "Mlinks/s")
	for b.Loop() {
		_, err := s.FindLinks(ctx, scan1, "", strconv.Itoa(r.IntN(n)))
		must(b, err)
	}
}
