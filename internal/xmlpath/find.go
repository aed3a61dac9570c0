package xmlpath

import (
	"math"
	"strconv"
)

// most is how many nodes a path may look at in one document.
const most = 20_000_000

// Reasons why a path gives no value that can be read.
const (
	TooLong = Broken("XPath looks too long")
	NoWhole = Broken("XPath gives no whole number below 2^53")
)

// Find calls yield for each value that the path gives in a document, and with a reason
// for each that cannot be read: an element that has elements of its own, whose texts would
// run together, or a number that need not be exact. A value is valid as long as the tree.
func (p *Path) Find(t *Tree, yield func(value []byte, bad error)) {
	node := func(n int32) {
		if t.nodes[n].kind == element && t.hasElements(n) {
			yield(nil, Broken("elements where a value must be, in <"+clip(t.nodes[n].name())+">"))
			return
		}
		yield(t.value(n), nil)
	}
	if p.chain != nil {
		t.walk(p.chain, 0, node)
		return
	}
	w := &work{left: most}
	v := p.expr.eval(&scope{t: t, pos: 1, size: 1, work: w})
	if w.over {
		yield(nil, TooLong)
		return
	}
	switch v.is {
	case nodesType:
		for _, n := range v.nodes {
			node(n)
		}
	case numberType:
		if v.n != math.Trunc(v.n) || math.Abs(v.n) >= 1<<53 || math.IsNaN(v.n) {
			yield(nil, NoWhole)
			return
		}
		yield(strconv.AppendFloat(nil, v.n, 'f', -1, 64), nil)
	default:
		yield([]byte(v.s), nil)
	}
}
