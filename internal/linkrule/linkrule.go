// Package linkrule writes the one rule that owners of a database have to keep as triggers, in the SQL
// of their engine: a link is made only to a handle whose status is AVAILABLE or UNLINKED, and that is
// checked in the transaction that makes the link, with a lock on the handle's row.
//
// It promises:
//
//   - A trigger looks after the row was written, at what stands in it then, and refuses the
//     statement. It looks where the link comes to be: at new rows, and at rows whose column, key, or
//     condition has changed.
//   - Whoever has passed it holds the handle's row until the end of his transaction, so that the
//     handle cannot be closed before (SQLite: has the file to himself).
//   - Rather too many links are refused than too few: a condition that may depend on more than the row
//     is not asked, and each row counts.
//   - What no trigger can guard is named (Unguarded), with the reason.
//   - Nothing is written to the database: it is asked for its tables alone.
//
// That the statements are run, and by whom, is left to the owner; closing handles to package fence.
package linkrule

import (
	"context"
	"slices"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
)

// Rules are the triggers for a database.
type Rules struct {
	Engine string  `json:"engine"`
	Tables []Table `json:"tables"`
	// Unguarded are associations that can link to a closed handle all the same.
	Unguarded []Unguarded `json:"unguarded"`
	// Remarks are what ought to be known.
	Remarks []string `json:"remarks"`
}

// Table is what guards a table that links.
type Table struct {
	Table string   `json:"table"`
	Links []string `json:"links"` // ASSOCIATION: COLUMN
	// Create makes the triggers, or makes them anew; Drop removes them, if they are there.
	Create []string `json:"create"`
	Drop   []string `json:"drop"`
}

// Unguarded is an association, or a table of one, that no trigger can guard.
type Unguarded struct {
	Association string `json:"association"`
	Table       string `json:"table,omitempty"`
	Why         string `json:"why"`
	// Part tells that there is a trigger, which does not see all of them.
	Part bool `json:"part,omitempty"`
}

// kind is a kind of handles that can be asked for.
type kind struct {
	name, why  string // why it cannot
	table      *database.Table
	id, status *database.Column
	open       []string // what stands in status for AVAILABLE and UNLINKED
}

// link is a column with ids, in a table.
type link struct {
	association string
	column      *database.Column
	kind        *kind
	// where is a condition over the row, which uses these columns; empty for none.
	where string
	uses  []string
}

// maker makes them.
type maker struct {
	db     database.Database
	config *config.Config
	engine string
	home   string // PostgreSQL's schema for names without one
	kinds  map[string]*kind
	order  []*database.Table // tables that link
	links  map[database.Name][]*link
	rules  Rules
}

// For writes the rules for what a configuration declares, by the tables as they are now.
func For(ctx context.Context, db database.Database, c *config.Config) (*Rules, error) {
	server, err := db.Server(ctx)
	if err != nil {
		return nil, err
	}
	m := &maker{db: db, config: c, engine: server.Engine, kinds: map[string]*kind{}, links: map[database.Name][]*link{}}
	m.rules = Rules{Engine: server.Engine, Tables: []Table{}, Unguarded: []Unguarded{}, Remarks: []string{}}
	rows, err := m.ask(ctx, database.Home(server.Engine))
	if err != nil {
		return nil, err
	}
	if len(rows) == 1 {
		m.home = rows[0][0].String()
	}
	for _, h := range c.Handles {
		if m.kinds[h.Kind], err = m.kind(ctx, h); err != nil {
			return nil, err
		}
	}
	for _, a := range c.Associations {
		if err := m.association(ctx, a); err != nil {
			return nil, err
		}
	}
	for _, t := range m.order {
		r := Table{Table: t.String(), Links: []string{}}
		for _, l := range m.links[t.Name] {
			r.Links = append(r.Links, l.association+": "+l.column.Name)
		}
		r.Create, r.Drop = m.statements(t, m.links[t.Name])
		m.rules.Tables = append(m.rules.Tables, r)
	}
	return &m.rules, nil
}

// statements are those of a table.
func (m *maker) statements(t *database.Table, links []*link) (create, drop []string) {
	switch m.engine {
	case database.PostgreSQL:
		return m.postgres(t, links)
	case database.SQLite:
		return m.sqlite(t, links)
	}
	return m.mysql(t, links)
}

// kind looks at a kind of handles.
func (m *maker) kind(ctx context.Context, h *config.Handles) (*kind, error) {
	k := &kind{name: h.Kind}
	switch {
	case h.Status == nil:
		k.why = "its handles have no status in the database: declare `status`"
		return k, nil
	case h.Query != "":
		k.why = "its handles come from a query, of which no row can be locked"
		return k, nil
	}
	tables, err := m.tables(ctx, &h.Table)
	if err != nil {
		return nil, err
	}
	k.table = tables[0]
	odd, err := m.odd(ctx, k.table)
	if err != nil {
		return nil, err
	}
	k.id, k.status = k.table.Named(m.engine, h.ID), k.table.Named(m.engine, h.Status.Column)
	switch {
	case k.id == nil || k.status == nil:
		k.why = "id and status of its handles are not both columns"
	case odd != "":
		k.why = "the table of its handles is " + odd
	case !slices.ContainsFunc(k.table.Keys, func(x database.Key) bool { return x.Columns[0] == k.id.Name }):
		k.why = "the id of its handles is no key of their table: all of its rows would be read and locked for each link"
	}
	if k.why != "" {
		return k, nil
	}
	k.open = []string{h.Status.Value("AVAILABLE"), h.Status.Value("UNLINKED")}
	if k.status.Nullable {
		m.remark(k.table.String() + "." + k.status.Name + " may be NULL, and is then neither AVAILABLE nor UNLINKED: such a file cannot be linked.")
	}
	if k.id.Class == database.Text {
		m.remark(k.table.String() + "." + k.id.Name + " has texts: a link with another spelling of the same UUID is not recognised.")
	}
	return k, nil
}

// association looks at what links.
func (m *maker) association(ctx context.Context, a *config.Association) error {
	column, where := a.Column, a.Where
	if g := m.config.Registry; g != nil && a.Name == config.RegistryName {
		column, where = g.Handle, "CASE WHEN "+g.Unlinked+" > "+g.Linked+" THEN 0 ELSE 1 END = 1"
	}
	switch {
	case a.Holds == config.Key:
		m.unguarded(a, nil, "it links by keys, not by ids")
		return nil
	case a.Holds == config.Fetched:
		m.unguarded(a, nil, "its ids stand in objects")
		return nil
	case a.Addresses():
		m.unguarded(a, nil, "it links by addresses")
		return nil
	case a.Holds != config.Handle:
		m.unguarded(a, nil, "its ids are packed in a value")
		return nil
	}
	k := m.kinds[m.config.Kinds(a)[0].Kind]
	if k.why != "" {
		m.unguarded(a, nil, k.why)
		return nil
	}
	tables, err := m.tables(ctx, &a.Table)
	if err != nil {
		return err
	}
	if a.Table.Pattern != nil {
		m.remark(a.Name + " is a pattern: give the command again when there are new tables that it matches.")
	}
	for _, t := range tables {
		odd, err := m.odd(ctx, t)
		if err != nil {
			return err
		}
		c := t.Named(m.engine, column)
		switch {
		case odd != "":
			m.unguarded(a, t, "it is "+odd)
			continue
		case c == nil:
			m.unguarded(a, t, "its ids are worked out by an expression")
			continue
		case !m.comparable(c, k.id):
			m.unguarded(a, t, "a column of "+c.Type+" cannot be compared with ids of "+k.id.Type)
			continue
		}
		l := &link{association: a.Name, column: c, kind: k}
		if where != "" {
			m.condition(a, t, l, where)
		}
		if m.links[t.Name] == nil {
			m.order = append(m.order, t)
		}
		m.links[t.Name] = append(m.links[t.Name], l)
	}
	return nil
}

// condition takes a condition if it is of the row alone: then a link that comes to be by it does so
// when the row is written.
func (m *maker) condition(a *config.Association, t *database.Table, l *link, where string) {
	uses, whole := columnsIn(m.engine, t, where)
	switch {
	case !whole:
		m.rules.Unguarded = append(m.rules.Unguarded, Unguarded{Association: a.Name, Table: t.String(), Part: true,
			Why: "its `where` may depend on more than the row: each row counts as it is written, and a link that comes to be by a change elsewhere, or by time, is not seen"})
	case m.engine != database.PostgreSQL && whole && rowKey(t) == nil:
		m.rules.Unguarded = append(m.rules.Unguarded, Unguarded{Association: a.Name, Table: t.String(), Part: true,
			Why: "the table has no key by which the row would be found for its `where`: each row counts as it is written, and one that becomes a link later is not seen"})
	default:
		l.where, l.uses = where, uses
	}
}

// rowKey is a key that names a row.
func rowKey(t *database.Table) *database.Key {
	for i := range t.Keys {
		k := &t.Keys[i]
		null := slices.ContainsFunc(k.Columns, func(name string) bool { c := t.Column(name); return c == nil || c.Nullable })
		if k.Primary || !null {
			return k
		}
	}
	return nil
}

// moved are the columns whose change makes a link anew: its own, those of the condition, and the key's, by
// which a scan may have passed the row already.
func moved(t *database.Table, l *link) []string {
	all := append([]string{l.column.Name}, l.uses...)
	for _, k := range []*database.Key{t.Key(), rowKey(t)} {
		if k != nil {
			all = append(all, k.Columns...)
		}
	}
	slices.Sort(all[1:])
	return slices.Compact(all)
}

func (m *maker) unguarded(a *config.Association, t *database.Table, why string) {
	u := Unguarded{Association: a.Name, Table: a.Table.Text, Why: why}
	if t != nil {
		u.Table = t.String()
	}
	m.rules.Unguarded = append(m.rules.Unguarded, u)
}

func (m *maker) remark(text string) {
	if !slices.Contains(m.rules.Remarks, text) {
		m.rules.Remarks = append(m.rules.Remarks, text)
	}
}

// tables finds those that are meant.
func (m *maker) tables(ctx context.Context, t *config.Table) (all []*database.Table, err error) {
	name, except := t.Spec()
	p, err := database.ParsePattern(name, except...)
	if err != nil {
		return nil, err
	}
	list, err := m.db.Tables(ctx, p)
	if err != nil {
		return nil, err
	}
	if list.Blind != "" && t.Pattern != nil {
		m.remark("Of " + t.Text + " there may be tables that this user cannot see: " + list.Blind)
	}
	for _, l := range list.Tables {
		described, err := m.db.Describe(ctx, l.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, described)
	}
	if len(all) == 0 {
		return nil, &cooper.Error{Kind: cooper.KindMissing, Where: t.Text, Message: "no such table is there", Remedy: "See what is declared, and what is there: cooper gc check"}
	}
	return all, nil
}

// odd says why a table can have no such trigger, or its rows not be locked.
func (m *maker) odd(ctx context.Context, t *database.Table) (string, error) {
	switch {
	case t.View || t.Materialized:
		return "a view", nil
	case t.NoSnapshot:
		return "of the engine " + t.Engine + ", which has no transactions", nil
	case m.engine != database.PostgreSQL:
		return "", nil
	}
	at := database.Literal(m.engine, m.named(t)) + "::regclass"
	rows, err := m.ask(ctx, "SELECT c.relkind::text, CASE WHEN c.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) THEN 'parent' ELSE '' END FROM pg_catalog.pg_class c WHERE c.oid = "+at)
	switch {
	case err != nil || len(rows) != 1:
		return "", err
	case rows[0][0].String() == "f":
		return "a foreign table", nil
	case rows[0][1].String() != "":
		return "a table that others inherit from, and their rows are its rows", nil
	}
	return "", nil
}

// named is a table in SQL.
func (m *maker) named(t *database.Table) string {
	return m.ident(t.Schema) + "." + m.ident(t.Name.Table)
}

func (m *maker) ident(name string) string { return database.Ident(m.engine, name) }

// ask gives the rows of a query.
func (m *maker) ask(ctx context.Context, sql string) ([][]database.Value, error) {
	var c collect
	err := m.db.Read(ctx, &database.Source{Query: sql}, database.Range{Rows: -1}, &c)
	return c.rows, err
}

// collect takes the rows of a query.
type collect struct{ rows [][]database.Value }

// Begin forgets what came before.
func (c *collect) Begin(database.Snapshot) error {
	c.rows = nil
	return nil
}

// Rows takes rows.
func (c *collect) Rows(rows []database.Row) error {
	for i := range rows {
		c.rows = append(c.rows, rows[i].Values)
	}
	return nil
}
