package invtest

import (
	"context"
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
