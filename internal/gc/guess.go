package gc

import (
	"fmt"
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
}

// What columns of handles are called, the likeliest first.
var (
	keyNames    = []string{"key", "s3_key", "object_key", "storage_key", "file_key", "blob_key"}
	bucketNames = []string{"bucket_name", "bucket", "s3_bucket"}
	sizeNames   = []string{"byte_size", "content_size", "size", "file_size", "size_bytes", "content_length", "bytes"}
	changeNames = []string{"updated_on", "updated_at", "modified_on", "modified_at", "last_modified", "modified"}
	birthNames  = []string{"created_on", "created_at", "created"}
	sortNames   = []string{"type", "service", "storage", "provider", "backend", "status"}
)

// Guess finds the tables of handles: those named (TABLE or TABLE=BUCKET), or else those
// that have an id, a key and a size or foreign keys that lead to them.
func Guess(s *Schema, named, buckets []string) (all []Guessed, err error) {
	var tables []*database.Table
	in := map[*database.Table]string{}
	for _, n := range named {
		name, bucket, _ := strings.Cut(n, "=")
		t := s.called(name)
		if t == nil {
			return nil, usage(name, "there is no such table that this user may read", "Write TABLE, SCHEMA.TABLE or TABLE=BUCKET.")
		}
		if id, key := idOf(t), called(t, keyNames, database.Text, database.Bytes); id == nil || key == nil {
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
	h.ID, h.Key = s.column(idOf(t).Name), s.column(called(t, keyNames, database.Text, database.Bytes).Name)
	switch c := called(t, bucketNames, database.Text); {
	case bucket != "":
		h.Bucket.Constant = bucket
	case c != nil:
		h.Bucket.SQL = s.column(c.Name)
	case len(buckets) == 1:
		h.Bucket.Constant = buckets[0]
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
	if name := preview(t, idOf(t).Name); name != "" {
		h.Preview = s.column(name)
		g.Comment += "\n" + name + " leads to the handle of a preview: that lives while its source does."
	}
	var sorts []string
	for i := range t.Columns {
		if name := strings.ToLower(t.Columns[i].Name); slices.ContainsFunc(sortNames, func(n string) bool { return strings.Contains(name, n) }) {
			sorts = append(sorts, t.Columns[i].Name)
		}
	}
	if len(sorts) > 0 {
		g.Comment += "\nAre all rows objects in a bucket? If not, add where. Look at " + strings.Join(sorts, ", ") + "."
	}
	return g, nil
}

// preview is a foreign key of handles to handles that is called so.
func preview(t *database.Table, id string) string {
	for _, f := range t.ForeignKeys {
		if f.To != t.Name || len(f.Columns) != 1 || len(f.Targets) != 1 || f.Targets[0] != id {
			continue
		}
		name := strings.ToLower(f.Columns[0])
		if (strings.Contains(name, "preview") || strings.Contains(name, "thumb")) && !strings.Contains(name, "_of") {
			return f.Columns[0]
		}
	}
	return ""
}

// fits tells whether a column may hold ids of a kind.
func fits(c, id *database.Column) bool {
	ours, ok := idType(c)
	theirs, known := idType(id)
	return ok && known && (ours == theirs || ours == handleid.Text || theirs == handleid.Text)
}
