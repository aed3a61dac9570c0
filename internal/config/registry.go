package config

import (
	"slices"
	"time"
)

// RegistryName is the association that the registry is read as.
const RegistryName = "registry"

// Registry is a table of the owner's in which links are noted as they are made and ended, in
// the transactions that do: a row for each handle, type and object. It is read as an
// association; Config.Associations has it, at their end.
type Registry struct {
	Place
	Table Table
	// Handle, Type and Object are columns that together name a row; Of is the kind of handles.
	Handle, Of, Type, Object string
	// Linked and Unlinked are columns with the times of the last of each.
	Linked, Unlinked string
	// CompleteSince is since when every link is noted: of handles that were made before, and of
	// all if it is zero, it proves nothing that there is no row.
	CompleteSince time.Time
	// Database is the one that may write to the table; nil: nobody here may.
	Database *Database
}

func (g *Registry) fields(r *reader) []field {
	column := func(to *string) func(*node) {
		return func(n *node) {
			if *to = r.sql(n); len(identifiers(*to)) != 1 && !r.faulted(pos(n)) {
				r.fault(n, "Name a column: the registry is written to, too.", "%s is no column", quote(*to))
			}
		}
	}
	return []field{
		{key: "table", must: true, read: func(n *node) { g.Table = r.table(n, false) }},
		{key: "handle", read: column(&g.Handle)},
		{key: "of", read: func(n *node) { g.Of = r.name(n) }},
		{key: "type", read: column(&g.Type)},
		{key: "object", read: column(&g.Object)},
		{key: "linked", read: column(&g.Linked)},
		{key: "unlinked", read: column(&g.Unlinked)},
		{key: "complete_since", read: func(n *node) { g.CompleteSince = r.instant(n) }},
		{key: "database", read: func(n *node) { d := r.database(n); g.Database = &d }},
	}
}

// NewRegistry has the names that are meant where none are said.
func NewRegistry() *Registry {
	return &Registry{Handle: "handle", Type: "type", Object: "object", Linked: "linked_at", Unlinked: "unlinked_at"}
}

func (r *reader) registry(n *node) *Registry {
	g := NewRegistry()
	r.block(n, &g.Place, "registry", g.fields(r))
	return g
}

// instant reads a time: a day, or RFC 3339.
func (r *reader) instant(n *node) time.Time {
	s := r.text(n)
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	if !r.faulted(pos(n)) {
		r.fault(n, "Write 2026-03-01, or 2026-03-01T12:00:00Z.", "%s is no time", quote(s))
	}
	return time.Time{}
}

// association is how a scan reads it. A row is a link unless it was certainly ended after it was
// last made: where one of the times is not known, or both are the same, it is one. It is read all
// the same, so that the rows can be counted: none of them may go.
func (g *Registry) association() *Association {
	a := &Association{Place: g.Place, Name: RegistryName, Table: g.Table, Of: g.Of, Holds: Handle}
	a.Object = Object{Text: []Part{{Column: g.Type}, {Literal: "/"}, {Column: g.Object}}}
	a.Column = "CASE WHEN " + g.Unlinked + " > " + g.Linked + " THEN NULL ELSE " + g.Handle + " END"
	return a
}

// addRegistry puts it behind the associations.
func (r *reader) addRegistry(c *Config) {
	for _, a := range c.Associations {
		if a.Name == RegistryName {
			r.faultAt(&a.Place, "", "Give the association another name.", "%s is the association that a registry is read as", quote(a.Name))
			return
		}
	}
	if c.Registry != nil && c.Registry.Table.Given() {
		c.Associations = append(c.Associations, c.Registry.association())
	}
}

// declared are the associations that the file itself has.
func (c *Config) declared() []*Association {
	return slices.DeleteFunc(slices.Clone(c.Associations), func(a *Association) bool { return a.Name == RegistryName })
}

func (g *Registry) tree() (t tree) {
	d := NewRegistry()
	t.add("table", g.Table.Text)
	for _, c := range []struct{ key, value, common string }{
		{"handle", g.Handle, d.Handle}, {"of", g.Of, ""}, {"type", g.Type, d.Type}, {"object", g.Object, d.Object}, {"linked", g.Linked, d.Linked}, {"unlinked", g.Unlinked, d.Unlinked},
	} {
		if c.value != c.common {
			t.add(c.key, c.value)
		}
	}
	if !g.CompleteSince.IsZero() {
		t.add("complete_since", g.CompleteSince.Format(time.RFC3339))
	}
	if g.Database != nil {
		t.add("database", g.Database.Text)
	}
	return t
}
