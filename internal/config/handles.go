package config

import "slices"

// Handles is a kind of file handles: where they are, and what their columns mean.
type Handles struct {
	Place
	Kind string
	// Table or Query has a row for each; the other is empty.
	Table Table
	Query string
	ID    string
	// Where chooses those that may be candidates; the others index their objects
	// all the same.
	Where string
	// Bucket and Key say which object it is: a column, an expression or a constant
	// for the one, a column or expression for the other. Or Location is a column
	// with addresses.
	Bucket        Operand
	Key, Location string
	Size          string
	// Modified and Created are nil where there is none: such handles are young.
	Modified, Created *Time
	// Preview names the handle derived from a row's own, PreviewOf its source. Both may
	// be there.
	Preview, PreviewOf string
	Status             *Status // nil: the owner has none
}

// Operand is a column or SQL expression, or else a constant. The zero Operand is none.
type Operand struct{ SQL, Constant string }

// Given tells whether there is one.
func (o Operand) Given() bool { return o != Operand{} }

// Time is a column with times.
type Time struct {
	Place
	Column string
	Unit   string // s or ms since 1970; empty for a type of time of the database
	// Unknown are values that say nothing, as the database writes them; NULL is always one.
	Unknown []string
}

// Status is the owner's own column for what became of a handle.
type Status struct {
	Place
	Column  string
	Write   bool  // Cooper may write it, by compare-and-set
	Changed *Time // when it was last changed; nil for none
	// Values are the column's for states of ours; a state that is not in it is
	// written by its name.
	Values map[string]string
}

// States are the words for what becomes of a handle.
var States = []string{"AVAILABLE", "UNLINKED", "ARCHIVING", "ARCHIVED", "RESTORING", "DELETED"}

// Value is what the column has for a state of ours.
func (s *Status) Value(state string) string {
	if v, ok := s.Values[state]; ok {
		return v
	}
	return state
}

// State is the state of ours for a value of the column; empty for none.
func (s *Status) State(value string) string {
	i := slices.IndexFunc(States, func(state string) bool { return s.Value(state) == value })
	if i < 0 {
		return ""
	}
	return States[i]
}

func (h *Handles) fields(r *reader) []field {
	return []field{
		{key: "table", read: func(n *node) { h.Table = r.table(n, false) }},
		{key: "query", read: func(n *node) { h.Query = r.query(n) }},
		{key: "id", must: true, read: func(n *node) { h.ID = r.sql(n) }},
		{key: "where", read: func(n *node) { h.Where = r.sql(n) }},
		{key: "bucket", read: func(n *node) { h.Bucket = r.operand(n) }},
		{key: "key", read: func(n *node) { h.Key = r.sql(n) }},
		{key: "location", read: func(n *node) { h.Location = r.sql(n) }},
		{key: "size", read: func(n *node) { h.Size = r.sql(n) }},
		{key: "modified", read: func(n *node) { h.Modified = r.time(n) }},
		{key: "created", read: func(n *node) { h.Created = r.time(n) }},
		{key: "preview", read: func(n *node) { h.Preview = r.sql(n) }},
		{key: "preview_of", read: func(n *node) { h.PreviewOf = r.sql(n) }},
		{key: "status", read: func(n *node) { h.Status = r.status(n) }},
	}
}

// handles reads one map of handles, or a map of kinds: it is one of kinds unless
// something in it can only be said of handles.
func (r *reader) handles(n *node) (hs []*Handles) {
	if !r.isMap(n, "handles") {
		return nil
	}
	one := len(n.Content) == 0
	for k, v := range pairs(n) {
		one = one || v.Kind != mapping && slices.Contains([]string{"table", "query", "id", "key", "bucket", "location"}, k.Value)
	}
	if one {
		return []*Handles{r.kind(n, n, "")}
	}
	for k, v := range pairs(n) {
		r.kindName(k)
		hs = append(hs, r.kind(k, v, k.Value))
	}
	return hs
}

// kindName: links are written KIND:id, those by key as key:BUCKET/KEY.
func (r *reader) kindName(k *node) {
	switch {
	case k.Value == "key":
		r.fault(k, "Choose another name: links by key are written key:BUCKET/KEY.", "a kind of handles cannot be called key")
	case !kindForm.MatchString(k.Value):
		r.fault(k, "A kind is a word of letters, digits, dots, dashes and underscores.", "%s is no name for a kind of handles", quote(k.Value))
	}
}

func (r *reader) kind(at, n *node, name string) *Handles {
	h := &Handles{Kind: name}
	if !r.block(n, &h.Place, "handles", h.fields(r)) {
		return h
	}
	h.own = pos(at)
	switch {
	case h.Table.Given() && h.Query != "":
		r.faultAt(&h.Place, "query", "Keep one of table and query.", "handles come from a table or from a query, not from both")
	case !has(n, "table") && !has(n, "query"):
		r.faultAt(&h.Place, "", "Write table: NAME, or query: SELECT ….", "these handles come from nowhere: table (or query) is missing")
	}
	switch {
	case has(n, "location") && (has(n, "key") || has(n, "bucket")):
		r.faultAt(&h.Place, "location", "Keep location, or bucket and key.", "location holds bucket and key already")
	case !has(n, "location") && !has(n, "key"):
		r.faultAt(&h.Place, "", "Write bucket and key, or location: a column with addresses.", "which objects these handles stand for is not said: key (or location) is missing")
	}
	return h
}

// time reads a column, or a map of it with what its values mean.
func (r *reader) time(n *node) *Time {
	t := &Time{}
	if n.Kind == scalar {
		t.Place = r.placed(n)
		t.put("column", pos(n))
		t.Column = r.sql(n)
		return t
	}
	r.block(n, &t.Place, "a time", t.fields(r))
	return t
}

func (t *Time) fields(r *reader) []field {
	return []field{
		{key: "column", must: true, read: func(n *node) { t.Column = r.sql(n) }},
		{key: "unit", read: func(n *node) { t.Unit = r.oneOf(n, "s", "ms") }},
		{key: "unknown", read: func(n *node) {
			r.list(n, &t.Place, "unknown", func(n *node) {
				if v := r.text(n); v != "" || n.Style != 0 {
					t.Unknown = append(t.Unknown, v)
				}
			})
		}},
	}
}

func (r *reader) status(n *node) *Status {
	s := &Status{}
	r.block(n, &s.Place, "status", s.fields(r))
	return s
}

func (s *Status) fields(r *reader) []field {
	return []field{
		{key: "column", must: true, read: func(n *node) { s.Column = r.sql(n) }},
		{key: "write", read: func(n *node) { s.Write = r.boolean(n) }},
		{key: "changed", read: func(n *node) { s.Changed = r.time(n) }},
		{key: "values", read: func(n *node) { r.statusValues(n, s) }},
	}
}

func (r *reader) statusValues(n *node, s *Status) {
	s.Values = map[string]string{}
	var fs []field
	for _, state := range States {
		fs = append(fs, field{key: state, read: func(v *node) {
			s.put("values."+state, pos(v))
			s.Values[state] = r.text(v)
		}})
	}
	var p Place
	if !r.block(n, &p, "values", fs) {
		return
	}
	for i, a := range States {
		for _, b := range States[i+1:] {
			if s.Value(a) == s.Value(b) {
				key := "values." + b
				if _, ok := s.Values[b]; !ok {
					key = "values." + a
				}
				r.faultAt(&s.Place, key, "Give each state a value of its own.", "%s and %s have the same value, %s", a, b, quote(s.Value(a)))
			}
		}
	}
}
