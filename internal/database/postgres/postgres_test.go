package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/databasetest"
	"cooper/internal/postgres/pgtest"
)

var ctx = context.Background()

// shared is started with the first test that needs it, and made as strange as an
// owner's may be.
var shared = sync.OnceValues(func() (*pgtest.Server, error) { return pgtest.Start(ctx) })

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := shared(); err == nil {
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func server(t testing.TB) *pgtest.Server {
	t.Helper()
	s, err := shared()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	for _, set := range []string{"timezone = 'Asia/Kolkata'", "datestyle = 'German'", "bytea_output = 'escape'", "extra_float_digits = -3", "standard_conforming_strings = off", "intervalstyle = 'iso_8601'"} {
		run(t, s, "ALTER DATABASE lab SET "+set)
	}
	return s
}

// as is the URL for another user.
func as(t testing.TB, s *pgtest.Server, name, password string) string {
	u, err := url.Parse(s.URL())
	must(t, err)
	u.User = url.UserPassword(name, password)
	return u.String()
}

func open(t testing.TB, dsn string, o database.Options) *Database {
	t.Helper()
	d, err := Open(ctx, dsn, o)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

// run runs SQL beside the code under test.
func run(t testing.TB, s *pgtest.Server, sql string) (out [][]string) {
	t.Helper()
	conn, err := pgconn.Connect(ctx, s.URL())
	must(t, err)
	defer func() { must(t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, "SET standard_conforming_strings = on; SET timezone = 'UTC'; SET datestyle = 'ISO'").ReadAll()
	must(t, err)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatalf("%v: %.500s", err, sql)
	}
	for _, r := range results {
		for _, row := range r.Rows {
			texts := make([]string, len(row))
			for i := range row {
				texts[i] = string(row[i])
			}
			out = append(out, texts)
		}
	}
	return out
}

func TestConformance(t *testing.T) {
	s := server(t)
	databasetest.Run(t, databasetest.World{
		Postgres: true,
		Open: func(t testing.TB, reader bool, o database.Options) database.Database {
			dsn := s.URL()
			if reader {
				dsn = as(t, s, "reader", "r-word")
			}
			d, err := Open(ctx, dsn, o)
			must(t, err)
			return d
		},
		Exec: func(t testing.TB, sql string) [][]string { return run(t, s, sql) },
		Kill: func(t testing.TB) {
			run(t, s, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cooper'")
		},
	})
}

// TestRowSecurity: rows that a policy would hide are an error, and told before.
func TestRowSecurity(t *testing.T) {
	s := server(t)
	run(t, s, "CREATE TABLE secured (k int PRIMARY KEY, owner text); INSERT INTO secured SELECT i, 'somebody' FROM generate_series(1, 1000) i; CREATE ROLE scanner LOGIN PASSWORD 'scanner-word'; GRANT SELECT ON secured TO scanner;"+
		"ALTER TABLE secured ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON secured USING (owner = current_user); CREATE VIEW secured_view WITH (security_invoker) AS SELECT k FROM secured; GRANT SELECT ON secured_view TO scanner")
	d := open(t, as(t, s, "scanner", "scanner-word"), database.Options{})
	table, err := d.Describe(ctx, database.Name{Table: "secured"})
	must(t, err)
	if !table.RowSecurity {
		t.Errorf("%+v", table)
	}
	view, err := d.Describe(ctx, database.Name{Table: "secured_view"})
	must(t, err)
	for _, source := range []*database.Source{{Table: table, Columns: []string{"k"}}, {Table: view, Columns: []string{"k"}}, {Query: "SELECT count(*) FROM secured"}} {
		k := &rows{}
		err := d.Read(ctx, source, database.Range{}, k)
		if cooper.KindOf(err) != cooper.KindDenied || !strings.Contains(cooper.RemedyOf(err), "BYPASSRLS") || len(k.all) > 0 {
			t.Errorf("%v: %v, %d rows", source, err, len(k.all))
		}
	}
	if _, err := d.Ranges(ctx, &database.Source{Table: table}, 100); cooper.KindOf(err) != cooper.KindDenied {
		t.Errorf("%v", err)
	}
	run(t, s, "ALTER ROLE scanner BYPASSRLS")
	table, err = d.Describe(ctx, database.Name{Table: "secured"})
	must(t, err)
	k := &rows{}
	must(t, d.Read(ctx, &database.Source{Table: table, Columns: []string{"k"}}, database.Range{}, k))
	if len(k.all) != 1000 || table.RowSecurity {
		t.Errorf("%d rows, %+v", len(k.all), table)
	}
}

type rows struct {
	all []database.Row
}

func (r *rows) Begin(database.Snapshot) error  { r.all = nil; return nil }
func (r *rows) Rows(rows []database.Row) error { r.all = append(r.all, rows...); return nil }

// TestKeysThatCannotBeReadBy are passed over, and say why.
func TestKeysThatCannotBeReadBy(t *testing.T) {
	s := server(t)
	run(t, s, `CREATE TABLE odd_keys (a int NOT NULL, b int NOT NULL, c text NOT NULL, d int, e text COLLATE "C" NOT NULL);
		CREATE UNIQUE INDEX odd_part ON odd_keys (b) WHERE b > 0; CREATE UNIQUE INDEX odd_expr ON odd_keys ((b + 1)); CREATE UNIQUE INDEX odd_null ON odd_keys (d);
		CREATE UNIQUE INDEX odd_pattern ON odd_keys (c text_pattern_ops); CREATE UNIQUE INDEX odd_good ON odd_keys (a, e COLLATE "en-x-icu") INCLUDE (b);
		CREATE TABLE parent (k int PRIMARY KEY, n int); CREATE TABLE child () INHERITS (parent); INSERT INTO parent VALUES (1, 0), (2, 1), (3, 2); INSERT INTO child VALUES (1, 3), (1, 4), (2, 5), (2, 6);
		INSERT INTO odd_keys SELECT i / 3, i, i, NULL, CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'A' ELSE 'b' END FROM generate_series(0, 29) i`)
	d := open(t, s.URL(), database.Options{Limits: database.Limits{PageRows: 2}})
	table, err := d.Describe(ctx, database.Name{Table: "odd_keys"})
	must(t, err)
	for _, k := range table.Keys {
		if (k.Unusable == "") != (k.Name == "odd_good") {
			t.Errorf("%+v", k)
		}
	}
	if k := table.Key(); k == nil || k.Collations[1] != `pg_catalog."en-x-icu"` || len(k.Columns) != 2 {
		t.Fatalf("%+v", k)
	}
	ranges, err := d.Ranges(ctx, &database.Source{Table: table}, 7)
	must(t, err)
	seen := map[string]int{}
	for _, r := range ranges {
		k := &rows{}
		must(t, d.Read(ctx, &database.Source{Table: table, Columns: []string{"b"}}, r, k))
		for _, row := range k.all {
			seen[row.Values[0].String()]++
		}
	}
	if len(seen) != 30 || len(ranges) != 5 {
		t.Errorf("%d ranges: %v", len(ranges), seen)
	}
	parent, err := d.Describe(ctx, database.Name{Table: "parent"})
	must(t, err)
	k := &rows{}
	must(t, d.Read(ctx, &database.Source{Table: parent, Columns: []string{"n"}}, database.Range{}, k))
	if parent.Key() != nil || len(k.all) != 7 {
		t.Errorf("%+v: %d rows", parent.Keys, len(k.all))
	}
}

// TestArrays: also of arrays, of bytes, of an enum, of a domain, and with bounds.
func TestArrays(t *testing.T) {
	s := server(t)
	run(t, s, `CREATE TYPE weather AS ENUM ('sun', 'rain, "heavy"'); CREATE DOMAIN count_of AS bigint; CREATE EXTENSION IF NOT EXISTS citext`)
	d := open(t, s.URL(), database.Options{})
	for _, c := range []struct {
		sql, want string
		class     database.Class // of the first element
	}{
		{"'{}'::int[]", "{}", ""},
		{"'{1,NULL,-3}'::bigint[]", "{1,NULL,-3}", database.Integer},
		{`ARRAY['a,b', 'c"d', 'e\f', '', 'NULL', NULL, '{}', ' x ']`, `{a,b,c"d,e\f,,NULL,NULL,{},` + " x }", database.Text},
		{"'{{1,2},{3,4}}'::int[]", "{{1,2},{3,4}}", database.Array},
		{"'{{{a}},{{b}}}'::text[]", "{{{a}},{{b}}}", database.Array},
		{"'[0:1]={7,8}'::int[]", "{7,8}", database.Integer},
		{`ARRAY['\x00ff'::bytea, '\x61']`, "{0x00ff,a}", database.Bytes},
		{`ARRAY['rain, "heavy"'::weather]`, `{rain, "heavy"}`, database.Text},
		{"ARRAY[5::count_of]", "{5}", database.Integer},
		{"ARRAY['Ab'::citext]", "{Ab}", database.Text},
		{`ARRAY['{"a": 1}'::jsonb]`, `{{"a": 1}}`, database.JSON},
		{"ARRAY['28AA6ED1-421f-472e-ab29-4c091cebc524'::uuid]", "{28aa6ed1-421f-472e-ab29-4c091cebc524}", database.UUID},
		{"ARRAY['(1,1),(0,0)'::box, '(3,3),(2,2)']", "{(1,1),(0,0),(3,3),(2,2)}", database.Other},
		{"'2026-03-01 12:00+05:30'::timestamptz", "2026-03-01 06:30:00+00", ""},
		{"'Ab'::citext", "Ab", ""},
		{"5::count_of", "5", ""},
	} {
		k := &rows{}
		must(t, d.Read(ctx, &database.Source{Query: "SELECT " + c.sql}, database.Range{}, k))
		v := k.all[0].Values[0]
		if v.String() != c.want {
			t.Errorf("%s: %s", c.sql, v)
		}
		if c.class != "" && (v.Class != database.Array || v.Elements[0].Class != c.class) {
			t.Errorf("%s: %+v", c.sql, v)
		}
	}
	of := &typ{class: database.Array, elem: &typ{class: database.Text}, delim: ','}
	for _, bad := range []string{"", "{", "{a", `{"a}`, "{a}b", "{a,}", "{,a}", "{{a}", `{a\`, "a"} {
		if v, err := of.value([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, v)
		}
	}
}

// TestSearchPath: names are looked for where that is declared, whatever the user's
// own settings.
func TestSearchPath(t *testing.T) {
	s := server(t)
	run(t, s, "CREATE SCHEMA first; CREATE SCHEMA second; CREATE TABLE first.looked (k int PRIMARY KEY); CREATE TABLE second.looked (k int PRIMARY KEY); INSERT INTO second.looked VALUES (1)")
	for _, schema := range []string{"first", "second"} {
		d := open(t, s.URL(), database.Options{SearchPath: []string{schema, "public"}})
		table, err := d.Describe(ctx, database.Name{Table: "looked"})
		must(t, err)
		p, err := database.ParsePattern("looked")
		must(t, err)
		list, err := d.Tables(ctx, p)
		must(t, err)
		k := &rows{}
		must(t, d.Read(ctx, &database.Source{Query: "SELECT k FROM looked"}, database.Range{}, k))
		if table.Schema != schema || len(list.Tables) != 1 || list.Tables[0].Schema != schema || len(k.all) != map[string]int{"second": 1}[schema] {
			t.Errorf("%s: %+v, %+v, %d rows", schema, table, list, len(k.all))
		}
	}
}

// TestErrorsShowNoPassword, whatever is wrong.
func TestErrorsShowNoPassword(t *testing.T) {
	s := server(t)
	for name, c := range map[string]struct {
		dsn  string
		kind cooper.Kind
	}{
		"no such database": {strings.Replace(s.URL(), "/lab?", "/none?", 1), cooper.KindUsage},
		"wrong password":   {as(t, s, "lab", "wr0ng-Pa55word"), cooper.KindDenied},
		"no server":        {"postgres://lab:" + pgtest.Password + "@localhost:1/lab", cooper.KindStore},
		"no URL":           {"postgres://lab:" + pgtest.Password + "@host:port/lab", cooper.KindUsage},
		"no certificate":   {"postgres://lab:" + pgtest.Password + "@localhost:1/lab?sslmode=verify-ca&sslrootcert=/nowhere", cooper.KindUsage},
		"bad parameter":    {s.URL() + "&connect_timeout=" + pgtest.Password, cooper.KindUsage},
	} {
		_, err := Open(ctx, c.dsn, database.Options{})
		if cooper.KindOf(err) != c.kind || strings.Contains(fmt.Sprint(err)+cooper.RemedyOf(err), "Pa55") {
			t.Errorf("%s: %s: %v", name, cooper.KindOf(err), err)
		}
	}
}

// TestTimeout: a statement that takes too long fails, and is not tried again.
func TestTimeout(t *testing.T) {
	s := server(t)
	run(t, s, "CREATE TABLE slow (k int PRIMARY KEY); INSERT INTO slow VALUES (1)")
	d := open(t, s.URL(), database.Options{Timeout: time.Millisecond})
	k := &rows{}
	err := d.Read(ctx, &database.Source{Table: &database.Table{Name: database.Name{Schema: "public", Table: "slow"}, Columns: []database.Column{{Name: "k", Type: "integer"}}, Keys: []database.Key{{Columns: []string{"k"}}}},
		Columns: []string{"pg_sleep(600)"}}, database.Range{Key: []string{"k"}}, k)
	if cooper.KindOf(err) != cooper.KindTimeout {
		t.Errorf("%v", err)
	}
}
