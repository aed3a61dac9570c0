package gc

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcop"
	"cooper/internal/handleid"
)

// Hit is a column that nobody declared, in which ids of handles were found. Small numbers
// are ids of something everywhere: it is told, and refuses nothing.
type Hit struct {
	Table  database.Name
	Column string
	Kind   string
	// Found of the Values that were looked at, each counted once, are ids of handles.
	Found, Values int
	// Common: any numbers of that size would be, and the column's name does not speak of
	// handles either.
	Common bool
}

// How much is looked into: rows at either end of a table, tables in all, and those of the
// same name and columns, ids that one query asks for.
const (
	sampledRows   = 50
	sampledTables = 300
	sampledAlike  = 2
	askedAtOnce   = 500
	longestID     = 200 // bytes
)

// column is one that is looked into, with the values found there.
type column struct {
	table  database.Name
	name   string
	values map[string]bool
	any    map[string]bool // numbers between the least and the greatest of them
}

// index is where the ids of a kind can be looked up.
type index struct {
	part *Part
	kind handleid.Type
	from string // SELECT … FROM … WHERE … IN
}

// hits looks for ids of handles in columns that nobody declared.
func (t *taker) hits(ctx context.Context) error {
	indexes := t.indexes()
	if len(indexes) == 0 {
		return nil
	}
	columns, err := t.columns(ctx)
	if err != nil {
		return err
	}
	for _, x := range indexes {
		// Each column is asked for twice: behind the columns stand any numbers of their size.
		wanted := map[string][]int{}
		add := func(values map[string]bool, i int) {
			for v := range values {
				if id, why := x.kind.Parse(v); why == "" {
					wanted[id] = append(wanted[id], i)
				}
			}
		}
		for i := range columns {
			add(columns[i].values, i)
			if x.kind == handleid.Integer {
				add(columns[i].between(), len(columns)+i)
			}
		}
		found := make([]int, 2*len(columns))
		if err := t.find(ctx, &x, wanted, found); err != nil {
			return err
		}
		for i := range columns {
			c, n := &columns[i], found[i]
			if n == 0 {
				continue
			}
			common := 10*n*len(c.any) <= 11*found[len(columns)+i]*len(c.values) && !t.speaks(c.name, x.part)
			t.survey.Hits = append(t.survey.Hits, Hit{Table: c.table, Column: c.name, Kind: x.part.Name, Found: n, Values: len(c.values), Common: common && len(c.any) > 0})
		}
	}
	slices.SortStableFunc(t.survey.Hits, func(a, b Hit) int { // the likeliest first
		return cmp.Or(cmp.Compare(b.Found*a.Values, a.Found*b.Values), cmp.Compare(b.Found, a.Found), strings.Compare(a.Table.String()+"."+a.Column, b.Table.String()+"."+b.Column))
	})
	return nil
}

// between are numbers between the least and the greatest of a column's.
func (c *column) between() map[string]bool {
	var least, most int64
	first := true
	for v := range c.values {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
			if first || n < least {
				least = n
			}
			most, first = max(most, n), false
		}
	}
	c.any = map[string]bool{}
	for i := range int64(sampledRows) {
		if !first {
			c.any[strconv.FormatInt(least+(most-least)/sampledRows*i+(most-least)%sampledRows*i/sampledRows, 10)] = true
		}
	}
	return c.any
}

// speaks tells whether the name of a column is one by which links are declared elsewhere, or
// has the name of the kind or of its table in it.
func (t *taker) speaks(name string, of *Part) bool {
	name = strings.ToLower(name)
	if name == "id" {
		return false
	}
	for _, p := range t.survey.Parts {
		if p.Association != nil && p.Association.Holds == config.Handle && strings.EqualFold(p.Association.Column, name) || p.Hold != nil && strings.EqualFold(p.Hold.Handle, name) {
			return true
		}
	}
	for _, word := range []string{of.Name, strings.TrimSuffix(of.Tables[0].Name.Table, "s")} {
		if word = strings.ToLower(word); len(word) > 2 && strings.Contains(name, strings.TrimSuffix(word, "s")) {
			return true
		}
	}
	return false
}

// indexes are the kinds whose ids can be looked up by a key.
func (t *taker) indexes() (xs []index) {
	engine := t.survey.Server.Engine
	for _, p := range t.survey.Parts {
		if p.What != gcop.Kind {
			continue
		}
		unsampled := func(why string) {
			t.unsampled("ids of " + kindName(p.Name) + " are not looked for in other columns: " + why)
		}
		if len(p.Tables) != 1 || p.Tables[0].Wrong != nil || !p.Tables[0].Readable {
			if p.Query != "" {
				unsampled("they come from a query")
			}
			continue
		}
		table := &p.Tables[0].Table
		id := table.Named(engine, p.Handles.ID)
		kind, ok := handleid.Any, false
		if id != nil {
			kind, ok = idType(id)
		}
		keyed := id != nil && slices.ContainsFunc(table.Keys, func(k database.Key) bool { return k.Columns[0] == id.Name })
		if !ok || !keyed || id.Class == database.Bytes {
			unsampled("there is no key to look them up by")
			continue
		}
		name := database.Ident(engine, id.Name)
		xs = append(xs, index{part: p, kind: kind, from: "SELECT " + name + " FROM " + database.Ident(engine, table.Schema) + "." + database.Ident(engine, table.Name.Table) + " WHERE " + name + " IN ("})
	}
	return xs
}

func (t *taker) unsampled(why string) {
	if t.survey.Unsampled != "" {
		why = t.survey.Unsampled + "; " + why
	}
	t.survey.Unsampled = why
}

// find asks for ids, and counts those that are there for the columns that have them.
func (t *taker) find(ctx context.Context, x *index, wanted map[string][]int, found []int) error {
	ids := make([]string, 0, len(wanted))
	for id := range wanted {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for some := range slices.Chunk(ids, askedAtOnce) {
		literals := make([]string, len(some))
		for i, id := range some {
			literals[i] = id
			if x.kind != handleid.Integer {
				literals[i] = database.Literal(t.survey.Server.Engine, id)
			}
		}
		rows, err := t.rows(ctx, x.from+strings.Join(literals, ", ")+")")
		if wrong, err := declared(err); err != nil {
			return err
		} else if wrong != nil {
			t.unsampled("ids of " + kindName(x.part.Name) + " cannot be looked up: " + said(wrong))
			return nil
		}
		for _, r := range rows {
			id, _ := x.kind.Parse(string(r.Values[0].Data))
			for _, i := range wanted[id] {
				found[i]++
			}
		}
	}
	return nil
}

// columns takes values from all columns that may hold ids and are not declared.
func (t *taker) columns(ctx context.Context) (all []column, err error) {
	list, err := t.tables(ctx)
	if err != nil {
		return nil, err
	}
	alike := map[string]int{}
	tables := 0
	for _, l := range list {
		if !l.Readable || l.View {
			continue
		}
		table, err := t.asker.Describe(ctx, l.Name)
		if wrong, err := declared(err); err != nil {
			return nil, err
		} else if wrong != nil || table.RowSecurity {
			continue
		}
		shape := l.Name.Table + "\n" + shapeOf(table)
		if alike[shape]++; alike[shape] > sampledAlike {
			continue
		}
		if tables++; tables > sampledTables {
			t.unsampled(fmt.Sprintf("of many tables, %d were looked into for ids of handles", sampledTables))
			break
		}
		some, err := t.values(ctx, table)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// values takes some from both ends of a table.
func (t *taker) values(ctx context.Context, table *database.Table) (columns []column, err error) {
	engine := t.survey.Server.Engine
	var list []string
	for i := range table.Columns {
		c := &table.Columns[i]
		if slices.Contains(table.Unreadable, c.Name) || covered(t.config, t.survey, table.Name, c.Name, nil) {
			continue
		}
		switch sql := database.Ident(engine, c.Name); c.Class {
		case database.Integer, database.UUID, database.Array:
			list = append(list, sql)
		case database.Text:
			list = append(list, fmt.Sprintf("SUBSTR(%s, 1, %d)", sql, longestID))
		default:
			continue
		}
		columns = append(columns, column{table: table.Name, name: c.Name, values: map[string]bool{}})
	}
	if len(list) == 0 {
		return nil, nil
	}
	sql := "SELECT " + strings.Join(list, ", ") + " FROM " + database.Ident(engine, table.Schema) + "." + database.Ident(engine, table.Name.Table)
	for _, direction := range []string{"", " DESC"} {
		by := order(table, engine)
		if by != "" {
			by = strings.ReplaceAll(by, ", ", direction+", ") + direction
		} else if direction != "" {
			break // without a key one end is as good as the other
		}
		rows, err := t.rows(ctx, fmt.Sprintf("%s%s LIMIT %d", sql, by, sampledRows))
		if wrong, err := declared(err); err != nil {
			return nil, err
		} else if wrong != nil {
			t.unsampled(table.String() + " was not looked into for ids of handles: " + said(wrong))
			return nil, nil
		}
		for _, r := range rows {
			for i, v := range r.Values {
				columns[i].add(v)
			}
		}
	}
	return columns, nil
}

func (c *column) add(v database.Value) {
	switch {
	case v.Class == database.Array:
		for _, e := range v.Elements {
			c.add(e)
		}
	case v.Class != database.Null && len(v.Data) > 0 && len(v.Data) < longestID:
		c.values[string(v.Data)] = true
	}
}
