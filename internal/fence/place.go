package fence

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/address"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/handleid"
)

// kind is a kind of handles, and how its rows are found by id.
type kind struct {
	*config.Handles
	hosts *address.Hosts
	table *database.Table // nil for a query
	from  string
	id    database.Class // of its ids; Other where that is not known
	sql   string         // of the id
	keys  bool           // they can be asked for by the keys of their objects
}

// place is where something may stand that keeps handles from going, and can be asked for by their
// ids.
type place struct {
	what string // as Blind names it
	kind *kind
	// sql asks for those of some ids, which stand for %s; the first column is the id of a handle.
	sql   string
	class database.Class // of that column
	// judge says of a row why its handle may not go; empty: it may.
	judge func(ctx context.Context, row []database.Value) (Sight, error)
}

// few is how many rows a table may have that is read as a whole for each batch of handles.
const few = 100_000

// tables finds those that are meant.
func (f *Fence) tables(ctx context.Context, t *config.Table) (all []*database.Table, err error) {
	name, except := t.Spec()
	p, err := database.ParsePattern(name, except...)
	if err != nil {
		return nil, err
	}
	list, err := f.opt.Database.Tables(ctx, p)
	if err != nil {
		return nil, err
	}
	if list.Blind != "" && t.Pattern != nil {
		return nil, &cooper.Error{Kind: cooper.KindDenied, Where: t.Text, Message: "there may be tables that cannot be seen: " + list.Blind, Remedy: "Grant the user what that takes: cooper gc check"}
	}
	for _, l := range list.Tables {
		described, err := f.opt.Database.Describe(ctx, l.Name)
		if err != nil {
			return nil, err
		}
		if described.RowSecurity {
			return nil, &cooper.Error{Kind: cooper.KindDenied, Where: l.String(), Message: "row-level security hides rows from this user", Remedy: "Grant the user what that takes: cooper gc check"}
		}
		all = append(all, described)
	}
	if len(all) == 0 {
		return nil, &cooper.Error{Kind: cooper.KindMissing, Where: t.Text, Message: "no such table is there any more", Remedy: "See what has changed: cooper gc check"}
	}
	return all, nil
}

func (f *Fence) named(t *database.Table) string {
	return database.Ident(f.server.Engine, t.Schema) + "." + database.Ident(f.server.Engine, t.Name.Table)
}

// learn finds out where the rows of a kind of handles are.
func (f *Fence) learn(ctx context.Context, k *kind) error {
	k.id = database.Other
	if k.Query != "" {
		k.from, k.sql = "("+k.Query+"\n) AS handles", database.Express(f.server.Engine, nil, k.ID)
		return nil
	}
	tables, err := f.tables(ctx, &k.Table)
	if err != nil {
		return err
	}
	k.table = tables[0]
	k.from, k.sql = f.named(k.table), database.Express(f.server.Engine, k.table, k.ID)
	if c := k.table.Named(f.server.Engine, k.ID); c != nil {
		k.id = c.Class
	}
	return nil
}

// typed learns the class of ids that are no plain column's. SQLite has a class for each value.
func (f *Fence) typed(ctx context.Context, k *kind) error {
	if k.id != database.Other || f.server.Engine == database.SQLite {
		return nil
	}
	rows, err := f.ask(ctx, "SELECT "+k.sql+" FROM "+k.from+" LIMIT 1")
	if err == nil && len(rows) == 1 && slices.Contains([]database.Class{database.Integer, database.UUID, database.Text}, rows[0][0].Class) {
		k.id = rows[0][0].Class
	}
	return err
}

// exact tells whether handles of a kind can be asked for in a column: whether each spelling of an id
// that stands there is found by the one that we have.
func exact(k *kind, c *database.Column) bool {
	if c == nil {
		return false
	}
	switch c.Class {
	case database.Integer, database.UUID:
		return true
	case database.Text:
		return k.id == database.Text
	}
	return false
}

// literals are the values of some ids in a column; what cannot stand there is left out. exact is false
// where one of them may stand there in more spellings than are given.
func (f *Fence) literals(class database.Class, ids []string) (sql []string, exact bool) {
	exact = class != database.Other
	for _, id := range ids {
		switch _, bad := handleid.Integer.Parse(id); {
		case class == database.Integer && bad == "":
			sql = append(sql, id)
		case class == database.Integer:
		case class == database.UUID:
			if normal, bad := handleid.UUID.Parse(id); bad == "" {
				sql = append(sql, database.Literal(f.server.Engine, normal))
			}
		default:
			spellings := []string{id}
			if _, bad := handleid.UUID.Parse(id); bad == "" {
				bare := strings.ReplaceAll(id, "-", "")
				spellings, exact = append(spellings, strings.ToUpper(id), bare, strings.ToUpper(bare), "{"+id+"}", "{"+strings.ToUpper(id)+"}"), false
			}
			for _, s := range spellings {
				sql = append(sql, database.Literal(f.server.Engine, s))
			}
		}
	}
	return sql, exact
}

// cheap tells whether rows are found by a column without reading a large table.
func (f *Fence) cheap(ctx context.Context, t *database.Table, c *database.Column) (bool, error) {
	found, err := f.indexed(ctx, t, c.Name)
	if err != nil || found {
		return found, err
	}
	rows, err := f.ask(ctx, fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 AS one FROM %s LIMIT %d) AS counted", f.named(t), few+1))
	if err != nil || len(rows) != 1 {
		return false, err
	}
	var n int64
	if _, err := fmt.Sscan(rows[0][0].String(), &n); err != nil {
		return false, &cooper.Error{Kind: cooper.KindInvalid, Where: t.String(), Message: "its rows cannot be counted", Err: err}
	}
	return n <= few, nil
}

// indexed tells whether a column leads an index that holds every row.
func (f *Fence) indexed(ctx context.Context, t *database.Table, column string) (bool, error) {
	for i := range t.Keys {
		if t.Keys[i].Columns[0] == column {
			return true, nil
		}
	}
	text := func(s string) string { return database.Literal(f.server.Engine, s) }
	var sql string
	switch f.server.Engine {
	case database.PostgreSQL:
		sql = "SELECT 1 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace" +
			" JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0] JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam" +
			" WHERE i.indisvalid AND i.indpred IS NULL AND m.amname IN ('btree', 'hash') AND n.nspname = " + text(t.Schema) + " AND t.relname = " + text(t.Name.Table) + " AND a.attname = " + text(column)
	case database.SQLite:
		sql = "SELECT 1 FROM pragma_index_list(" + text(t.Name.Table) + ") AS l, pragma_index_info(l.name) AS i WHERE l.partial = 0 AND i.seqno = 0 AND i.name = " + text(column)
	default:
		sql = "SELECT 1 FROM information_schema.STATISTICS WHERE INDEX_TYPE IN ('BTREE', 'HASH') AND SEQ_IN_INDEX = 1 AND SUB_PART IS NULL AND TABLE_SCHEMA = " + text(t.Schema) + " AND TABLE_NAME = " + text(t.Name.Table) +
			" AND COLUMN_NAME = " + text(column)
	}
	rows, err := f.ask(ctx, sql)
	return len(rows) > 0, err
}

// cannot names something that cannot be looked at.
func (f *Fence) cannot(what string) {
	if !slices.Contains(f.blind, what) {
		f.blind = append(f.blind, what)
	}
}

// column adds a place: a column of a table with ids of a kind's handles. If it cannot be asked for by
// them, it is blind.
func (f *Fence) column(ctx context.Context, t *database.Table, k *kind, column, where, what string, s Sight) error {
	c := t.Named(f.server.Engine, column)
	if !exact(k, c) {
		f.cannot(what)
		return nil
	}
	if cheap, err := f.cheap(ctx, t, c); err != nil || !cheap {
		f.cannot(what)
		return err
	}
	name := database.Ident(f.server.Engine, c.Name)
	sql := "SELECT " + name + " FROM " + f.named(t) + " AS " + database.Ident(f.server.Engine, t.Name.Table) + " WHERE " + name + " IN (%s)"
	if where != "" {
		sql += " AND (" + strings.ReplaceAll(where, "%", "%%") + "\n)"
	}
	s.Why += " in " + t.String()
	f.places = append(f.places, &place{what: what, kind: k, sql: sql, class: c.Class, judge: func(context.Context, []database.Value) (Sight, error) { return s, nil }})
	return nil
}

// links adds the associations.
func (f *Fence) links(ctx context.Context) error {
	for _, a := range f.opt.Config.Associations {
		tables, err := f.tables(ctx, &a.Table)
		if err != nil {
			return err
		}
		for _, k := range f.opt.Config.Kinds(a) {
			column, where := a.Column, a.Where
			if g := f.opt.Config.Registry; g != nil && a.Name == config.RegistryName {
				column, where = g.Handle, "CASE WHEN "+g.Unlinked+" > "+g.Linked+" THEN 0 ELSE 1 END = 1"
			}
			for _, t := range tables {
				if a.Holds != config.Handle || a.Unpack.Given() {
					f.cannot(a.Name)
					continue
				}
				if err := f.column(ctx, t, f.kinds[k.Kind], column, where, a.Name, Sight{Why: "linked by " + a.Name, Linked: true}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// holds adds the tables of `protect` and `in_flight`.
func (f *Fence) holds(ctx context.Context) error {
	for _, g := range slices.Concat(f.opt.Config.Protect, f.opt.Config.InFlight) {
		if !g.Table.Given() {
			continue
		}
		tables, err := f.tables(ctx, &g.Table)
		if err != nil {
			return err
		}
		k := f.kinds[g.Of]
		if k == nil {
			k = f.kinds[f.opt.Config.Handles[0].Kind]
		}
		for _, t := range tables {
			if err := f.column(ctx, t, k, g.Handle, g.Where, "holds of "+g.Table.Text, Sight{Why: "held by a row"}); err != nil {
				return err
			}
		}
	}
	return nil
}
