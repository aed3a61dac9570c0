package config

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// tree is a block as it is written: its keys in the order in which people read them,
// with values that are texts, lists or trees. What is empty is not in it.
type tree []entry

type entry struct {
	key   string
	value any // string, bool, []string, []any or tree
}

func (t *tree) add(key string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case bool:
		if !v {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	case []any:
		if len(v) == 0 {
			return
		}
	case tree:
		if len(v) == 0 {
			return
		}
	}
	*t = append(*t, entry{key, value})
}

// short is a list of one written as that one.
func short(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (h *Handles) tree() (t tree) {
	t.add("table", h.Table.Text)
	t.add("query", h.Query)
	t.add("id", h.ID)
	t.add("where", h.Where)
	t.add("bucket", h.Bucket.text())
	t.add("key", h.Key)
	t.add("location", h.Location)
	t.add("size", h.Size)
	t.add("modified", h.Modified.value())
	t.add("created", h.Created.value())
	t.add("preview", h.Preview)
	t.add("preview_of", h.PreviewOf)
	if s := h.Status; s != nil {
		var u, values tree
		u.add("column", s.Column)
		u.add("write", s.Write)
		u.add("changed", s.Changed.value())
		for _, state := range States {
			if v, ok := s.Values[state]; ok {
				values = append(values, entry{state, v})
			}
		}
		u.add("values", values)
		t.add("status", u)
	}
	return t
}

func (o Operand) text() string {
	if o.Constant != "" {
		return "=" + o.Constant
	}
	return o.SQL
}

// value is the column alone where there is nothing more to say; nothing of nil.
func (t *Time) value() any {
	switch {
	case t == nil:
		return ""
	case t.Unit == "" && len(t.Unknown) == 0:
		return t.Column
	}
	u := tree{{"column", t.Column}}
	u.add("unit", t.Unit)
	u.add("unknown", t.Unknown)
	return u
}

func (a *Association) tree() (t tree) {
	t.add("table", a.Table.Text)
	var except []string
	for _, e := range a.Table.Except {
		except = append(except, e.Text)
	}
	t.add("except", except)
	t.add("object", a.Object.text())
	t.add("where", a.Where)
	t.add("of", a.Of)
	if a.Holds == Fetched {
		var f tree
		f.add("bucket", a.Fetch.Bucket.text())
		f.add("key", a.Fetch.Key)
		f.add("location", a.Fetch.Location)
		t.add("fetch", f)
	} else {
		t.add(string(a.Holds), a.Column)
	}
	t.add("bucket", a.Bucket.text())
	u := &a.Unpack
	if u.Find != nil {
		t.add("find", u.Find.String())
	}
	var as []any
	for _, s := range u.As {
		as = append(as, s.value())
	}
	t.add("as", as)
	var lookup tree
	for _, q := range a.Lookup {
		lookup = append(lookup, entry{q.Name, q.SQL})
	}
	t.add("lookup", lookup)
	t.add("at", short(u.At))
	if u.Split != nil {
		t.add("split", u.Split.String())
	}
	if u.Match != nil {
		t.add("match", u.Match.String())
	}
	t.add("changed", a.Changed.value())
	return t
}

func (s Step) value() any {
	switch len(s.Args) {
	case 0:
		return s.Name
	case 1:
		return tree{{s.Name, s.Args[0]}}
	}
	return tree{{s.Name, s.Args}}
}

func (o *Object) text() string {
	if len(o.Text) == 0 {
		return o.SQL
	}
	s := ""
	for _, p := range o.Text {
		switch {
		case p.Schema:
			s += "{schema}"
		case p.Table:
			s += "{table}"
		case p.Column != "":
			s += "{" + p.Column + "}"
		default:
			s += p.Literal
		}
	}
	return s
}

func (d *Derived) tree() (t tree) {
	t.add("of", d.Of)
	t.add("sql", d.SQL)
	return t
}

func (g *Guard) tree() (t tree) {
	if !g.Table.Given() {
		prefix := g.Prefix
		if g.Bucket != "" {
			prefix = "s3://" + g.Bucket + "/" + g.Prefix
		}
		t.add("prefix", prefix)
		return t
	}
	t.add("table", g.Table.Text)
	t.add("handle", g.Handle)
	t.add("of", g.Of)
	t.add("where", g.Where)
	return t
}

func guards(gs []*Guard) (list []any) {
	for _, g := range gs {
		list = append(list, g.tree())
	}
	return list
}

// buckets is a list of names, or a map where one has more than its name.
func buckets(bs []*Bucket) any {
	var names []string
	var t tree
	for _, b := range bs {
		names = append(names, b.Name)
		var u tree
		u.add("inventory", b.Inventory)
		t = append(t, entry{b.Name, u})
	}
	if slices.ContainsFunc(bs, func(b *Bucket) bool { return b.Inventory != "" }) {
		return t
	}
	return names
}

func addresses(as []*Address) (t tree) {
	for _, a := range as {
		to := a.Bucket
		if a.Prefix != "" {
			to += "/" + a.Prefix
		}
		t = append(t, entry{a.Host, to})
	}
	return t
}

// durationText is the duration in the largest unit that leaves no rest.
func durationText(d time.Duration) string {
	for _, u := range []struct {
		unit string
		of   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		if d > 0 && d%u.of == 0 {
			return strconv.FormatInt(int64(d/u.of), 10) + u.unit
		}
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

func sizeText(n int64) string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if of := sizeUnits[unit]; n > 0 && n%of == 0 {
			return strconv.FormatInt(n/of, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10)
}

// plain is a tree as maps: what it says, without order.
func plain(value any) any {
	switch v := value.(type) {
	case tree:
		m := map[string]any{}
		for _, e := range v {
			m[e.key] = plain(e.value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	}
	return value
}

// sorted is a list whose order says nothing.
func sorted(list []string) []string {
	set := map[string]bool{}
	for _, s := range list {
		set[s] = true
	}
	return slices.Sorted(maps.Keys(set))
}
