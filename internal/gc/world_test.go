package gc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
)

// owner is a database made by hand.
type owner struct {
	server  database.Server
	load    database.Load
	tables  []database.Table
	denied  []string // tables that the user may not read at all
	blind   string
	foreign []database.ForeignKey
	ranges  map[string][]database.Range
	// answer is what a query gives; nil: nothing.
	answer func(sql string) ([]database.Row, error)
	asked  []string
	down   error // of every question
}

func (o *owner) Server(context.Context) (*database.Server, error) { return &o.server, o.down }
func (o *owner) Load(context.Context) (database.Load, error)      { return o.load, o.down }

func (o *owner) Tables(_ context.Context, p database.Pattern) (*database.Listing, error) {
	l := &database.Listing{Blind: o.blind}
	for _, t := range o.tables {
		if p.Match(t.Name, t.Schema == "public", database.Folds(o.server.Engine)) {
			l.Tables = append(l.Tables, database.Listed{Name: t.Name, View: t.View, Readable: !slices.Contains(o.denied, t.String()) && len(t.Unreadable) == 0})
		}
	}
	return l, o.down
}

func (o *owner) Describe(_ context.Context, name database.Name) (*database.Table, error) {
	for _, t := range o.tables {
		if t.Name == name {
			return &t, o.down
		}
	}
	return nil, &cooper.Error{Kind: cooper.KindMissing, Message: "there is no table " + name.String()}
}

func (o *owner) ForeignKeys(_ context.Context, to []database.Name) (keys []database.ForeignKey, err error) {
	for _, f := range o.foreign {
		if slices.Contains(to, f.To) {
			keys = append(keys, f)
		}
	}
	return keys, o.down
}

func (o *owner) Ranges(_ context.Context, s *database.Source, _ int64) ([]database.Range, error) {
	if rs := o.ranges[s.Table.Name.Table]; rs != nil {
		return rs, o.down
	}
	return []database.Range{{Rows: -1}}, o.down
}

func (o *owner) Read(_ context.Context, s *database.Source, _ database.Range, sink database.Sink) error {
	o.asked = append(o.asked, s.Query)
	if o.answer == nil || o.down != nil {
		return o.down
	}
	rows, err := o.answer(s.Query)
	if err != nil {
		return err
	}
	if err := sink.Begin(database.Snapshot{}); err != nil {
		return err
	}
	return sink.Rows(rows)
}

// table makes one: "schema.name: column type, …", the first column being its key.
func table(text string, change ...func(*database.Table)) database.Table {
	name, columns, _ := strings.Cut(text, ": ")
	t := database.Table{Name: database.Name{Schema: "public", Table: name}, Rows: 100}
	if schema, n, ok := strings.Cut(name, "."); ok {
		t.Name = database.Name{Schema: schema, Table: n}
	}
	for _, c := range strings.Split(columns, ", ") {
		name, kind, _ := strings.Cut(c, " ")
		col := database.Column{Name: name, Type: kind}
		switch base, _, _ := strings.Cut(kind, "("); {
		case strings.HasSuffix(kind, "[]"):
			col.Class = database.Array
		case base == "bigint":
			col.Class = database.Integer
		case base == "uuid":
			col.Class = database.UUID
		case strings.HasPrefix(base, "timestamp"), base == "datetime":
			col.Class = database.Time
		case base == "text":
			col.Class = database.Text
		case base == "bytea":
			col.Class = database.Bytes
		case base == "jsonb":
			col.Class = database.JSON
		case base == "boolean":
			col.Class = database.Bool
		case base == "double":
			col.Class = database.Number
		default:
			col.Class = database.Other
		}
		t.Columns = append(t.Columns, col)
	}
	t.Keys = []database.Key{{Name: "pk", Primary: true, Columns: []string{t.Columns[0].Name}}}
	for _, f := range change {
		f(&t)
	}
	return t
}

func foreignKey(table, column, to, target string) database.ForeignKey {
	n := func(s string) database.Name {
		if schema, t, ok := strings.Cut(s, "."); ok {
			return database.Name{Schema: schema, Table: t}
		}
		return database.Name{Schema: "public", Table: s}
	}
	return database.ForeignKey{Name: "fk", Table: n(table), Columns: strings.Split(column, "+"), To: n(to), Targets: strings.Split(target, "+")}
}

// newOwner is a small platform that declaration fits.
func newOwner() *owner {
	return &owner{
		server: database.Server{Identity: "pg-1", Engine: "PostgreSQL", Replica: database.Primary, Clock: now.Time()},
		tables: []database.Table{
			table("files: id bigint, key text, bucket text, at timestamp with time zone, preview_id bigint"),
			table("old: id uuid, key text"),
			table("posts: id bigint, file_id bigint, body text, old_id uuid"),
			table("holds: id bigint, file_id bigint"),
			table("tenant_a.uploads: id bigint, file_id bigint"),
			table("tenant_b.uploads: id bigint, file_id bigint"),
			table("variants: id bigint, file_id bigint, of_id bigint"),
			table("loose: id bigint, file_id bigint, other text"),
		},
		foreign: []database.ForeignKey{
			foreignKey("files", "preview_id", "files", "id"),
			foreignKey("posts", "file_id", "files", "id"),
			foreignKey("holds", "file_id", "files", "id"),
			foreignKey("tenant_a.uploads", "file_id", "files", "id"),
			foreignKey("variants", "file_id", "files", "id"),
		},
	}
}

const declared1 = `version: 1
database: postgres:env:APP
buckets: [app]
handles:
  file: {table: files, id: id, bucket: bucket, key: key, modified: at, preview: preview_id}
  old: {table: old, id: id, bucket: =app, key: key, modified: "now()"}
protect: [{table: holds, handle: file_id}]
derived:
  variant: {of: file, sql: "SELECT file_id AS derived, of_id AS source FROM variants"}
associations:
  posts: {table: posts, object: id, handle: file_id}
  bodies: {table: posts, object: id, value: body, as: [addresses], where: id < 5}
  tenants: {table: '/tenant_.*\.uploads/', object: '{schema}/{id}', handle: file_id}
`

func configOf(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("cooper.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func survey(t *testing.T, o *owner, c *config.Config) *Survey {
	t.Helper()
	s, err := Take(context.Background(), o, c, now.Time())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// row is one of texts.
func row(values ...string) database.Row {
	var r database.Row
	for _, v := range values {
		class := database.Integer
		if strings.Trim(v, "0123456789") != "" {
			class = database.Text
		}
		r.Values = append(r.Values, database.Value{Class: class, Data: []byte(v)})
	}
	return r
}

func refusals(f *Findings) (lines []string) {
	for _, r := range f.Refusals {
		lines = append(lines, r.Table+"\t"+r.Why)
	}
	return lines
}

func notes(f *Findings) (lines []string) {
	for _, n := range f.Notes {
		lines = append(lines, n.Table+"\t"+n.Text)
	}
	return lines
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

func wrong(kind cooper.Kind, format string, args ...any) error {
	return &cooper.Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}
