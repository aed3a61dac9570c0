package databasetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/database"
)

// make makes a table of n rows with the numbers 0 … n-1 and a key of ten times that.
func (w World) make(t testing.TB, table string, n int) {
	t.Helper()
	w.Exec(t, "CREATE TABLE "+table+" (k BIGINT NOT NULL PRIMARY KEY, n INT NOT NULL)")
	if n > 0 {
		w.Exec(t, "INSERT INTO "+table+" "+w.pick(
			fmt.Sprintf("WITH RECURSIVE r AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM r WHERE i + 1 < %d) SELECT 10 * i, i FROM r", n),
			fmt.Sprintf("SELECT 10 * i, i FROM generate_series(0, %d) AS i", n-1)))
	}
}

func fewRows(t *testing.T, w World) {
	d := w.open(t, false, small())
	for n := range 5 {
		table := fmt.Sprint("few_", n)
		w.make(t, table, n)
		got, ranges := read(t, d, &database.Source{Table: describeTable(t, d, table), Columns: []string{"n"}}, 2)
		same(t, table, column(got, 0), numbers(n))
		if want := max(1, (n+1)/2); len(ranges) != want {
			t.Errorf("%d ranges of %d rows", len(ranges), n)
		}
		if ranges[0].After != nil || ranges[len(ranges)-1].To != nil {
			t.Errorf("ranges have ends: %v", ranges)
		}
	}
}

// later: what is inserted after ranges were cut lies in one of them, before the first
// row and behind the last, too.
func later(t *testing.T, w World) {
	d := w.open(t, false, small())
	w.make(t, "later", 10)
	s := &database.Source{Table: describeTable(t, d, "later"), Columns: []string{"n"}}
	ranges, err := d.Ranges(ctx, s, 3)
	must(t, err)
	w.Exec(t, "INSERT INTO later VALUES (-5, 10), (5, 11), (20 + 5, 12), (1000, 13), (9223372036854775807, 14)")
	w.Exec(t, "DELETE FROM later WHERE k IN (0, 20, 90)") // some of them bounds
	w.Exec(t, "INSERT INTO later VALUES (89, 0), (91, 2), (92, 9)")
	var all []database.Row
	for _, r := range ranges {
		k := &sink{}
		must(t, d.Read(ctx, s, r, k))
		all = append(all, k.rows...)
	}
	same(t, "later", column(all, 0), numbers(15))
}

// moving: another client inserts, deletes and moves rows all the while. Within a range
// nothing of that is seen, and over all ranges no row that stayed is missed.
func moving(t *testing.T, w World) {
	o := small()
	o.Limits.PageRows = 250
	d := w.open(t, false, o)
	const n = 4000
	w.make(t, "moving", n)
	s := &database.Source{Table: describeTable(t, d, "moving"), Columns: []string{"n"}}
	// In one range nothing that happens meanwhile is seen.
	k := &sink{}
	changes := 0
	k.hook = func(int, int) error {
		changes++
		w.Exec(t, fmt.Sprintf("DELETE FROM moving WHERE n %% 3 = 1 AND n > %d", n-500*changes))
		w.Exec(t, "UPDATE moving SET k = 100005 - k WHERE n % 3 = 2")
		w.Exec(t, fmt.Sprintf("INSERT INTO moving VALUES (%d, 10000)", 10*n+changes))
		return nil
	}
	must(t, d.Read(ctx, s, database.Range{Key: s.Table.Key().Columns}, k))
	same(t, "one range", column(k.rows, 0), numbers(n))
	if changes < 3 {
		t.Errorf("only %d times something was changed meanwhile", changes)
	}
	// Over several, those that stayed are there, once.
	ranges, err := d.Ranges(ctx, s, 300)
	must(t, err)
	stayed := map[string]int{}
	for i, r := range ranges {
		k := &sink{}
		must(t, d.Read(ctx, s, r, k))
		for _, row := range k.rows {
			if i, err := strconv.Atoi(row.Values[0].String()); err == nil && i%3 == 0 {
				stayed[row.Values[0].String()]++
			}
		}
		w.Exec(t, fmt.Sprintf("DELETE FROM moving WHERE n %% 3 = 2 AND n < %d", 200*i))
		w.Exec(t, fmt.Sprintf("INSERT INTO moving VALUES (%d, 10001)", -1-i))
	}
	for i := 0; i < n; i += 3 {
		if stayed[fmt.Sprint(i)] != 1 {
			t.Errorf("row %d was seen %d times", i, stayed[fmt.Sprint(i)])
		}
	}
}

// huge: values of megabytes, beside small ones, arrive as they are.
func huge(t *testing.T, w World) {
	d := w.open(t, false, small())
	w.Exec(t, w.pick3("CREATE TABLE huge (k INT PRIMARY KEY, v LONGBLOB)", "CREATE TABLE huge (k int PRIMARY KEY, v bytea)", "CREATE TABLE huge (k INTEGER PRIMARY KEY, v BLOB)"))
	const length = 17 << 20
	for i := range 3 {
		w.Exec(t, w.pick3(fmt.Sprintf("INSERT INTO huge VALUES (%d, CONCAT(REPEAT(x'00ff0a27', %d), 'end'))", i, length/4),
			fmt.Sprintf(`INSERT INTO huge VALUES (%d, decode(repeat('00ff0a27', %d), 'hex') || 'end')`, i, length/4),
			fmt.Sprintf(`INSERT INTO huge VALUES (%d, unhex(replace(hex(zeroblob(%d)), '00', '00ff0a27') || hex('end')))`, i, length/4)))
	}
	got, _ := read(t, d, &database.Source{Table: describeTable(t, d, "huge"), Columns: []string{"k", "v"}}, 2)
	want := append(bytes.Repeat([]byte{0, 255, 10, 39}, length/4), "end"...)
	same(t, "huge", column(got, 0), numbers(3))
	for _, r := range got {
		if v := r.Values[1]; v.Class != database.Bytes || !bytes.Equal(v.Data, want) {
			t.Errorf("%s: %d bytes of class %s", r.Values[0], len(v.Data), v.Class)
		}
	}
}

// conditions leave rows out, wherever they lie, and do not reach beyond their place.
func conditions(t *testing.T, w World) {
	d := w.open(t, false, small())
	w.make(t, "conditions", 40)
	table := describeTable(t, d, "conditions")
	for where, want := range map[string]int{
		"n < 0": 0, "n < 5": 5, "n >= 35 OR n < 2": 7, "n % 10 = 3 -- every tenth": 4, "n /* of ) all */ > 37 ": 2, "n IN (1, 2) AND ')' = ')'": 2, "NULL": 0, "n < 5 OR NULL": 5,
		"conditions.n = 7": 1, ":now > '2026-01-01' AND ':now' = ':now' AND n < 3": 3, "k = 390": 1,
	} {
		got, _ := read(t, d, &database.Source{Table: table, Columns: []string{"n", "k / 10 -- ten", "CASE WHEN n < 0 THEN NULL ELSE k END"}, Where: where, Now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}, 9)
		if len(got) != want {
			t.Errorf("%s: %d rows in place of %d", where, len(got), want)
		}
		for _, r := range got {
			if n := r.Values[1].String(); strings.TrimRight(strings.TrimSuffix(n, "0000"), ".") != r.Values[0].String() {
				t.Errorf("%s: %v", where, r)
			}
		}
	}
	for _, where := range []string{"n = 1) OR (n = 2", "n = 1; DELETE FROM conditions", "n = '", "n = 1 /*", "(n = 1", "n = [1)]", ":now IS NULL"} {
		_, err := d.Ranges(ctx, &database.Source{Table: table, Where: where}, 10)
		must(t, err)
		kind(t, d.Read(ctx, &database.Source{Table: table, Columns: []string{"n"}, Where: where}, database.Range{}, &sink{}), cooper.KindUsage, "")
	}
	kind(t, d.Read(ctx, &database.Source{Table: table, Columns: []string{"none"}}, database.Range{}, &sink{}), cooper.KindUsage, "none")
}

// samples: some rows are enough.
func samples(t *testing.T, w World) {
	d := w.open(t, false, small())
	w.make(t, "samples", 40)
	table := describeTable(t, d, "samples")
	for _, key := range [][]string{nil, {"k"}} {
		for _, where := range []string{"", "n > 9"} {
			k := &sink{}
			must(t, d.Read(ctx, &database.Source{Table: table, Columns: []string{"n"}, Where: where, Limit: 5}, database.Range{Key: key}, k))
			if len(k.rows) != 5 {
				t.Errorf("%v %q: %d rows", key, where, len(k.rows))
			}
		}
	}
	kind(t, d.Read(ctx, &database.Source{Table: table, Columns: []string{"n"}}, database.Range{Key: []string{"gone"}}, &sink{}), cooper.KindRefused, "gone")
}

// queries of the owner's are read in one statement, columns by name where that is
// asked.
func queries(t *testing.T, w World) {
	d := w.open(t, false, small())
	w.make(t, "queries", 10)
	got, ranges := read(t, d, &database.Source{Query: "SELECT n, k AS n FROM queries WHERE n > 2 -- some"}, 2)
	if len(got) != 7 || len(ranges) != 1 || got[0].Key != nil {
		t.Errorf("%d rows in %v", len(got), ranges)
	}
	got, _ = read(t, d, &database.Source{Query: "SELECT k AS b, n AS a FROM queries", Columns: []string{"a"}, Where: "a < 3"}, 2)
	same(t, "by name", column(got, 0), numbers(3))
	got, _ = read(t, d, &database.Source{Query: w.pick3("SELECT GROUP_CONCAT(n ORDER BY n) FROM queries", "SELECT string_agg(n::text, ',' ORDER BY n) FROM queries", "SELECT group_concat(n, ',' ORDER BY n) FROM queries")}, 2)
	same(t, "one text", column(got, 0), []string{"0,1,2,3,4,5,6,7,8,9"})
	w.Exec(t, "CREATE VIEW queries_view AS SELECT n FROM queries")
	v := describeTable(t, d, "queries_view")
	got, _ = read(t, d, &database.Source{Table: v, Columns: []string{"n"}, Where: "n < 4"}, 2)
	same(t, "view", column(got, 0), numbers(4))
	if !v.View {
		t.Errorf("%+v is no view", v)
	}
}

// broken connections are made anew: the range begins again, and what came before does
// not count.
func broken(t *testing.T, w World) {
	waits := 0
	o := small()
	o.Wait = func(context.Context, time.Duration) error { waits++; return nil }
	d := w.open(t, false, o)
	w.make(t, "broken", 4000)
	s := &database.Source{Table: describeTable(t, d, "broken"), Columns: []string{"n"}}
	for _, key := range [][]string{{"k"}, nil} {
		k := &sink{}
		k.hook = func(attempt, rows int) error {
			if attempt < 3 {
				w.Kill(t)
			}
			return nil
		}
		must(t, d.Read(ctx, s, database.Range{Key: key}, k))
		same(t, "after two breaks", column(k.rows, 0), numbers(4000))
		if key != nil && k.begins != 3 {
			t.Errorf("begun %d times", k.begins)
		}
	}
	waits = 0
	k := &sink{hook: func(int, int) error { w.Kill(t); return nil }}
	kind(t, d.Read(ctx, s, database.Range{Key: []string{"k"}}, k), cooper.KindStore, "tried 6 times")
	if waits != 5 || k.begins != 6 {
		t.Errorf("%d waits, begun %d times", waits, k.begins)
	}
	own := errors.New("the sink's own")
	k = &sink{hook: func(int, int) error { return own }}
	if err := d.Read(ctx, s, database.Range{Key: []string{"k"}}, k); !errors.Is(err, own) || k.begins != 1 {
		t.Errorf("%v, begun %d times", err, k.begins)
	}
}

// cancelled: a context ends everything, also on the server.
func cancelled(t *testing.T, w World) {
	d := w.open(t, false, small())
	w.make(t, "cancelled", 3000)
	s := &database.Source{Table: describeTable(t, d, "cancelled"), Columns: []string{"n", w.pick3("SLEEP(k < 0)", "pg_sleep(0)", "k < 0")}}
	for _, key := range [][]string{{"k"}, nil} {
		ctx, cancel := context.WithCancel(ctx)
		k := &sink{hook: func(int, int) error { cancel(); return nil }}
		if err := d.Read(ctx, s, database.Range{Key: key}, k); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	if w.SQLite {
		w.cancelledWithin(t, d)
		return
	}
	// A statement that sends nothing would go on by itself.
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- d.Read(ctx, &database.Source{Query: w.pick("SELECT BENCHMARK(1000000000000, SHA2('x', 256))", "SELECT pg_sleep(600.25)")}, database.Range{}, &sink{})
	}()
	running := func() bool {
		return w.Exec(t, w.pick("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%BENCHMARK(1000%' AND id <> CONNECTION_ID()",
			"SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600%' AND state = 'active' AND pid <> pg_backend_pid()"))[0][0] != "0"
	}
	for !running() {
		select {
		case err := <-ended:
			t.Fatal(err)
		default:
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for looks := 0; running(); looks++ { // it goes in a moment
		if looks == 10_000 {
			t.Fatal("it runs on on the server")
		}
	}
}

// cancelledWithin: a statement of SQLite ends between its first row and a second that never
// comes. Nobody sees from outside whether it runs: so its sink does.
func (w World) cancelledWithin(t *testing.T, d database.Database) {
	ctx, cancel := context.WithCancel(ctx)
	const endless = "WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n) SELECT i, zeroblob(8000000) FROM n WHERE i < 1"
	k := &sink{hook: func(int, int) error { cancel(); return nil }}
	if err := d.Read(ctx, &database.Source{Query: endless}, database.Range{}, k); !errors.Is(err, context.Canceled) || len(k.rows) != 1 {
		t.Errorf("%v, %d rows", err, len(k.rows))
	}
}
