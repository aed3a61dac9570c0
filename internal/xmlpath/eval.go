package xmlpath

import (
	"bytes"
	"math"
	"slices"
	"strings"
)

type valueType int

const (
	nodesType valueType = iota
	textType
	numberType
	boolType
)

// A value is what an expression gives.
type value struct {
	is    valueType
	nodes []int32 // in document order, each once
	s     string
	n     float64
	b     bool
}

// scope is where an expression is evaluated.
type scope struct {
	t         *Tree
	node      int32
	pos, size int
	work      *work
}

// work counts nodes that were looked at, so that no path runs on.
type work struct {
	left int
	over bool
}

func (w *work) do(n int) bool {
	w.left -= n
	if w.left < 0 {
		w.over = true
	}
	return !w.over
}

type expr interface {
	gives() valueType
	eval(s *scope) value
}

type (
	textExpr   string
	numberExpr float64
	minusExpr  struct {
		e   expr
		neg bool
	}
	binaryExpr struct {
		op   string
		l, r expr
	}
	unionExpr struct{ l, r expr }
	pathExpr  struct {
		from     expr // nil: from the root, or from where it stands
		absolute bool
		preds    []expr
		steps    []step
	}
	step struct {
		axis  string
		test  test
		preds []expr
	}
	test struct {
		any           bool // node()
		kind          kind
		prefix, local string
	}
)

func (textExpr) gives() valueType   { return textType }
func (numberExpr) gives() valueType { return numberType }
func (*minusExpr) gives() valueType { return numberType }
func (*unionExpr) gives() valueType { return nodesType }
func (*pathExpr) gives() valueType  { return nodesType }
func (e *binaryExpr) gives() valueType {
	if strings.Contains(" + - * div mod ", " "+e.op+" ") {
		return numberType
	}
	return boolType
}

func (e textExpr) eval(*scope) value   { return value{is: textType, s: string(e)} }
func (e numberExpr) eval(*scope) value { return value{is: numberType, n: float64(e)} }
func (e *minusExpr) eval(s *scope) value {
	n := s.number(e.e.eval(s))
	if e.neg {
		n = -n
	}
	return value{is: numberType, n: n}
}

func (e *unionExpr) eval(s *scope) value {
	all := append(slices.Clone(e.l.eval(s).nodes), e.r.eval(s).nodes...)
	s.work.do(len(all))
	slices.Sort(all)
	return value{nodes: slices.Compact(all)}
}

func (e *binaryExpr) eval(s *scope) value {
	truth := func(b bool) value { return value{is: boolType, b: b} }
	switch e.op {
	case "or":
		return truth(truthOf(e.l.eval(s)) || truthOf(e.r.eval(s)))
	case "and":
		return truth(truthOf(e.l.eval(s)) && truthOf(e.r.eval(s)))
	case "=", "!=", "<", "<=", ">", ">=":
		return truth(s.compare(e.op, e.l.eval(s), e.r.eval(s)))
	}
	a, b := s.number(e.l.eval(s)), s.number(e.r.eval(s))
	n := 0.0
	switch e.op {
	case "+":
		n = a + b
	case "-":
		n = a - b
	case "*":
		n = a * b
	case "div":
		n = a / b
	case "mod":
		n = math.Mod(a, b)
	}
	return value{is: numberType, n: n}
}

func (e *pathExpr) eval(s *scope) value {
	at := []int32{s.node}
	switch {
	case e.from != nil:
		at = filter(s, e.from.eval(s).nodes, e.preds)
	case e.absolute:
		at = []int32{0}
	}
	for i := range e.steps {
		at = e.steps[i].from(s, at)
		if s.work.over {
			return value{}
		}
	}
	return value{nodes: at}
}

// from takes a step from each of some nodes.
func (st *step) from(s *scope, at []int32) []int32 {
	var out []int32
	for _, n := range at {
		found := st.axisOf(s, n)
		if s.work.over {
			return nil
		}
		out = append(out, filter(s, found, st.preds)...)
	}
	// Axes that go back give nodes in the reverse order, and several nodes may share what they find.
	if !slices.IsSorted(out) || len(at) > 1 {
		slices.Sort(out)
		out = slices.Compact(out)
	}
	return out
}

// filter leaves the nodes of which all predicates are true, counted in the order of their axis.
func filter(s *scope, nodes []int32, preds []expr) []int32 {
	for _, p := range preds {
		var left []int32
		for i, n := range nodes {
			if !s.work.do(1) {
				return nil
			}
			in := &scope{t: s.t, node: n, pos: i + 1, size: len(nodes), work: s.work}
			v := p.eval(in)
			if v.is == numberType && v.n == float64(in.pos) || v.is != numberType && truthOf(v) {
				left = append(left, n)
			}
		}
		nodes = left
	}
	return nodes
}

// axisOf gives the nodes of an axis that pass the test, in the order of the axis.
func (st *step) axisOf(s *scope, n int32) (out []int32) {
	t := s.t
	look := func(i int32) bool {
		if st.test.fits(&t.nodes[i]) {
			out = append(out, i)
		}
		return s.work.do(1)
	}
	ranged := func(from, to int32) {
		for i := from; i < to; i++ {
			if t.nodes[i].kind != attribute && !look(i) {
				return
			}
		}
	}
	switch st.axis {
	case "self":
		look(n)
	case "child":
		for c := t.first(n); c != 0 && look(c); c = t.nodes[c].next {
		}
	case "attribute":
		for c := n + 1; c < t.nodes[n].end && t.nodes[c].kind == attribute && look(c); c++ {
		}
	case "parent":
		if n != 0 {
			look(t.nodes[n].parent)
		}
	case "descendant":
		ranged(n+1, t.nodes[n].end)
	case "descendant-or-self":
		if look(n) {
			ranged(n+1, t.nodes[n].end)
		}
	case "ancestor", "ancestor-or-self":
		if st.axis == "ancestor-or-self" {
			look(n)
		}
		for n != 0 && !s.work.over {
			n = t.nodes[n].parent
			look(n)
		}
	case "following":
		from := t.nodes[n].end
		if t.nodes[n].kind == attribute { // the content of its element follows
			from = n + 1
		}
		ranged(from, int32(len(t.nodes)))
	case "following-sibling":
		if t.nodes[n].kind != attribute {
			for c := t.nodes[n].next; c != 0 && look(c); c = t.nodes[c].next {
			}
		}
	case "preceding":
		for i := n - 1; i > 0 && !s.work.over; i-- {
			if t.nodes[i].kind != attribute && t.nodes[i].end <= n {
				look(i)
			}
		}
	case "preceding-sibling":
		if n != 0 && t.nodes[n].kind != attribute {
			for c := t.first(t.nodes[n].parent); c != n && look(c); c = t.nodes[c].next {
			}
			slices.Reverse(out)
		}
	}
	return out
}

// fits tells whether a node passes. A name without a prefix is that name in any namespace.
func (t *test) fits(n *node) bool {
	if t.any {
		return true
	}
	if n.kind != t.kind {
		return false
	}
	if t.prefix != "" && string(n.prefix) != t.prefix {
		return false
	}
	return t.local == "*" || string(n.local) == t.local
}

// walk gives the values of elements that a chain of children leads to.
func (t *Tree) walk(chain []test, at int32, found func(int32)) {
	for c := t.first(at); c != 0; c = t.nodes[c].next {
		if chain[0].fits(&t.nodes[c]) {
			if len(chain) == 1 {
				found(c)
			} else {
				t.walk(chain[1:], c, found)
			}
		}
	}
}

// space is white space, as XML sees it.
const space = " \t\r\n"

func normalized(s string) string {
	return string(bytes.Join(bytes.FieldsFunc([]byte(s), func(r rune) bool { return strings.ContainsRune(space, r) }), []byte(" ")))
}
