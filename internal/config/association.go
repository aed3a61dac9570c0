package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Association is a place in the database that links to files.
type Association struct {
	Place
	Name  string
	Table Table
	// Object says what it is that links: for people alone.
	Object Object
	// Where chooses rows; :now is the time of the scan.
	Where string
	// Of is the kind of handle. Where the file has none, an id is of the first kind,
	// and a key or an address of any: see Kinds.
	Of string

	// Holds says which of the following forms it has.
	Holds Form
	// Column is the column (or expression) of all forms but Fetch.
	Column string
	// Bucket is that of keys; none: those of their kind.
	Bucket Operand
	Fetch  *Fetch
	Unpack Unpack
	// Lookup are the values of the variables of Unpack.At.
	Lookup []*Query
	// Changed is a column with the time of a row's last change; nil for none.
	Changed *Time
}

// Form is what an association holds.
type Form string

// The forms, by the keys that stand for them.
const (
	Handle  Form = "handle" // ids as they are; an array's elements too
	Key     Form = "key"    // keys
	Value   Form = "value"  // something to be unpacked, with ids or addresses in it
	Fetched Form = "fetch"  // the same, in an object
)

var forms = []Form{Handle, Key, Value, Fetched}

// Fetch says in which object a row's values are: bucket and key, or an address.
type Fetch struct {
	Place
	Bucket   Operand
	Key      string
	Location string
}

// Unpack is how values are got out of a column or an object.
type Unpack struct {
	// Find works on the column's own text, before As.
	Find *regexp.Regexp
	As   []Step
	// At are expressions of jq behind json and php, of XPath behind xml; all that any of them finds.
	At []string
	// Split and Match work on what At gives.
	Split, Match *regexp.Regexp
}

// Given tells whether there is anything to unpack.
func (u *Unpack) Given() bool {
	return u.Find != nil || len(u.As) > 0 || len(u.At) > 0 || u.Split != nil || u.Match != nil
}

// Step is a form that is taken off a value: gzip, zip NAME, exec COMMAND ….
type Step struct {
	Name string
	Args []string
}

// Steps are the names of all of them.
var Steps = []string{"gzip", "zlib", "zip", "base64", "base64url", "lines", "json", "xml", "addresses", "php", "exec"}

// Query is an SQL query with a name.
type Query struct {
	Place
	Name, SQL string
}

// Addresses tells whether it holds addresses, each of which says its own bucket.
func (a *Association) Addresses() bool {
	return slices.ContainsFunc(a.Unpack.As, func(s Step) bool { return s.Name == "addresses" })
}

// Kinds are the kinds of handle that an association may link to.
func (c *Config) Kinds(a *Association) []*Handles {
	if a.Of == "" && (a.Holds == Key || a.Addresses()) {
		return c.Handles
	}
	if h := c.Kind(a.Of); h != nil {
		return []*Handles{h}
	}
	return nil
}

func (a *Association) fields(r *reader) []field {
	u := &a.Unpack
	column := func(f Form) func(*node) {
		return func(n *node) { a.Holds, a.Column = f, r.sql(n) }
	}
	return []field{
		{key: "table", must: true, read: func(n *node) { a.Table = r.table(n, true) }},
		{key: "except", read: func(n *node) { a.Table.Except = r.except(n, &a.Place) }},
		{key: "object", must: true, read: func(n *node) { a.Object = r.object(n) }},
		{key: "where", read: func(n *node) { a.Where = r.sql(n) }},
		{key: "of", read: func(n *node) { a.Of = r.name(n) }},
		{key: "handle", read: column(Handle)},
		{key: "key", read: column(Key)},
		{key: "value", read: column(Value)},
		{key: "fetch", read: func(n *node) { a.Holds, a.Fetch = Fetched, r.fetch(n) }},
		{key: "bucket", read: func(n *node) { a.Bucket = r.operand(n) }},
		{key: "find", read: func(n *node) { u.Find = r.regexp(n, true) }},
		{key: "as", read: func(n *node) {
			r.list(n, &a.Place, "as", func(n *node) {
				if s := r.step(n); s.Name != "" {
					u.As = append(u.As, s)
				}
			})
		}},
		{key: "at", read: func(n *node) {
			r.list(n, &a.Place, "at", func(n *node) { u.At = append(u.At, r.some(n)) })
		}},
		{key: "split", read: func(n *node) { u.Split = r.regexp(n, true) }},
		{key: "match", read: func(n *node) { u.Match = r.regexp(n, false) }},
		{key: "lookup", read: func(n *node) { a.Lookup = r.queries(n) }},
		{key: "changed", read: func(n *node) { a.Changed = r.time(n) }},
	}
}

func (r *reader) associations(n *node) (as []*Association) {
	if !r.isMap(n, "associations") {
		return nil
	}
	for k, v := range pairs(n) {
		a := &Association{Name: k.Value}
		if a.Name == "" || a.Name != strings.TrimSpace(a.Name) || strings.ContainsAny(a.Name, "\t\r\n") || len(a.Name) > 200 {
			r.fault(k, "Give it a name that fits into one field of a list.", "%s is no name for an association", quote(a.Name))
		}
		if r.block(v, &a.Place, "an association", a.fields(r)) {
			a.own = pos(k)
			r.formOf(v, a)
		}
		as = append(as, a)
	}
	return as
}

// formOf: one form, and what goes with it.
func (r *reader) formOf(n *node, a *Association) {
	var given []string
	for _, f := range forms {
		if has(n, string(f)) {
			given = append(given, string(f))
		}
	}
	switch len(given) {
	case 0:
		r.faultAt(&a.Place, "", "Write handle: COLUMN for ids, key: COLUMN for keys, value: COLUMN for what has to be unpacked, or fetch: for objects.",
			"%s does not say where its links are", quote(a.Name))
		return
	case 1:
	default:
		r.faultAt(&a.Place, given[1], "Keep one; write a second association for the other.", "%s says twice where its links are: %s", quote(a.Name), strings.Join(given, " and "))
		return
	}
	u := &a.Unpack
	parsed := slices.ContainsFunc(u.As, func(s Step) bool { return s.Name == "json" || s.Name == "xml" || s.Name == "php" })
	switch {
	case a.Holds == Fetched && !has(n, "as") && !has(n, "split") && !has(n, "match") && !has(n, "find"):
		r.faultAt(&a.Place, "fetch", "Say by as: what an object is, as in as: [gzip, json].", "how the objects are read is not said: as is missing")
	case has(n, "at") && !parsed && !r.faulted(pos(child(n, "as"))):
		r.faultAt(&a.Place, "at", "Add json or xml to as.", "at looks into json, xml and php, and as has none of them")
	case !has(n, "at") && slices.ContainsFunc(u.As, func(s Step) bool { return s.Name == "xml" }):
		r.faultAt(&a.Place, "as", "Say by at: which elements hold the links.", "which parts of the xml are meant is not said: at is missing")
	}
	if a.Holds == Handle && u.Given() {
		a.Holds = Value // what is unpacked is the same under either name
		a.put(string(Value), a.PosOf("handle"))
	}
	if has(n, "bucket") && a.Holds != Key {
		r.faultAt(&a.Place, "bucket", "Leave it out: ids have none, addresses say it, and that of fetch stands in fetch.", "bucket goes with key")
	}
	if has(n, "except") && a.Table.Pattern == nil && a.Table.Given() {
		r.faultAt(&a.Place, "except", "Leave it out, or write the table as a /pattern/.", "except takes tables out of a pattern, and there is none")
	}
	if has(n, "lookup") && !has(n, "at") {
		r.faultAt(&a.Place, "lookup", "Use its names in at, as $NAME.", "lookup has values for at, which is missing")
	}
}

func (f *Fetch) fields(r *reader) []field {
	return []field{
		{key: "bucket", read: func(n *node) { f.Bucket = r.operand(n) }},
		{key: "key", read: func(n *node) { f.Key = r.sql(n) }},
		{key: "location", read: func(n *node) { f.Location = r.sql(n) }},
	}
}

func (r *reader) fetch(n *node) *Fetch {
	f := &Fetch{}
	if !r.block(n, &f.Place, "fetch", f.fields(r)) {
		return f
	}
	byKey, byLocation := has(n, "bucket") && has(n, "key"), has(n, "location")
	if byKey == byLocation || byLocation && (has(n, "bucket") || has(n, "key")) {
		r.fault(n, "Write {bucket: COLUMN, key: COLUMN}, or {location: COLUMN}.", "fetch has either bucket and key, or location")
	}
	return f
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (r *reader) queries(n *node) (qs []*Query) {
	if !r.isMap(n, "lookup") {
		return nil
	}
	for k, v := range pairs(n) {
		if !variable.MatchString(k.Value) {
			r.fault(k, "Use letters, digits and underscores, no digit first.", "%s is no name that at could use as $NAME", quote(k.Value))
		}
		q := &Query{Place: r.placed(k), Name: k.Value, SQL: r.query(v)}
		q.put("sql", pos(v))
		qs = append(qs, q)
	}
	return qs
}

// step reads `gzip`, `zip NAME`, `exec COMMAND …`; or, for what has spaces in it,
// {zip: NAME} and {exec: [COMMAND, …]}.
func (r *reader) step(n *node) Step {
	var s Step
	at := n
	if n.Kind == mapping && len(n.Content) == 2 {
		at = n.Content[0]
		s.Name = at.Value
		r.list(n.Content[1], nil, "", func(n *node) { s.Args = append(s.Args, r.some(n)) })
	} else {
		name, rest, _ := strings.Cut(r.name(n), " ")
		if name == "" {
			return Step{}
		}
		s.Name = name
		if rest = strings.TrimSpace(rest); rest != "" && name == "exec" {
			s.Args = r.words(n, rest)
		} else if rest != "" {
			s.Args = []string{rest}
		}
	}
	switch takes := s.Name == "zip" || s.Name == "exec"; {
	case !slices.Contains(Steps, s.Name):
		r.fault(at, suggest(s.Name, Steps), "%s is no form that as knows", quote(s.Name))
	case takes && len(s.Args) == 0 && !r.faulted(pos(n)):
		what := map[string]string{"zip": "NAME", "exec": "COMMAND"}[s.Name]
		r.fault(n, fmt.Sprintf("Write %s %s.", s.Name, what), "which %s is meant is not said: %s needs one", strings.ToLower(what), s.Name)
	case !takes && len(s.Args) > 0, s.Name == "zip" && len(s.Args) > 1:
		r.fault(n, "Steps are a list: as: [gzip, json].", "%s stands behind %s, which takes no such thing", quote(s.Args[len(s.Args)-1]), s.Name)
	}
	return s
}
