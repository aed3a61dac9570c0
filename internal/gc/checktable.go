package gc

import (
	"fmt"
	"slices"
	"strings"

	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/handleid"
)

// part is about a part and its tables.
func (k *checker) part(p *Part) {
	named := p.Declared
	if named == "" {
		named = kindName(p.Name)
	}
	if p.Wrong != nil {
		k.refuse(p, named, "cannot be worked out: "+said(p.Wrong), "Correct it in "+p.Where+".")
	}
	if p.table() == nil {
		return
	}
	switch {
	case p.Blind != "" && p.Pattern:
		k.refuse(p, named, "there may be tables that this user cannot see", p.Blind+".")
	case p.Blind != "":
		k.note(serverName, "foreign keys of tables that this user cannot see are not known: "+p.Blind)
	}
	switch {
	case len(p.Tables) == 0 && p.Wrong == nil && p.Pattern:
		k.refuse(p, named, "no table matches", "Correct the pattern, or remove what it is for.")
	case len(p.Tables) == 0 && p.Wrong == nil:
		k.refuse(p, named, "no such table", "Correct the name; or it may be that this user cannot see it.")
	case len(p.Tables) > 1 && !p.Pattern:
		k.refuse(p, named, fmt.Sprintf("several tables have this name: %s and %s", p.Tables[0].Name, p.Tables[1].Name), "Write SCHEMA.TABLE.")
	}
	for _, t := range p.Tables {
		k.table(p, t)
	}
}

// table is about one table of a part.
func (k *checker) table(p *Part, t *Table) {
	name := k.name(t.Name)
	grant := "Grant the user SELECT on it, and nothing more."
	switch {
	case t.RowSecurity:
		k.refuse(p, name, "row-level security hides rows from this user", "ALTER ROLE … BYPASSRLS for the user that scans: it must see all rows.")
		return
	case !t.Readable && len(t.Unreadable) > 0 && len(t.Unreadable) < len(t.Columns):
		k.refuse(p, name, "no right to read: "+strings.Join(t.Unreadable, ", "), grant)
		return
	case !t.Readable:
		k.refuse(p, name, "no right to read it", grant)
		return
	case len(t.Missing) > 0:
		k.refuse(p, name, "no such column: "+strings.Join(t.Missing, ", "), "Correct it in "+p.Where+".")
		return
	case t.Wrong != nil:
		k.refuse(p, name, "what is declared cannot be worked out: "+said(t.Wrong), "Correct it in "+p.Where+".")
		return
	case t.View && p.Pattern:
		k.refuse(p, name, "a view: rows that it leaves out would not be seen", "Take it out by except, or declare it by its name.")
	case t.Materialized && !slices.ContainsFunc(k.config.Waive, func(w *config.Waiver) bool { return w.Table.Matches(t.Schema, t.Name.Table) }):
		k.refuse(p, name, "a materialised view: what was written since it was refreshed last is not seen, and nobody knows when that was",
			"Declare what is behind it. If it is refreshed before each scan, waive one of its columns: waive: ["+name+"."+t.Columns[0].Name+"].")
	case t.Materialized:
		k.note(name, "is a materialised view, and waived: it has to be refreshed before each scan")
	case t.View:
		k.note(name, "is a view: rows that it leaves out are not seen, nor are foreign keys to what is behind it")
	}
	if t.Unknown > 0 {
		otherwise := "x IS DISTINCT FROM 'y' instead of x <> 'y'"
		if database.Folds(k.survey.Server.Engine) {
			otherwise = "NOT (x <=> 'y') instead of x <> 'y'"
		}
		k.note(name, fmt.Sprintf("%s: where is neither true nor false for %d of %d rows looked at, and so they are not read; write %s", p.Where, t.Unknown, t.Looked, otherwise))
	}
	if t.NoSnapshot {
		k.note(name, "is of the engine "+t.Engine+", which has no snapshots: a row that moves while it is read may be missed")
	}
	if !t.View && t.Key() == nil {
		why := "it has no unique key"
		if len(t.Keys) > 0 {
			why = t.Keys[0].Unusable
		}
		k.note(name, "is read in one stream, and from the beginning again when that ends early: "+why)
	}
	k.cost(p, t)
	k.types(p, t, name)
}

func (k *checker) cost(p *Part, t *Table) {
	if t.Rows < 0 {
		k.Cost.Unknown++
		return
	}
	k.Cost.Rows += t.Rows
	k.Cost.AtLeast = k.Cost.AtLeast || t.AtLeast
	if p.Association != nil && p.Association.Fetch != nil {
		k.Cost.Objects += t.Rows
	}
}

// said is what a database says, without our own words around it.
func said(err error) string {
	text := err.Error()
	return strings.Join(strings.Fields(text), " ")
}

// types refuses columns that cannot hold what they are declared to.
func (k *checker) types(p *Part, t *Table, name string) {
	column := func(what, sql string, why func(*database.Column) string) {
		if c := t.Table.Named(k.survey.Server.Engine, sql); c != nil && sql != "" {
			if w := why(c); w != "" {
				k.refuse(p, name, fmt.Sprintf("%s: %s is %s, %s", what, c.Name, c.Type, w), "Correct it in "+p.Where+".")
			}
		}
	}
	noKey := func(c *database.Column) string {
		if slices.Contains([]database.Class{database.Time, database.Bool, database.JSON}, c.Class) {
			return "which holds no key"
		}
		return ""
	}
	switch {
	case p.Handles != nil:
		h := p.Handles
		column("id", h.ID, noIDs)
		column("bucket", h.Bucket.SQL, noKey)
		column("key", h.Key, noKey)
		column("location", h.Location, noKey)
		k.times(p, t, name)
		if c := t.Table.Named(k.survey.Server.Engine, h.ID); c != nil && c.Class == database.Text && strings.HasSuffix(c.Collation, "_ci") {
			k.note(name, "ids are texts that the database compares by "+c.Collation+"; Cooper compares bytes: a link in other letters is dangling")
		}
	case p.Hold != nil:
		column("handle", p.Hold.Handle, k.idsOf(p.Hold.Of))
	case p.Association.Holds == config.Handle:
		column("handle", p.Association.Column, k.idsOf(p.Association.Of))
	case p.Association.Holds == config.Key:
		column("key", p.Association.Column, noKey)
	case p.Association.Holds == config.Value:
		column("value", p.Association.Column, func(c *database.Column) string {
			if c.Class == database.Time || c.Class == database.Bool {
				return "in which there is nothing to unpack"
			}
			return ""
		})
	}
}

// noIDs says why a column can hold no ids.
func noIDs(c *database.Column) string {
	switch c.Class {
	case database.Array, database.Other:
		return ""
	case database.JSON:
		return "which is no id: write value and as: [json]"
	}
	if _, ok := idType(c); !ok {
		return "which holds no ids"
	}
	return ""
}

// idsOf says why a column can hold no ids of a kind.
func (k *checker) idsOf(kind string) func(*database.Column) string {
	var of *database.Column
	h := k.config.Kind(kind)
	for _, p := range k.survey.Parts {
		if p.Handles != nil && p.Handles == h && len(p.Tables) == 1 {
			of = p.Tables[0].Table.Named(k.survey.Server.Engine, h.ID)
		}
	}
	return func(c *database.Column) string {
		if why := noIDs(c); why != "" || of == nil || c.Class == database.Array || c.Class == database.Other {
			return why
		}
		theirs, ok := idType(of)
		ours, _ := idType(c)
		if ok && (theirs == handleid.Integer && ours == handleid.UUID && c.Class == database.UUID || theirs == handleid.UUID && of.Class == database.UUID && ours == handleid.Integer) {
			return "and ids of " + kindName(h.Kind) + " are " + of.Type
		}
		return ""
	}
}

// times is about when handles were changed: unknown is young.
func (k *checker) times(p *Part, t *Table, name string) {
	h := p.Handles
	for i, m := range []*config.Time{h.Modified, h.Created} {
		if m == nil {
			continue
		}
		what := []string{"modified", "created"}[i]
		c := t.Table.Named(k.survey.Server.Engine, m.Column)
		if c == nil {
			continue
		}
		wrong := func(why string) {
			k.refuse(p, name, fmt.Sprintf("%s: %s is %s, %s", what, c.Name, c.Type, why), "Correct it in "+p.Where+".")
		}
		switch number := c.Class == database.Integer || c.Class == database.Number; {
		case c.Class == database.Time && m.Unit != "":
			wrong("which has no unit")
		case number && m.Unit == "":
			wrong("whose unit (s or ms) is not said")
		case c.Class != database.Time && !number:
			wrong("which is no time")
		case c.Class == database.Time && !strings.HasPrefix(c.Type, "timestamp with time zone") && (strings.HasPrefix(c.Type, "datetime") || strings.Contains(c.Type, "without time zone")):
			k.note(name, c.Name+" has no time zone: its times are taken as UTC")
		}
	}
}
