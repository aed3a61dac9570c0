package unpack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/itchyny/gojq"
)

// atIndex is the function that stands for .[N]. gojq takes the N-th character of a text
// for it, where jq sees damage: of pairs [ID, VALUE] that became texts, .[1] would be the
// second character, or null and no link.
const atIndex = "_at"

// namesOf stands for keys: jq gives 0, 1, 2, … for a list, which would pass for ids.
const namesOf = "_names"

// strict replaces .[N] and keys throughout a query.
func strict(q *gojq.Query) {
	visitAll(q, func(n any) {
		t, ok := n.(*gojq.Term)
		if !ok {
			return
		}
		if t.Type == gojq.TermTypeIndex && indexes(t.Index) {
			t.Type, t.Func, t.Index = gojq.TermTypeFunc, &gojq.Func{Name: atIndex, Args: []*gojq.Query{t.Index.Start}}, nil
		}
		if t.Type == gojq.TermTypeFunc && (t.Func.Name == "keys" || t.Func.Name == "keys_unsorted") {
			t.Func.Name = namesOf
		}
		for i, s := range t.SuffixList {
			// What stands in the brackets is about the input of the whole term, unless it is about nothing.
			if s.Index == nil || !indexes(s.Index) || !constant(s.Index.Start) {
				continue
			}
			base := *t
			base.SuffixList = t.SuffixList[:i:i]
			f := &gojq.Func{Name: atIndex, Args: []*gojq.Query{s.Index.Start}}
			*t = gojq.Term{Type: gojq.TermTypeQuery, SuffixList: t.SuffixList[i+1:], Query: &gojq.Query{
				Left: &gojq.Query{Term: &base}, Op: gojq.OpPipe, Right: &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: f}},
			}}
			strictRest(t)
			return
		}
	})
}

// strictRest goes on with what stands behind an index that was replaced.
func strictRest(t *gojq.Term) { strict(&gojq.Query{Term: t}) }

func indexes(i *gojq.Index) bool { return i.Start != nil && !i.IsSlice }

// constant tells whether a query does not look at its input: a number, a text or a variable.
func constant(q *gojq.Query) bool {
	t := q.Term
	if t == nil {
		return false
	}
	switch t.Type {
	case gojq.TermTypeNumber:
		return len(t.SuffixList) == 0
	case gojq.TermTypeString:
		return len(t.SuffixList) == 0 && t.Str.Queries == nil
	case gojq.TermTypeUnary:
		return len(t.SuffixList) == 0 && constant(&gojq.Query{Term: t.Unary.Term})
	case gojq.TermTypeFunc:
		if t.Func.Name[0] != '$' {
			return false
		}
		for _, s := range t.SuffixList {
			if s.Iter || s.Bind != nil || s.Index == nil || s.Index.Start != nil && !constant(s.Index.Start) || s.Index.End != nil && !constant(s.Index.End) {
				return false
			}
		}
		return true
	}
	return false
}

// number is the whole number that a query is, if it is one.
func number(q *gojq.Query) (int, bool) {
	switch t := q.Term; {
	case t == nil || len(t.SuffixList) > 0:
	case t.Type == gojq.TermTypeNumber:
		n, err := strconv.Atoi(t.Number)
		return n, err == nil
	case t.Type == gojq.TermTypeUnary && t.Unary.Op == gojq.OpSub:
		n, ok := number(&gojq.Query{Term: t.Unary.Term})
		return -n, ok
	}
	return 0, false
}

func isNumber(q *gojq.Query) bool {
	_, ok := number(q)
	return ok
}

// at gives what stands at an index of a list, or under a name in an object. Null passes.
func at(v, index any) (any, error) {
	switch i := index.(type) {
	case int:
		switch v := v.(type) {
		case nil:
			return nil, nil
		case []any:
			if i < 0 {
				i += len(v)
			}
			if i < 0 || i >= len(v) {
				return nil, nil
			}
			return v[i], nil
		}
	case string:
		switch v := v.(type) {
		case nil:
			return nil, nil
		case map[string]any:
			return v[i], nil
		}
	}
	return nil, bad(fmt.Sprintf("no list or object where .[%s] is asked for: %s", jsonText(index), jsonText(v)))
}

// names gives the names in an object.
func names(v any) (any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, bad("no object where keys are asked for: " + jsonText(v))
	}
	out := []any{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k)
	}
	return out, nil
}

// jqAt is .[N].
type jqAt int

func (s jqAt) run(_ context.Context, v any, say func(string), yield func(any) bool) bool {
	w, err := at(v, int(s))
	if err != nil {
		say(err.Error())
		return true
	}
	return yield(w)
}
