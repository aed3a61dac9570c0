package gc

import (
	"slices"
	"strings"

	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcop"
	"cooper/internal/handleid"
)

// kindName is a kind for a person.
func kindName(kind string) string {
	if kind == "" {
		return "handles"
	}
	return kind
}

// idType is what ids of a column are; ok is false where it can hold none.
func idType(c *database.Column) (kind handleid.Type, ok bool) {
	switch c.Class {
	case database.Integer:
		return handleid.Integer, true
	case database.UUID:
		return handleid.UUID, true
	case database.Bytes:
		return handleid.UUID, true
	case database.Text:
		return handleid.Text, true
	case database.Number:
		t := strings.ToLower(c.Type)
		return handleid.Integer, strings.HasPrefix(t, "decimal") || strings.HasPrefix(t, "numeric")
	}
	return handleid.Any, false
}

// covered tells whether a column of a table is declared, or waived. Of is the kinds that
// it has to be declared for; none: any, and as the handles' own ids, too.
func covered(c *config.Config, s *Survey, table database.Name, column string, of []*config.Handles) bool {
	for _, w := range c.Waive {
		if w.Table.Matches(table.Schema, table.Table) && strings.EqualFold(w.Column, column) {
			return true
		}
	}
	for _, p := range s.Parts {
		if !p.reads(table) {
			continue
		}
		if p.links(c, column, of) || (p.What == gcop.Derived || of == nil && p.Query != "") && wordsOf(p.Query).has(column) {
			return true
		}
	}
	return false
}

// reads tells whether a part does: it is one of its tables, or its query has the name.
func (p *Part) reads(table database.Name) bool {
	return slices.ContainsFunc(p.Tables, func(t *Table) bool { return t.Name == table }) || p.Query != "" && wordsOf(p.Query).has(table.Table)
}

// links tells whether a part says of a column of its table that it links, holds or derives.
// To name the object, or to stand in a condition, is not that.
func (p *Part) links(c *config.Config, column string, of []*config.Handles) bool {
	var sql []string
	var kinds []*config.Handles
	switch {
	case p.Handles != nil:
		kinds, sql = []*config.Handles{p.Handles}, []string{p.Handles.Preview, p.Handles.PreviewOf}
		if of == nil {
			sql = append(sql, p.Handles.ID)
		}
	case p.Hold != nil:
		kinds, sql = []*config.Handles{c.Kind(p.Hold.Of)}, []string{p.Hold.Handle}
	case p.Association != nil:
		a := p.Association
		kinds, sql = c.Kinds(a), []string{a.Column}
		if a.Fetch != nil {
			sql = append(sql, a.Fetch.Bucket.SQL, a.Fetch.Key, a.Fetch.Location)
		}
	}
	if of != nil && !slices.ContainsFunc(kinds, func(h *config.Handles) bool { return slices.Contains(of, h) }) {
		return false
	}
	return slices.ContainsFunc(sql, func(s string) bool { return wordsOf(s).has(column) })
}
