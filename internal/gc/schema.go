package gc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cooper/internal/database"
)

// Schema is what a database tells of itself before anything is declared of it.
type Schema struct {
	Engine string
	// Home is the schema that names without one are in.
	Home   string
	Tables []database.Table // that may be read; no views
	// Pairs are columns that name a thing by its type and its id.
	Pairs []Pair
	// Unread are tables of which nothing could be seen.
	Unread []string
}

// Pair is a column with types of things, and the one with their ids.
type Pair struct {
	Table    database.Name
	Type, ID string
	// Types are some that stand there; more tells that there are others.
	Types []string
	More  bool
}

// How far types are looked for.
const (
	typedRows = 20_000
	mostTypes = 50
)

// Look reads a schema, and which types stand in pairs.
func Look(ctx context.Context, a Asker) (*Schema, error) {
	server, err := a.Server(ctx)
	if err != nil {
		return nil, err
	}
	t, s := &taker{asker: a, survey: &Survey{Server: *server}}, &Schema{Engine: server.Engine}
	rows, err := t.rows(ctx, database.Home(s.Engine))
	if err != nil {
		return nil, err
	}
	if len(rows) == 1 && len(rows[0].Values) == 1 {
		s.Home = string(rows[0].Values[0].Data)
	}
	list, err := t.tables(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range list {
		if l.View {
			continue
		}
		table, err := a.Describe(ctx, l.Name)
		wrong, err := declared(err)
		if err != nil {
			return nil, err
		}
		if wrong != nil || !l.Readable || table.RowSecurity {
			s.Unread = append(s.Unread, l.String())
			continue
		}
		s.Tables = append(s.Tables, *table)
		for _, p := range pairsOf(table) {
			if err := t.types(ctx, &p); err != nil {
				return nil, err
			}
			s.Pairs = append(s.Pairs, p)
		}
	}
	return s, nil
}

// pairsOf are the columns X_type beside X_id.
func pairsOf(t *database.Table) (ps []Pair) {
	for i := range t.Columns {
		c := &t.Columns[i]
		stem, ok := strings.CutSuffix(strings.ToLower(c.Name), "_type")
		if !ok || c.Class != database.Text && c.Class != database.Other {
			continue
		}
		j := slices.IndexFunc(t.Columns, func(c database.Column) bool { return strings.EqualFold(c.Name, stem+"_id") })
		if j < 0 {
			continue
		}
		if _, ok := idType(&t.Columns[j]); ok {
			ps = append(ps, Pair{Table: t.Name, Type: c.Name, ID: t.Columns[j].Name})
		}
	}
	return ps
}

func (t *taker) types(ctx context.Context, p *Pair) error {
	e := t.survey.Server.Engine
	rows, err := t.rows(ctx, fmt.Sprintf("SELECT DISTINCT looked.kind FROM (SELECT %s AS kind FROM %s.%s LIMIT %d) AS looked ORDER BY 1 LIMIT %d",
		database.Ident(e, p.Type), database.Ident(e, p.Table.Schema), database.Ident(e, p.Table.Table), typedRows, mostTypes+1))
	wrong, err := declared(err)
	if err != nil || wrong != nil {
		p.More = true
		return err
	}
	for _, r := range rows {
		if v := r.Values[0]; v.Class != database.Null {
			p.Types = append(p.Types, string(v.Data))
		}
	}
	if len(p.Types) > mostTypes {
		p.Types, p.More = p.Types[:mostTypes], true
	}
	return nil
}

// table finds one by its name; nil if it is not there.
func (s *Schema) table(n database.Name) *database.Table {
	for i := range s.Tables {
		if s.Tables[i].Name == n {
			return &s.Tables[i]
		}
	}
	return nil
}

// called finds tables as a person calls them: TABLE or SCHEMA.TABLE.
func (s *Schema) called(name string) *database.Table {
	same := func(a, b string) bool { return a == b || database.Folds(s.Engine) && strings.EqualFold(a, b) }
	for i := range s.Tables {
		if t := &s.Tables[i]; same(t.String(), name) || t.Schema == s.Home && same(t.Name.Table, name) {
			return t
		}
	}
	return nil
}

// Packed are columns in which links may stand that nobody sees from outside.
func (s *Schema) Packed() (names []string) {
	for i := range s.Tables {
		t := &s.Tables[i]
		for _, c := range t.Columns {
			long := c.Class == database.Text && (strings.HasSuffix(strings.ToLower(c.Type), "text"))
			if c.Class == database.JSON || long || c.Class == database.Bytes && strings.HasSuffix(strings.ToLower(c.Type), "blob") || c.Type == "bytea" {
				names = append(names, s.name(t.Name)+"."+c.Name)
			}
		}
	}
	return names
}

// name is a table's as the configuration has it.
func (s *Schema) name(n database.Name) string {
	quoted := func(part string) string {
		if part == "" || strings.ContainsAny(part, ".\"`'() \t;,/") {
			return database.Ident(s.Engine, part)
		}
		return part
	}
	if n.Schema == s.Home {
		return quoted(n.Table)
	}
	return quoted(n.Schema) + "." + quoted(n.Table)
}

// column is a column's as the configuration has it.
func (s *Schema) column(name string) string {
	if database.PlainName(name) {
		return name
	}
	return database.Ident(s.Engine, name)
}
