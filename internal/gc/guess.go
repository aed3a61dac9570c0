package gc

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/handleid"
)

// Guessed is a kind of handles, and what a person is told of it.
type Guessed struct {
	*config.Handles
	Comment string
	// Buckets are those that its rows name, as far as they were looked at; Others, whether
	// there may be more.
	Buckets []string
	Others  bool
}

// What columns of handles are called, the likeliest first.
var (
	keyNames = []string{"key", "s3_key", "object_key", "storage_key", "file_key", "blob_key"}
	// pathNames are of keys, too, in a table that a person has named.
	pathNames   = []string{"path", "s3_path", "storage_path", "file_path", "filepath", "object_path", "object_name", "object"}
	bucketNames = []string{"bucket_name", "bucket", "s3_bucket"}
	sizeNames   = []string{"byte_size", "content_size", "size", "file_size", "size_bytes", "content_length", "bytes"}
	changeNames = []string{"updated_on", "updated_at", "modified_on", "modified_at", "last_modified", "modified"}
	birthNames  = []string{"created_on", "created_at", "created"}
	sortNames   = []string{"type", "service", "storage", "provider", "backend", "kind", "class"}
	stateNames  = []string{"status", "state"}
)

// Guess finds the tables of handles: those named (TABLE or TABLE=BUCKET), or else those
// that have an id, a key and a size or foreign keys that lead to them. Their rows are asked
// what they say of themselves.
func Guess(ctx context.Context, a Asker, s *Schema, named, buckets []string) (all []Guessed, err error) {
	var tables []*database.Table
	in := map[*database.Table]string{}
	for _, n := range named {
		name, bucket, _ := strings.Cut(n, "=")
		t := s.called(name)
		if t == nil {
			return nil, usage(name, "there is no such table that this user may read", "Write TABLE, SCHEMA.TABLE or TABLE=BUCKET.")
		}
		if id, key := idOf(t), keyColumn(t); id == nil || key == nil {
			return nil, usage(name, "it has no column that looks like an object's key, or no id", "Write cooper.yaml by hand: handles says what the columns mean.")
		}
		tables, in[t] = append(tables, t), bucket
	}
	for i := range s.Tables {
		if t := &s.Tables[i]; len(named) == 0 && s.handles(t) {
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		return nil, usage("", "no table looks like one of file handles, with an id, a key and a size", "Name it: --handles TABLE.")
	}
	for _, t := range tables {
		g, err := s.guess(t, in[t], buckets)
		if err != nil {
			return nil, err
		}
		if err := g.look(ctx, &taker{asker: a, survey: &Survey{Server: database.Server{Engine: s.Engine}}}, s, t); err != nil {
			return nil, err
		}
		if len(tables) > 1 {
			g.Kind = kindOf(t, all)
		}
		all = append(all, g)
	}
	return all, nil
}

func usage(where, message, remedy string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: message, Remedy: remedy}
}

// handles tells whether a table looks like one of handles.
func (s *Schema) handles(t *database.Table) bool {
	if idOf(t) == nil || called(t, keyNames, database.Text, database.Bytes) == nil {
		return false
	}
	return called(t, sizeNames, database.Integer, database.Number) != nil || s.led(t.Name) > 0
}

// led is how many foreign keys lead to a table from others.
func (s *Schema) led(to database.Name) (n int) {
	for i := range s.Tables {
		for _, f := range s.Tables[i].ForeignKeys {
			if f.To == to && f.Table != to {
				n++
			}
		}
	}
	return n
}

// idOf is the column of a table's key, if it is one column that can hold ids.
func idOf(t *database.Table) *database.Column {
	for _, k := range t.Keys {
		if c := t.Column(k.Columns[0]); k.Primary && len(k.Columns) == 1 && c != nil {
			if _, ok := idType(c); ok {
				return c
			}
		}
	}
	return nil
}

// keyColumn is the one with the keys of objects.
func keyColumn(t *database.Table) *database.Column {
	if c := called(t, keyNames, database.Text, database.Bytes); c != nil {
		return c
	}
	return called(t, pathNames, database.Text, database.Bytes)
}

// called finds a column by what it may be called and of which class it is.
func called(t *database.Table, names []string, classes ...database.Class) *database.Column {
	for _, n := range names {
		for i := range t.Columns {
			if c := &t.Columns[i]; strings.EqualFold(c.Name, n) && slices.Contains(classes, c.Class) {
				return c
			}
		}
	}
	return nil
}

// kindOf names a kind after its table.
func kindOf(t *database.Table, taken []Guessed) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && database.NameByte(byte(r)) && r != '$' {
			return r
		}
		return '_'
	}, t.Name.Table)
	name = name[:min(len(name), 60)]
	if name == "key" {
		name = "keys"
	}
	for kind, i := name, 2; ; i++ {
		if !slices.ContainsFunc(taken, func(g Guessed) bool { return g.Kind == kind }) {
			return kind
		}
		kind = fmt.Sprintf("%s-%d", name, i)
	}
}

func (s *Schema) guess(t *database.Table, bucket string, buckets []string) (g Guessed, err error) {
	h := &config.Handles{Table: config.Table{Text: s.name(t.Name), Name: t.Name.Table}}
	if t.Schema != s.Home {
		h.Table.Schema = t.Schema
	}
	g.Handles = h
	h.ID, h.Key = s.column(idOf(t).Name), s.column(keyColumn(t).Name)
	switch c := called(t, bucketNames, database.Text); {
	case bucket != "":
		h.Bucket.Constant = bucket
	case c != nil:
		h.Bucket.SQL = s.column(c.Name)
	case len(buckets) == 1:
		h.Bucket.Constant = buckets[0]
	case len(buckets) == 0:
		return g, usage(s.name(t.Name), "has no column that says in which bucket its keys are, and nobody but you knows", "Say it: --bucket BUCKET, or --handles "+s.name(t.Name)+"=BUCKET.")
	default:
		return g, usage(s.name(t.Name), "has no column that says in which bucket its keys are, and there are several", "Say it: --handles "+s.name(t.Name)+"=BUCKET.")
	}
	if c := called(t, sizeNames, database.Integer, database.Number); c != nil {
		h.Size = s.column(c.Name)
	}
	g.Comment = fmt.Sprintf("%s has an id, a key and %d foreign keys that lead to it. Look whether it is a table of files.", s.name(t.Name), s.led(t.Name))
	c := called(t, changeNames, database.Time)
	if c == nil {
		c = called(t, birthNames, database.Time)
	}
	if c != nil {
		h.Modified = &config.Time{Column: s.column(c.Name)}
	} else {
		g.Comment += "\nNo column tells when a handle was changed: all are young, and none is a candidate. Add modified."
	}
	g.derived(s, t)
	return g, nil
}

// derived are columns by which handles are made of others: those whose names say so, and that
// lead to handles or have no foreign key at all.
func (g *Guessed) derived(s *Schema, t *database.Table) {
	id := idOf(t)
	for i := range t.Columns {
		c := &t.Columns[i]
		name := strings.ToLower(c.Name)
		self, other := false, false
		for _, f := range t.ForeignKeys {
			if slices.Contains(f.Columns, c.Name) {
				self = self || f.To == t.Name && len(f.Columns) == 1 && slices.Equal(f.Targets, []string{id.Name})
				other = !self
			}
		}
		if other || c.Name == id.Name || !fits(c, id) || !self && !strings.HasSuffix(name, "_id") && !strings.HasSuffix(name, "_of") {
			continue
		}
		by := " leads to the handle of a preview: that lives while its source does."
		if !self {
			by = " leads, by its name, to the handle of a preview: that lives while its source does. Look whether it does."
		}
		switch made := strings.Contains(name, "preview") || strings.Contains(name, "thumb"); {
		case made && strings.Contains(name, "_of") && g.PreviewOf == "":
			g.PreviewOf = s.column(c.Name)
			g.Comment += "\n" + c.Name + strings.Replace(by, "the handle of a preview: that", "what a preview was made of: the preview", 1)
		case made && g.Preview == "":
			g.Preview = s.column(c.Name)
			g.Comment += "\n" + c.Name + by
		case self:
			g.Comment += "\n" + c.Name + " leads from handle to handle, and is an association below. If files are made of others by\nit, as thumbnails are, write preview_of (or preview): " + s.column(c.Name) + ", and remove that association."
		}
	}
}

// look asks the rows: which are objects, in which buckets, and what a state is called.
func (g *Guessed) look(ctx context.Context, ask *taker, s *Schema, t *database.Table) error {
	full := s.filled(keyColumn(t))
	bucket := called(t, bucketNames, database.Text)
	if bucket != nil && g.Bucket.Constant == "" {
		full += " AND " + s.filled(bucket)
		l, err := ask.tally(ctx, t, bucket.Name, full)
		if err != nil {
			return err
		}
		g.Others = !l.whole
		for _, v := range l.values {
			if bucketName.MatchString(v.text) && v.full > 0 {
				g.Buckets = append(g.Buckets, v.text)
			}
		}
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		name := strings.ToLower(c.Name)
		is := func(names []string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(name, n) })
		}
		state := slices.ContainsFunc(stateNames, func(n string) bool { return name == n || strings.HasSuffix(name, "_"+n) })
		if !state && (!is(sortNames) || is([]string{"content", "mime", "media_type", "storage_class"})) || c == bucket || slices.Contains(sizeNames, name) {
			continue
		}
		if !slices.Contains([]database.Class{database.Text, database.Other}, c.Class) && (!state || c.Class != database.Integer) {
			continue
		}
		l, err := ask.tally(ctx, t, c.Name, full)
		if err != nil {
			return err
		}
		if state {
			g.state(s, c, l)
		} else {
			g.sort(s, c, l)
		}
	}
	return nil
}

// bucketName is what a bucket can be called.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// filled is a condition that a column has something in it.
func (s *Schema) filled(c *database.Column) string {
	name := database.Ident(s.Engine, c.Name)
	return name + " IS NOT NULL AND " + name + " <> ''"
}

// sort is about a column that may say which rows are objects. Rows that where leaves out are
// no candidates: to leave out too many costs money alone.
func (g *Guessed) sort(s *Schema, c *database.Column, l *tally) {
	if len(l.values) == 0 {
		return
	}
	said := "\n" + c.Name + " is " + l.told() + "."
	objects, sure := l.divided()
	switch {
	case sure && g.Where == "":
		g.Where = condition(s.Engine, s.column(c.Name), objects)
		g.Comment += said + " Rows with other values than in where name no object in S3; they are no candidates."
	case len(l.values) > namedValues || len(l.values) == 1 && l.whole:
	default:
		g.Comment += said + " If not all of these are objects in your buckets, write where"
		if stored := l.stored(); len(stored) > 0 {
			g.Comment += ": " + condition(s.Engine, s.column(c.Name), stored)
		}
		g.Comment += "."
	}
}

// state is about a column that may say what became of handles.
func (g *Guessed) state(s *Schema, c *database.Column, l *tally) {
	if len(l.values) == 0 || len(l.values) > namedValues {
		return
	}
	said := "\n" + c.Name + " is " + l.told() + "."
	status := l.status(s.column(c.Name), s.Engine, c)
	if status == nil || g.Status != nil {
		g.Comment += said + " If it tells what became of a file, declare it as status."
		return
	}
	g.Status = status
	g.Comment += said + " Taken for what became of a file: " + status.Values["AVAILABLE"] + " is there. Cooper may not write it; see write."
}

// fits tells whether a column may hold ids of a kind.
func fits(c, id *database.Column) bool {
	ours, ok := idType(c)
	theirs, known := idType(id)
	return ok && known && (ours == theirs || ours == handleid.Text || theirs == handleid.Text)
}
