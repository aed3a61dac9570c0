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
	kinds, err := Guess(context.Background(), o, schema, nil, []string{"app"})
	must(t, err)
	c := config.New()
	c.Database = config.Database{Engine: "postgres", Text: "postgres:env:APP"}
	c.Buckets = []*config.Bucket{{Name: "app"}}
	for _, k := range kinds {
		c.Handles = append(c.Handles, k.Handles)
	}
	s := survey(t, o, c)
	s.Hits = hits
	for _, w := range Propose(c, s, schema, false).Associations {
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
		"a foreign key":      {},
		"one by key":         {tables: []string{"notes: id bigint, of text"}, foreign: []database.ForeignKey{foreignKey("notes", "of", "files", "key")}, want: []string{"notes.of: {table: notes, object: id, key: of}"}},
		"one of two columns": {tables: []string{"notes: id bigint, tenant bigint, of bigint"}, foreign: []database.ForeignKey{foreignKey("notes", "tenant+of", "files", "size+id")}, want: []string{"notes.of: {table: notes, object: id, handle: of}"}},
		"tenants":            {tables: []string{"tenant_a.up: id bigint, file_id bigint", "tenant_b.up: id bigint, file_id bigint", "tenant_c.up: id bigint, file_id bigint"}, hits: []Hit{at("tenant_a.up", "file_id", 5, 9, true), at("tenant_b.up", "file_id", 5, 9, true)}, want: []string{`up.file_id: {table: /tenant_.*\.up/, object: '{schema}/{id}', handle: file_id}`}},
		"two that are alike": {tables: []string{"tenant_a.up: id bigint, file_id bigint", "tenant_b.up: id bigint, file_id bigint", "tenant_c.up: id bigint, file_id bigint, more text"}, hits: []Hit{at("tenant_a.up", "file_id", 5, 9, true), at("tenant_b.up", "file_id", 5, 9, true)},
			want: []string{"tenant_a.up.file_id: {table: tenant_a.up, object: id, handle: file_id}", "tenant_b.up.file_id: {table: tenant_b.up, object: id, handle: file_id}"}},
		"numbered tables": {tables: []string{"up_1: id bigint, f bigint", "up_2: id bigint, f bigint", "up_31: id bigint, f bigint"}, foreign: []database.ForeignKey{foreignKey("up_1", "f", "files", "id"), foreignKey("up_2", "f", "files", "id"), foreignKey("up_31", "f", "files", "id")},
			want: []string{`up.f: {table: /public\.up_\d+/, object: '{table}/{id}', handle: f}`}},
		"schemas that begin in no way":             {tables: []string{"a.up: id bigint, file_id bigint", "b.up: id bigint, file_id bigint", "c.up: id bigint, file_id bigint"}, hits: []Hit{at("a.up", "file_id", 5, 9, true)}, want: []string{`up.file_id: {table: /(a|b|c)\.up/, object: '{schema}/{id}', handle: file_id}`}},
		"another of that name, without the column": {tables: []string{"tenant_a.up: id bigint, file_id bigint", "tenant_b.up: id bigint, file_id bigint", "tenant_d.up: id bigint, file_id bigint", "tenant_c.up: id bigint"}, hits: []Hit{at("tenant_a.up", "file_id", 5, 9, true)}, want: []string{"tenant_a.up.file_id: {table: tenant_a.up, object: id, handle: file_id}", "tenant_b.up.file_id: {table: tenant_b.up, object: id, handle: file_id}", "tenant_d.up.file_id: {table: tenant_d.up, object: id, handle: file_id}"}},
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

// guessed is the one kind of handles of a database, whose rows a function tells of.
func guessed(t *testing.T, answer func(column string) []database.Row) Guessed {
	t.Helper()
	o := &owner{server: database.Server{Engine: "PostgreSQL"}, tables: []database.Table{
		table("files: id bigint, key text, bucket text, size bigint, at timestamp, kind text, state text, content_type text, preview_id bigint, thumbnail_of bigint, parent_id bigint, note_id bigint"),
		table("notes: id bigint"),
	}}
	o.tables[0].ForeignKeys = []database.ForeignKey{foreignKey("files", "parent_id", "files", "id"), foreignKey("files", "note_id", "notes", "id")}
	o.answer = func(sql string) ([]database.Row, error) {
		column, ok := strings.CutPrefix(sql, "SELECT looked.v, looked.f, COUNT(*) FROM (SELECT \"")
		if !ok {
			return nil, nil
		}
		return answer(column[:strings.IndexByte(column, '"')]), nil
	}
	schema, err := Look(context.Background(), o)
	must(t, err)
	schema.Home = "public"
	kinds, err := Guess(context.Background(), o, schema, nil, nil)
	must(t, err)
	if len(kinds) != 1 {
		t.Fatalf("%+v", kinds)
	}
	return kinds[0]
}

// TestGuessByRows: what rows say of handles. Uncertain things are told, and narrow nothing.
func TestGuessByRows(t *testing.T) {
	rows := map[string][]database.Row{
		"bucket": {row("app", "1", "90"), row("other-app", "1", "5"), row("", "0", "4"), row("No Bucket", "1", "1")},
		"kind":   {row("s3", "1", "94"), row("gcs", "1", "2"), row("url", "0", "4")},
		"state":  {row("active", "1", "99"), row("archived", "1", "1")},
	}
	g := guessed(t, func(c string) []database.Row { return rows[c] })
	same(t, "buckets", g.Buckets, "app", "other-app")
	if g.Others || g.Where != "kind = 's3'" || g.Preview != "preview_id" || g.PreviewOf != "thumbnail_of" || g.Status == nil || g.Status.Write || len(g.Status.Values) != 2 || g.Status.Values["AVAILABLE"] != "active" || g.Status.Values["ARCHIVED"] != "archived" {
		t.Errorf("%+v, %+v", g.Handles, g.Status)
	}
	for _, said := range []string{"s3 (94), url (4), gcs (2)", "parent_id leads from handle to handle", "preview_id leads, by its name,"} {
		if !strings.Contains(g.Comment, said) {
			t.Errorf("%q is not said in\n%s", said, g.Comment)
		}
	}
	// A value that stands for rows of both sorts, or more rows than were looked at: not sure.
	rows["kind"] = []database.Row{row("s3", "1", "94"), row("s3", "0", "1"), row("url", "0", "4")}
	rows["state"] = []database.Row{row("draft", "1", "100")}
	if g = guessed(t, func(c string) []database.Row { return rows[c] }); g.Where != "" || g.Status != nil || !strings.Contains(g.Comment, "write where: kind = 's3'.") {
		t.Errorf("%+v: %s", g.Handles, g.Comment)
	}
	rows["kind"] = []database.Row{row("s3", "1", "200000"), row("url", "0", "4")}
	if g = guessed(t, func(c string) []database.Row { return rows[c] }); g.Where != "" {
		t.Errorf("%+v", g.Handles)
	}
}

// TestProposeHolds: tables of holds protect, and are no associations.
func TestProposeHolds(t *testing.T) {
	o := newOwner()
	o.tables = append(o.tables, table("legal_hold: id bigint, file_id bigint"), table("households: id bigint, file_id bigint"))
	o.foreign = append(o.foreign, foreignKey("legal_hold", "file_id", "files", "id"), foreignKey("households", "file_id", "files", "id"))
	c := configOf(t, strings.Replace(declared1, "protect: [{table: holds, handle: file_id}]", "", 1))
	schema, err := Look(context.Background(), o)
	must(t, err)
	schema.Home = "public"
	for _, holds := range []bool{true, false} {
		p := Propose(c, survey(t, o, c), schema, holds)
		var names, tables []string
		for _, a := range p.Associations {
			names = append(names, a.Name)
		}
		for _, h := range p.Protect {
			tables = append(tables, h.Table.Text+"."+h.Handle+" of "+h.Of)
		}
		if holds {
			same(t, "associations", names, "households.file_id")
			same(t, "holds", tables, "holds.file_id of file", "legal_hold.file_id of file")
		} else {
			same(t, "all associations", names, "holds.file_id", "households.file_id", "legal_hold.file_id")
		}
	}
}
