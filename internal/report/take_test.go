package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

// count is what Take does with rows, cut into parts after whole keys.
func count(rows []cooper.Version, opt Options, cutAt func() bool) *aggregate {
	opt.fill()
	var all *aggregate
	a := newAggregate(&opt, now)
	end := func() {
		a.finish()
		if all == nil {
			all = a
		} else {
			all.merge(a)
			prune([]*node{all.root}, 2*opt.nodes)
		}
		a = newAggregate(&opt, now)
	}
	for i := range rows {
		if !cooper.HasPrefix(rows[i].Key, opt.Prefix) {
			continue
		}
		if i > 0 && rows[i].Key != rows[i-1].Key && cutAt() {
			end()
		}
		a.add(&rows[i])
	}
	end()
	all.root.noEdges()
	prune([]*node{all.root}, opt.nodes)
	return all
}

// Whatever the keys are and however a snapshot is cut, all sums are those of a
// naive count.
func TestSumsAreThoseOfANaiveCount(t *testing.T) {
	table := prices(t)
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		rows := randomRows(r, 1+r.IntN(120))
		prefix := ""
		if r.IntN(2) == 0 {
			prefix = rows[r.IntN(len(rows))].Key
			prefix = prefix[:r.IntN(len(prefix)+1)]
		}
		m := newModel(rows, prefix, &table)
		opt := Options{Prefix: prefix, Depth: r.IntN(6) - 1, Prices: table, nodes: []int{3, 10, 1000}[r.IntN(3)]}
		share := r.Float64()
		a := count(rows, opt, func() bool { return r.Float64() < share })
		if a.rows == 0 {
			continue
		}
		rep, err := describe(a, &inventory.Meta{}, &opt)
		if err != nil {
			t.Fatal(err)
		}
		if !samePart(rep.Total, m.total) {
			t.Errorf("total %+v, want %+v", rep.Total, m.total)
		}
		checkRows(t, "class", rep.Classes, m.classes)
		checkRows(t, "age", rep.Ages, m.ages)
		checkRows(t, "size", rep.Sizes, m.sizes)
		checkRows(t, "suffix", rep.Suffixes, m.suffixes)
		if nodes := checkTree(t, rep.Tree, "", m); nodes > opt.nodes+1 {
			t.Errorf("%d nodes, %d are the most", nodes, opt.nodes+1)
		}
		for _, days := range []int{30, 90, 365} {
			got := a.expire(days)
			if w := m.stale[days]; got.Affects.Count != w.Count || got.Affects.Bytes != w.Bytes || !near(got.PerMonth, w.Cost) {
				t.Errorf("noncurrent for %d days: %+v, want %+v", days, got.Affects, w)
			}
			var markers int64
			for age := range ages {
				if olderThan(age, days) {
					markers += a.markers[age]
				}
			}
			if markers != m.markers[days] || a.soleMarkers != m.soleMarkers {
				t.Errorf("markers after %d days: %d and %d, want %d and %d", days, markers, a.soleMarkers, m.markers[days], m.soleMarkers)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d, prefix %q, depth %d, %d nodes", seed, prefix, opt.Depth, opt.nodes)
		}
	}
}

// A snapshot that is cut gives what it gives in one piece, to the last digit of
// its sums, and what a naive count gives.
func TestTake(t *testing.T) {
	const n = 300_000
	s := built(t, invtest.Synthetic(n, 5, invtest.Options{}))
	var rows []cooper.Version
	if err := walk(s.Versions(t.Context(), inventory.IterOptions{}), func(int64) {}, func(v *cooper.Version) error {
		rows = append(rows, *v)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	table := prices(t)
	m := newModel(rows, "", &table)
	var first string
	for _, workers := range []int{1, 3} {
		var read int64
		opt := Options{Depth: -1, Prices: table, Workers: workers, Duplicates: true, TempDir: t.TempDir(), partRows: 100_000}
		if workers == 1 {
			opt.Progress = func(n int64) { read += n }
		}
		r, err := Take(t.Context(), s, opt)
		if err != nil {
			t.Fatal(err)
		}
		if workers == 1 && read != 2*n {
			t.Errorf("progress says that %d of %d were read, twice", read, n)
		}
		if !samePart(r.Total, m.total) {
			t.Errorf("total %+v, want %+v", r.Total, m.total)
		}
		checkRows(t, "class", r.Classes, m.classes)
		checkRows(t, "age", r.Ages, m.ages)
		checkTreeSums(t, r.Tree)
		text := asJSON(t, r)
		if first == "" {
			first = text
		} else if text != first {
			t.Errorf("with %d workers the report is another one", workers)
		}
	}
}

func checkTreeSums(t *testing.T, n *Node) {
	t.Helper()
	if n.Key {
		return
	}
	var sum Part
	for _, c := range n.Children {
		sum.add(&c.Part)
		checkTreeSums(t, c)
	}
	if n.Rest != nil {
		sum.add(&n.Rest.Part)
	}
	if !samePart(sum, n.Part) {
		t.Fatalf("%q: %+v, its children and rest are %+v", n.Name, n.Part, sum)
	}
}

// Duplicates are exactly those of a naive count, also where nearly all are
// spilled and share their places.
func TestDuplicates(t *testing.T) {
	table := prices(t)
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 2))
		rows := randomRows(r, 300)
		s := snapshot(t, rows, inventory.Scope{})
		rep, err := Take(t.Context(), s, Options{Depth: -1, Prices: table, Duplicates: true, TempDir: t.TempDir(), Workers: 2, Memory: 4 << 10})
		if err != nil {
			t.Fatal(err)
		}
		m := newModel(rows, "", &table)
		d := rep.Duplicates
		if d.Groups != m.groups || d.Extra.Count != m.extra || d.Extra.Bytes != m.extraBytes || d.Current.Count != m.current {
			t.Errorf("seed %d: %d groups, extra %+v, latest %+v; want %d, %d with %d bytes, %d", seed, d.Groups, d.Extra, d.Current, m.groups, m.extra, m.extraBytes, m.current)
		}
		for _, g := range d.Largest {
			for _, k := range g.Keys {
				if !slices.ContainsFunc(rows, func(v cooper.Version) bool { return v.Key == k && v.ETag == g.ETag && v.Size == g.Size }) {
					t.Errorf("%q is no copy of %s", k, g.ETag)
				}
			}
		}
	}
}

func TestLargestDuplicates(t *testing.T) {
	var rows []cooper.Version
	for i := range 300 {
		for c := range 2 + i%3 {
			rows = append(rows, cooper.Version{
				Identity: cooper.Identity{Key: fmt.Sprintf("%d/%03d", c, i), ETag: fmt.Sprintf("%032x", i), Size: int64(1 + (i*7919)%300), LastModified: now - 5},
				Latest:   c != 1, StorageClass: "STANDARD",
			})
		}
	}
	r, err := Take(t.Context(), snapshot(t, rows, inventory.Scope{}), Options{Prices: prices(t), Duplicates: true, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	d := r.Duplicates
	var want []int64
	for i := range 300 {
		want = append(want, int64(1+i%3)*int64(1+(i*7919)%300))
	}
	slices.Sort(want)
	slices.Reverse(want)
	if d.Groups != 300 || len(d.Largest) != shownGroups {
		t.Fatalf("%d groups, %d shown", d.Groups, len(d.Largest))
	}
	for i := range d.Largest {
		if got := d.Largest[i].extra(); got != want[i] {
			t.Errorf("group %d has %d extra bytes, want %d", i, got, want[i])
		}
	}
	// Latest versions come first, and the first is the one that stays.
	if g := d.Largest[0]; g.Copies != 4 || fmt.Sprint(g.Keys[0][0], g.Keys[1][0], g.Keys[2][0], g.Keys[3][0]) != fmt.Sprint("0"[0], "2"[0], "3"[0], "1"[0]) {
		t.Errorf("%+v", g)
	}
	if want := d.Extra.Count - 300; d.Current.Count != want {
		t.Errorf("%d extra copies are latest versions, want %d", d.Current.Count, want)
	}
}
