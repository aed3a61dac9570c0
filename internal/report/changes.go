package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"cooper"
)

const (
	// shownPrefixes is how many prefixes with changes a report lists.
	shownPrefixes = 100
	// keptPrefixes is how many are told apart while counting.
	keptPrefixes = 10_000
)

func (d *Delta) add(e Delta) {
	d.Count += e.Count
	d.Bytes = cooper.AddBytes(d.Bytes, e.Bytes)
}

func (c *Changes) add(d *Changes) {
	c.Added.add(d.Added)
	c.Removed.add(d.Removed)
	c.Replaced.add(d.Replaced)
	c.Grown = cooper.AddBytes(c.Grown, d.Grown)
}

// weight is what prefixes are compared by.
func (c *Changes) weight() int64 {
	n := c.Added.Count + c.Removed.Count + c.Replaced.Count
	return cooper.AddBytes(cooper.AddBytes(cooper.AddBytes(c.Added.Bytes, c.Removed.Bytes), c.Replaced.Bytes), n*objectWeight)
}

// changes sums up changes by prefix, in the order of keys. Only the heaviest are
// kept, and those that may go on: the prefixes of the last key, and of the
// first, which the part before may have more of.
type changes struct {
	root, depth int
	by          map[string]*Changes
	first, last string // keys
	any         bool
}

func newChanges(root, depth int) *changes {
	return &changes{root: root, depth: depth, by: map[string]*Changes{}}
}

// prefix gives the deepest prefix of key, depth levels below the root at most.
func (c *changes) prefix(key string) string {
	end := c.root
	for level := 0; level < c.depth; level++ {
		from := end
		if end == c.root && end > 0 && end < len(key) && key[end-1] != '/' {
			from++ // the report's prefix ends before its delimiter
		}
		slash := strings.IndexByte(key[from:], '/')
		if slash < 0 {
			break
		}
		end = from + slash + 1
	}
	return key[:end]
}

func (c *changes) add(key string, x *Changes) {
	if !c.any {
		c.first, c.any = key, true
	}
	c.last = key
	prefix := c.prefix(key)
	if y := c.by[prefix]; y != nil {
		y.add(x)
		return
	}
	y := *x
	c.by[strings.Clone(prefix)] = &y
	if len(c.by) >= 2*keptPrefixes {
		c.prune()
	}
}

// merge adds the part that follows.
func (c *changes) merge(next *changes) {
	if !next.any {
		return
	}
	if !c.any {
		*c = *next
		return
	}
	for prefix, x := range next.by {
		if y := c.by[prefix]; y != nil {
			y.add(x)
		} else {
			c.by[prefix] = x
		}
	}
	c.last = next.last
	if len(c.by) >= 2*keptPrefixes {
		c.prune()
	}
}

// prune forgets the lightest prefixes that are complete.
func (c *changes) prune() {
	weights := make([]int64, 0, len(c.by))
	for _, x := range c.by {
		weights = append(weights, x.weight())
	}
	line := newCut(weights, keptPrefixes)
	for _, prefix := range slices.Sorted(maps.Keys(c.by)) { // in order: of equals, the first are kept
		open := strings.HasPrefix(c.first, prefix) || strings.HasPrefix(c.last, prefix)
		if !open && !line.keeps(c.by[prefix].weight()) {
			delete(c.by, prefix)
		}
	}
}

// largest gives the prefixes with the most changed bytes.
func (c *changes) largest() []PrefixChanges {
	list := []PrefixChanges{}
	for prefix, x := range c.by {
		list = append(list, PrefixChanges{Prefix: prefix, Changes: *x})
	}
	slices.SortFunc(list, func(a, b PrefixChanges) int {
		return cmp.Or(cmp.Compare(b.weight(), a.weight()), cmp.Compare(a.Prefix, b.Prefix))
	})
	return list[:min(shownPrefixes, len(list))]
}
