package stats

import (
	"cmp"
	"container/heap"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"cooper"
)

// number is a value of an answer; what is larger than any store stays the
// largest.
func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case *big.Int:
		return int64(v.Sign()) * int64(^uint64(0)>>1)
	}
	return 0
}

func word(v any) string {
	s, _ := v.(string)
	return s
}

func moment(v any) cooper.Instant {
	t, _ := v.(time.Time)
	return cooper.InstantOf(t)
}

// counter puts the figures together. Rows come in the order of their labels.
type counter struct {
	stats   *Stats
	states  map[string]*Part
	left    map[string]*Part
	buckets map[string]bool
	open    *Row // of the label that rows are about now
	largest rowHeap
}

func (c *counter) row(v []any) error {
	p := Part{Contents: number(v[5]), Known: number(v[6]), Plain: number(v[7]), Stored: number(v[8]), KnownStored: number(v[9]), Saved: number(v[10])}
	name, state := word(v[0]), word(v[2])
	c.stats.Total.Add(&p)
	c.stats.AsOf = max(c.stats.AsOf, moment(v[11]))
	c.buckets[word(v[1])] = true
	partOf(c.states, state).Add(&p)
	if state == string(cooper.Left) {
		partOf(c.left, word(v[4])).Add(&p)
	}
	if unfinished, _ := v[3].(bool); unfinished && state == string(cooper.Rewritten) {
		c.stats.Unfinished.Add(&p)
	}
	if c.stats.By == "" {
		return nil
	}
	if c.open == nil || c.open.Name != name {
		c.shut()
		c.open = &Row{Name: name}
	}
	c.open.Add(&p)
	return nil
}

func partOf(m map[string]*Part, name string) *Part {
	if m[name] == nil {
		m[name] = &Part{}
	}
	return m[name]
}

// shut puts the open row among the largest; what falls out is added up.
func (c *counter) shut() {
	if c.open == nil {
		return
	}
	heap.Push(&c.largest, *c.open)
	if len(c.largest) <= mostRows {
		return
	}
	out := heap.Pop(&c.largest).(Row)
	if c.stats.Others == nil {
		c.stats.Others = &Others{}
	}
	c.stats.Others.Rows++
	c.stats.Others.Add(&out.Part)
}

func (c *counter) finish() {
	c.shut()
	c.stats.Rows = slices.SortedFunc(slices.Values(c.largest), func(a, b Row) int { return -compare(&a, &b) })
	c.stats.Buckets = slices.Sorted(maps.Keys(c.buckets))
	c.stats.States = rowsOf(c.states)
	c.stats.Left = rowsOf(c.left)
}

// rowsOf lists parts, the largest first.
func rowsOf(m map[string]*Part) []Row {
	rows := make([]Row, 0, len(m))
	for name, p := range m {
		rows = append(rows, Row{name, *p})
	}
	slices.SortFunc(rows, func(a, b Row) int { return -compare(&a, &b) })
	return rows
}

// compare puts first what is smaller: by plain size, then as stored.
func compare(a, b *Row) int {
	return cmp.Or(cmp.Compare(a.Plain, b.Plain), cmp.Compare(a.Stored, b.Stored), cmp.Compare(a.Contents, b.Contents), strings.Compare(b.Name, a.Name))
}

// rowHeap has the smallest row on top.
type rowHeap []Row

func (h rowHeap) Len() int           { return len(h) }
func (h rowHeap) Less(i, j int) bool { return compare(&h[i], &h[j]) < 0 }
func (h rowHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *rowHeap) Push(x any)        { *h = append(*h, x.(Row)) }
func (h *rowHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
