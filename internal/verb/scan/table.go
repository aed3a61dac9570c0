package scan

import (
	"context"
	"slices"
	"sync"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/handleid"
)

// engine is the server's.
func (s *Scan) engine() string { return s.opt.Server.Engine }

// columns are those of a source that is being put together.
type columns struct {
	s     *Scan
	table *database.Table
	list  []string
}

// add gives the place of a column or expression; -1 for none.
func (c *columns) add(text string) int {
	if text == "" {
		return -1
	}
	return c.raw(database.Express(c.s.engine(), c.table, text))
}

func (c *columns) raw(sql string) int {
	if i := slices.Index(c.list, sql); i >= 0 {
		return i
	}
	c.list = append(c.list, sql)
	return len(c.list) - 1
}

// rowKey is how a row is named in facts: by its primary key, or else by another, or else
// by what the row has.
type rowKey struct {
	own   bool // the row's Key is it
	parts []int
}

// key finds how to name the rows of a table that is read by a key; or by the columns given.
func (c *columns) key(read []string, otherwise ...int) rowKey {
	var best []string
	if c.table != nil {
		for _, k := range c.table.Keys {
			if k.Primary {
				best = k.Columns
			}
		}
		if best == nil && len(read) == 0 && len(c.table.Keys) > 0 {
			best = c.table.Keys[0].Columns
		}
	}
	if len(read) > 0 && (best == nil || slices.Equal(best, read)) {
		return rowKey{own: true}
	}
	if best == nil {
		return rowKey{parts: otherwise}
	}
	var k rowKey
	for _, name := range best {
		k.parts = append(k.parts, c.raw(database.Ident(c.s.engine(), name)))
	}
	return k
}

// text names a row.
func (k *rowKey) text(row *database.Row) string {
	if k.own {
		return database.KeyText(row.Key)
	}
	values := make([]database.Value, len(k.parts))
	for i, p := range k.parts {
		values[i] = row.Values[p]
	}
	return database.KeyText(values)
}

// called is what a table is called in facts: as it is declared, or in full where a pattern
// found it.
func called(declared *config.Table, t *database.Table) string {
	switch {
	case t == nil:
		return ""
	case declared.Pattern != nil:
		return t.Name.String()
	case declared.Schema != "":
		return declared.Schema + "." + declared.Name
	}
	return declared.Name
}

// kind is a kind of handles, and what its ids are.
type kind struct {
	*config.Handles
	once sync.Once
	ids  handleid.Type
	err  error
}

// kind finds one, and asks the database what its ids are.
func (s *Scan) kind(ctx context.Context, name string) (*kind, error) {
	h := s.opt.Config.Kind(name)
	if h == nil {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: s.opt.Scanning.Config, Message: "there is no kind of handles " + cooper.Quote(name)}
	}
	s.mu.Lock()
	k := s.kinds[h.Kind]
	if k == nil {
		k = &kind{Handles: h}
		s.kinds[h.Kind] = k
	}
	s.mu.Unlock()
	k.once.Do(func() { k.ids, k.err = s.idsOf(ctx, h) })
	if k.err != nil { // it may pass
		s.mu.Lock()
		if s.kinds[h.Kind] == k {
			delete(s.kinds, h.Kind)
		}
		s.mu.Unlock()
	}
	return k, k.err
}

// idsOf tells what ids of handles are: by their column, or, where that is an expression, by
// what it gives.
func (s *Scan) idsOf(ctx context.Context, h *config.Handles) (handleid.Type, error) {
	source := &database.Source{Query: h.Query, Now: s.opt.Scanning.Time.Time(), Limit: 1}
	if h.Query == "" {
		t, err := s.opt.Database.Describe(ctx, database.Name{Schema: h.Table.Schema, Table: h.Table.Name})
		if err != nil {
			return 0, err
		}
		if c := t.Named(s.engine(), h.ID); c != nil {
			return typeOf(c.Class), nil
		}
		source.Table = t
	}
	sql := database.Express(s.engine(), source.Table, h.ID)
	source.Columns, source.Where = []string{sql}, sql+" IS NOT NULL"
	one := &sample{}
	if err := s.opt.Database.Read(ctx, source, database.Range{}, one); err != nil {
		return 0, err
	}
	return typeOf(one.class), nil
}

// sample takes the class of the first value.
type sample struct{ class database.Class }

func (o *sample) Begin(database.Snapshot) error { return nil }

func (o *sample) Rows(rows []database.Row) error {
	if o.class == "" && len(rows) > 0 {
		o.class = rows[0].Values[0].Class
	}
	return nil
}

// typeOf is what ids of a class are.
func typeOf(c database.Class) handleid.Type {
	switch c {
	case database.Integer, database.Number:
		return handleid.Integer
	case database.UUID, database.Bytes:
		return handleid.UUID
	case database.Text, database.Other:
		return handleid.Text
	}
	return handleid.Any
}

// id reads the id in a column: none for NULL and what is empty.
func (k *kind) id(v *database.Value) (id, why string) {
	switch {
	case v.Class == database.Null || len(v.Data) == 0 && v.Class != database.Array:
		return "", ""
	case v.Class == database.Bytes:
		return k.ids.ParseBytes(v.Data)
	case v.Class == database.Bool, v.Class == database.Array, v.Class == database.Time:
		return "", handleid.NotAnID(v.String())
	}
	return k.ids.Parse(string(v.Data))
}
