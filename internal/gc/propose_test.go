package gc

import (
	"context"
	"slices"
	"strings"
	"testing"

	"cooper/internal/config"
	"cooper/internal/database"
)

// proposed are the lines that would be written for a platform: what it has, and what hits.
func proposed(t *testing.T, o *owner, hits []Hit, pairs map[string][]string) (lines []string) {
	t.Helper()
	schema, err := Look(context.Background(), o)
	must(t, err)
	schema.Home = "public"
	for i := range schema.Pairs {
		schema.Pairs[i].Types = pairs[schema.Pairs[i].Table.Table]
	}
	kinds, err := Guess(schema, nil, []string{"app"})
	must(t, err)
	c := config.New()
	c.Database = config.Database{Engine: "postgres", Text: "postgres:env:APP"}
	c.Buckets = []*config.Bucket{{Name: "app"}}
	for _, k := range kinds {
		c.Handles = append(c.Handles, k.Handles)
	}
	s := survey(t, o, c)
	s.Hits = hits
	for _, w := range Propose(c, s, schema) {
		c.Associations = append(c.Associations, w.Association)
		if w.Comment == "" {
			t.Errorf("it is not said why %s is proposed", w.Name)
		}
	}
	text, err := config.Render(c, nil)
	must(t, err)
	_, associations, _ := strings.Cut(string(text), "associations:\n")
	for line := range strings.Lines(associations) {
		lines = append(lines, strings.TrimSpace(line))
	}
	if refused := Check(c, survey(t, o, c), &Around{}).Refusals; len(refused) > 0 {
		t.Errorf("a check refuses it: %v", refused)
	}
	return lines
}

// TestPropose: what is written for foreign keys, pairs of type and id, and columns that hit.
func TestPropose(t *testing.T) {
	at := func(table, column string, found, values int, common bool) Hit {
		n := database.Name{Schema: "public", Table: table}
		if schema, name, ok := strings.Cut(table, "."); ok {
			n = database.Name{Schema: schema, Table: name}
		}
		return Hit{Table: n, Column: column, Found: found, Values: values, Common: common}
	}
	const files = "files: id bigint, key text, size bigint, at timestamp, preview_id bigint"
	base := func(more ...string) *owner {
		o := &owner{server: database.Server{Identity: "pg-1", Engine: "PostgreSQL", Replica: database.Primary, Clock: now.Time()}}
		for _, text := range append([]string{files, "posts: id bigint, file bigint"}, more...) {
			o.tables = append(o.tables, table(text))
		}
		preview := foreignKey("files", "preview_id", "files", "id")
		o.tables[0].ForeignKeys = []database.ForeignKey{preview}
		o.foreign = []database.ForeignKey{preview, foreignKey("posts", "file", "files", "id")}
		return o
	}
	const first = "posts.file: {table: posts, object: id, handle: file}"
	for name, c := range map[string]struct {
		tables  []string
		foreign []database.ForeignKey
		hits    []Hit
		pairs   map[string][]string
		want    []string
	}{
		"a foreign key":                {},
		"one by key":                   {tables: []string{"notes: id bigint, of text"}, foreign: []database.ForeignKey{foreignKey("notes", "of", "files", "key")}, want: []string{"notes.of: {table: notes, object: id, key: of}"}},
		"one of two columns":           {tables: []string{"notes: id bigint, tenant bigint, of bigint"}, foreign: []database.ForeignKey{foreignKey("notes", "tenant+of", "files", "size+id")}, want: []string{"notes.of: {table: notes, object: id, handle: of}"}},
		"tenants":                      {tables: []string{"tenant_a.up: id bigint, file_id bigint", "tenant_b.up: id bigint, file_id bigint"}, hits: []Hit{at("tenant_a.up", "file_id", 5, 9, true), at("tenant_b.up", "file_id", 5, 9, true)}, want: []string{`up.file_id: {table: /tenant_.*\.up/, object: '{schema}/{id}', handle: file_id}`}},
		"schemas that begin in no way": {tables: []string{"a.up: id bigint, file_id bigint", "b.up: id bigint, file_id bigint"}, hits: []Hit{at("a.up", "file_id", 5, 9, true)}, want: []string{`up.file_id: {table: /(a|b)\.up/, object: '{schema}/{id}', handle: file_id}`}},
		"another of that name, without the column": {tables: []string{"tenant_a.up: id bigint, file_id bigint", "tenant_b.up: id bigint, file_id bigint", "tenant_c.up: id bigint"}, hits: []Hit{at("tenant_a.up", "file_id", 5, 9, true)}, want: []string{"tenant_a.up.file_id: {table: tenant_a.up, object: id, handle: file_id}"}},
		"ids in texts":          {tables: []string{"notes: id bigint, value text"}, hits: []Hit{at("notes", "value", 9, 10, false)}, want: []string{"notes.value: {table: notes, object: id, handle: value}"}},
		"some ids in texts":     {tables: []string{"notes: id bigint, value text"}, hits: []Hit{at("notes", "value", 8, 10, false)}},
		"numbers of any size":   {tables: []string{"notes: id bigint, count bigint"}, hits: []Hit{at("notes", "count", 10, 10, true)}},
		"a key of its own":      {tables: []string{"notes: id bigint, count bigint"}, hits: []Hit{at("notes", "id", 10, 10, false)}},
		"an array":              {tables: []string{"notes: id bigint, image_ids bigint[]"}, hits: []Hit{at("notes", "image_ids", 5, 10, true)}, want: []string{"notes.image_ids: {table: notes, object: id, handle: image_ids}"}},
		"type and id":           {tables: []string{"uses: id bigint, thing_type text, thing_id bigint"}, pairs: map[string][]string{"uses": {`App\File`, "O'Neill::Files", "Post"}}, want: []string{`uses.thing_id: {table: uses, object: id, where: '"thing_type" IN (''App\File'', ''O''''Neill::Files'')', handle: thing_id}`}},
		"other types":           {tables: []string{"uses: id bigint, thing_type text, thing_id bigint"}, pairs: map[string][]string{"uses": {"Post", "Profile"}}},
		"what type and id name": {tables: []string{"uses: id bigint, thing_type text, thing_id bigint, f bigint"}, foreign: []database.ForeignKey{foreignKey("uses", "f", "files", "id")}, want: []string{"uses.f: {table: uses, object: '{thing_type}/{thing_id}', handle: f}"}},
	} {
		o := base(c.tables...)
		o.foreign = append(o.foreign, c.foreign...)
		got := proposed(t, o, c.hits, c.pairs)
		want := append([]string{first}, c.want...)
		slices.Sort(got)
		slices.Sort(want)
		same(t, name, got, want...)
	}
}
