package database

import (
	"regexp"
	"strings"

	"cooper"
)

// Pattern says which tables are meant: one by its name, or all whose SCHEMA.TABLE a
// regular expression matches as a whole, with some left out.
type Pattern struct {
	table  *matcher
	except []*matcher
}

// matcher is one name or one expression.
type matcher struct {
	name Name // if re is nil
	re   *regexp.Regexp
}

// ParsePattern reads TABLE, SCHEMA.TABLE or /regular expression/ (RE2), and the
// same for what is left out.
func ParsePattern(table string, except ...string) (p Pattern, err error) {
	if p.table, err = parseMatcher(table); err != nil {
		return p, err
	}
	for _, e := range except {
		m, err := parseMatcher(e)
		if err != nil {
			return p, err
		}
		p.except = append(p.except, m)
	}
	return p, nil
}

func parseMatcher(s string) (*matcher, error) {
	if len(s) > 1 && s[0] == '/' && s[len(s)-1] == '/' {
		re, err := regexp.Compile("^(?s:" + s[1:len(s)-1] + ")$")
		if err != nil {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "not a regular expression: " + s, Err: err, Remedy: "Write it as RE2 has it: https://github.com/google/re2/wiki/Syntax"}
		}
		return &matcher{re: re}, nil
	}
	schema, table, two := strings.Cut(s, ".")
	if !two {
		schema, table = "", s
	}
	if table == "" || two && schema == "" || strings.Contains(table, ".") {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: cooper.Quote(s) + " does not name a table", Remedy: "Write it as TABLE, SCHEMA.TABLE or /regular expression/, which matches the whole of SCHEMA.TABLE."}
	}
	return &matcher{name: Name{Schema: schema, Table: table}}, nil
}

// Name is the one name that a pattern without an expression means.
func (p Pattern) Name() (n Name, ok bool) {
	if p.table == nil || p.table.re != nil {
		return Name{}, false
	}
	return p.table.name, true
}

// Match tells whether a table is meant. visible tells whether its name alone finds
// it, by the search path; fold, that the server does not care for case in names.
func (p Pattern) Match(n Name, visible, fold bool) bool {
	if p.table == nil || !p.table.match(n, visible, fold) {
		return false
	}
	for _, e := range p.except {
		if e.match(n, visible, fold) {
			return false
		}
	}
	return true
}

func (m *matcher) match(n Name, visible, fold bool) bool {
	same := func(a, b string) bool { return a == b || fold && strings.EqualFold(a, b) }
	switch {
	case m.re != nil:
		return m.re.MatchString(n.String()) || fold && m.re.MatchString(strings.ToLower(n.String()))
	case m.name.Schema == "":
		return visible && same(m.name.Table, n.Table)
	}
	return same(m.name.Schema, n.Schema) && same(m.name.Table, n.Table)
}
