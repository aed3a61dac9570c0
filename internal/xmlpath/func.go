package xmlpath

import (
	"math"
	"strings"
	"unicode/utf8"
)

// A function of XPath 1.0, with how many arguments it takes.
type function struct {
	least, most int
	nodes       bool // its arguments must be nodes
	gives       valueType
	f           func(s *scope, args []value) value
}

type callExpr struct {
	name string
	f    function
	args []expr
}

func (e *callExpr) gives() valueType { return e.f.gives }

func (e *callExpr) eval(s *scope) value {
	args := make([]value, len(e.args))
	for i, a := range e.args {
		args[i] = a.eval(s)
	}
	if s.work.over {
		return value{is: e.f.gives}
	}
	v := e.f.f(s, args)
	v.is = e.f.gives
	s.work.do(1 + len(v.s)/16)
	return v
}

// own is the argument, or the node at hand where there is none.
func own(s *scope, args []value) value {
	if len(args) == 0 {
		return value{nodes: []int32{s.node}}
	}
	return args[0]
}

// functions are those of XPath 1.0, without id, which needs a DOCTYPE, and lang.
var functions = map[string]function{
	"last":     {0, 0, false, numberType, func(s *scope, _ []value) value { return value{n: float64(s.size)} }},
	"position": {0, 0, false, numberType, func(s *scope, _ []value) value { return value{n: float64(s.pos)} }},
	"count":    {1, 1, true, numberType, func(_ *scope, a []value) value { return value{n: float64(len(a[0].nodes))} }},
	"local-name": {0, 1, true, textType, func(s *scope, a []value) value {
		return ofFirst(s, a, func(n *node) string { return string(n.local) })
	}},
	"name": {0, 1, true, textType, func(s *scope, a []value) value {
		return ofFirst(s, a, func(n *node) string { return n.name() })
	}},
	"namespace-uri": {0, 1, true, textType, func(s *scope, a []value) value {
		return ofFirst(s, a, func(n *node) string { return s.t.spaces[n.space] })
	}},
	"string": {0, 1, false, textType, func(s *scope, a []value) value { return value{s: s.text(own(s, a))} }},
	"concat": {2, 100, false, textType, func(s *scope, a []value) value {
		var b strings.Builder
		for _, v := range a {
			b.WriteString(s.text(v))
		}
		return value{s: b.String()}
	}},
	"starts-with": {2, 2, false, boolType, func(s *scope, a []value) value { return value{b: strings.HasPrefix(s.text(a[0]), s.text(a[1]))} }},
	"contains":    {2, 2, false, boolType, func(s *scope, a []value) value { return value{b: strings.Contains(s.text(a[0]), s.text(a[1]))} }},
	"substring-before": {2, 2, false, textType, func(s *scope, a []value) value {
		before, _, ok := strings.Cut(s.text(a[0]), s.text(a[1]))
		if !ok {
			before = ""
		}
		return value{s: before}
	}},
	"substring-after": {2, 2, false, textType, func(s *scope, a []value) value {
		_, after, _ := strings.Cut(s.text(a[0]), s.text(a[1]))
		return value{s: after}
	}},
	"substring":       {2, 3, false, textType, substring},
	"string-length":   {0, 1, false, numberType, func(s *scope, a []value) value { return value{n: float64(utf8.RuneCountInString(s.text(own(s, a))))} }},
	"normalize-space": {0, 1, false, textType, func(s *scope, a []value) value { return value{s: normalized(s.text(own(s, a)))} }},
	"translate":       {3, 3, false, textType, translate},
	"boolean":         {1, 1, false, boolType, func(_ *scope, a []value) value { return value{b: truthOf(a[0])} }},
	"not":             {1, 1, false, boolType, func(_ *scope, a []value) value { return value{b: !truthOf(a[0])} }},
	"true":            {0, 0, false, boolType, func(*scope, []value) value { return value{b: true} }},
	"false":           {0, 0, false, boolType, func(*scope, []value) value { return value{} }},
	"number":          {0, 1, false, numberType, func(s *scope, a []value) value { return value{n: s.number(own(s, a))} }},
	"sum": {1, 1, true, numberType, func(s *scope, a []value) value {
		n := 0.0
		for _, i := range a[0].nodes {
			n += numberOf(s.valueOf(i))
		}
		return value{n: n}
	}},
	"floor":   {1, 1, false, numberType, func(s *scope, a []value) value { return value{n: math.Floor(s.number(a[0]))} }},
	"ceiling": {1, 1, false, numberType, func(s *scope, a []value) value { return value{n: math.Ceil(s.number(a[0]))} }},
	"round":   {1, 1, false, numberType, func(s *scope, a []value) value { return value{n: math.Floor(s.number(a[0]) + 0.5)} }},
}

func ofFirst(s *scope, a []value, f func(*node) string) value {
	v := own(s, a)
	if len(v.nodes) == 0 {
		return value{}
	}
	return value{s: f(&s.t.nodes[v.nodes[0]])}
}

func substring(s *scope, a []value) value {
	from := math.Floor(s.number(a[1]) + 0.5)
	to := math.Inf(1)
	if len(a) == 3 {
		to = from + math.Floor(s.number(a[2])+0.5)
	}
	var b strings.Builder
	pos := 0.0
	for _, r := range s.text(a[0]) {
		if pos++; pos >= from && pos < to {
			b.WriteRune(r)
		}
	}
	return value{s: b.String()}
}

func translate(s *scope, a []value) value {
	from, to := []rune(s.text(a[1])), []rune(s.text(a[2]))
	table := map[rune]rune{}
	for i, r := range from {
		if _, ok := table[r]; ok {
			continue
		}
		table[r] = -1
		if i < len(to) {
			table[r] = to[i]
		}
	}
	return value{s: strings.Map(func(r rune) rune {
		if m, ok := table[r]; ok {
			return m
		}
		return r
	}, s.text(a[0]))}
}
