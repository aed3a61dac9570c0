// Package querytest checks that an engine does what package query promises.
package querytest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/query"
)

// Run checks the engines that open makes; open takes care of closing them.
func Run(t *testing.T, open func(t *testing.T) query.Engine) {
	for name, f := range map[string]func(*testing.T, query.Engine){
		"Values":     testValues,
		"Args":       testArgs,
		"Order":      testOrder,
		"Reads":      testReads,
		"Refuses":    testRefuses,
		"Mistakes":   testMistakes,
		"Cancelled":  testCancelled,
		"AtOnce":     testAtOnce,
		"Empty":      testEmpty,
		"Workspace":  testWorkspace,
		"Catalogs":   testCatalogs,
		"Misplaced":  testMisplaced,
		"Garbage":    testGarbage,
		"Detections": testDetections,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

// All gives a whole answer.
func All(t *testing.T, e query.Engine, sql string, args ...any) [][]any {
	t.Helper()
	r, err := e.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var all [][]any
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		all = append(all, row)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("%s: after the end: %v", sql, err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
	return all
}

func expect(t *testing.T, e query.Engine, sql string, want ...[]any) {
	t.Helper()
	got := All(t, e, sql)
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); d != "" {
		t.Errorf("%s: %s", sql, d)
	}
}

func testValues(t *testing.T, e query.Engine) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	at := time.Date(2026, 11, 20, 1, 2, 3, 456000000, time.UTC)
	for sql, want := range map[string]any{
		"NULL": nil, "true": true, "1::TINYINT": int64(1), "2::UINTEGER": int64(2), "3::BIGINT": int64(3), "4::HUGEINT": int64(4),
		"123456789012345678901234567890::HUGEINT": huge, "18446744073709551615::UBIGINT": new(big.Int).SetUint64(1<<64 - 1),
		"sum(5::BIGINT)": int64(5), "0.5::FLOAT": 0.5, "1e300::DOUBLE": 1e300, "1.50::DECIMAL(10,2)": json.Number("1.5"),
		"'é'": "é", `'\x00\xFF'::BLOB`: []byte{0, 255}, "[1, 2]": []any{int64(1), int64(2)},
		"{'a': 1.5::DECIMAL(3,1), 'b': [3::SMALLINT]}": map[string]any{"a": json.Number("1.5"), "b": []any{int64(3)}}, "MAP {'k': 2}": map[string]any{"k": int64(2)},
		"TIMESTAMPTZ '2026-11-20 02:02:03.456+01'": at, "TIMESTAMP_MS '2026-11-20 01:02:03.456'": at, "DATE '2026-11-20'": time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"INTERVAL 26 HOUR": "26h0m0s", "'00000000-0000-0000-0000-0000000000ff'::UUID": "00000000-0000-0000-0000-0000000000ff",
		"TIMESTAMPTZ '2026-11-20 01:02:03Z'::VARCHAR": "2026-11-20 01:02:03+00",
	} {
		expect(t, e, "SELECT "+sql, []any{want})
	}
	r, err := e.Query(context.Background(), "SELECT 1::BIGINT AS n, 'x' AS s, NULL::TIMESTAMPTZ AS t")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]query.Column{{Name: "n", Type: "BIGINT"}, {Name: "s", Type: "VARCHAR"}, {Name: "t", Type: "TIMESTAMPTZ"}}, r.Columns()); d != "" {
		t.Error(d)
	}
	if err := r.Close(); err != nil { // without reading it
		t.Error(err)
	}
}

func testArgs(t *testing.T, e query.Engine) {
	got := All(t, e, "SELECT $2::VARCHAR, $1::BIGINT + 1", int64(41), "'; DROP")
	if d := cmp.Diff([][]any{{"'; DROP", int64(42)}}, got); d != "" {
		t.Error(d)
	}
	if got := All(t, e, "SELECT x FROM range(5) r(x) WHERE x > ?", 3); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

// testOrder reads more rows than fit in a piece, in the order asked for.
func testOrder(t *testing.T, e query.Engine) {
	const n = 300_000
	r, err := e.Query(context.Background(), "SELECT x, 'key/' || x FROM range(300000) r(x) ORDER BY x DESC")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		row, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if row[0] != int64(n-1-i) {
			t.Fatalf("row %d is %v", i, row)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last row: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func testReads(t *testing.T, e query.Engine) {
	for sql, rows := range map[string]int{
		"SELECT 1;": 1, " \nselect 1 -- a comment": 1, "/* c */ SELECT 1": 1, "FROM range(3)": 3, "VALUES (1), (2)": 2, "WITH a AS (SELECT 1) SELECT * FROM a": 1,
		"DESCRIBE SELECT 1 AS a, 2 AS b": 2, "SUMMARIZE SELECT 1": 1, "(SELECT 1) UNION ALL (SELECT 2)": 2, "SELECT 1 AS a, 2 AS a": 1, "SELECT 1 WHERE false": 0,
	} {
		if got := All(t, e, sql); len(got) != rows {
			t.Errorf("%s: %v", sql, got)
		}
	}
}

// testRefuses tries to write, in every way a statement could.
func testRefuses(t *testing.T, e query.Engine) {
	dir := t.TempDir()
	target := filepath.Join(dir, "stolen")
	for _, sql := range []string{
		"COPY (SELECT 1) TO '" + target + "'",
		"SELECT 1; COPY (SELECT 1) TO '" + target + "'",
		"COPY (SELECT 1) TO '" + target + "'; SELECT 1",
		"EXPLAIN ANALYZE COPY (SELECT 1) TO '" + target + "'",
		"SELECT 1) ; COPY (SELECT 1) TO '" + target + "'; SELECT (1",
		"SELECT * FROM query('COPY (SELECT 1) TO ''" + target + "''')",
		"ATTACH '" + target + "'",
		"EXPORT DATABASE '" + target + "'",
		"SELECT 1; SELECT 2",
		"CREATE TABLE t AS SELECT 1",
		"CREATE VIEW outcome AS SELECT 1",
		"INSERT INTO t VALUES (1)",
		"WITH a AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT * FROM a",
		"DROP VIEW outcome",
		"INSTALL httpfs", "LOAD httpfs", "SET threads = 1", "SET temp_directory = '" + target + "'", "RESET ALL", "PRAGMA database_list", "CALL checkpoint()", "CHECKPOINT",
		"PREPARE x AS SELECT 1", "BEGIN", "CREATE MACRO m() AS 1", "CREATE OR REPLACE TEMP MACRO sum(x) AS 1", "CREATE SEQUENCE s", "USE memory", "VACUUM", "SET VARIABLE x = 1",
		"EXPLAIN SELECT 1", "CALL enable_logging()", "PRAGMA enable_profiling", "DETACH memory", "UPDATE EXTENSIONS", "DEALLOCATE x", "EXECUTE x", "CREATE SECRET s (TYPE s3)", "ANALYZE", "COMMENT ON VIEW outcome IS 'x'",
		// What a SELECT could call.
		"FROM query('SELECT 1')", "FROM checkpoint()", "FROM enable_logging()", "SELECT nextval('s')", "SELECT write_log('x')", "DESCRIBE FROM query('SELECT 1')",
	} {
		r, err := e.Query(context.Background(), sql)
		if err == nil {
			t.Errorf("%s: was run", sql)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if k := cooper.KindOf(err); k != cooper.KindRefused && k != cooper.KindUsage {
			t.Errorf("%s: %s, %v", sql, k, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("files were written: %v, %v", left, err)
	}
	_, err := e.Query(context.Background(), "DROP VIEW outcome")
	var with *cooper.Error
	if !errors.As(err, &with) || with.Kind != cooper.KindRefused || with.Remedy == "" {
		t.Errorf("no remedy: %v", err)
	}
}

func testMistakes(t *testing.T, e query.Engine) {
	for _, sql := range []string{"", ";", "-- nothing", "SELEC 1", "SELECT nothing", "SELECT * FROM nothing", "SELECT 'x'::BIGINT", "SELECT ?"} {
		if _, err := e.Query(context.Background(), sql); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%q: %s, %v", sql, cooper.KindOf(err), err)
		}
	}
}

func testCancelled(t *testing.T, e query.Engine) {
	ctx, cancel := context.WithCancel(context.Background())
	r, err := e.Query(ctx, "FROM range(1000000)")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		_, err = r.Next()
	}
	if cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("Next: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := e.Query(ctx, "SELECT 1"); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("Query: %v", err)
	}
	expect(t, e, "SELECT 1::BIGINT", []any{int64(1)})
}

// testAtOnce reads two answers in turns.
func testAtOnce(t *testing.T, e query.Engine) {
	var rs [2]query.Rows
	for i := range rs {
		var err error
		if rs[i], err = e.Query(context.Background(), "SELECT x + ? FROM range(10) r(x)", i*100); err != nil {
			t.Fatal(err)
		}
	}
	for x := range 10 {
		for i, r := range rs {
			if row, err := r.Next(); err != nil || row[0] != int64(x+i*100) {
				t.Errorf("%v, %v", row, err)
			}
		}
	}
	for _, r := range rs {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
