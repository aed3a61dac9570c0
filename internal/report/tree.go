package report

import (
	"cmp"
	"slices"
	"strings"

	"cooper"
)

// The bounds of a tree. Keys come sorted, so that the prefixes that are open at
// a time are those of one key; what is closed is kept only while it is among the
// largest.
const (
	// keptNodes is how many nodes a finished tree has.
	keptNodes = 20_000
	// keptKeys is how many keys are told apart below one prefix.
	keptKeys = 256
	// objectWeight is what an object counts for beside its bytes, so that a
	// prefix of many small objects is not lost among large files.
	objectWeight = 64 * kib
	// keyWeight divides the weight of keys: a prefix tells more than a key.
	keyWeight = 8
)

// node is a closed prefix or key.
type node struct {
	name string
	key  bool
	// edge marks the prefixes of the first and the last key of a part: the
	// neighbouring part may have more of them, so that they cannot be folded
	// yet.
	edge     bool
	part     Part
	newest   cooper.Instant
	rest     Rest
	children []*node
	keys     int // of children
	// keyFloor is the weight at or below which no more keys are kept here.
	keyFloor int64
}

// weight is what nodes are compared by; never more than the parent's.
func (n *node) weight() int64 { return weightOf(&n.part, n.key) }

func weightOf(p *Part, key bool) int64 {
	all := p.All()
	w := cooper.AddBytes(all.Bytes, (all.Count+p.DeleteMarkers)*objectWeight)
	if key {
		w /= keyWeight
	}
	return w
}

// fold sums up a child that is not told apart any more.
func (n *node) fold(child *Part) { n.rest.Fold(child) }

// Fold sums up one more name.
func (r *Rest) Fold(p *Part) {
	r.Names++
	r.add(p)
}

// treeBuilder builds the tree of one part of a snapshot from its keys in order.
// Its figures are exact; what it tells apart are the largest.
type treeBuilder struct {
	root  int // the length of the report's prefix
	depth int // levels to tell apart; < 0 for all
	limit int // nodes to keep

	open []*node // the root, and the prefixes of path, one inside the other
	ends []int   // where each of open ends in path
	path string  // the key that was added last
	any  bool    // there was one
	// floor is the weight at or below which nothing is kept.
	floor int64
	kept  int // closed nodes that are kept, or were when they were counted
	spare *node
}

func newTreeBuilder(prefix string, depth, limit int) *treeBuilder {
	return &treeBuilder{
		root: len(prefix), depth: depth, limit: limit,
		open: []*node{{name: prefix, edge: true}}, ends: []int{len(prefix)}, path: prefix,
	}
}

// add counts all versions of a key, which is greater than the one before.
func (b *treeBuilder) add(key string, p *Part, newest cooper.Instant) {
	b.descend(key)
	level := len(b.open)
	dir := b.open[level-1]
	dir.part.add(p)
	dir.newest = max(dir.newest, newest)
	w := weightOf(p, true)
	if b.depth >= 0 && level > b.depth || w <= b.floor || w <= dir.keyFloor {
		dir.fold(p)
		return
	}
	dir.keys++
	b.keep(dir, &node{name: strings.Clone(key[b.ends[level-1]:]), key: true, part: *p, newest: newest})
	if dir.keys >= 2*keptKeys {
		dir.trimKeys()
	}
}

// descend closes the prefixes that key does not lie under and opens its own.
func (b *treeBuilder) descend(key string) {
	for last := len(b.open) - 1; last > 0; last-- {
		if end := b.ends[last]; len(key) >= end && key[:end] == b.path[:end] {
			break
		}
		b.close()
	}
	b.path = key
	for {
		from := b.ends[len(b.ends)-1]
		if from == b.root && from > 0 && from < len(key) && key[from-1] != '/' {
			from++ // the report's prefix ends before its delimiter
		}
		slash := strings.IndexByte(key[from:], '/')
		if slash < 0 {
			break
		}
		b.open = append(b.open, b.fresh())
		b.ends = append(b.ends, from+slash+1)
	}
	b.any = true
}

// fresh gives an empty node: the one that was folded last, or a new one.
func (b *treeBuilder) fresh() *node {
	n := b.spare
	if n == nil {
		n = &node{}
	}
	b.spare = nil
	clear(n.children)
	*n = node{edge: !b.any, children: n.children[:0]}
	return n
}

// close adds the innermost open prefix to the one around it.
func (b *treeBuilder) close() {
	last := len(b.open) - 1
	n, parent := b.open[last], b.open[last-1]
	parent.part.add(&n.part)
	parent.newest = max(parent.newest, n.newest)
	if !n.edge && (b.depth >= 0 && last > b.depth || n.weight() <= b.floor) {
		parent.fold(&n.part)
		b.spare = n
	} else {
		n.name = strings.Clone(b.path[b.ends[last-1]:b.ends[last]])
		n.trimKeys()
		b.keep(parent, n)
	}
	b.open, b.ends = b.open[:last], b.ends[:last]
}

// keep attaches a closed node, and makes room when there are too many.
func (b *treeBuilder) keep(parent, n *node) {
	parent.children = append(parent.children, n)
	if b.kept++; b.kept >= 2*b.limit {
		b.floor, b.kept = prune(b.open, b.limit)
	}
}

// finish closes all and gives the root. The prefixes of the last key may go on
// in the next part.
func (b *treeBuilder) finish() *node {
	for _, n := range b.open {
		n.edge = true
	}
	for len(b.open) > 1 {
		b.close()
	}
	b.open[0].trimKeys()
	return b.open[0]
}

// trimKeys folds all but the largest keys.
func (n *node) trimKeys() {
	if n.keys <= keptKeys {
		return
	}
	weights := make([]int64, 0, n.keys)
	for _, c := range n.children {
		if c.key {
			weights = append(weights, c.weight())
		}
	}
	cut := newCut(weights, keptKeys)
	n.drop(func(c *node) bool { return c.key && !cut.keeps(c.weight()) })
	n.keyFloor = cut.floor
}

// drop folds the children for which f says so.
func (n *node) drop(f func(*node) bool) {
	n.children = slices.DeleteFunc(n.children, func(c *node) bool {
		if !f(c) {
			return false
		}
		if c.key {
			n.keys--
		}
		n.fold(&c.part)
		return true
	})
}

// cut is a line through weights: what is heavier than floor is kept, and of
// what is as heavy the first few.
type cut struct {
	floor int64
	ties  int
}

// newCut keeps limit of weights, which are more than that.
func newCut(weights []int64, limit int) cut {
	slices.SortFunc(weights, func(a, b int64) int { return cmp.Compare(b, a) })
	c := cut{floor: weights[limit-1]}
	for i := limit - 1; i >= 0 && weights[i] == c.floor; i-- {
		c.ties++
	}
	return c
}

func (c *cut) keeps(w int64) bool {
	if w == c.floor && c.ties > 0 {
		c.ties--
		return true
	}
	return w > c.floor
}

// prune folds all but the limit heaviest nodes below roots, and gives the
// weight at or below which nothing more needs to be kept, and how many are
// kept. Edges stay; they are not counted. A child is never heavier than its
// parent, so that what is kept hangs together.
func prune(roots []*node, limit int) (floor int64, kept int) {
	var weights []int64
	var collect func(n *node)
	collect = func(n *node) {
		for _, c := range n.children {
			if !c.edge {
				weights = append(weights, c.weight())
			}
			collect(c)
		}
	}
	for _, n := range roots {
		collect(n)
	}
	if len(weights) <= limit {
		return 0, len(weights)
	}
	line := newCut(weights, limit)
	var fold func(n *node)
	fold = func(n *node) {
		n.drop(func(c *node) bool { return !c.edge && !line.keeps(c.weight()) })
		for _, c := range n.children {
			fold(c)
		}
	}
	for _, n := range roots {
		fold(n)
	}
	return line.floor, limit
}

// merge adds the tree of the part that follows.
func (n *node) merge(next *node) {
	n.part.add(&next.part)
	n.newest = max(n.newest, next.newest)
	n.rest.Names += next.rest.Names
	n.rest.add(&next.rest.Part)
	edges := map[string]*node{}
	for _, c := range n.children {
		if c.edge {
			edges[c.name] = c
		}
	}
	for _, c := range next.children {
		if same := edges[c.name]; c.edge && same != nil {
			same.merge(c)
			continue
		}
		if c.key {
			n.keys++
		}
		n.children = append(n.children, c)
	}
	n.trimKeys()
}

// noEdges says that no part follows any more.
func (n *node) noEdges() {
	n.edge = false
	for _, c := range n.children {
		c.noEdges()
	}
}

// export gives the tree as it is reported, down to depth levels.
func (n *node) export(depth int) *Node {
	out := &Node{Name: n.name, Key: n.key, Part: n.part, Newest: n.newest}
	rest := n.rest
	for _, c := range n.children {
		if depth == 0 {
			rest.Fold(&c.part)
			continue
		}
		out.Children = append(out.Children, c.export(depth-1))
	}
	slices.SortFunc(out.Children, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(b.All().Bytes, a.All().Bytes), cmp.Compare(b.All().Count, a.All().Count), cmp.Compare(a.Name, b.Name))
	})
	if rest.Names > 0 {
		out.Rest = &rest
	}
	return out
}
