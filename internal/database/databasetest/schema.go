package databasetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/database"
)

// readOnly: nothing can be written, by whatever SQL.
func readOnly(t *testing.T, w World) {
	d := w.open(t, false, small())
	w.make(t, "read_only", 3)
	switch {
	case w.SQLite:
		w.Exec(t, "CREATE VIEW read_only_view AS SELECT 1 AS n")
		w.Exec(t, "CREATE TRIGGER read_only_trigger INSTEAD OF INSERT ON read_only_view BEGIN DELETE FROM read_only; END")
	case w.Postgres:
		w.Exec(t, "CREATE SEQUENCE read_only_numbers")
		w.Exec(t, "CREATE FUNCTION read_only_write() RETURNS int LANGUAGE sql AS 'DELETE FROM read_only; SELECT 1'")
	default:
		w.Exec(t, "CREATE FUNCTION read_only_write() RETURNS INT BEGIN DELETE FROM read_only; RETURN 1; END")
	}
	table := describeTable(t, d, "read_only")
	sources := []*database.Source{
		{Query: "SELECT read_only_write()"}, {Query: "SELECT " + w.pick("read_only_write()", "nextval('read_only_numbers')")}, {Query: "DELETE FROM read_only"},
		{Table: table, Columns: []string{"n"}, Where: "read_only_write() = 1"}, {Table: table, Columns: []string{"read_only_write()"}},
		{Query: w.pick("SELECT read_only_write()", "SELECT set_config('transaction_read_only', 'off', true), read_only_write()")},
	}
	if w.SQLite {
		for _, sql := range []string{
			"PRAGMA query_only = 0", "ATTACH ':memory:' AS more", "VACUUM", "WITH x AS (SELECT 1) DELETE FROM read_only", "/* SELECT */ INSERT INTO read_only_view VALUES (1)", "DELETE FROM read_only RETURNING n",
			"EXPLAIN SELECT 1", "SELECT load_extension('x')", "BEGIN IMMEDIATE", "SELECT ?1", "SELECT n FROM read_only WHERE n = :n", `SELECT "none" FROM read_only`,
		} {
			sources = append(sources, &database.Source{Query: sql})
		}
	}
	for _, s := range sources {
		err := d.Read(ctx, s, database.Range{}, &sink{})
		if k := cooper.KindOf(err); k != cooper.KindRefused && k != cooper.KindUsage {
			t.Errorf("%v: %v", s, err)
		}
	}
	if got := w.Exec(t, "SELECT COUNT(*) FROM read_only"); got[0][0] != "3" {
		t.Errorf("%v rows are left", got)
	}
}

// schema makes one, with a table that the user reader may read.
func (w World) schema(t testing.TB, schema string, tables ...string) {
	t.Helper()
	w.Exec(t, "CREATE SCHEMA "+schema)
	if w.Postgres {
		w.Exec(t, "GRANT USAGE ON SCHEMA "+schema+" TO reader")
	}
	for _, table := range tables {
		w.Exec(t, fmt.Sprintf("CREATE TABLE %s.%s (k INT PRIMARY KEY, secret INT)", schema, table))
		w.Exec(t, fmt.Sprintf("INSERT INTO %s.%s VALUES (1, 2), (2, 3)", schema, table))
		w.Exec(t, fmt.Sprintf("GRANT SELECT ON %s.%s TO reader", schema, table))
	}
}

// rights that are missing are errors, and are told before.
func rights(t *testing.T, w World) {
	w.schema(t, "rights_open", "seen")
	w.schema(t, "rights_closed")
	w.Exec(t, "CREATE TABLE rights_closed.unseen (k INT PRIMARY KEY)")
	w.Exec(t, "CREATE TABLE rights_open.part (k INT PRIMARY KEY, secret INT)")
	w.Exec(t, "GRANT SELECT (k) ON rights_open.part TO reader")
	d := w.open(t, true, small())
	for _, name := range []database.Name{{Schema: "rights_closed", Table: "unseen"}, {Schema: "rights_open", Table: "part"}} {
		err := d.Read(ctx, &database.Source{Table: &database.Table{Name: name}, Columns: []string{"k", "secret"}}, database.Range{}, &sink{})
		if k := cooper.KindOf(err); k != cooper.KindDenied && k != cooper.KindUsage {
			t.Errorf("%v: %v", name, err)
		}
	}
	p, err := database.ParsePattern(`/rights_.*\..*/`)
	must(t, err)
	list, err := d.Tables(ctx, p)
	must(t, err)
	got := map[string]bool{}
	for _, l := range list.Tables {
		got[l.String()] = l.Readable
	}
	if !got["rights_open.seen"] {
		t.Errorf("%v", got)
	}
	// MariaDB shows neither tables nor columns to which there is no right: then it says so.
	if readable, listed := got["rights_closed.unseen"]; readable || !listed && list.Blind == "" {
		t.Errorf("%v, blind: %q", got, list.Blind)
	}
	if !w.Postgres {
		w.Exec(t, "GRANT PROCESS ON *.* TO reader")
		list, err = w.open(t, true, small()).Tables(ctx, p)
		must(t, err)
		if !slices.ContainsFunc(list.Tables, func(l database.Listed) bool { return l.String() == "rights_closed.unseen" && !l.Readable }) || list.Blind != "" {
			t.Errorf("%+v", list)
		}
		w.Exec(t, "REVOKE PROCESS ON *.* FROM reader")
	}
}

// patterns expand to what is there now, in order.
func patterns(t *testing.T, w World) {
	if w.SQLite {
		w.patternsOfFile(t)
		return
	}
	w.schema(t, "tenant_a", "uploads", "uploads_old")
	w.schema(t, "tenant_b", "uploads")
	w.schema(t, "tenant_bx", "uploads")
	w.Exec(t, "CREATE VIEW tenant_b.uploads_view AS SELECT 1 AS k")
	w.make(t, "uploads", 1)
	d := w.open(t, false, small())
	for _, c := range []struct{ pattern, except, want string }{
		{`/tenant_.*\.uploads/`, "", "tenant_a.uploads tenant_b.uploads tenant_bx.uploads"},
		{`/tenant_.\.uploads/`, "", "tenant_a.uploads tenant_b.uploads"},
		{`/tenant_.\.uploads.*/`, "tenant_a.uploads_old", "tenant_a.uploads tenant_b.uploads tenant_b.uploads_view"},
		{`/tenant_.\.uploads.*/`, `/.*_a\..*/`, "tenant_b.uploads tenant_b.uploads_view"},
		{"tenant_b.uploads", "", "tenant_b.uploads"},
		{"tenant_c.uploads", "", ""},
		{"/tenant_/", "", ""},
		{"UPLOADS", "", ""},
	} {
		var except []string
		if c.except != "" {
			except = []string{c.except}
		}
		p, err := database.ParsePattern(c.pattern, except...)
		must(t, err)
		list, err := d.Tables(ctx, p)
		must(t, err)
		var got []string
		for _, l := range list.Tables {
			got = append(got, l.String())
			if l.View != strings.HasSuffix(l.Table, "view") {
				t.Errorf("%+v", l)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s but %s: %v", c.pattern, c.except, got)
		}
	}
	p, err := database.ParsePattern("uploads")
	must(t, err)
	list, err := d.Tables(ctx, p)
	must(t, err)
	if len(list.Tables) != 1 || strings.HasPrefix(list.Tables[0].Schema, "tenant") {
		t.Errorf("%+v", list)
	}
	for _, bad := range []string{"", ".", "a.", ".b", "a.b.c", "/(/"} {
		_, err := database.ParsePattern(bad)
		kind(t, err, cooper.KindUsage, "")
	}
}

// patternsOfFile: a file of SQLite has one schema, and names that do not care for case.
func (w World) patternsOfFile(t *testing.T) {
	w.make(t, "Uploads", 1)
	w.make(t, "uploads_old", 1)
	w.Exec(t, "CREATE VIEW uploads_view AS SELECT 1 AS k")
	d := w.open(t, false, small())
	for _, c := range []struct{ pattern, except, want string }{
		{`/main\.uploads.*/`, "", "main.Uploads main.uploads_old main.uploads_view"},
		{`/.*\.uploads_.*/`, "uploads_old", "main.uploads_view"},
		{"UPLOADS", "", "main.Uploads"},
		{"main.uploads", "", "main.Uploads"},
		{"temp.uploads", "", ""},
		{"/uploads/", "", ""},
		{"/.*sqlite.*/", "", ""},
	} {
		var except []string
		if c.except != "" {
			except = []string{c.except}
		}
		p, err := database.ParsePattern(c.pattern, except...)
		must(t, err)
		list, err := d.Tables(ctx, p)
		must(t, err)
		var got []string
		for _, l := range list.Tables {
			got = append(got, l.String())
			if l.View != strings.HasSuffix(l.Table, "view") || !l.Readable {
				t.Errorf("%+v", l)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s but %s: %v", c.pattern, c.except, got)
		}
	}
}

func foreignKeys(t *testing.T, w World) {
	d := w.open(t, false, small())
	for _, sql := range []string{
		"CREATE TABLE fk_files (id INT PRIMARY KEY, a INT NOT NULL, b INT NOT NULL, up INT, UNIQUE (a, b), CONSTRAINT fk_self FOREIGN KEY (up) REFERENCES fk_files (id))",
		"CREATE TABLE fk_other (id INT PRIMARY KEY)",
		"CREATE TABLE fk_one (id INT PRIMARY KEY, f INT, o INT, CONSTRAINT fk_f FOREIGN KEY (f) REFERENCES fk_files (id), CONSTRAINT fk_o FOREIGN KEY (o) REFERENCES fk_other (id))",
		"CREATE TABLE fk_two (id INT PRIMARY KEY, y INT, x INT, CONSTRAINT fk_pair FOREIGN KEY (x, y) REFERENCES fk_files (a, b))",
	} {
		w.Exec(t, sql)
	}
	show := func(keys []database.ForeignKey) string {
		var out []string
		for _, k := range keys {
			out = append(out, fmt.Sprintf("%s %s(%s) %s(%s)", w.foreignName(k), k.Table.Table, strings.Join(k.Columns, ","), k.To.Table, strings.Join(k.Targets, ",")))
		}
		return strings.Join(out, "; ")
	}
	got, err := d.ForeignKeys(ctx, []database.Name{describeTable(t, d, "fk_files").Name})
	must(t, err)
	const want = "fk_self fk_files(up) fk_files(id); fk_f fk_one(f) fk_files(id); fk_pair fk_two(x,y) fk_files(a,b)"
	if show(got) != want {
		t.Errorf("%s", show(got))
	}
	byName, err := d.ForeignKeys(ctx, []database.Name{{Table: "fk_files"}})
	must(t, err)
	if show(byName) != want {
		t.Errorf("%s", show(byName))
	}
	if of := describeTable(t, d, "fk_one").ForeignKeys; show(of) != "fk_f fk_one(f) fk_files(id); fk_o fk_one(o) fk_other(id)" {
		t.Errorf("%s", show(of))
	}
	if none, err := d.ForeignKeys(ctx, nil); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}

// foreignName is what a foreign key is called; SQLite does not tell.
func (w World) foreignName(k database.ForeignKey) string {
	if w.SQLite {
		return map[string]string{"up": "fk_self", "f": "fk_f", "o": "fk_o", "x": "fk_pair"}[k.Columns[0]]
	}
	return k.Name
}

func server(t *testing.T, w World) {
	d, r := w.open(t, false, database.Options{}), w.open(t, true, database.Options{})
	owner, err := d.Server(ctx)
	must(t, err)
	reader, err := r.Server(ctx)
	must(t, err)
	if owner.Identity != reader.Identity || len(owner.Identity) < 20 || owner.Version == "" || owner.Replica != database.Primary {
		t.Errorf("%+v, %+v", owner, reader)
	}
	if owner.Skew.Abs() > time.Minute || time.Since(owner.Clock).Abs() > time.Minute {
		t.Errorf("the clock: %v, %v", owner.Clock, owner.Skew)
	}
	if w.SQLite {
		if len(owner.Writes) != 1 || !strings.HasPrefix(owner.Writes[0], "the file ") {
			t.Errorf("rights to write: %q", owner.Writes)
		}
		return
	}
	if len(owner.Writes) == 0 || len(reader.Writes) != 0 {
		t.Errorf("rights to write: %q, %q", owner.Writes, reader.Writes)
	}
	w.make(t, "server_written", 1)
	w.Exec(t, "CREATE ROLE writer")
	w.Exec(t, "GRANT INSERT ON server_written TO writer")
	w.Exec(t, "GRANT writer TO reader")
	if !w.Postgres { // one that may be taken, but is not active, is named alone
		reader, err = r.Server(ctx)
		must(t, err)
		if got := strings.Join(reader.Writes, "; "); got != "whatever the role `writer` may do" && got != "whatever the role `writer`@`%` may do" {
			t.Errorf("%q", got)
		}
		w.Exec(t, "SET DEFAULT ROLE writer "+map[bool]string{true: "TO", false: "FOR"}[w.MySQL]+" reader")
	}
	reader, err = w.open(t, true, database.Options{}).Server(ctx)
	must(t, err)
	if got := strings.Join(reader.Writes, "; "); !strings.Contains(got, "INSERT") || !strings.Contains(got, "server_written") {
		t.Errorf("rights to write by a role: %q", got)
	}
	w.Exec(t, w.pick("DROP ROLE writer", "REVOKE writer FROM reader"))
	for _, l := range []database.Database{d, r} {
		load, err := l.Load(ctx)
		must(t, err)
		if load.Running < 0 || load.Running > 50 || load.Lag > 0 {
			t.Errorf("%+v", load)
		}
	}
}

func describe(t *testing.T, w World) {
	d := w.open(t, false, small())
	w.Exec(t, w.pick3("CREATE TABLE described (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, k VARCHAR(20) COLLATE utf8mb4_bin, b BLOB, t TIMESTAMP NULL, `odd \"name` INT)",
		`CREATE TABLE described (id bigint PRIMARY KEY, k varchar(20) COLLATE "C", b bytea, t timestamptz, "odd ""name" int)`,
		"CREATE TABLE described (id INTEGER PRIMARY KEY, k VARCHAR(20), b BLOB, t datetime, `odd \"name` INT)"))
	got := describeTable(t, d, "described")
	var columns []string
	for _, c := range got.Columns {
		columns = append(columns, fmt.Sprintf("%s %s %s %v %s", c.Name, c.Type, c.Class, c.Nullable, c.Collation))
	}
	want := w.pick3(`id bigint(20) unsigned integer false ; k varchar(20) text true utf8mb4_bin; b blob bytes true ; t timestamp time true ; odd "name int(11) integer true `,
		`id bigint integer false ; k character varying(20) text true C; b bytea bytes true ; t timestamp with time zone time true ; odd "name integer integer true `,
		`id INTEGER integer false ; k VARCHAR(20) text true ; b BLOB bytes true ; t datetime time true ; odd "name INT integer true `)
	if w.MySQL { // it no longer says how wide numbers are shown
		want = strings.NewReplacer("(20) unsigned", " unsigned", "int(11)", "int").Replace(want)
	}
	if strings.Join(columns, "; ") != want {
		t.Errorf("%s", strings.Join(columns, "; "))
	}
	if got.View || got.Schema == "" || got.NoSnapshot || got.RowSecurity || got.Partitioned || got.Unreadable != nil || !got.Keys[0].Primary {
		t.Errorf("%+v", got)
	}
	_, err := d.Describe(ctx, database.Name{Table: "not_there"})
	kind(t, err, cooper.KindMissing, "not_there")
	if w.SQLite {
		return // it has no partitions
	}
	w.Exec(t, "CREATE TABLE parted (k INT NOT NULL, n INT NOT NULL, PRIMARY KEY (k)) PARTITION BY RANGE (k)"+w.pick(" (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)", ""))
	if w.Postgres {
		w.Exec(t, "CREATE TABLE parted_0 PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (10); CREATE TABLE parted_1 PARTITION OF parted DEFAULT")
	}
	w.Exec(t, "INSERT INTO parted SELECT 20 - n, n FROM ("+series(20)+") s")
	p, err := database.ParsePattern(`/.*\.parted.*/`)
	must(t, err)
	list, err := d.Tables(ctx, p)
	must(t, err)
	parted := describeTable(t, d, "parted")
	rows, _ := read(t, d, &database.Source{Table: parted, Columns: []string{"n"}}, 6)
	same(t, "partitioned", column(rows, 0), numbers(20))
	if len(list.Tables) != 1 || !parted.Partitioned {
		t.Errorf("%+v, %+v", list, parted)
	}
}

func series(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("SELECT %d AS n", i))
	}
	return strings.Join(out, " UNION ALL ")
}

// values of each class come as they are, whatever the server's settings.
func values(t *testing.T, w World) {
	d := w.open(t, false, small())
	for _, c := range []struct {
		sql   string // in both, unless there are two
		class database.Class
		want  string
	}{
		{"NULL", database.Null, "NULL"},
		{w.pick("CAST(-5 AS SIGNED)", "-5::bigint"), database.Integer, "-5"},
		{w.pick("18446744073709551615", "9223372036854775807"), database.Integer, w.pick("18446744073709551615", "9223372036854775807")},
		{"CAST(1.50 AS DECIMAL(10,2))", database.Number, "1.50"},
		{w.pick("CAST(0.1 AS DOUBLE)", "0.1::float8"), database.Number, "0.1"},
		{w.pick("'ä😀\\\\'", `'ä😀\'`), database.Text, `ä😀\`},
		{"''", database.Text, ""},
		{w.pick("CAST('' AS BINARY)", `'\x'::bytea`), database.Bytes, ""},
		{w.pick("x'00ff'", `'\x00ff'::bytea`), database.Bytes, "0x00ff"},
		{w.pick("CAST('2026-03-01' AS DATE)", "DATE '2026-03-01'"), database.Time, "2026-03-01"},
		{w.pick("FROM_UNIXTIME(1772366400)", "to_timestamp(1772366400)"), database.Time, w.pick("2026-03-01 12:00:00", "2026-03-01 12:00:00+00")},
		{"CURRENT_TIMESTAMP = CURRENT_TIMESTAMP", w.pick2(database.Integer, database.Bool), w.pick("1", "t")},
	} {
		if w.SQLite {
			break // it has values of its own
		}
		got, _ := read(t, d, &database.Source{Query: "SELECT " + c.sql}, 1)
		if v := got[0].Values[0]; v.Class != c.class && c.want != "" || v.String() != c.want {
			t.Errorf("%s: %s %q", c.sql, v.Class, v)
		}
	}
	for _, c := range []struct {
		sql   string
		known bool
	}{
		{w.pick("FROM_UNIXTIME(1772366400)", "to_timestamp(1772366400)"), true},
		{w.pick("CAST('2026-03-01 12:00:00.000000' AS DATETIME(6))", "'2026-03-01 12:00:00'::timestamp"), true},
		{w.pick("CAST('0000-00-00 00:00:00' AS DATETIME)", "'infinity'::timestamptz"), false},
		{w.pick("CAST('2026-00-00' AS DATE)", "'0044-03-15 BC'::date"), false},
		{"NULL", false},
	} {
		if w.SQLite {
			break
		}
		got, _ := read(t, d, &database.Source{Query: "SELECT " + c.sql}, 1)
		at, known := got[0].Values[0].Time()
		if known != c.known || known && !at.Equal(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: %v, %v (%s)", c.sql, at, known, got[0].Values[0])
		}
	}
}

func (w World) pick2(maria, postgres database.Class) database.Class {
	if w.Postgres {
		return postgres
	}
	return maria
}
