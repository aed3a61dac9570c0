package unpack

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// allowed are jq's functions that a path may use: none of them leaves a value out that is
// not what somebody expected, and none runs on.
var allowed = words(`each json not length utf8bytelength has in inside contains startswith endswith test index rindex indices
	keys keys_unsorted map map_values to_entries from_entries with_entries add any all isempty flatten reverse sort sort_by
	unique unique_by group_by transpose join split splits sub gsub ascii_downcase ascii_upcase ltrimstr rtrimstr trim ltrim rtrim
	explode implode tostring tonumber tojson type getpath floor abs error walk IN`)

// narrowing leave values out, by the owner's word: check shows them.
var narrowing = words(`select match capture scan`)

// refused are functions that people will want, with why they may not.
var refused = map[string]string{}

func init() {
	for why, names := range map[string]string{
		"it leaves values out without a word":                           "empty first last nth limit skip min max min_by max_by until pick",
		"it passes by what is of another type, where each would say so": "arrays objects iterables booleans numbers normals finites strings nulls values scalars",
		"it finds numbers wherever they stand":                          "recurse recurse_down paths leaf_paths tostream fromstream truncate_stream",
		"it may run on":                                                 "while repeat range combinations",
		"what it gives is not in the value":                             "env $ENV input inputs input_filename input_line_number now localtime gmtime debug stderr halt halt_error $__loc__ $__prog_args builtins modulemeta get_search_list",
		"json reads JSON in a text, and strictly":                       "fromjson",
		"a path reads, and changes nothing":                             "del delpaths setpath",
	} {
		for _, n := range strings.Fields(names) {
			refused[n] = why
		}
	}
}

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// jqCheck looks at everything in a query before it is compiled.
type jqCheck struct {
	bound    map[string]bool // variables: lookups, and those that the query binds
	narrowed []string
}

// check says what may not stand in a query.
func (c *jqCheck) check(q *gojq.Query) error {
	visitAll(q, func(n any) {
		if p, ok := n.(*gojq.Pattern); ok && p.Name != "" {
			c.bound[p.Name] = true
		}
		if p, ok := n.(*gojq.PatternObject); ok && strings.HasPrefix(p.Key, "$") {
			c.bound[p.Key] = true
		}
	})
	return visit(reflect.ValueOf(q), c.node)
}

func (c *jqCheck) node(n any) error {
	switch n := n.(type) {
	case *gojq.Query:
		switch {
		case len(n.FuncDefs) > 0:
			return fmt.Errorf("def is refused: a path has no functions of its own")
		case len(n.Imports) > 0 || n.Meta != nil:
			return fmt.Errorf("modules are refused")
		case n.Op == gojq.OpAlt:
			return fmt.Errorf("// is refused: it hides what is missing, and what is false")
		case n.Op >= gojq.OpAssign:
			return fmt.Errorf("%s is refused: a path reads, and changes nothing", n.Op)
		}
	case *gojq.Term:
		switch n.Type {
		case gojq.TermTypeRecurse:
			return fmt.Errorf(".. is refused: it finds numbers wherever they stand")
		case gojq.TermTypeTry:
			return fmt.Errorf("try is refused: it hides damage")
		case gojq.TermTypeReduce, gojq.TermTypeForeach, gojq.TermTypeLabel, gojq.TermTypeBreak:
			return fmt.Errorf("reduce, foreach, label and break are refused: they leave values out without a word")
		}
	case *gojq.Suffix:
		if n.Optional {
			return fmt.Errorf("? is refused: it hides damage; each lets null through, and nothing else")
		}
	case *gojq.Bind:
		if len(n.Patterns) > 1 {
			return fmt.Errorf("?// is refused: it hides damage")
		}
	case *gojq.If:
		if n.Else == nil {
			asks := mentionsType(n.Cond)
			for _, e := range n.Elif {
				asks = asks || mentionsType(e.Cond)
			}
			if asks {
				return fmt.Errorf("if … type … without else is refused: say what is to become of other types")
			}
		}
	case *gojq.Func:
		return c.function(n)
	}
	return nil
}

func (c *jqCheck) function(f *gojq.Func) error {
	switch {
	case refused[f.Name] != "":
		return fmt.Errorf("%s is refused: %s", f.Name, refused[f.Name])
	case strings.HasPrefix(f.Name, "$"):
		if !c.bound[f.Name] {
			return fmt.Errorf("%s is neither a lookup nor bound in the path", f.Name)
		}
	case narrowing[f.Name]:
		if f.Name == "select" && len(f.Args) == 1 && mentionsType(f.Args[0]) {
			return fmt.Errorf("select by type is refused: it passes by what is of another type, where each would say so")
		}
		if !slices.Contains(c.narrowed, f.Name) {
			c.narrowed = append(c.narrowed, f.Name)
		}
	case !allowed[f.Name]:
		return fmt.Errorf("function %s is not known here", f.Name)
	}
	return nil
}

func mentionsType(q *gojq.Query) (found bool) {
	visitAll(q, func(n any) {
		if f, ok := n.(*gojq.Func); ok && f.Name == "type" {
			found = true
		}
	})
	return found
}

// visit calls f for every pointer in a syntax tree, also for those that a newer gojq may
// have: what is not looked at cannot be refused.
func visit(v reflect.Value, f func(any) error) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if err := f(v.Interface()); err != nil {
			return err
		}
		return visit(v.Elem(), f)
	case reflect.Struct:
		for i := range v.NumField() {
			if err := visit(v.Field(i), f); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := visit(v.Index(i), f); err != nil {
				return err
			}
		}
	}
	return nil
}

// visitAll is visit for what cannot fail.
func visitAll(q *gojq.Query, f func(any)) {
	if err := visit(reflect.ValueOf(q), func(n any) error { f(n); return nil }); err != nil {
		panic(err) // it has none
	}
}
