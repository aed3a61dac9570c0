package xmlpath

import (
	"fmt"
	"strconv"
	"strings"
)

// A Path is a compiled XPath. It may be used by many at once.
type Path struct {
	source string
	expr   expr
	// chain is the path where it is nothing but names of children from the root on.
	chain []test
	// prefixes that it names.
	prefixes map[string]bool
}

func (p *Path) String() string { return p.source }

// Names tells whether the path names a namespace: by its prefix, or its URI in a text.
func (p *Path) Names(n Namespace) bool {
	return n.Prefix != "" && p.prefixes[n.Prefix] || strings.Contains(p.source, n.URI)
}

// Compile reads a path.
func Compile(source string) (*Path, error) {
	ts, err := tokens(source)
	if err != nil {
		return nil, fmt.Errorf("XPath %s: %w", source, err)
	}
	c := &compiler{ts: ts, prefixes: map[string]bool{}}
	e, err := c.or()
	if err == nil && c.ts[0].kind != end {
		err = c.unexpected()
	}
	if err == nil && e.gives() == boolType {
		err = fmt.Errorf("it says yes or no, which is no value")
	}
	if err != nil {
		return nil, fmt.Errorf("XPath %s: %w", source, err)
	}
	return &Path{source: source, expr: e, chain: chain(e), prefixes: c.prefixes}, nil
}

// chain is what a path is made of where it needs nothing but children from the root on.
func chain(e expr) (ts []test) {
	p, ok := e.(*pathExpr)
	if !ok || p.from != nil || !p.absolute {
		return nil
	}
	for _, s := range p.steps {
		if s.axis != "child" || len(s.preds) > 0 || s.test.kind != element {
			return nil
		}
		ts = append(ts, s.test)
	}
	return ts
}

type compiler struct {
	ts       []token
	depth    int
	prefixes map[string]bool
}

func (c *compiler) unexpected() error { return fmt.Errorf("%s, at %d", c.ts[0].s, c.ts[0].at) }

// is takes a token if it is one of these signs or words.
func (c *compiler) is(signs ...string) (string, bool) {
	if c.ts[0].kind == oper {
		for _, s := range signs {
			if c.ts[0].s == s {
				c.ts = c.ts[1:]
				return s, true
			}
		}
	}
	return "", false
}

func (c *compiler) must(sign string) error {
	if _, ok := c.is(sign); !ok {
		return fmt.Errorf("%s instead of %s, at %d", c.ts[0].s, sign, c.ts[0].at)
	}
	return nil
}

// levels are the binary operators, those that bind loosest first.
var levels = [][]string{{"or"}, {"and"}, {"=", "!="}, {"<", "<=", ">", ">="}, {"+", "-"}, {"*", "div", "mod"}}

func (c *compiler) or() (expr, error) {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > 50 {
		return nil, fmt.Errorf("nested too deep")
	}
	return c.binary(0)
}

func (c *compiler) binary(level int) (expr, error) {
	if level == len(levels) {
		return c.unary()
	}
	left, err := c.binary(level + 1)
	for err == nil {
		op, ok := c.is(levels[level]...)
		if !ok {
			break
		}
		var right expr
		if right, err = c.binary(level + 1); err == nil {
			left = &binaryExpr{op, left, right}
		}
	}
	return left, err
}

func (c *compiler) unary() (expr, error) {
	minus := 0
	for {
		if _, ok := c.is("-"); !ok {
			break
		}
		minus++
	}
	e, err := c.union()
	if err == nil && minus > 0 {
		e = &minusExpr{e, minus%2 == 1}
	}
	return e, err
}

func (c *compiler) union() (expr, error) {
	e, err := c.path()
	for err == nil {
		if _, ok := c.is("|"); !ok {
			break
		}
		var r expr
		if r, err = c.path(); err == nil {
			if e.gives() != nodesType || r.gives() != nodesType {
				return nil, fmt.Errorf("| between what is not nodes")
			}
			e = &unionExpr{e, r}
		}
	}
	return e, err
}

// path is a location path, or a value with predicates and a path behind.
func (c *compiler) path() (expr, error) {
	t := c.ts[0]
	nodeTest := t.kind == call && (t.s == "node" || t.s == "text" || t.s == "comment" || t.s == "processing-instruction")
	if t.kind == text1 || t.kind == number || t.kind == call && !nodeTest || t.kind == oper && t.s == "(" {
		from, err := c.primary()
		if err != nil {
			return nil, err
		}
		preds, err := c.predicates()
		if err != nil {
			return nil, err
		}
		p := &pathExpr{from: from, preds: preds}
		if s, ok := c.is("/", "//"); ok {
			if err := c.steps(p, s == "//"); err != nil {
				return nil, err
			}
		}
		if len(p.preds) == 0 && len(p.steps) == 0 {
			return from, nil
		}
		if from.gives() != nodesType {
			return nil, fmt.Errorf("a path or predicate behind what is not nodes, at %d", t.at)
		}
		return p, nil
	}
	p := &pathExpr{}
	s, absolute := c.is("/", "//")
	p.absolute = absolute
	if absolute && s == "/" && !c.stepFollows() {
		return p, nil
	}
	return p, c.steps(p, s == "//")
}

func (c *compiler) stepFollows() bool {
	t := c.ts[0]
	return t.kind == name || t.kind == axis || t.kind == call || t.kind == oper && (t.s == "." || t.s == ".." || t.s == "@")
}

func (c *compiler) steps(p *pathExpr, deep bool) error {
	for {
		if deep {
			p.steps = append(p.steps, step{axis: "descendant-or-self", test: test{any: true}})
		}
		s, err := c.step()
		if err != nil {
			return err
		}
		p.steps = append(p.steps, s)
		sign, ok := c.is("/", "//")
		if !ok {
			return nil
		}
		deep = sign == "//"
	}
}

var axes = " ancestor ancestor-or-self attribute child descendant descendant-or-self following following-sibling parent preceding preceding-sibling self "

func (c *compiler) step() (s step, err error) {
	if _, ok := c.is("."); ok {
		return step{axis: "self", test: test{any: true}}, nil
	}
	if _, ok := c.is(".."); ok {
		return step{axis: "parent", test: test{any: true}}, nil
	}
	s.axis = "child"
	if _, ok := c.is("@"); ok {
		s.axis = "attribute"
	} else if c.ts[0].kind == axis {
		s.axis = c.ts[0].s
		if !strings.Contains(axes, " "+s.axis+" ") {
			return s, fmt.Errorf("axis %s is not known here, at %d", s.axis, c.ts[0].at)
		}
		c.ts = c.ts[1:]
	}
	s.test.kind = element
	if s.axis == "attribute" {
		s.test.kind = attribute
	}
	switch t := c.ts[0]; {
	case t.kind == name:
		c.ts = c.ts[1:]
		s.test.local = t.s
		if prefix, local, ok := strings.Cut(t.s, ":"); ok {
			s.test.prefix, s.test.local = prefix, local
			c.prefixes[prefix] = true
		}
	case t.kind == call:
		c.ts = c.ts[2:]
		switch t.s {
		case "node":
			s.test = test{any: true}
		case "text":
			s.test = test{kind: text, local: "*"}
		case "comment":
			s.test = test{kind: comment, local: "*"}
		case "processing-instruction":
			s.test = test{kind: instruction, local: "*"}
			if c.ts[0].kind == text1 {
				s.test.local, c.ts = c.ts[0].s, c.ts[1:]
			}
		default:
			return s, fmt.Errorf("%s() is no step, at %d", t.s, t.at)
		}
		if err := c.must(")"); err != nil {
			return s, err
		}
	default:
		return s, c.unexpected()
	}
	s.preds, err = c.predicates()
	return s, err
}

func (c *compiler) predicates() (ps []expr, err error) {
	for {
		if _, ok := c.is("["); !ok {
			return ps, nil
		}
		e, err := c.or()
		if err != nil {
			return nil, err
		}
		if err := c.must("]"); err != nil {
			return nil, err
		}
		ps = append(ps, e)
	}
}

func (c *compiler) primary() (expr, error) {
	t := c.ts[0]
	c.ts = c.ts[1:]
	switch t.kind {
	case text1:
		return textExpr(t.s), nil
	case number:
		f, err := strconv.ParseFloat(t.s, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is no number, at %d", t.s, t.at)
		}
		return numberExpr(f), nil
	case oper: // a bracket
		e, err := c.or()
		if err != nil {
			return nil, err
		}
		return e, c.must(")")
	}
	f, ok := functions[t.s]
	if !ok {
		return nil, fmt.Errorf("function %s is not known here, at %d", t.s, t.at)
	}
	c.ts = c.ts[1:]
	e := &callExpr{name: t.s, f: f}
	for {
		if _, ok := c.is(")"); ok {
			break
		}
		if len(e.args) > 0 {
			if err := c.must(","); err != nil {
				return nil, err
			}
		}
		a, err := c.or()
		if err != nil {
			return nil, err
		}
		e.args = append(e.args, a)
	}
	if len(e.args) < f.least || len(e.args) > f.most {
		return nil, fmt.Errorf("%s() with %d arguments, at %d", t.s, len(e.args), t.at)
	}
	if f.nodes {
		for _, a := range e.args {
			if a.gives() != nodesType {
				return nil, fmt.Errorf("%s() of what is not nodes, at %d", t.s, t.at)
			}
		}
	}
	return e, nil
}
