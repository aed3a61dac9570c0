package unpack

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// A jqPath is a compiled path in JSON. It is taken apart at its pipes, commas and plain
// steps, for two reasons: damage in one part of a document must not hide what stands in
// the others, as one error ends a whole jq program; and plain steps need no interpreter.
// It is used by one at a time, for jq writes to the rows of lookups that it is given.
type jqPath struct {
	source string
	step   jqStep
	// timed: some steps are jq's own, which may take their time.
	timed bool
}

// A jqStep gives what it makes of a value to yield, and damage to bad. False: enough.
type jqStep interface {
	run(ctx context.Context, v any, bad func(string), yield func(any) bool) bool
}

// compileJQ reads a path and refuses what could leave values out without a word.
func compileJQ(source string, lookups map[string][]any, most int) (p *jqPath, narrowed []string, err error) {
	fail := func(err error) (*jqPath, []string, error) {
		return nil, nil, fmt.Errorf("at %s: %w", source, err)
	}
	q, err := gojq.Parse(source)
	if err != nil {
		return fail(err)
	}
	check := &jqCheck{bound: map[string]bool{}}
	c := &jqCompiler{lookups: lookups, most: most}
	for _, name := range slices.Sorted(maps.Keys(lookups)) {
		check.bound["$"+name] = true
		c.names = append(c.names, "$"+name)
		rows := make([]any, len(lookups[name]))
		for i, v := range lookups[name] {
			if rows[i], err = lookupValue(v); err != nil {
				return fail(fmt.Errorf("lookup %s: %w", name, err))
			}
		}
		c.values = append(c.values, rows)
	}
	if err := check.check(q); err != nil {
		return fail(err)
	}
	c.sets(q)
	strict(q)
	step, err := c.query(q)
	if err != nil {
		return fail(err)
	}
	return &jqPath{source: source, step: step, timed: c.timed}, check.narrowed, nil
}

// lookupValue takes a row of a lookup as jq sees it.
func lookupValue(v any) (any, error) {
	switch v := v.(type) {
	case nil, string, int, bool:
		return v, nil
	case []byte:
		return string(v), nil
	case int64:
		return int(v), nil
	case int32:
		return int(v), nil
	case uint64:
		return new(big.Int).SetUint64(v), nil
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

type jqCompiler struct {
	lookups map[string][]any
	names   []string
	values  []any
	timed   bool
	most    int // values in a document
}

const inLookup = "_in_lookup_"

// sets replaces IN($NAME[]) of a lookup by a look into a set: there may be thousands of
// rows, asked for each cell of a document.
func (c *jqCompiler) sets(q *gojq.Query) {
	bound := map[string]bool{}
	visitAll(q, func(n any) {
		if p, ok := n.(*gojq.Pattern); ok {
			bound[p.Name] = true
		}
	})
	visitAll(q, func(n any) {
		f, ok := n.(*gojq.Func)
		if !ok || f.Name != "IN" || len(f.Args) != 1 || f.Args[0].Term == nil {
			return
		}
		t := f.Args[0].Term
		if t.Type != gojq.TermTypeFunc || len(t.SuffixList) != 1 || !t.SuffixList[0].Iter || len(t.Func.Args) > 0 || bound[t.Func.Name] {
			return
		}
		if name, ok := strings.CutPrefix(t.Func.Name, "$"); ok {
			if _, ok := c.lookups[name]; ok {
				f.Name, f.Args = inLookup+name, nil
			}
		}
	})
}

func (c *jqCompiler) options() []gojq.CompilerOption {
	opts := []gojq.CompilerOption{
		gojq.WithEnvironLoader(func() []string { return nil }),
		gojq.WithIterFunction("each", 0, 0, func(v any, _ []any) gojq.Iter {
			switch v := v.(type) {
			case nil:
				return gojq.NewIter([]any{nil}...)
			case []any:
				return gojq.NewIter(v...)
			}
			return gojq.NewIter(notAList(v))
		}),
		gojq.WithFunction("json", 0, 0, func(v any, _ []any) any {
			doc, err := jsonIn(v, c.most)
			if err != nil {
				return err
			}
			return doc
		}),
	}
	opts = append(opts, gojq.WithFunction(atIndex, 1, 1, func(v any, args []any) any {
		w, err := at(v, args[0])
		if err != nil {
			return err
		}
		return w
	}), gojq.WithFunction(namesOf, 0, 0, func(v any, _ []any) any {
		w, err := names(v)
		if err != nil {
			return err
		}
		return w
	}))
	for i, name := range c.names {
		set := map[any]bool{}
		for _, v := range c.values[i].([]any) {
			set[keyOf(v)] = true
		}
		opts = append(opts, gojq.WithFunction(inLookup+name[1:], 0, 0, func(v any, _ []any) any { return set[keyOf(v)] }))
	}
	return opts
}

// keyOf makes a value a key of a map; what cannot be in a lookup is in none. A whole number
// and its text are the same there, whichever of them the database and the document have.
func keyOf(v any) any {
	switch v := v.(type) {
	case *big.Int:
		return v.String()
	case int:
		return strconv.Itoa(v)
	case float64:
		if n, acc := new(big.Float).SetFloat64(v).Int(nil); acc == big.Exact {
			return n.String()
		}
		return v
	case []any, map[string]any:
		return struct{}{}
	}
	return v
}

func (c *jqCompiler) code(q *gojq.Query) (jqStep, error) {
	used := map[string]bool{}
	visitAll(q, func(n any) {
		if f, ok := n.(*gojq.Func); ok {
			used[f.Name] = true
		}
	})
	var names []string
	var values []any
	for i, n := range c.names { // jq looks through all rows of what it is given, every time
		if used[n] {
			names, values = append(names, n), append(values, c.values[i])
		}
	}
	code, err := gojq.Compile(q, append(c.options(), gojq.WithVariables(names))...)
	if err != nil {
		return nil, err
	}
	c.timed = true
	return &jqCode{code: code, values: values}, nil
}

// query takes a query apart.
func (c *jqCompiler) query(q *gojq.Query) (jqStep, error) {
	switch {
	case q.Op == gojq.OpPipe:
		return c.both(q.Left, q.Right, func(l, r jqStep) jqStep { return jqSeq{l, r} })
	case q.Op == gojq.OpComma:
		return c.both(q.Left, q.Right, func(l, r jqStep) jqStep { return jqAlt{l, r} })
	case q.Term == nil:
		return c.code(q)
	}
	t := q.Term
	var steps jqSeq
	for _, s := range t.SuffixList {
		step := plain(s)
		if step == nil {
			return c.code(q)
		}
		steps = append(steps, step)
	}
	base := *t
	base.SuffixList = nil
	var first jqStep
	var err error
	switch {
	case t.Type == gojq.TermTypeIdentity:
		return steps, nil
	case t.Type == gojq.TermTypeQuery:
		first, err = c.query(t.Query)
	case t.Type == gojq.TermTypeIndex:
		if first = plain(&gojq.Suffix{Index: t.Index}); first == nil {
			first, err = c.code(&gojq.Query{Term: &base})
		}
	case t.Type == gojq.TermTypeFunc && t.Func.Name == "each" && len(t.Func.Args) == 0:
		first = jqEach{}
	case t.Type == gojq.TermTypeFunc && t.Func.Name == "json" && len(t.Func.Args) == 0:
		first = jqJSON(c.most)
	case t.Type == gojq.TermTypeFunc && t.Func.Name == atIndex && isNumber(t.Func.Args[0]):
		n, _ := number(t.Func.Args[0])
		first = jqAt(n)
	default:
		first, err = c.code(&gojq.Query{Term: &base})
	}
	if err != nil || len(steps) == 0 {
		return first, err
	}
	return append(jqSeq{first}, steps...), nil
}

func (c *jqCompiler) both(l, r *gojq.Query, join func(l, r jqStep) jqStep) (jqStep, error) {
	left, err := c.query(l)
	if err != nil {
		return nil, err
	}
	right, err := c.query(r)
	if err != nil {
		return nil, err
	}
	return join(left, right), nil
}

// plain is the step of a suffix that is a name in quotes or not, or []; nil for others.
func plain(s *gojq.Suffix) jqStep {
	switch {
	case s.Iter && s.Index == nil && s.Bind == nil && !s.Optional:
		return jqIter{}
	case s.Index != nil && !s.Iter && s.Bind == nil && !s.Optional && !s.Index.IsSlice && s.Index.Start == nil && s.Index.End == nil:
		if s.Index.Name != "" {
			return jqName(s.Index.Name)
		}
		if s.Index.Str != nil && s.Index.Str.Queries == nil {
			return jqName(s.Index.Str.Str)
		}
	}
	return nil
}
