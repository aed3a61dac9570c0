package inventory_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

// However a snapshot is cut, its parts are the whole, and no key is in two.
func TestPartsAreTheWhole(t *testing.T) {
	const n = 600_000 // some row groups
	s := build(t, invtest.Synthetic(n, 3, invtest.Options{}), inventory.BuildOptions{})
	whole := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{}))
	random := rand.New(rand.NewPCG(1, 2))
	for _, prefix := range []string{"", "zarr/7", whole[n/2].Key, "none"} {
		var want []cooper.Version
		for _, v := range whole {
			if cooper.HasPrefix(v.Key, prefix) {
				want = append(want, v)
			}
		}
		for _, parts := range []int{1, 2, 3, 1000} {
			cuts, err := s.Split(t.Context(), parts, inventory.IterOptions{Prefix: prefix})
			if err != nil {
				t.Fatal(err)
			}
			if len(cuts) >= parts || prefix == "" && parts == 3 && len(cuts) != 2 || !slices.IsSorted(cuts) {
				t.Errorf("prefix %q in %d parts: cut at %q", prefix, parts, cuts)
			}
			compareParts(t, s, prefix, cuts, want)
		}
		// Keys that Split would never choose.
		cuts := []string{"a", whole[random.IntN(n)].Key, whole[random.IntN(n)].Key + "\x00", "zzz"}
		slices.Sort(cuts)
		compareParts(t, s, prefix, cuts, want)
	}
}

func compareParts(t *testing.T, s *inventory.Snapshot, prefix string, cuts []string, want []cooper.Version) {
	t.Helper()
	var got []cooper.Version
	bounds := append(append([]string{""}, cuts...), "")
	for i := range len(bounds) - 1 {
		part := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{Prefix: prefix, From: bounds[i], To: bounds[i+1]}))
		if len(part) > 0 && len(got) > 0 && part[0].Key == got[len(got)-1].Key {
			t.Errorf("%q is in two parts", part[0].Key)
		}
		got = append(got, part...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("prefix %q cut at %q: %d rows, want %d", prefix, cuts, len(got), len(want))
	}
}

// A key with more versions than a row group holds is in one part.
func TestManyVersionsAreNotCut(t *testing.T) {
	var rows []cooper.Version
	for i := range 300_000 {
		rows = append(rows, version("b", fmt.Sprintf("%06d", i), int64(1_000_000-i), i == 0))
	}
	rows = append(append([]cooper.Version{version("a", "1", 1, true)}, rows...), version("c", "1", 1, true))
	s := build(t, &rowSource{parts: [][]cooper.Version{rows}}, inventory.BuildOptions{})
	cuts, err := s.Split(t.Context(), 3, inventory.IterOptions{})
	if err != nil || len(cuts) != 1 || cuts[0] != "b" {
		t.Errorf("cut at %q, %v", cuts, err)
	}
	compareParts(t, s, "", cuts, rows)
}

// What is omitted is empty, and all else as it is.
func TestOmittedFieldsAreEmpty(t *testing.T) {
	s := build(t, invtest.Synthetic(150_000, 3, invtest.Options{}), inventory.BuildOptions{})
	whole := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{}))
	for _, omit := range []inventory.Fields{inventory.FieldETag, inventory.FieldVersionID, inventory.FieldETag | inventory.FieldVersionID} {
		want := slices.Clone(whole)
		for i := range want {
			if omit&inventory.FieldETag != 0 {
				want[i].ETag = ""
			}
			if omit&inventory.FieldVersionID != 0 {
				want[i].VersionID = ""
			}
		}
		if got := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{Omit: omit})); !slices.Equal(got, want) {
			t.Errorf("without %b: %d rows differ from the whole", omit, len(got))
		}
	}
}
