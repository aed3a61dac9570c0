package gc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/database"
)

// find is the table of a name.
func (o *owner) find(name string) *database.Table {
	for i := range o.tables {
		if o.tables[i].Name.Table == name {
			return &o.tables[i]
		}
	}
	return nil
}

// TestRefusals: each thing that would make a scan blind is refused, in these words.
func TestRefusals(t *testing.T) {
	yaml := func(from, to string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, from) {
				t.Fatalf("the declaration has no %s", from)
			}
			return strings.Replace(s, from, to, 1)
		}
	}
	cases := []struct {
		name   string
		yaml   func(string) string
		owner  func(*owner)
		around Around
		want   []string
	}{
		{name: "all is well"},
		{
			name: "a foreign key that nobody declared", owner: func(o *owner) {
				o.foreign = append(o.foreign, foreignKey("loose", "file_id", "files", "id"), foreignKey("posts", "old_id", "old", "id"))
			}, want: []string{"loose\tforeign key file_id to files is not declared", "posts\tforeign key old_id to old is not declared"},
		},
		{
			name: "waived", yaml: func(s string) string { return s + "waive: [loose.file_id]\n" },
			owner: func(o *owner) { o.foreign = append(o.foreign, foreignKey("loose", "file_id", "files", "id")) },
		},
		{
			name: "another column is waived", yaml: func(s string) string { return s + "waive: [loose.other]\n" },
			owner: func(o *owner) { o.foreign = append(o.foreign, foreignKey("loose", "file_id", "files", "id")) },
			want:  []string{"loose\tforeign key file_id to files is not declared"},
		},
		{
			name: "declared for another kind", yaml: yaml("posts: {table: posts, object: id, handle: file_id}", "posts: {table: posts, object: id, handle: file_id, of: old}"),
			want: []string{"posts\tforeign key file_id to files is not declared", "posts\thandle: file_id is bigint, and ids of old are uuid"},
		},
		{
			name: "a key of several columns: that which leads to ids counts", owner: func(o *owner) {
				o.foreign = append(o.foreign, foreignKey("posts", "file_id+body", "files", "bucket+id"))
			}, want: []string{"posts\tforeign key file_id, body to files is not declared"},
			yaml: yaml("  bodies: {table: posts, object: id, value: body, as: [addresses], where: id < 5}\n", ""),
		},
		{
			name: "named in a condition, or as an object, alone", yaml: yaml("posts: {table: posts, object: id, handle: file_id}", "posts: {table: posts, object: file_id, where: file_id > 0, handle: id}"),
			want: []string{"posts\tforeign key file_id to files is not declared"},
		},
		{
			name: "a tenant of tomorrow", yaml: yaml("'/tenant_.*\\.uploads/'", "'/tenant_b\\.uploads/'"),
			want: []string{"tenant_a.uploads\tforeign key file_id to files is not declared"},
		},
		{
			name: "a pattern that matches nothing", owner: func(o *owner) {
				o.tables = slices.DeleteFunc(o.tables, func(t database.Table) bool { return strings.HasPrefix(t.Schema, "tenant") })
				o.foreign = o.foreign[:3]
			}, want: []string{"/tenant_.*\\.uploads/\tno table matches"},
		},
		{
			name: "tables that the user cannot see", owner: func(o *owner) { o.blind = "the server shows no table without a right to it" },
			want: []string{"/tenant_.*\\.uploads/\tthere may be tables that this user cannot see"},
		},
		{
			name: "no such table", yaml: yaml("table: holds", "table: holdings"), owner: func(o *owner) { o.foreign = o.foreign[:2] },
			want: []string{"holdings\tno such table"},
		},
		{
			name: "no such column", yaml: yaml("modified: at", "modified: changed_at"),
			want: []string{"files\tno such column: changed_at"},
		},
		{
			name: "no right to a tenant", owner: func(o *owner) {
				o.denied = []string{"tenant_b.uploads"}
				o.tables[5].Unreadable = []string{"id", "file_id"}
			},
			want: []string{"tenant_b.uploads\tno right to read it"},
		},
		{
			name: "no right to a column", owner: func(o *owner) { o.find("posts").Unreadable = []string{"body"} },
			want: []string{"posts\tno right to read: body"},
		},
		{
			name: "no right to a column that nobody reads", owner: func(o *owner) { o.find("posts").Unreadable = []string{"old_id"} },
		},
		{
			name: "row-level security", owner: func(o *owner) { o.find("posts").RowSecurity = true },
			want: []string{"posts\trow-level security hides rows from this user"},
		},
		{
			name: "a view that a pattern matches", owner: func(o *owner) { o.tables[5].View = true },
			want: []string{"tenant_b.uploads\ta view: rows that it leaves out would not be seen"},
		},
		{
			name: "an expression that the server cannot work out", owner: func(o *owner) {
				o.answer = func(sql string) ([]database.Row, error) {
					if strings.Contains(sql, "now()") {
						return nil, wrong(cooper.KindUsage, "no function now")
					}
					return nil, nil
				}
			}, want: []string{"old\twhat is declared cannot be worked out: no function now"},
		},
		{
			name: "a query that the server cannot work out", owner: func(o *owner) {
				o.answer = func(sql string) ([]database.Row, error) {
					if strings.Contains(sql, "derivations") {
						return nil, wrong(cooper.KindUsage, "no column source")
					}
					return nil, nil
				}
			}, want: []string{"variant\tcannot be worked out: no column source"},
		},
		{
			name: "columns of the wrong type", owner: func(o *owner) {
				o.find("files").Columns[3] = database.Column{Name: "at", Type: "text", Class: database.Text}
				o.find("holds").Columns[1] = database.Column{Name: "file_id", Type: "boolean", Class: database.Bool}
				o.tables[4].Columns[1] = database.Column{Name: "file_id", Type: "uuid", Class: database.UUID}
				o.tables[5].Columns[1] = database.Column{Name: "file_id", Type: "jsonb", Class: database.JSON}
			}, want: []string{
				"files\tmodified: at is text, which is no time", "holds\thandle: file_id is boolean, which holds no ids",
				"tenant_a.uploads\thandle: file_id is uuid, and ids of file are bigint", "tenant_b.uploads\thandle: file_id is jsonb, which is no id: write value and as: [json]",
			},
		},
		{
			name: "a number without its unit", owner: func(o *owner) {
				o.find("files").Columns[3] = database.Column{Name: "at", Type: "bigint", Class: database.Integer}
			},
			want: []string{"files\tmodified: at is bigint, whose unit (s or ms) is not said"},
		},
		{
			name: "clocks", owner: func(o *owner) { o.server.Skew = -301 * time.Second },
			around: Around{Buckets: []Bucket{{Name: "app", Skew: 301 * time.Second}}},
			want:   []string{"s3://app\tthe store's clock is 5m1s apart from ours, more than 5m0s", "server\tits clock is 5m1s apart from ours, more than 5m0s"},
		},
		{name: "clocks that are near enough", owner: func(o *owner) { o.server.Skew = 5 * time.Minute }},
		{
			name: "a replica that lags", owner: func(o *owner) { o.load = database.Load{Replica: database.IsReplica, Lag: 301 * time.Second} },
			want: []string{"server\tthe replica is 5m1s behind, more than 5m0s"},
		},
		{
			name: "a replica that has stopped", owner: func(o *owner) { o.load = database.Load{Replica: database.IsReplica, Lag: -1} },
			want: []string{"server\tthe replica has stopped, or does not say how far it is behind"},
		},
		{
			name: "another server", around: Around{Last: &Seen{"pg-2", now}},
			want: []string{"server\tanother server than the one that was scanned on 2026-11-30T00:00:00Z: pg-1, not pg-2"},
		},
		{name: "the same server", around: Around{Last: &Seen{"pg-1", now}}},
		{
			name: "a bucket out of reach", yaml: yaml("  bodies:", "  sets: {table: posts, object: id, fetch: {bucket: =app, key: body}, as: [json], at: .x}\n  bodies:"),
			around: Around{Buckets: []Bucket{{Name: "app", Err: errors.New("denied")}}},
			want:   []string{"s3://app\tcannot be reached: denied"},
		},
		{name: "what others refuse", around: Around{Others: []Refusal{{Table: "posts", Why: "at: no"}, {Table: "posts", Why: "at: no"}}}, want: []string{"posts\tat: no"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o, text := newOwner(), declared1
			if c.owner != nil {
				c.owner(o)
			}
			if c.yaml != nil {
				text = c.yaml(text)
			}
			cfg := configOf(t, text)
			s := survey(t, o, cfg)
			f := Check(cfg, s, &c.around)
			same(t, "refusals", refusals(f), c.want...)
			if err := f.Err(); (err != nil) != (len(c.want) > 0) || err != nil && cooper.KindOf(err) != cooper.KindRefused {
				t.Errorf("as an error: %v", err)
			}
		})
	}
}

// TestNotes: what a person should know.
func TestNotes(t *testing.T) {
	o := newOwner()
	o.server.Writes = []string{"UPDATE on files"}
	o.server.Replica, o.load = database.ReplicaUnknown, database.Load{}
	o.find("posts").Keys[0].Unusable = "id may be NULL"
	o.find("holds").Keys = nil
	o.find("files").Columns[3].Type = "timestamp without time zone"
	o.find("files").View = true
	o.find("old").NoSnapshot, o.find("old").Engine = true, "Aria"
	o.tables[6].Rows = -1
	c := configOf(t, strings.Replace(declared1, `, modified: "now()"`, "", 1)+"waive: [nowhere.column]\n")
	f := Check(c, survey(t, o, c), &Around{Buckets: []Bucket{{Name: "app", Err: errors.New("denied")}}})
	same(t, "notes", notes(f),
		"\tcooper.yaml:6:3: without modified all of these handles are young, and none is a candidate",
		"server\tdoes not tell this user whether it is a replica, nor how far behind",
		"server\tthe user may write: UPDATE on files; a user who may read alone is safer",
		"files\tis a view: rows that it leaves out are not seen, nor are foreign keys to what is behind it",
		"files\tat has no time zone: its times are taken as UTC",
		"old\tis of the engine Aria, which has no snapshots: a row that moves while it is read may be missed",
		"holds\tis read in one stream, and from the beginning again when that ends early: it has no unique key",
		"posts\tis read in one stream, and from the beginning again when that ends early: id may be NULL",
		"nowhere\twaive: there is no foreign key column to handles",
		"s3://app\tcannot be reached: denied",
	)
	same(t, "refusals", refusals(f))
	if f.Cost.Rows != 700 || f.Cost.Seconds != 700.0/50000 || f.Cost.Unknown != 0 {
		t.Errorf("it costs %+v", f.Cost)
	}
}

// TestHits: columns in which ids of handles are found, and that nobody declared, are told,
// the likeliest first; those that are declared or waived are not.
func TestHits(t *testing.T) {
	o := newOwner()
	o.answer = func(sql string) ([]database.Row, error) {
		switch {
		case strings.Contains(sql, ` FROM "public"."loose" ORDER BY "id" LIMIT`):
			return []database.Row{row("90", "1", "2"), row("91", "2", "none")}, nil
		case strings.Contains(sql, ` FROM "public"."loose" ORDER BY "id" DESC`):
			return []database.Row{row("92", "3", "01"), row("1", "3", "x")}, nil
		case strings.HasPrefix(sql, `SELECT "id" FROM "public"."files" WHERE "id" IN (`):
			for _, bad := range []string{"'", "none", "01"} {
				if strings.Contains(sql, bad) {
					t.Errorf("asked for %s: %s", bad, sql)
				}
			}
			return []database.Row{row("1"), row("2"), row("3")}, nil
		}
		return nil, nil
	}
	c := configOf(t, declared1)
	s := survey(t, o, c)
	f := Check(c, s, &Around{})
	same(t, "notes", notes(f),
		"loose\tfile_id is not declared, and 3 of 3 values looked at are ids of file",
		"loose\tid is not declared, and 1 of 4 values looked at are ids of file",
		"server\tnot declared, and with numbers that are ids of file, as any of their size are: loose.other")
	for _, sql := range o.asked {
		if strings.Contains(sql, `SELECT "file_id" FROM "public"."posts"`) || strings.Contains(sql, "OFFSET") {
			t.Errorf("asked: %s", sql)
		}
	}
}

// TestSamples: three rows of an association are shown, and no more than the first of its
// table are looked at for them.
func TestSamples(t *testing.T) {
	o := newOwner()
	o.answer = func(sql string) ([]database.Row, error) {
		switch {
		case strings.Contains(sql, "(SELECT * FROM"):
			if !strings.Contains(sql, `LIMIT 200) AS "`) {
				t.Errorf("without a limit: %s", sql)
			}
			if strings.Contains(sql, `"tenant_a"."uploads" ORDER BY "id"`) {
				return []database.Row{row("7", "1"), row("8", "NULL"), row("9", strings.Repeat("x", 999))}, nil
			}
		}
		return nil, nil
	}
	s := survey(t, o, configOf(t, declared1))
	p := s.Parts[len(s.Parts)-1]
	got := p.Tables[0].Samples
	if len(got) != 3 || got[0].Object != "tenant_a/7" || got[0].Values[0] != "1" || len(got[2].Values[0]) > 210 {
		t.Errorf("samples: %+v", got)
	}
}

// TestTakeFails: a database that does not answer is an error, and no survey.
func TestTakeFails(t *testing.T) {
	o := newOwner()
	o.down = wrong(cooper.KindStore, "gone")
	if _, err := Take(context.Background(), o, configOf(t, declared1), now.Time()); cooper.KindOf(err) != cooper.KindStore {
		t.Error(err)
	}
	o = newOwner()
	o.answer = func(string) ([]database.Row, error) { return nil, wrong(cooper.KindTimeout, "too long") }
	if _, err := Take(context.Background(), o, configOf(t, declared1), now.Time()); cooper.KindOf(err) != cooper.KindTimeout {
		t.Error(err)
	}
}

// TestReplicaIsLeftAlone: of a replica that lags no rows are read.
func TestReplicaIsLeftAlone(t *testing.T) {
	o := newOwner()
	o.load = database.Load{Replica: database.IsReplica, Lag: time.Hour}
	survey(t, o, configOf(t, declared1))
	if len(o.asked) > 0 {
		t.Errorf("asked: %v", o.asked)
	}
}

// TestHandlesOfQuery: foreign keys to the one table that a query reads are as those to a
// declared table; of several tables they are told.
func TestHandlesOfQuery(t *testing.T) {
	one := strings.Replace(declared1, "file: {table: files,", `file: {query: "SELECT * FROM files WHERE id > 0",`, 1)
	o := newOwner()
	o.foreign = append(o.foreign, foreignKey("loose", "file_id", "files", "id"))
	c := configOf(t, one)
	same(t, "refusals", refusals(Check(c, survey(t, o, c), &Around{})), "loose\tforeign key file_id to files is not declared")

	two := strings.Replace(one, "FROM files", "FROM files JOIN loose USING (id)", 1)
	c = configOf(t, two)
	f := Check(c, survey(t, o, c), &Around{})
	same(t, "refusals", refusals(f))
	if !slices.ContainsFunc(notes(f), func(n string) bool { return strings.HasPrefix(n, "loose\thas a foreign key file_id to files") }) {
		t.Error(notes(f))
	}
}

// TestCount: rows of a table of which the database tells no size are counted, so far.
func TestCount(t *testing.T) {
	for counted, want := range map[string]string{"7": "7 false", "100001": "100000 true"} {
		o := newOwner()
		for i := range o.tables {
			if o.tables[i].Name.Table == "posts" {
				o.tables[i].Rows = -1
			}
		}
		o.answer = func(sql string) ([]database.Row, error) {
			if strings.HasPrefix(sql, "SELECT COUNT(*)") && strings.Contains(sql, `"posts" LIMIT 100001`) {
				return []database.Row{row(counted)}, nil
			}
			return nil, nil
		}
		c := configOf(t, declared1)
		s := survey(t, o, c)
		for _, p := range s.Parts {
			if p.Name == "posts" && fmt.Sprint(p.Tables[0].Rows, p.Tables[0].AtLeast) != want {
				t.Errorf("%+v", p.Tables[0])
			}
		}
		if cost := Check(c, s, &Around{}).Cost; cost.AtLeast != (counted == "100001") || cost.Unknown > 0 {
			t.Errorf("%+v", cost)
		}
	}
}
