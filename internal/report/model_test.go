package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/price"
)

const now = cooper.Instant(1795136400000) // 2026-11-20T01:00:00Z

func prices(t testing.TB) price.Table {
	t.Helper()
	p, err := price.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rowSource is an inventory of given rows.
type rowSource struct {
	rows []cooper.Version
	meta inventory.Meta
}

func (s *rowSource) Meta() inventory.Meta    { return s.meta }
func (s *rowSource) Parts() []inventory.Part { return []inventory.Part{s} }
func (s *rowSource) Name() string            { return "rows" }
func (s *rowSource) Read(_ context.Context, to inventory.Sink) error {
	for i := range s.rows {
		if err := to.Version(&s.rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// snapshot builds one of rows.
func snapshot(t testing.TB, rows []cooper.Version, scope inventory.Scope) *inventory.Snapshot {
	t.Helper()
	src := &rowSource{rows, inventory.Meta{Source: "rows", Bucket: "lab", TakenAt: now, Scope: scope}}
	return built(t, src)
}

func built(t testing.TB, src inventory.Source) *inventory.Snapshot {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "s-20261120T010000Z-0001")
	if _, err := inventory.Build(t.Context(), dir, src, inventory.BuildOptions{Memory: 16 << 20}); err != nil {
		t.Fatal(err)
	}
	s, err := inventory.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pieces make hostile keys.
var pieces = []string{"/", "/", "/", "a", "b", "a-b", "é", "\x00", "..", ".", "x.csv", ".nii.gz", "IMG.TIF", "\x1b[31m", " ", "\n", "0", "readme.json", strings.Repeat("long", 70), "images/", "\u202e"}

func randomKey(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// randomRows are some sorted versions of hostile keys: any times, any classes,
// keys without a latest version or with several.
func randomRows(r *rand.Rand, keys int) []cooper.Version {
	all := map[string]bool{}
	for range keys {
		all[randomKey(r)] = true
	}
	classes := []string{"STANDARD", "STANDARD", "STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING", "SNOWY", ""}
	tiers := []string{"FREQUENT", "INFREQUENT", "ARCHIVE", "", "ARCHIVE_INSTANT_ACCESS"}
	etags := []string{"d41d8cd98f00b204e9800998ecf8427e", "0123456789abcdef0123456789abcdef-3", "odd", "0123456789abcdef0123456789abcdef"}
	var rows []cooper.Version
	for _, key := range slices.Sorted(maps.Keys(all)) {
		n := 1 + r.IntN(4)*r.IntN(2)
		latest := r.IntN(n + 1) // n: none
		if r.IntN(3) > 0 {
			latest = 0
		}
		for i := range n {
			v := cooper.Version{Identity: cooper.Identity{Key: key, VersionID: fmt.Sprint("v", i), ETag: etags[r.IntN(len(etags))]}}
			v.LastModified = now - cooper.Instant(math.Pow(r.Float64(), 3)*3000*day) + day/2
			if r.IntN(20) == 0 {
				v.LastModified = 0
			}
			v.Size = int64(r.Uint64() >> (8 + r.IntN(56)) % (1 << 36))
			if r.IntN(4) == 0 {
				v.Size = sizeRanges[r.IntN(sizes)].From - int64(r.IntN(2))*min(1, sizeRanges[1].From)
				v.Size = max(v.Size, 0)
			}
			v.StorageClass = classes[r.IntN(len(classes))]
			if v.StorageClass == "INTELLIGENT_TIERING" {
				v.Tier = tiers[r.IntN(len(tiers))]
			}
			v.Latest = i == latest || r.IntN(30) == 0
			if r.IntN(6) == 0 {
				v.DeleteMarker, v.Size, v.ETag, v.StorageClass, v.Tier = true, 0, "", "", ""
			}
			rows = append(rows, v)
		}
	}
	slices.SortFunc(rows, func(a, b cooper.Version) int { return a.Compare(&b) })
	return rows
}

// model is what a report has to say, counted as naively as can be.
type model struct {
	total                          Part
	classes, ages, sizes, suffixes map[string]*Part
	prefixes                       map[string]*Part // and keys, with a NUL behind
	newest                         map[string]cooper.Instant
	stale                          map[int]Amount // by days
	soleMarkers                    int64
	markers                        map[int]int64
	groups, extra, current         int64
	extraBytes                     int64
}

func newModel(rows []cooper.Version, prefix string, table *price.Table) *model {
	m := &model{
		classes: map[string]*Part{}, ages: map[string]*Part{}, sizes: map[string]*Part{}, suffixes: map[string]*Part{},
		prefixes: map[string]*Part{}, newest: map[string]cooper.Instant{}, stale: map[int]Amount{}, markers: map[int]int64{},
	}
	type content struct {
		etag string
		size int64
	}
	type copies struct{ all, latest int64 }
	same := map[content]copies{}
	byKey := map[string][]cooper.Version{}
	for _, v := range rows {
		if !cooper.HasPrefix(v.Key, prefix) {
			continue
		}
		rate, _ := table.Rate(v.StorageClass, v.Tier)
		cost := rate.Month(v.Size)
		in := func(parts map[string]*Part, name string) {
			if parts[name] == nil {
				parts[name] = &Part{}
			}
			parts[name].one(&v, cost)
		}
		m.total.one(&v, cost)
		if !v.DeleteMarker {
			in(m.classes, price.StorageName(v.StorageClass, v.Tier))
			for _, r := range sizeRanges {
				if v.Size >= r.From && (r.To == 0 || v.Size < r.To) {
					in(m.sizes, r.Name)
				}
			}
		}
		age := "unknown"
		for _, r := range ageRanges[:ages-1] {
			if d := float64(now-v.LastModified) / day; v.LastModified != 0 && (d >= float64(r.From) || r.From == 0) && (r.To == 0 || d < float64(r.To)) {
				age = r.Name
			}
		}
		in(m.ages, age)
		in(m.suffixes, strings.ToLower(suffixOf(v.Key)))
		seen := func(name string) {
			in(m.prefixes, name)
			m.newest[name] = max(m.newest[name], v.LastModified)
		}
		seen(prefix)
		for i := len(prefix); i < len(v.Key); i++ {
			if v.Key[i] == '/' && (i > len(prefix) || prefix == "" || strings.HasSuffix(prefix, "/")) {
				seen(v.Key[:i+1])
			}
		}
		seen(v.Key + "\x00key")
		if !v.DeleteMarker && v.Size > 0 && v.ETag != "" {
			c := same[content{v.ETag, v.Size}]
			c.all++
			if v.Latest {
				c.latest++
			}
			same[content{v.ETag, v.Size}] = c
		}
		byKey[v.Key] = append(byKey[v.Key], v)
	}
	for c, n := range same {
		if n.all > 1 {
			m.groups++
			m.extra += n.all - 1
			m.extraBytes += (n.all - 1) * c.size
			m.current += max(n.latest-1, 0)
		}
	}
	for _, vs := range byKey {
		m.expire(vs, table)
	}
	return m
}

func (m *model) expire(vs []cooper.Version, table *price.Table) {
	if len(vs) == 1 && vs[0].Latest && vs[0].DeleteMarker {
		m.soleMarkers++
	}
	for _, days := range []int{30, 90, 365} {
		past := func(i int) bool {
			return vs[i-1].LastModified != 0 && now-vs[i-1].LastModified >= cooper.Instant(days*day)
		}
		for i, v := range vs {
			if i > 0 && !v.Latest && !v.DeleteMarker && past(i) {
				rate, _ := table.Rate(v.StorageClass, v.Tier)
				a := m.stale[days]
				a.one(v.Size, rate.Month(v.Size))
				m.stale[days] = a
			}
		}
		if len(vs) > 1 && vs[0].Latest && vs[0].DeleteMarker && past(1) {
			m.markers[days]++
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*(1+math.Abs(a)) }

func samePart(a, b Part) bool {
	ok := near(a.Current.Cost, b.Current.Cost) && near(a.Noncurrent.Cost, b.Noncurrent.Cost)
	a.Current.Cost, a.Noncurrent.Cost, b.Current.Cost, b.Noncurrent.Cost = 0, 0, 0, 0
	return ok && a == b
}

// checkRows compares a distribution with the model's.
func checkRows(t *testing.T, what string, rows []Row, want map[string]*Part) {
	t.Helper()
	for _, r := range rows {
		w := want[r.Name]
		if w == nil {
			w = &Part{}
		}
		if !samePart(r.Part, *w) {
			t.Errorf("%s %q: %+v, want %+v", what, r.Name, r.Part, *w)
		}
	}
	for name := range want {
		if !slices.ContainsFunc(rows, func(r Row) bool { return r.Name == name }) {
			t.Errorf("%s %q is missing", what, name)
		}
	}
}

// checkTree compares a tree with the model's, and each node with what is below
// it. It gives the number of nodes.
func checkTree(t *testing.T, n *Node, path string, m *model) int {
	t.Helper()
	full, nodes := path+n.Name, 1
	if n.Key {
		full += "\x00key"
	}
	if w := m.prefixes[full]; w == nil || !samePart(n.Part, *w) || n.Newest != m.newest[full] {
		t.Errorf("node %q: %+v newest %v, want %+v newest %v", full, n.Part, n.Newest, w, m.newest[full])
	}
	if n.Key {
		if n.Children != nil || n.Rest != nil {
			t.Errorf("something lies below key %q", full)
		}
		return 1
	}
	var sum Part
	for _, c := range n.Children {
		sum.add(&c.Part)
		nodes += checkTree(t, c, full, m)
	}
	if n.Rest != nil {
		sum.add(&n.Rest.Part)
		// Names that are not told apart are those that there are, but for these.
		names := map[string]bool{}
		for name := range m.prefixes {
			if below, ok := strings.CutPrefix(name, full); ok && below != "" {
				below, _, _ = strings.Cut(below, "\x00key")
				from := 0
				if path == "" && full != "" && !strings.HasSuffix(full, "/") && strings.HasPrefix(below, "/") {
					from = 1
				}
				if i := strings.IndexByte(below[from:], '/'); i >= 0 {
					below = below[:from+i+1] + "\x00prefix"
				}
				names[below] = true
			}
		}
		if got := int64(len(n.Children)) + n.Rest.Names; got != int64(len(names)) {
			t.Errorf("node %q: %d children and %d more, want %d names", full, len(n.Children), n.Rest.Names, len(names))
		}
	}
	if !samePart(sum, n.Part) {
		t.Errorf("node %q: %+v, its children and rest are %+v", full, n.Part, sum)
	}
	if !slices.IsSortedFunc(n.Children, func(a, b *Node) int { return cmp.Compare(b.All().Bytes, a.All().Bytes) }) {
		t.Errorf("node %q: children are not sorted", full)
	}
	return nodes
}
