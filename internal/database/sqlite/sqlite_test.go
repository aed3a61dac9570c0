package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/databasetest"
)

var ctx = context.Background()

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file is one with tables, and who writes to it beside the code under test.
type file struct {
	path string
	db   *sql.DB
}

// make makes one; mode is of its journal.
func newFile(t testing.TB, mode string, statements ...string) *file {
	t.Helper()
	f := &file{path: filepath.Join(t.TempDir(), "lab.db")}
	var err error
	f.db, err = sql.Open("sqlite", f.path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode("+mode+")")
	must(t, err)
	f.db.SetMaxOpenConns(1)
	t.Cleanup(func() { must(t, f.db.Close()) })
	for _, sql := range append([]string{"PRAGMA user_version = 1"}, statements...) {
		f.exec(t, sql)
	}
	return f
}

func (f *file) exec(t testing.TB, sql string) (out [][]string) {
	t.Helper()
	rows, err := f.db.QueryContext(ctx, sql)
	if err != nil {
		t.Fatalf("%v: %.500s", err, sql)
	}
	defer rows.Close()
	names, err := rows.Columns()
	must(t, err)
	for rows.Next() {
		row := make([]string, len(names))
		to := make([]any, len(names))
		for i := range to {
			to[i] = &row[i]
		}
		must(t, rows.Scan(to...))
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%v: %.500s", err, sql)
	}
	return out
}

func (f *file) open(t testing.TB, o database.Options) *Database {
	t.Helper()
	d, err := Open(ctx, "sqlite:"+f.path, o)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

// rows keeps what is read.
type rows struct {
	all  []database.Row
	hook func()
}

func (r *rows) Begin(database.Snapshot) error { r.all = nil; return nil }

func (r *rows) Rows(some []database.Row) error {
	r.all = append(r.all, some...)
	if r.hook != nil {
		r.hook()
	}
	return nil
}

func read(t testing.TB, d *Database, query string) [][]database.Value {
	t.Helper()
	r := &rows{}
	must(t, d.Read(ctx, &database.Source{Query: query}, database.Range{}, r))
	var out [][]database.Value
	for _, row := range r.all {
		out = append(out, row.Values)
	}
	return out
}

func kind(t testing.TB, err error, k cooper.Kind, part string) {
	t.Helper()
	if cooper.KindOf(err) != k || !strings.Contains(err.Error(), part) {
		t.Errorf("%v is of kind %q, not %q about %q", err, cooper.KindOf(err), k, part)
	}
}

func TestConformance(t *testing.T) {
	f := newFile(t, "wal")
	databasetest.Run(t, databasetest.World{
		SQLite: true,
		Open: func(t testing.TB, _ bool, o database.Options) database.Database {
			d, err := Open(ctx, "sqlite:"+f.path, o)
			must(t, err)
			return d
		},
		Exec: f.exec,
	})
}

// TestUTF16: a file of such texts is read by row numbers alone, and all is UTF-8 that comes of it.
func TestUTF16(t *testing.T) {
	f := newFile(t, "wal", "PRAGMA encoding = 'UTF-16le'", "CREATE TABLE a (k TEXT NOT NULL PRIMARY KEY)", "INSERT INTO a VALUES ('ä😀'), ('b' || char(0) || 'c')", "CREATE TABLE b (k INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO b VALUES (1, 'ß'), (2, '日')")
	d := f.open(t, database.Options{Limits: database.Limits{PageRows: 1}})
	for table, want := range map[string]string{"a": "b\x00c ä😀", "b": "ß 日"} {
		described, err := d.Describe(ctx, database.Name{Table: table})
		must(t, err)
		s := &database.Source{Table: described, Columns: []string{map[string]string{"a": "k", "b": "v"}[table]}}
		ranges, err := d.Ranges(ctx, s, 1)
		must(t, err)
		var got []string
		for _, r := range ranges {
			k := &rows{}
			must(t, d.Read(ctx, s, r, k))
			for _, row := range k.all {
				got = append(got, row.Values[0].String())
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want || (len(ranges) == 2) != (table == "b") {
			t.Errorf("%s: %q in %d ranges", table, got, len(ranges))
		}
	}
}

// TestValues: what a value is, it is by itself.
func TestValues(t *testing.T) {
	f := newFile(t, "wal", "CREATE TABLE v (k INTEGER PRIMARY KEY, any, t DATETIME, d DATE, i INTEGER, s TEXT, b BLOB, n NUMERIC, r REAL)")
	d := f.open(t, database.Options{})
	for _, c := range []struct {
		column, sql string
		class       database.Class
		want        string
	}{
		{"any", "NULL", database.Null, "NULL"},
		{"any", "5", database.Integer, "5"},
		{"any", "-9223372036854775808", database.Integer, "-9223372036854775808"},
		{"any", "'5'", database.Text, "5"},
		{"any", "5.0", database.Number, "5"},
		{"any", "5.5", database.Number, "5.5"},
		{"any", "9007199254740993.0", database.Number, "9.007199254740992e+15"},
		{"any", "9e999", database.Number, "+Inf"},
		{"any", "x'35'", database.Bytes, "5"},
		{"any", "x''", database.Bytes, ""},
		{"any", "'2026-03-01 12:00:00'", database.Time, "2026-03-01 12:00:00"},
		{"any", "'2026-03-01'", database.Text, "2026-03-01"},
		{"s", "'2026-03-01 12:00:00'", database.Text, "2026-03-01 12:00:00"},
		{"any", "'a' || char(0) || 'b'", database.Text, "a\x00b"},
		{"i", "'x'", database.Text, "x"},
		{"i", "'7'", database.Integer, "7"},
		{"s", "7", database.Text, "7"},
		{"s", "'2026-03-01'", database.Text, "2026-03-01"},
		{"r", "7", database.Number, "7"},
		{"t", "'2026-03-01 12:00:00'", database.Time, "2026-03-01 12:00:00"},
		{"t", "'2026-03-01T12:00:00.5Z'", database.Time, "2026-03-01T12:00:00.5Z"},
		{"t", "'2026-03-01 12:00:00+02:00'", database.Time, "2026-03-01 12:00:00+02:00"},
		{"t", "'yesterday'", database.Text, "yesterday"},
		{"t", "'0000-00-00 00:00:00'", database.Text, "0000-00-00 00:00:00"},
		{"t", "1772366400", database.Integer, "1772366400"},
		{"t", "2461101.0", database.Integer, "2461101"}, // the column's affinity made it one
		{"d", "'2026-03-01'", database.Time, "2026-03-01"},
	} {
		f.exec(t, "DELETE FROM v")
		f.exec(t, "INSERT INTO v ("+c.column+") VALUES ("+c.sql+")")
		v := read(t, d, "SELECT "+c.column+" FROM v")[0][0]
		if v.Class != c.class || v.String() != c.want {
			t.Errorf("%s in %s: %s %q", c.sql, c.column, v.Class, v)
		}
	}
	for sql, want := range map[string]string{
		"datetime(1772366400, 'unixepoch')": "2026-03-01T12:00:00Z", "'2026-03-01T12:00:00+02:00'": "2026-03-01T10:00:00Z", "strftime('%Y-%m-%d %H:%M:%f', 2461101.0)": "2026-03-01T12:00:00Z",
		"'2026-03-01'": "", "1772366400": "", "2461101.0": "", "'2026-13-01 00:00:00'": "", "CURRENT_TIMESTAMP || ''": "now",
	} {
		at, known := read(t, d, "SELECT "+sql)[0][0].Time()
		if known != (want != "") || known && want != "now" && at.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v", sql, at, known)
		}
	}
}

// TestKeys: what may be read by, and what not.
func TestKeys(t *testing.T) {
	f := newFile(t, "wal",
		"CREATE TABLE plain (id INTEGER PRIMARY KEY)",
		"CREATE TABLE downwards (id INTEGER PRIMARY KEY DESC, n INT)", // no alias of the row's number
		"CREATE TABLE nullable (id TEXT PRIMARY KEY)",
		"CREATE TABLE strict (id TEXT PRIMARY KEY) STRICT",
		"CREATE TABLE without (id TEXT PRIMARY KEY, n INT) WITHOUT ROWID",
		"CREATE TABLE mixed (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b DESC))",
		"CREATE TABLE partial (a INT NOT NULL)", "CREATE UNIQUE INDEX partial_a ON partial (a) WHERE a > 5",
		"CREATE TABLE computed (a INT NOT NULL)", "CREATE UNIQUE INDEX computed_a ON computed (abs(a))",
		"CREATE TABLE generated (a INT NOT NULL, b INT NOT NULL AS (a + 1) STORED UNIQUE, c INT AS (a * 2))",
		"CREATE TABLE folded (a TEXT NOT NULL)", "CREATE UNIQUE INDEX folded_a ON folded (a COLLATE NOCASE)",
		"CREATE TABLE same (a INTEGER NOT NULL UNIQUE, b INTEGER PRIMARY KEY)",
	)
	d := f.open(t, database.Options{})
	for table, want := range map[string]string{
		"plain": "id", "downwards": "id may be NULL", "nullable": "id may be NULL", "strict": "id", "without": "id", "mixed": "its index goes up and down", "partial": "it is of some rows only",
		"computed": "it is of an expression", "generated": "b", "folded": "a", "same": "b",
	} {
		described, err := d.Describe(ctx, database.Name{Table: table})
		must(t, err)
		got := ""
		if k := described.Key(); k != nil {
			got = strings.Join(k.Columns, ",")
		} else if len(described.Keys) > 0 {
			got = described.Keys[0].Unusable
		}
		if got != want {
			t.Errorf("%s is read by %q, not %q: %+v", table, got, want, described.Keys)
		}
	}
	described, err := d.Describe(ctx, database.Name{Table: "GENERATED"})
	must(t, err)
	if len(described.Columns) != 3 || described.Name.Table != "generated" {
		t.Errorf("%+v", described)
	}
}

// TestForeignCollation: an index in an order that only the owner's program knows is not read by,
// and the table is read whole all the same.
func TestForeignCollation(t *testing.T) {
	f := newFile(t, "wal", "CREATE TABLE c (a TEXT NOT NULL COLLATE BINARY PRIMARY KEY)", "INSERT INTO c VALUES ('x'), ('y')",
		"PRAGMA writable_schema = 1", "UPDATE sqlite_schema SET sql = replace(sql, 'BINARY', 'LABWISE')", "PRAGMA writable_schema = 0")
	d := f.open(t, database.Options{})
	described, err := d.Describe(ctx, database.Name{Table: "c"})
	must(t, err)
	if described.Key() != nil || !strings.Contains(described.Keys[0].Unusable, "LABWISE") {
		t.Errorf("%+v", described.Keys)
	}
	if got := read(t, d, "SELECT a FROM c"); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestBusy: while somebody else holds the file, it is tried again; and a reader of a file with
// no write-ahead log sees one snapshot, too.
func TestBusy(t *testing.T) {
	f := newFile(t, "delete", "CREATE TABLE t (k INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)")
	waits := 0
	d := f.open(t, database.Options{Wait: func(context.Context, time.Duration) error {
		if waits++; waits == 2 {
			f.exec(t, "COMMIT")
		}
		return nil
	}})
	f.exec(t, "BEGIN EXCLUSIVE")
	f.exec(t, "DELETE FROM t WHERE k = 2")
	if got := read(t, d, "SELECT k FROM t"); len(got) != 2 || waits != 2 {
		t.Errorf("%v after %d waits", got, waits)
	}
}

// TestReplaced: a file that another takes the place of is not read on, and is another server.
func TestReplaced(t *testing.T) {
	f := newFile(t, "delete", "CREATE TABLE t (k INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	d := f.open(t, database.Options{})
	before, err := d.Server(ctx)
	must(t, err)
	f.exec(t, "INSERT INTO t VALUES (2)")
	f.exec(t, "VACUUM")
	written, err := f.open(t, database.Options{}).Server(ctx)
	must(t, err)
	if written.Identity != before.Identity {
		t.Errorf("what is written to became another: %q, %q", before.Identity, written.Identity)
	}
	content, err := os.ReadFile(f.path)
	must(t, err)
	must(t, os.WriteFile(f.path+".new", content, 0o600))
	must(t, os.Rename(f.path+".new", f.path))
	err = d.Read(ctx, &database.Source{Query: "SELECT k FROM t"}, database.Range{}, &rows{})
	kind(t, err, cooper.KindRefused, "no longer in its place")
	after, err := f.open(t, database.Options{}).Server(ctx)
	must(t, err)
	if after.Identity == before.Identity || !strings.Contains(after.Identity, f.path) {
		t.Errorf("%q", after.Identity)
	}
	must(t, os.Remove(f.path))
	_, err = d.Describe(ctx, database.Name{Table: "t"})
	kind(t, err, cooper.KindRefused, "no longer in its place")
}

// TestUnreadable: what is no database, and what cannot be read of one, is an error.
func TestUnreadable(t *testing.T) {
	_, err := Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "none.db"), database.Options{})
	kind(t, err, cooper.KindMissing, "no such file")
	for _, address := range []string{"sqlite:", "postgres://x"} {
		_, err := Open(ctx, address, database.Options{})
		kind(t, err, cooper.KindUsage, "names no file")
	}
	f := newFile(t, "delete", "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t SELECT key, hex(randomblob(400)) FROM json_each('[' || substr(replace(hex(zeroblob(400)), '00', ',1'), 2) || ']')")
	content, err := os.ReadFile(f.path)
	must(t, err)
	for i := 20_000; i < len(content)-20_000; i++ {
		content[i] = 0xa5
	}
	bad := filepath.Join(t.TempDir(), "bad.db")
	must(t, os.WriteFile(bad, content, 0o600))
	d, err := Open(ctx, "sqlite:"+bad, database.Options{})
	must(t, err)
	defer d.Close()
	err = d.Read(ctx, &database.Source{Query: "SELECT k, v FROM t"}, database.Range{}, &rows{})
	kind(t, err, cooper.KindCorrupt, "malformed")
	text := filepath.Join(t.TempDir(), "text.db")
	must(t, os.WriteFile(text, []byte("this is no database, however long it may be"), 0o600))
	_, err = Open(ctx, "sqlite:"+text, database.Options{})
	kind(t, err, cooper.KindCorrupt, "not a database")
}

// TestForeignModule: a table of a module that only the owner's program has cannot be read, and
// is listed as such.
func TestForeignModule(t *testing.T) {
	f := newFile(t, "delete", "CREATE TABLE t (k INTEGER PRIMARY KEY)", "CREATE VIRTUAL TABLE words USING fts5(body)", "INSERT INTO words VALUES ('a word')", "CREATE TABLE x (k INT)", "CREATE VIEW gone AS SELECT k FROM x", "DROP TABLE x",
		"PRAGMA writable_schema = 1", "INSERT INTO sqlite_schema VALUES ('table', 'foreign', 'foreign', 0, 'CREATE VIRTUAL TABLE \"foreign\" USING labmodule(a)')")
	d := f.open(t, database.Options{})
	p, err := database.ParsePattern("/.*/")
	must(t, err)
	list, err := d.Tables(ctx, p)
	must(t, err)
	var got []string
	for _, l := range list.Tables {
		got = append(got, l.Table)
		if l.Readable != (l.Table == "t" || l.Table == "words") {
			t.Errorf("%+v", l)
		}
	}
	if want := []string{"foreign", "gone", "t", "words"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, table := range []string{"foreign", "gone"} {
		_, err := d.Describe(ctx, database.Name{Table: table})
		kind(t, err, cooper.KindDenied, "cannot be read")
	}
	if got := read(t, d, "SELECT body FROM words"); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// TestTimeout: a statement that takes too long ends, between two rows as well.
func TestTimeout(t *testing.T) {
	f := newFile(t, "wal", "CREATE TABLE t (k INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	d := f.open(t, database.Options{Timeout: time.Millisecond})
	described, err := d.Describe(ctx, database.Name{Table: "t"})
	must(t, err)
	const endless = "(WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n)"
	err = d.Read(ctx, &database.Source{Table: described, Columns: []string{endless}}, database.Range{Key: []string{"k"}}, &rows{})
	kind(t, err, cooper.KindTimeout, "took longer")
	if err := d.Read(ctx, &database.Source{Table: described, Columns: []string{"k"}}, database.Range{}, &rows{}); err != nil {
		t.Errorf("the next statement: %v", err)
	}
	own := errors.New("own")
	s, err := d.Open(ctx)
	must(t, err)
	defer s.Close()
	if err := s.Stream(ctx, "SELECT 1", func([]database.Value) error { return own }); !errors.Is(err, own) {
		t.Errorf("%v", err)
	}
}
