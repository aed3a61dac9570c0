package scan

import (
	"slices"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/unpack"
)

// linkRows reads rows of an association.
type linkRows struct {
	*ranged
	a     *config.Association
	kind  *kind
	links string // the kind in links by key and address; empty: any
	forms *forms // nil: a column of ids
	known *unpack.Known
	// buckets are those that a key may be in where the row does not say.
	buckets []string

	key    rowKey
	object []part
	// The places of columns; -1 where there is none.
	value, bucket, location int
}

// part of what names an object: a column's place, or a text.
type part struct {
	column int
	text   string
}

// found is what came of one row.
type found struct {
	links  []link
	bad    string // why a part of the value cannot be read
	hash   []byte // of a value that is bad
	silent bool
	err    error
}

// link is one value, with its readings.
type link []gcfacts.Target

// links prepares to read an association.
func (r *ranged) links() (*database.Source, error) {
	i := slices.IndexFunc(r.opt.Config.Associations, func(a *config.Association) bool { return a.Name == r.task.Name })
	if i < 0 {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: r.opt.Scanning.Config, Message: "there is no association " + cooper.Quote(r.task.Name)}
	}
	l := &linkRows{ranged: r, a: r.opt.Config.Associations[i]}
	a := l.a
	var err error
	if l.kind, err = r.Scan.kind(r.ctx, a.Of); err != nil {
		return nil, err
	}
	kinds := r.opt.Config.Kinds(a)
	if len(kinds) == 1 {
		l.links = kinds[0].Kind
	}
	if err := l.prepare(kinds); err != nil {
		return nil, err
	}
	r.label, r.row = called(&a.Table, r.table), l.rows
	return &database.Source{Table: r.table, Columns: l.columns(), Where: a.Where}, nil
}

// prepare compiles the forms that values are unpacked by, and learns what they need.
func (l *linkRows) prepare(kinds []*config.Handles) (err error) {
	a := l.a
	if a.Holds == config.Handle {
		return nil
	}
	if l.forms, err = l.compile(l.ctx, a, l.kind.ids); err != nil {
		return err
	}
	if len(a.Lookup) > 0 {
		l.stale = func() (bool, error) { return l.forms.stale(l.ctx) }
	}
	if l.forms.kind == unpack.Key && !a.Bucket.Given() {
		if l.buckets, err = l.bucketsOf(l.ctx, kinds); err != nil {
			return err
		}
	}
	if l.forms.kind != unpack.Key {
		if err := l.Scan.known.learn(l.ctx, l.Scan); err != nil {
			return err
		}
		l.known = l.Scan.known.ids(l.kind.Handles.Kind)
	}
	return nil
}

func (l *linkRows) columns() []string {
	a := l.a
	c := &columns{s: l.Scan, table: l.table}
	if len(a.Object.Text) == 0 {
		l.object = []part{{column: c.add(a.Object.SQL)}}
	}
	for _, p := range a.Object.Text {
		switch {
		case p.Schema:
			l.object = append(l.object, part{-1, l.table.Schema})
		case p.Table:
			l.object = append(l.object, part{-1, l.table.Name.Table})
		case p.Column != "":
			l.object = append(l.object, part{column: c.add(p.Column)})
		default:
			l.object = append(l.object, part{-1, p.Literal})
		}
	}
	l.value, l.bucket, l.location = c.add(a.Column), c.add(a.Bucket.SQL), -1
	if f := a.Fetch; f != nil {
		l.value, l.bucket, l.location = c.add(f.Key), c.add(f.Bucket.SQL), c.add(f.Location)
	}
	var otherwise []int
	for _, p := range l.object {
		if p.column >= 0 {
			otherwise = append(otherwise, p.column)
		}
	}
	l.key = c.key(l.task.Key, otherwise...)
	return c.list
}

// rows reads some rows, and writes what they hold in their order.
func (l *linkRows) rows(rows []database.Row) error {
	switch {
	case l.forms == nil:
		for i := range rows {
			if err := l.plain(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	case l.a.Holds == config.Fetched:
		return l.parallel(rows, fetchers*l.opt.Threads, 1, l.fetched)
	case l.forms.runs():
		return l.parallel(rows, 1, execRows, l.unpacked)
	}
	return l.parallel(rows, l.opt.Threads, chunk, l.unpacked)
}

// plain reads a column of ids.
func (l *linkRows) plain(row *database.Row) error {
	v := &row.Values[l.value]
	if v.Class != database.Array {
		id, why := l.kind.id(v)
		switch {
		case why != "":
			return l.malformed(l.a.Name, l.key.text(row), why, hash(v.Data))
		case id == "":
			return nil
		}
		return l.out.Link(l.a.Name, l.objectText(row), gcfacts.Target{Kind: l.links, ID: id})
	}
	f := found{}
	l.elements(v, &f)
	return l.write(row, &f)
}

// elements reads an array of ids, or of arrays.
func (l *linkRows) elements(v *database.Value, f *found) {
	if v.Class == database.Array {
		for i := range v.Elements {
			l.elements(&v.Elements[i], f)
		}
		if f.bad != "" {
			f.hash = hash(v.Data)
		}
		return
	}
	id, why := l.kind.id(v)
	switch {
	case why != "" && f.bad == "":
		f.bad = why
	case id != "":
		f.links = append(f.links, link{{Kind: l.links, ID: id}})
	}
}

// unpacked reads what rows hold in a column.
func (l *linkRows) unpacked(rows []database.Row) []found {
	values := make([]any, len(rows))
	for i := range rows {
		values[i] = plainValue(&rows[i].Values[l.value])
	}
	results, err := l.forms.read(l.ctx, values, l.known)
	out := make([]found, len(rows))
	for i := range rows {
		if err != nil {
			out[i].err = err
			return out[:i+1]
		}
		l.take(&out[i], &rows[i], &results[i])
		if out[i].bad != "" {
			out[i].hash = hash(rows[i].Values[l.value].Data)
		}
	}
	return out
}

// plainValue is a value as package unpack takes it.
func plainValue(v *database.Value) any {
	switch v.Class {
	case database.Null:
		return nil
	case database.Array:
		list := make([]any, len(v.Elements))
		for i := range v.Elements {
			list[i] = plainValue(&v.Elements[i])
		}
		return list
	case database.Bytes:
		return v.Data
	}
	return string(v.Data)
}

// take makes links of the values that were found in a row.
func (l *linkRows) take(f *found, row *database.Row, res *unpack.Result) {
	if f.bad == "" {
		f.bad = res.Malformed
	}
	f.silent = f.silent || res.Silent
	for i := range res.Values {
		if t := l.targets(row, &res.Values[i], f); len(t) > 0 {
			f.links = append(f.links, t)
		}
	}
}

// targets are the readings of a value.
func (l *linkRows) targets(row *database.Row, v *unpack.Value, f *found) link {
	switch v.Kind {
	case unpack.ID:
		return link{{Kind: l.links, ID: v.Text}}
	case unpack.Key:
		buckets := l.buckets
		if l.a.Bucket.Constant != "" {
			buckets = []string{l.a.Bucket.Constant}
		} else if b := at(row, l.bucket); b != nil {
			if !given(b) {
				if f.bad == "" {
					f.bad = "a key without a bucket"
				}
				return nil
			}
			buckets = []string{string(b.Data)}
		}
		var t link
		for _, b := range buckets {
			t = append(t, gcfacts.Target{Kind: l.links, Bucket: b, Key: v.Text})
		}
		return t
	}
	var t link
	for _, p := range v.Found.Places {
		if !v.Found.Guess || l.Scan.known.key(p) {
			t = append(t, gcfacts.Target{Kind: l.links, Bucket: p.Bucket, Key: p.Key})
		}
	}
	return t
}

// write writes what was found in a row, each link once.
func (l *linkRows) write(row *database.Row, f *found) error {
	if f.bad != "" {
		if err := l.malformed(l.a.Name, l.key.text(row), f.bad, f.hash); err != nil {
			return err
		}
	}
	if f.silent {
		l.silent++
	}
	if len(f.links) == 0 {
		return nil
	}
	object := l.objectText(row)
	seen := map[gcfacts.Target]bool{}
	for _, t := range f.links {
		if len(f.links) > 1 && len(t) == 1 { // what has several readings is seldom, and may stand twice
			if seen[t[0]] {
				continue
			}
			seen[t[0]] = true
		}
		if err := l.out.Link(l.a.Name, object, t...); err != nil {
			return err
		}
	}
	return nil
}

// objectText names what links.
func (l *linkRows) objectText(row *database.Row) string {
	if len(l.object) == 1 && l.object[0].column >= 0 {
		return row.Values[l.object[0].column].String()
	}
	var b strings.Builder
	for _, p := range l.object {
		if p.column >= 0 {
			b.WriteString(row.Values[p.column].String())
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}
