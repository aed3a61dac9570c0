package duckdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/query/querytest"
)

// TestEveryFunctionIsClassified walks all functions of the DuckDB that is linked: a
// newer one has others, and somebody has to say whether a query may call them.
func TestEveryFunctionIsClassified(t *testing.T) {
	there := map[bool]map[string]bool{false: {"unnest": true}, true: {}} // by whether it makes a table
	for _, row := range querytest.All(t, open(t, Options{}), "SELECT DISTINCT function_type, function_name FROM duckdb_functions()") {
		kind, name := row[0].(string), strings.ToLower(row[1].(string))
		lists, table := []map[string]bool{allowedCalls, refusedCalls}, false
		switch kind {
		case "pragma": // a statement of its own, which no query can hold
			continue
		case "table", "table_macro":
			lists, table = []map[string]bool{allowedTables, refusedTables}, true
		case "scalar", "aggregate", "macro":
			if strings.HasPrefix(name, allowedPrefix) {
				continue
			}
		default:
			t.Errorf("%s: functions of the kind %q are new", name, kind)
		}
		there[table][name] = true
		if lists[0][name] == lists[1][name] {
			t.Errorf("the function %s (%s) has to be in one list, of those allowed or of those refused", name, kind)
		}
	}
	for _, l := range []struct {
		list  map[string]bool
		table bool
	}{{allowedCalls, false}, {refusedCalls, false}, {allowedTables, true}, {refusedTables, true}} {
		for name := range l.list {
			if !there[l.table][name] {
				t.Errorf("%s is in a list, and DuckDB does not have it", name)
			}
		}
	}
}

// TestRefusedFunctions calls what is refused from wherever a query can.
func TestRefusedFunctions(t *testing.T) {
	e := open(t, Options{TempDir: t.TempDir()})
	for _, sql := range []string{
		"SELECT write_log('x')", "SELECT WRITE_LOG('x')", "SELECT main.write_log('x')", "SELECT system.main.write_log('x')", `SELECT "write_log"('x')`,
		"SELECT x.write_log() FROM (SELECT 'x' AS x)", "SELECT 1 WHERE write_log('x')", "SELECT 1 ORDER BY write_log('x')", "SELECT 1 LIMIT nextval('x')", "SELECT (SELECT write_log('x'))",
		"WITH a AS (SELECT write_log('x')) SELECT 1 FROM a", "WITH a AS MATERIALIZED (SELECT write_log('x')) SELECT 1", "VALUES (write_log('x'))", "SELECT sum(1) OVER (ORDER BY write_log('x'))",
		"SELECT sum(1) FILTER (WHERE write_log('x'))", "SELECT list_transform([1], lambda x: write_log('x'))", "SELECT [write_log('x') FOR x IN [1]]", "SELECT CASE WHEN true THEN write_log('x') END",
		"DESCRIBE SELECT write_log('x')", "SUMMARIZE SELECT write_log('x')", "SELECT 1 UNION ALL SELECT nextval('x')", "FROM range(nextval('x'))", "FROM read_csv(write_log('x'))", "FROM range(2) r(x), LATERAL (SELECT write_log(x))",
		"SELECT DISTINCT ON (write_log('x')) 1", "SELECT 1 GROUP BY write_log('x')", "SELECT 1 HAVING write_log('x')", "SELECT 1 QUALIFY write_log('x')", "SELECT * REPLACE (write_log(x) AS x) FROM range(1) r(x)",
		"SELECT x FROM range(1) r(x) JOIN range(1) s(y) ON write_log('x')", "SELECT setseed(0.5)", "SELECT pg_sleep(0)", "SELECT sleep_ms(0)", "SELECT json_serialize_plan('SELECT 1')",
		"FROM query('SELECT 1')", "FROM query_table('range')", "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))", "FROM checkpoint()", "FROM force_checkpoint()", "FROM enable_logging()", "FROM truncate_duckdb_logs()",
		"FROM enable_profiling()", "FROM duckdb_secrets()", "FROM arrow_scan(0, 0, 0)", "FROM seq_scan('x')", "FROM read_duckdb('x')", "SELECT * FROM (FROM query('SELECT 1'))", "SELECT 1 WHERE 1 IN (FROM query('SELECT 1'))",
		"FROM read_csv('x.csv', store_rejects = true)", "FROM read_csv('x.csv', rejects_table := 'outcome')", "FROM READ_CSV('x.csv', Rejects_Scan => 'outcome')",
		"FROM 'x.db'", "FROM 'x.duckdb'", `FROM "./x"`, "FROM x.duckdb", "FROM X.DB", `FROM "./x".ddb`, "FROM main.duckdb", "FROM memory.main.db", "FROM x.y.z", "FROM x.sqlite", "DESCRIBE x.duckdb", "SUMMARIZE x.db", "DESCRIBE 'x.db'", "SUMMARIZE 'x.db'", "SELECT * FROM 'x.sqlite' JOIN range(1) ON true",
	} {
		r, err := e.Query(t.Context(), sql)
		if cooper.KindOf(err) != cooper.KindRefused {
			t.Errorf("%s: %v", sql, err)
		}
		if err == nil {
			_ = r.Close()
		}
	}
	for _, sql := range []string{"SELECT no_such_function(1)", "FROM no_such_function(1)"} {
		if _, err := e.Query(t.Context(), sql); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestAllowedFunctions: what people write is still possible.
func TestAllowedFunctions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.csv")
	if err := os.WriteFile(file, []byte("a,b\n1,x\n2,y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := open(t, Options{TempDir: dir})
	for _, sql := range []string{
		`SELECT row_number() OVER (ORDER BY x), lag(x) OVER (), sum(x) OVER (), rank() OVER (ORDER BY x), first_value(x) OVER (), ntile(2) OVER (), [x][1:1], [y + 1 FOR y IN [x] IF y > 0],
			{'a': x}.a, extract(year FROM DATE '2026-01-01'), x::VARCHAR LIKE 'a%', 'a' COLLATE nocase, 'a' ILIKE 'A', 'a' SIMILAR TO 'a', 'a' GLOB '*', 'a' ~ 'a', try_cast('a' AS INT),
			count(*) FILTER (WHERE true) OVER (), -x, x || 'a', x BETWEEN 1 AND 2, x IN (1, 2), INTERVAL 1 DAY, MAP {'k': 1}['k'], substring('abc' FROM 2 FOR 1), position('a' IN 'ba'),
			now() - INTERVAL '1 day', '{"a": 1}'->>'a', coalesce(NULL, x), nullif(x, 1), greatest(1, 2), date_trunc('month', now()), strftime(now(), '%Y'), regexp_extract('a/b', '[^/]+'), try(1 / x), unnest([1])
			FROM range(3) r(x)`,
		"SELECT x % 2 AS g, count(*), max(x), string_agg(x::VARCHAR, ','), approx_count_distinct(x), quantile_cont(x, 0.5), grouping(g) FROM range(9) r(x) GROUP BY ROLLUP (g) HAVING count(*) > 0 ORDER BY ALL",
		"FROM '" + file + "'", "FROM read_csv('" + file + "', header = true)", "FROM glob('" + dir + "/*')", "FROM read_text('" + file + "')", "DESCRIBE '" + file + "'", "SUMMARIZE '" + file + "'",
		"SELECT table_name FROM information_schema.tables", "FROM pg_catalog.pg_tables", "SELECT a.i FROM main.range(1) a(i)", "SELECT formatReadableSize(1), formatReadableDecimalSize(1), FormatReadableSize(1)", "FROM duckdb_functions() LIMIT 1", "FROM duckdb_settings() LIMIT 1", "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b", "SHOW TABLES",
		"SELECT * FROM (SELECT 1 AS a) ASOF JOIN (SELECT 1 AS a) USING (a)", "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 3) FROM a", "SELECT * FROM range(3) TABLESAMPLE 1 ROWS",
		"SELECT x FROM (VALUES ('b'), ('a')) v(x) ORDER BY x COLLATE de",
	} {
		querytest.All(t, e, sql)
	}
}
