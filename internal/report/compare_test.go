package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

// mutate makes a later state of rows: keys come and go, versions are added,
// removed, dated anew, moved to another class.
func mutate(r *rand.Rand, rows []cooper.Version) []cooper.Version {
	var out []cooper.Version
	for _, v := range rows {
		switch r.IntN(12) {
		case 0:
			continue
		case 1:
			v.Size++
		case 2:
			v.LastModified += 1000
		case 3:
			v.StorageClass = "GLACIER"
		case 4:
			w := v
			w.VersionID, w.ETag, w.Latest, w.LastModified = fmt.Sprint("new", len(out)), "new", true, now-1
			out = append(out, w)
			v.Latest = false
		}
		out = append(out, v)
	}
	for range r.IntN(10) {
		out = append(out, cooper.Version{Identity: cooper.Identity{Key: randomKey(r) + "new", VersionID: "x", ETag: "x", Size: 7}, Latest: true})
	}
	slices.SortFunc(out, func(a, b cooper.Version) int { return a.Compare(&b) })
	return slices.CompactFunc(out, func(a, b cooper.Version) bool { return a.Compare(&b) == 0 })
}

// naiveChanges compares with maps.
func naiveChanges(t *testing.T, then, now []cooper.Version, prefix string) (Changes, map[string]Changes, Delta, Delta, float64) {
	table := prices(t)
	type id struct{ key, id string }
	var total Changes
	var added, gone Delta
	cost := 0.0
	first := func(rows []cooper.Version) (map[string]cooper.Version, map[id]cooper.Version) {
		latest, all := map[string]cooper.Version{}, map[id]cooper.Version{}
		for _, v := range rows {
			if !cooper.HasPrefix(v.Key, prefix) || v.DeleteMarker {
				continue
			}
			if _, ok := latest[v.Key]; v.Latest && !ok {
				latest[v.Key] = v
			}
			all[id{v.Key, v.VersionID}] = v
		}
		return latest, all
	}
	oldLatest, oldAll := first(then)
	newLatest, newAll := first(now)
	for k, v := range newAll {
		rate, _ := table.Rate(v.StorageClass, v.Tier)
		cost += rate.Month(v.Size)
		if _, ok := oldAll[k]; !ok {
			added.add(Delta{1, v.Size})
		}
	}
	for k, v := range oldAll {
		rate, _ := table.Rate(v.StorageClass, v.Tier)
		cost -= rate.Month(v.Size)
		if _, ok := newAll[k]; !ok {
			gone.add(Delta{1, v.Size})
		}
	}
	by := map[string]Changes{}
	keys := maps.Clone(oldLatest)
	maps.Copy(keys, newLatest)
	for key := range keys {
		was, had := oldLatest[key]
		is, has := newLatest[key]
		var x Changes
		switch {
		case !had:
			x = Changes{Added: Delta{1, is.Size}, Grown: is.Size}
		case !has:
			x = Changes{Removed: Delta{1, was.Size}, Grown: -was.Size}
		case was.ETag != is.ETag || was.Size != is.Size:
			x = Changes{Replaced: Delta{1, is.Size}, Grown: is.Size - was.Size}
		default:
			continue
		}
		total.add(&x)
		below := key[len(prefix):]
		skip := 0
		if prefix != "" && !strings.HasSuffix(prefix, "/") {
			skip = 1
		}
		parts := strings.SplitAfter(below[min(skip, len(below)):], "/")
		dirs := parts[:len(parts)-1]
		name := prefix
		if len(dirs) > 0 {
			name += below[:skip] + strings.Join(dirs[:min(2, len(dirs))], "")
		}
		y := by[name]
		y.add(&x)
		by[name] = y
	}
	return total, by, added, gone, cost
}

// rowIterator walks what lies below prefix between two keys.
type rowIterator struct{ rows []cooper.Version }

func newRowIterator(rows []cooper.Version, prefix, from, to string) *rowIterator {
	return &rowIterator{slices.DeleteFunc(slices.Clone(rows), func(v cooper.Version) bool {
		return !cooper.HasPrefix(v.Key, prefix) || v.Key < from || to != "" && v.Key >= to
	})}
}

func (r *rowIterator) Next() (*cooper.Version, error) {
	if len(r.rows) == 0 {
		return nil, io.EOF
	}
	v := r.rows[0]
	r.rows = r.rows[1:]
	return &v, nil
}

func (r *rowIterator) Close() error { return nil }

// compared is what Compare does, cut at keys of either snapshot.
func compared(t *testing.T, old, cur []cooper.Version, prefix string, r *rand.Rand) *Comparison {
	t.Helper()
	opt := Options{Prices: prices(t)}
	bounds := []string{"", ""}
	for range r.IntN(5) {
		rows := old
		if r.IntN(2) == 0 {
			rows = cur
		}
		bounds = append(bounds, rows[r.IntN(len(rows))].Key)
	}
	slices.Sort(bounds[1:])
	bounds = append(slices.Compact(bounds), "")
	var all *comparer
	for i := range len(bounds) - 1 {
		part := newComparer(&opt, len(prefix), compareDepth, false)
		if err := part.run(newRowIterator(old, prefix, bounds[i], bounds[i+1]), newRowIterator(cur, prefix, bounds[i], bounds[i+1]), func(int64) {}); err != nil {
			t.Fatal(err)
		}
		if all == nil {
			all = part
		} else {
			all.merge(part)
		}
	}
	all.sum.Prefixes = all.prefixes.largest()
	return &all.sum
}

func TestCompareIsANaiveComparison(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		old := randomRows(r, 1+r.IntN(150))
		cur := mutate(r, old)
		prefix := ""
		if r.IntN(2) == 0 {
			prefix = old[r.IntN(len(old))].Key
			prefix = prefix[:r.IntN(len(prefix)+1)]
		}
		c := compared(t, old, cur, prefix, r)
		total, by, added, gone, cost := naiveChanges(t, old, cur, prefix)
		if c.Changes != total || c.NewVersions != added || c.GoneVersions != gone || !near(c.Cost, cost) {
			t.Errorf("seed %d, prefix %q: %+v new %+v gone %+v cost %v, want %+v, %+v, %+v, %v", seed, prefix, c.Changes, c.NewVersions, c.GoneVersions, c.Cost, total, added, gone, cost)
		}
		if len(by) > shownPrefixes {
			t.Fatal("too many prefixes for this test")
		}
		got := map[string]Changes{}
		for _, p := range c.Prefixes {
			got[p.Prefix] = p.Changes
		}
		if !maps.Equal(got, by) {
			t.Errorf("seed %d, prefix %q: prefixes %+v, want %+v", seed, prefix, got, by)
		}
		if !slices.IsSortedFunc(c.Prefixes, func(a, b PrefixChanges) int { return cmp.Compare(b.weight(), a.weight()) }) {
			t.Error("prefixes are not sorted")
		}
	}
}

// In parts as in one.
func TestCompareInParts(t *testing.T) {
	const n = 300_000
	then := built(t, invtest.Synthetic(n, 5, invtest.Options{}))
	s := built(t, invtest.Synthetic(n, 5, invtest.Options{Change: 0.01}))
	var first string
	for _, rows := range []int64{100_000, n * 2} {
		c, _, err := Compare(t.Context(), then, s, Options{Prices: prices(t), partRows: rows})
		if err != nil {
			t.Fatal(err)
		}
		if want := s.Meta().Versions - then.Meta().Versions; c.NewVersions.Count < want || c.GoneVersions.Count != 0 || c.Replaced.Count+c.Added.Count != c.NewVersions.Count {
			t.Errorf("%+v, want %d more versions", c, want)
		}
		c.Cost = 0 // rounded another way
		if text := asJSON(t, c); first == "" {
			first = text
		} else if text != first {
			t.Error("in one part the comparison is another one")
		}
	}
}

func TestWhatCannotBeCompared(t *testing.T) {
	meta := func(bucket, prefix string, current bool) inventory.Meta {
		return inventory.Meta{Bucket: bucket, Complete: true, Scope: inventory.Scope{Prefix: prefix, CurrentOnly: current}}
	}
	for _, c := range []struct {
		then, now inventory.Meta
		prefix    string
		want      string
		notes     int
		ok        bool
	}{
		{meta("a", "", false), meta("b", "", false), "", "", 0, false},
		{meta("a", "x", false), meta("a", "y", false), "", "", 0, false},
		{meta("a", "x/", false), meta("a", "", false), "y/", "", 0, false},
		{meta("a", "", false), meta("a", "", false), "x", "x", 0, true},
		{meta("a", "x/", false), meta("a", "", false), "", "x/", 1, true},
		{meta("a", "x/", false), meta("a", "x/y", true), "x", "x/y", 2, true},
	} {
		prefix, notes, err := comparable(c.then, c.now, c.prefix)
		if (err == nil) != c.ok || prefix != c.want || len(notes) != c.notes || err != nil && cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%+v: %q, %q, %v", c, prefix, notes, err)
		}
	}
}

// A listing of current versions follows one of all versions: what it cannot
// tell does not look gone.
func TestCompareWithCurrentVersionsOnly(t *testing.T) {
	v := func(key, id string, size int64, latest bool) cooper.Version {
		return cooper.Version{Identity: cooper.Identity{Key: key, VersionID: id, ETag: id + "e", Size: size, LastModified: now - 9}, Latest: latest}
	}
	old := []cooper.Version{v("a", "1", 5, true), v("a", "0", 4, false), v("b", "1", 5, true)}
	cur := []cooper.Version{v("a", "1", 5, true), v("c", "1", 9, true)}
	for i := range cur {
		cur[i].VersionID = ""
	}
	c, notes, err := Compare(t.Context(), snapshot(t, old, inventory.Scope{}), snapshot(t, cur, inventory.Scope{CurrentOnly: true}), Options{Prices: prices(t)})
	if err != nil || len(notes) != 1 {
		t.Fatal(notes, err)
	}
	if c.NewVersions != (Delta{1, 9}) || c.GoneVersions != (Delta{1, 5}) || c.Added.Count != 1 || c.Removed.Count != 1 {
		t.Errorf("%+v", c)
	}
}
