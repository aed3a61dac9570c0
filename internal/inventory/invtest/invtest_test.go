package invtest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/inventory"
)

// rowsOf reads all parts in turn.
func rowsOf(t *testing.T, src inventory.Source) []cooper.Version {
	t.Helper()
	var c collector
	for _, p := range src.Parts() {
		if err := p.Read(t.Context(), &c); err != nil {
			t.Fatal(err)
		}
	}
	return c.rows
}

type collector struct{ rows []cooper.Version }

func (c *collector) Version(v *cooper.Version) error {
	w := *v
	w.Key, w.VersionID, w.ETag = strings.Clone(v.Key), strings.Clone(v.VersionID), strings.Clone(v.ETag)
	c.rows = append(c.rows, w)
	return nil
}

func (c *collector) Reject(inventory.Rejected) error { return nil }

func compare(v, w cooper.Version) int { return v.Compare(&w) }

func TestSameRowsInAnyOrderAndSplit(t *testing.T) {
	const n = 10_000
	want := rowsOf(t, Synthetic(n, 1, Options{}))
	if len(want) != n || !slices.IsSortedFunc(want, compare) {
		t.Fatalf("%d rows, or not sorted", len(want))
	}
	if again := slices.CompactFunc(slices.Clone(want), func(v, w cooper.Version) bool { return v.Identity == w.Identity }); len(again) != n {
		t.Errorf("only %d different rows", len(again))
	}
	shuffled := rowsOf(t, Synthetic(n, 1, Options{Parts: 7, Shuffle: 9}))
	if slices.Equal(shuffled, want) || slices.IsSortedFunc(shuffled[:100], compare) {
		t.Error("not shuffled")
	}
	if slices.SortFunc(shuffled, compare); !slices.Equal(shuffled, want) {
		t.Error("shuffled rows are not the same rows")
	}
	if slices.Equal(rowsOf(t, Synthetic(n, 2, Options{})), want) {
		t.Error("another seed makes the same rows")
	}
}

func TestLatestAndDeleted(t *testing.T) {
	latest := map[string]int{}
	var markers, older int
	for _, v := range rowsOf(t, Synthetic(41_000, 1, Options{})) {
		if v.Latest {
			latest[v.Key]++
		} else {
			older++
		}
		if v.DeleteMarker {
			markers++
		}
		if v.DeleteMarker != (v.ETag == "") {
			t.Fatalf("%+v", v)
		}
	}
	for key, n := range latest {
		if n != 1 {
			t.Errorf("%s has %d latest versions", key, n)
		}
	}
	if len(latest) != 40_000 || older != 1000 || markers < 250 || markers > 420 {
		t.Errorf("%d keys, %d older versions, %d delete markers", len(latest), older, markers)
	}
}

func TestChangeAddsNewerVersions(t *testing.T) {
	const n = 41_000
	before, after := rowsOf(t, Synthetic(n, 1, Options{})), rowsOf(t, Synthetic(n, 1, Options{Change: 0.01}))
	known := map[cooper.Identity]bool{}
	for _, v := range before {
		known[v.Identity] = true
	}
	added := 0
	for _, v := range after {
		if !known[v.Identity] {
			added++
			if !v.Latest {
				t.Errorf("new, but not the latest: %+v", v)
			}
		}
	}
	if len(after) != n+added || added < 300 || added > 500 {
		t.Errorf("%d rows, %d of them new", len(after), added)
	}
	if !slices.IsSortedFunc(after, compare) {
		t.Error("not sorted")
	}
}

func TestCurrentOnly(t *testing.T) {
	rows := rowsOf(t, Synthetic(41_000, 1, Options{CurrentOnly: true, Change: 0.01}))
	for _, v := range rows {
		if !v.Latest || v.DeleteMarker || v.VersionID != "" {
			t.Fatalf("%+v", v)
		}
	}
	if len(rows) < 39_000 || len(rows) > 40_000 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Synthetic(10, 1, Options{}).Parts()[0].Read(ctx, &collector{}); err == nil {
		t.Error("went on")
	}
}

// TestSnapshot: rows come in order, those below the prefix alone, and what was given
// is overwritten; keys of rejected rows come once.
func TestSnapshot(t *testing.T) {
	row := func(key, id string) cooper.Version {
		return cooper.Version{Identity: cooper.Identity{Key: key, VersionID: id, Size: 3}}
	}
	gone := row("a/c", "2")
	gone.DeleteMarker, gone.Size = true, 0
	s := SnapshotOf("lab", 5, row("b", "1"), row("ab", "1"), gone, row("a/b", "1"))
	s.Rejected = []string{"z", "q", "z"}
	if m := s.Meta(); m.Bucket != "lab" || m.TakenAt != 5 || !m.Complete || m.Versions != 3 || m.DeleteMarkers != 1 || m.Bytes != 9 {
		t.Errorf("%+v", m)
	}
	var got []string
	it := s.Versions(t.Context(), "a/")
	first, err := it.Next()
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, first.Key)
	second, err := it.Next()
	if err != nil || first.Key != second.Key {
		t.Errorf("what was given is kept: %+v, %v", first, err)
	}
	got = append(got, second.Key)
	if _, err := it.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	for keys := s.RejectedKeys(t.Context()); ; {
		key, err := keys.Next()
		if err != nil {
			break
		}
		got = append(got, key)
	}
	if s := strings.Join(got, " "); s != "a/b a/c q z" {
		t.Error(s)
	}
}
