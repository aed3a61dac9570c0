package backup

import (
	"fmt"
	"slices"
	"testing"

	"cooper"
	"cooper/internal/tree/catalog"

	"pgregory.net/rapid"
)

// Matching by tables, for keys with very many versions, agrees with comparing.
func TestMatchByTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) cooper.Identity {
			return cooper.Identity{Key: "k",
				VersionID:    rapid.SampledFrom([]string{"", "null", "v1", "v2"}).Draw(t, label),
				ETag:         rapid.SampledFrom([]string{"e1", "e2"}).Draw(t, label),
				LastModified: cooper.Instant(rapid.IntRange(1, 2).Draw(t, label)),
			}
		}
		// An id that a store gave is there once.
		again := func(a, b cooper.Identity) bool {
			return a == b || a.VersionID == b.VersionID && a.VersionID != "" && a.VersionID != cooper.NullVersion
		}
		var listed []cooper.Version
		var known []catalog.Row
		for range rapid.IntRange(0, 6).Draw(t, "listed") {
			v := cooper.Version{Identity: draw("version")}
			if !slices.ContainsFunc(listed, func(w cooper.Version) bool { return again(w.Identity, v.Identity) }) {
				listed = append(listed, v)
			}
		}
		for range rapid.IntRange(0, 6).Draw(t, "known") {
			r := catalog.Row{Identity: draw("row"), Method: rapid.SampledFrom([]string{"md5", catalog.Adopted}).Draw(t, "method")}
			if !slices.ContainsFunc(known, func(s catalog.Row) bool {
				return s.Identity == r.Identity || again(s.Identity, r.Identity) && !onHearsay(&s) && !onHearsay(&r)
			}) {
				known = append(known, r)
			}
		}
		var a, b matcher
		byTable := slices.Clone(listed)
		a.match(listed, known)
		b.match(nil, nil)
		b.rowOf, b.taken = slices.Repeat([]int{-1}, len(listed)), make([]bool, len(known))
		b.matchByTable(byTable, known)
		if !slices.Equal(a.rowOf, b.rowOf) || !slices.Equal(a.taken, b.taken) {
			t.Fatalf("%v %v, by table %v %v", a.rowOf, a.taken, b.rowOf, b.taken)
		}
		for i, j := range a.rowOf {
			if j >= 0 && !listed[i].Same(known[j].Identity) {
				t.Fatalf("%+v matched %+v", listed[i], known[j])
			}
			if exact := slices.IndexFunc(known, func(r catalog.Row) bool { return r.Identity == listed[i].Identity }); exact >= 0 && j != exact {
				t.Fatalf("%+v did not match its own row", listed[i])
			}
		}
	})
}

func TestManyVersionsOfOneKey(t *testing.T) {
	const n = 5000
	b := newBucket("Enabled")
	for range n {
		b.put("a", b.now, "")
	}
	tree, s := newModel(), b.list()
	first := planned(t, s, tree)
	if len(first) != n {
		t.Fatalf("%d actions, want %d", len(first), n)
	}
	if again := planned(t, s, tree); len(again) > 0 {
		t.Fatalf("the second plan has %d actions, such as %s", len(again), fmt.Sprint(again[0]))
	}
}
