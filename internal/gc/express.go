package gc

import (
	"slices"
	"strings"

	"cooper/internal/config"
	"cooper/internal/database"
)

// expression is a column or an SQL expression of the configuration's.
type expression struct {
	what string // the key that it stands under
	sql  string
	// links: links are in it; object: it names what links.
	links, object bool
}

// expressions are all that a part declares over its table.
type expressions []expression

func (p *Part) expressions() (es expressions) {
	add := func(what, sql string) {
		if sql != "" {
			es = append(es, expression{what: what, sql: sql})
		}
	}
	moment := func(what string, t *config.Time) {
		if t != nil {
			add(what, t.Column)
		}
	}
	switch {
	case p.Handles != nil:
		h := p.Handles
		add("id", h.ID)
		add("where", h.Where)
		add("bucket", h.Bucket.SQL)
		add("key", h.Key)
		add("location", h.Location)
		add("size", h.Size)
		moment("modified", h.Modified)
		moment("created", h.Created)
		add("preview", h.Preview)
		add("preview_of", h.PreviewOf)
		if h.Status != nil {
			add("status", h.Status.Column)
			moment("status", h.Status.Changed)
		}
	case p.Hold != nil:
		add("handle", p.Hold.Handle)
		add("where", p.Hold.Where)
	case p.Association != nil:
		a := p.Association
		add("object", a.Object.SQL)
		for _, part := range a.Object.Text {
			add("object", part.Column)
		}
		for i := range es {
			es[i].object = true
		}
		from := len(es)
		add(string(a.Holds), a.Column)
		if a.Fetch != nil {
			add("fetch", a.Fetch.Bucket.SQL)
			add("fetch", a.Fetch.Key)
			add("fetch", a.Fetch.Location)
		}
		for i := range es[from:] {
			es[from+i].links = true
		}
		add("bucket", a.Bucket.SQL)
		add("where", a.Where)
		moment("changed", a.Changed)
	}
	return es
}

func (es expressions) list(t *database.Table, engine string) (list []string) {
	for i := range es {
		list = append(list, database.Express(engine, t, es[i].sql))
	}
	return list
}

// shown are those that a person is shown of a row: object and links.
func (es expressions) shown(t *database.Table, engine string) (list []string) {
	for i := range es {
		if es[i].object || es[i].links {
			list = append(list, database.Express(engine, t, es[i].sql))
		}
	}
	return list
}

// object is how many of the shown are the object's.
func (es expressions) object() (n int) {
	for _, e := range es {
		if e.object {
			n++
		}
	}
	return n
}

// missing are plain names of columns that a table does not have.
func (es expressions) missing(t *database.Table, engine string) (names []string) {
	for _, e := range es {
		if database.PlainName(e.sql) && t.Named(engine, e.sql) == nil && !slices.Contains(names, e.sql) {
			names = append(names, e.sql)
		}
	}
	return names
}

// names tells whether a column stands in any of them.
func (es expressions) names(column string) bool {
	return slices.ContainsFunc(es, func(e expression) bool { return wordsOf(e.sql).has(column) })
}

// sqlWords are the names in an SQL text, without what stands in apostrophes.
type sqlWords []string

func wordsOf(sql string) (words sqlWords) {
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '\'' || c == '"' || c == '`':
			end := strings.IndexByte(sql[i+1:], c)
			if end < 0 {
				return words
			}
			if c != '\'' {
				words = append(words, sql[i+1:i+1+end])
			}
			i += end + 2
		case database.NameByte(c):
			from := i
			for i < len(sql) && database.NameByte(sql[i]) {
				i++
			}
			words = append(words, sql[from:i])
		default:
			i++
		}
	}
	return words
}

// has tells whether a name is among them. Names without quotes care for case in no engine.
func (w sqlWords) has(name string) bool {
	return slices.ContainsFunc(w, func(s string) bool { return strings.EqualFold(s, name) })
}

// object names what links, from the values of a sample.
func (p *Part) object(t *database.Table, values []database.Value) string {
	o := &p.Association.Object
	if len(o.Text) == 0 {
		if len(values) == 0 {
			return ""
		}
		return shown(values[0])
	}
	var b strings.Builder
	n := 0
	for _, part := range o.Text {
		switch {
		case part.Schema:
			b.WriteString(t.Schema)
		case part.Table:
			b.WriteString(t.Name.Table)
		case part.Column != "" && n < len(values):
			b.WriteString(shown(values[n]))
			n++
		default:
			b.WriteString(part.Literal)
		}
	}
	return b.String()
}
