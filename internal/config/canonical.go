package config

import (
	"encoding/json"
	"fmt"

	"cooper"
)

// Canonical is what of a configuration decides which links a scan finds, and of what:
// handles, what is derived from them, what holds them, associations, waivers, hosts, and which
// buckets are within reach. It is the same for the same declaration, however it is
// spelled and ordered, and so is a part of the digest on which the count of complete
// scans rests; the schema's part is the caller's to add. How fast a scan goes,
// and what is done with its links, are left out: they change no link; so are prefixes that
// protect, as keys are held against these when something is decided.
func (c *Config) Canonical() ([]byte, error) {
	t := tree{{"version", c.Version}, {"unpacked", c.Limits.Unpacked}}
	names := func(bs []*Bucket) (list []string) {
		for _, b := range bs {
			list = append(list, b.Name)
		}
		return sorted(list)
	}
	t.add("buckets", names(c.Buckets))
	t.add("reads", names(c.Reads))
	t.add("addresses", addresses(c.Addresses))
	var handles, derived, associations tree
	for _, h := range c.Handles {
		handles = append(handles, entry{h.Kind, h.canonical().tree()})
	}
	for _, d := range c.Derived {
		derived = append(derived, entry{d.Name, (&Derived{Of: c.Kind(d.Of).name(), SQL: oneLine(d.SQL)}).tree()})
	}
	for _, a := range c.Associations {
		associations = append(associations, entry{a.Name, a.canonical(c).tree()})
	}
	var waive []string
	for _, w := range c.Waive {
		waive = append(waive, w.Table.canonical()+"."+w.Column)
	}
	t.add("handles", handles)
	t.add("derived", derived)
	t.add("waive", sorted(waive))
	t.add("associations", associations)
	for _, of := range []struct {
		name   string
		guards []*Guard
	}{{"protect", c.Protect}, {"in_flight", c.InFlight}} {
		holds, err := c.holds(of.guards)
		if err != nil {
			return nil, err
		}
		t.add(of.name, holds)
	}
	return encode(t)
}

// holds are the tables whose rows hold handles: a scan reads these, and whoever was not held when it
// did is held by none of its facts.
func (c *Config) holds(all []*Guard) (list []string, err error) {
	for _, g := range all {
		if !g.Table.Given() {
			continue
		}
		n := Guard{Table: Table{Text: g.Table.canonical()}, Handle: oneLine(g.Handle), Of: c.Kind(g.Of).name(), Where: oneLine(g.Where)}
		out, err := encode(n.tree())
		if err != nil {
			return nil, err
		}
		list = append(list, string(out))
	}
	return sorted(list), nil
}

func encode(t tree) ([]byte, error) {
	out, err := json.Marshal(plain(t))
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Message: "a configuration cannot be written", Err: err}
	}
	return out, nil
}

func (h *Handles) name() string {
	if h == nil {
		return ""
	}
	return h.Kind
}

func (t *Table) canonical() string {
	if t.Pattern != nil || !t.Given() {
		return t.Text
	}
	return fmt.Sprintf("%q.%q", t.Schema, t.Name)
}

func (o Operand) canonical() Operand { return Operand{SQL: oneLine(o.SQL), Constant: o.Constant} }

func (t *Time) canonical() *Time {
	if t == nil {
		return nil
	}
	return &Time{Column: oneLine(t.Column), Unit: t.Unit, Unknown: sorted(t.Unknown)}
}

func (h *Handles) canonical() *Handles {
	n := *h
	n.Table = Table{Text: h.Table.canonical()}
	for _, s := range []*string{&n.Query, &n.ID, &n.Where, &n.Key, &n.Location, &n.Size, &n.Preview, &n.PreviewOf} {
		*s = oneLine(*s)
	}
	n.Bucket, n.Modified, n.Created = h.Bucket.canonical(), h.Modified.canonical(), h.Created.canonical()
	if h.Status != nil {
		s := *h.Status
		s.Column, s.Changed, s.Values = oneLine(s.Column), s.Changed.canonical(), map[string]string{}
		for _, state := range States {
			s.Values[state] = h.Status.Value(state)
		}
		n.Status = &s
	}
	return &n
}

// canonical has the kind that goes without saying, where there is one.
func (a *Association) canonical(c *Config) *Association {
	n := *a
	if kinds := c.Kinds(a); len(kinds) == 1 {
		n.Of = kinds[0].Kind
	}
	n.Table = Table{Text: a.Table.canonical()}
	var except []string
	for _, e := range a.Table.Except {
		except = append(except, e.canonical())
	}
	for _, e := range sorted(except) {
		n.Table.Except = append(n.Table.Except, Table{Text: e})
	}
	if len(n.Object.Text) == 0 {
		n.Object.SQL = oneLine(n.Object.SQL)
	}
	n.Where, n.Column = oneLine(a.Where), oneLine(a.Column)
	n.Bucket, n.Changed = a.Bucket.canonical(), a.Changed.canonical()
	if a.Fetch != nil {
		n.Fetch = &Fetch{Bucket: a.Fetch.Bucket.canonical(), Key: oneLine(a.Fetch.Key), Location: oneLine(a.Fetch.Location)}
	}
	n.Unpack.At = sorted(a.Unpack.At)
	n.Lookup = nil
	for _, q := range a.Lookup {
		n.Lookup = append(n.Lookup, &Query{Name: q.Name, SQL: oneLine(q.SQL)})
	}
	return &n
}
