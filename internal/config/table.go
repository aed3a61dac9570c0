package config

import (
	"regexp"
	"slices"
	"strings"
)

var (
	kindForm   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)
	bucketForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$`)
	hostForm   = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?(:[0-9]{1,5})?$`)
)

// Table is a table by its name, or all whose SCHEMA.TABLE a pattern matches.
type Table struct {
	Text         string // as it is written
	Schema, Name string // Schema is empty where none is said
	Pattern      *regexp.Regexp
	Except       []Table
}

// Given tells whether there is one.
func (t *Table) Given() bool { return t.Text != "" }

// Matches tells whether a table is meant; which schema a name without one is in,
// the database knows: any will do here.
func (t *Table) Matches(schema, name string) bool {
	if slices.ContainsFunc(t.Except, func(e Table) bool { return e.Matches(schema, name) }) {
		return false
	}
	if t.Pattern != nil {
		return t.Pattern.MatchString(schema + "." + name)
	}
	return t.Name == name && (t.Schema == "" || t.Schema == schema)
}

// Spec is the table as a database is asked for it: TABLE, SCHEMA.TABLE or a pattern between
// slashes, and likewise what is left out.
func (t *Table) Spec() (table string, except []string) {
	for i := range t.Except {
		except = append(except, t.Except[i].spec())
	}
	return t.spec(), except
}

func (t *Table) spec() string {
	dotted := strings.Contains(t.Schema+t.Name, ".")
	switch {
	case t.Pattern != nil:
		return t.Text
	case dotted && t.Schema == "":
		return `/[^.]*\.` + regexp.QuoteMeta(t.Name) + "/"
	case dotted:
		return "/" + regexp.QuoteMeta(t.Schema+"."+t.Name) + "/"
	case t.Schema == "":
		return t.Name
	}
	return t.Schema + "." + t.Name
}

func (r *reader) table(n *node, patterns bool) Table {
	s := r.name(n)
	if !strings.HasPrefix(s, "/") {
		return r.tableName(n, s)
	}
	if !patterns {
		r.fault(n, "Write a table's name, or a query that unites them.", "one table is wanted here, not the pattern %s", quote(s))
		return Table{}
	}
	return r.pattern(n, s)
}

// pattern reads /regular expression/, which has to match as a whole.
func (r *reader) pattern(n *node, s string) Table {
	inner, closed := strings.CutSuffix(s[1:], "/")
	if !closed || inner == "" {
		r.fault(n, `Write /tenant_.*\.uploads/.`, "a pattern stands between two slashes; %s does not", quote(s))
		return Table{}
	}
	re := r.compile(n, inner, `\A(?:`+inner+`)\z`)
	if re == nil {
		return Table{}
	}
	return Table{Text: s, Pattern: re}
}

// tableName reads TABLE and SCHEMA.TABLE; what has dots in it stands in quotes, as in SQL.
func (r *reader) tableName(n *node, s string) Table {
	parts := identifiers(s)
	if s == "" || r.faulted(pos(n)) {
		return Table{}
	}
	if len(parts) < 1 || len(parts) > 2 {
		r.fault(n, `Write TABLE or SCHEMA.TABLE; a name with dots in it as "a.b".`, "%s is no name of a table", quote(s))
		return Table{}
	}
	t := Table{Text: s, Name: parts[len(parts)-1]}
	if len(parts) == 2 {
		t.Schema = parts[0]
	}
	return t
}

// identifiers takes a name apart at its dots; none where it is no name.
func identifiers(s string) (parts []string) {
	for {
		part, rest, more := strings.Cut(s, ".")
		if s != "" && (s[0] == '"' || s[0] == '`') {
			end := strings.IndexByte(s[1:], s[0])
			if end < 0 || len(s) > end+2 && s[end+2] != '.' {
				return nil
			}
			part, rest, more = s[1:end+1], strings.TrimPrefix(s[end+2:], "."), len(s) > end+2
		} else if strings.ContainsAny(part, "\"`'() \t;,") {
			return nil
		}
		if part == "" {
			return nil
		}
		parts = append(parts, part)
		if !more {
			return parts
		}
		s = rest
	}
}

func (r *reader) except(n *node, p *Place) (ts []Table) {
	r.list(n, p, "except", func(n *node) { ts = append(ts, r.table(n, true)) })
	return ts
}

// waiver reads TABLE.COLUMN, SCHEMA.TABLE.COLUMN and /pattern/.COLUMN.
func (r *reader) waiver(n *node) *Waiver {
	w := &Waiver{Place: r.placed(n)}
	s := r.name(n)
	if i := strings.LastIndex(s, "/."); strings.HasPrefix(s, "/") && i > 0 {
		w.Table, w.Column = r.pattern(n, s[:i+1]), s[i+2:]
	} else if parts := identifiers(s); (len(parts) == 2 || len(parts) == 3) && strings.HasSuffix(s, "."+parts[len(parts)-1]) {
		w.Column = parts[len(parts)-1] // without quotes
		w.Table = Table{Text: s[:len(s)-len(w.Column)-1], Name: parts[len(parts)-2]}
		if len(parts) == 3 {
			w.Table.Schema = parts[0]
		}
	}
	if (w.Column == "" || strings.ContainsAny(w.Column, " ./")) && !r.faulted(pos(n)) {
		r.fault(n, "Write TABLE.COLUMN, SCHEMA.TABLE.COLUMN or /pattern/.COLUMN.", "%s is no column of a table", quote(s))
	}
	return w
}

// Object is what links: an SQL expression, or a text with columns in it.
type Object struct {
	SQL  string
	Text []Part // none for an expression
}

// Part of a text is a text as it is, a column, or the row's schema or table.
type Part struct {
	Literal, Column string
	Schema, Table   bool
}

var braces = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_$]*)\}`)

// object reads a text with {COLUMN}, {schema} and {table}; anything without braces, or
// with an apostrophe, is SQL.
func (r *reader) object(n *node) (o Object) {
	s := strings.TrimSpace(r.some(n))
	if !strings.ContainsAny(s, "{}") || strings.Contains(s, "'") {
		o.SQL = r.sql(n)
		return o
	}
	rest := s
	literal := func(text string) {
		if strings.ContainsAny(text, "{}") && !r.faulted(pos(n)) {
			r.fault(n, "Write {COLUMN}, {schema} or {table}.", "there are braces in %s that hold no column", quote(s))
		}
		if text != "" {
			o.Text = append(o.Text, Part{Literal: text})
		}
	}
	for {
		m := braces.FindStringSubmatchIndex(rest)
		if m == nil {
			literal(rest)
			return o
		}
		literal(rest[:m[0]])
		switch name := rest[m[2]:m[3]]; name {
		case "schema":
			o.Text = append(o.Text, Part{Schema: true})
		case "table":
			o.Text = append(o.Text, Part{Table: true})
		default:
			o.Text = append(o.Text, Part{Column: name})
		}
		rest = rest[m[1]:]
	}
}
