package gc

import (
	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcop"
)

// Part is one thing that the configuration declares and a scan reads.
type Part struct {
	What gcop.What
	Name string // as gcop.Task has it
	// Where is the place in the configuration.
	Where string
	// Declared is the table or pattern, as it is written; Query is read where there is none.
	Declared string
	Pattern  bool
	Query    string
	// Blind says why there may be tables that the user cannot see; empty if there are none.
	Blind  string
	Tables []*Table
	// Wrong is what the database says of the query, or of those that Lookup names.
	Wrong *cooper.Error

	Handles     *config.Handles
	Hold        *config.Guard
	Association *config.Association
}

// Table is a table that a part reads.
type Table struct {
	database.Table
	// Readable: the user has the right to. The rest is known only then.
	Readable bool
	// Wrong is what the database says of the declared expressions; nil if it can work
	// them out. Missing are declared columns that the table does not have.
	Wrong   *cooper.Error
	Missing []string
	Samples []Sample
	// Unknown is for how many of the Looked rows that were looked at the condition is neither
	// true nor false: they are not read.
	Unknown, Looked int64
	// AtLeast: Rows was counted as far as that is cheap, and there are more.
	AtLeast bool
}

// Sample is a row as the database shows it, for a person.
type Sample struct {
	Object string
	Values []string // of the columns with links, as they are: nothing is unpacked
}

// partsOf are the parts of a configuration.
func partsOf(c *config.Config) (parts []*Part) {
	for _, h := range c.Handles {
		p := &Part{What: gcop.Kind, Name: h.Kind, Where: h.PlaceOf(""), Query: h.Query, Handles: h}
		p.declares(&h.Table)
		parts = append(parts, p)
	}
	for _, d := range c.Derived {
		parts = append(parts, &Part{What: gcop.Derived, Name: d.Name, Where: d.PlaceOf("sql"), Query: d.SQL})
	}
	holds := func(name string, gs []*config.Guard) {
		for _, g := range gs {
			if g.Table.Given() {
				p := &Part{What: gcop.Hold, Name: name, Where: g.PlaceOf(""), Hold: g}
				p.declares(&g.Table)
				parts = append(parts, p)
			}
		}
	}
	holds(gcop.Protect, c.Protect)
	holds(gcop.InFlight, c.InFlight)
	for _, a := range c.Associations {
		p := &Part{What: gcop.Association, Name: a.Name, Where: a.PlaceOf(""), Association: a}
		p.declares(&a.Table)
		parts = append(parts, p)
	}
	return parts
}

func (p *Part) declares(t *config.Table) { p.Declared, p.Pattern = t.Text, t.Pattern != nil }

// where is the condition that leaves rows out of what is read; empty: none are. That of handles
// leaves none out.
func (p *Part) where() string {
	switch {
	case p.Association != nil:
		return p.Association.Where
	case p.Hold != nil:
		return p.Hold.Where
	}
	return ""
}

// table is the part's, as it was declared; nil if it reads a query.
func (p *Part) table() *config.Table {
	switch {
	case p.Association != nil:
		return &p.Association.Table
	case p.Hold != nil:
		return &p.Hold.Table
	case p.Handles != nil && p.Handles.Table.Given():
		return &p.Handles.Table
	}
	return nil
}
