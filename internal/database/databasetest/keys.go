package databasetest

import (
	"fmt"
	"strings"
	"testing"

	"cooper/internal/database"
)

// keyCase is a table with a key of one column.
type keyCase struct {
	typ    string
	values []string // as SQL
}

const hostile = `'', ' ', 'a', 'a-b', 'A1', 'ab', 'aa', 'a,b', 'ä', 'ß', 'ss', 'z', '日本', '😀', 'a''b', 'a\b', 'é', '~', '_', '%', '0', '00', '10', '9'`

func texts(more ...string) []string { return append(strings.Split(hostile, ", "), more...) }

func mariaKeys() map[string]keyCase {
	// What a collation takes for the same cannot be twice in a unique key.
	fold := []string{"''", "'a'", "'a-b'", "'A1'", "'ab'", "'a,b'", "'z'", "'日本'", "'é!'", "'a''b'", "'~'", "'_'", "'%'", "'0'", "'00'", "'a\\tb'", "'a\\0'", "'B'", "'c d'", "CONCAT('a', CHAR(9))"}
	var big []string
	for i := range 40 {
		big = append(big, fmt.Sprintf("'%s%03d'", strings.Repeat("x", 600), i))
	}
	maria := strings.Split(strings.ReplaceAll(hostile, `'a\b'`, `'a\\b'`), ", ")
	return map[string]keyCase{
		"bigint":            {typ: "BIGINT", values: []string{"-9223372036854775808", "9223372036854775807", "0", "-1", "1", "5", "6", "7", "8", "1000000"}},
		"bigint_unsigned":   {typ: "BIGINT UNSIGNED", values: []string{"18446744073709551615", "18446744073709551614", "9223372036854775808", "9223372036854775807", "0", "1", "2", "3"}},
		"decimal":           {typ: "DECIMAL(30,5)", values: []string{"0", "1.5", "-1.5", "1.50001", "99999999999999999999.12345", "2", "3"}},
		"bit":               {typ: "BIT(64)", values: []string{"0", "1", "255", "256", "b'1111111111111111111111111111111111111111111111111111111111111111'", "7"}},
		"year":              {typ: "YEAR", values: []string{"1901", "1999", "2000", "2155", "2001"}},
		"char":              {typ: "CHAR(20) COLLATE utf8mb4_general_ci", values: fold},
		"varchar_general":   {typ: "VARCHAR(100) COLLATE utf8mb4_general_ci", values: fold},
		"varchar_unicode":   {typ: "VARCHAR(100) COLLATE utf8mb4_unicode_520_ci", values: []string{"''", "'a'", "'a-b'", "'A1'", "'ab'", "'a,b'", "'z'", "'日本'", "'~'", "'_'", "'0'", "'00'", "'B'", "'c d'", "'😀'"}},
		"varchar_bin":       {typ: "VARCHAR(100) COLLATE utf8mb4_bin", values: append([]string{"'a\\t'", "'a\\n'", "'A'"}, drop(maria, "' '")...)},
		"varchar_nopad_bin": {typ: "VARCHAR(100) COLLATE utf8mb4_nopad_bin", values: append([]string{"'a '", "'a  '", "'a\\t'", "'A'", "'a '''"}, maria...)},
		"varchar_nopad_ci":  {typ: "VARCHAR(100) COLLATE utf8mb4_general_nopad_ci", values: []string{"'a'", "'a '", "'a  '", "'b'", "'b '", "''", "' '", "'  '"}},
		"varchar_latin1":    {typ: "VARCHAR(100) CHARACTER SET latin1", values: []string{"'ä'", "'b'", "'ß'", "'z'", "'€'", "'x'"}},
		"varchar_latin1_bin": {typ: "VARCHAR(100) CHARACTER SET latin1 COLLATE latin1_bin",
			values: []string{"'ä'", "'Ä'", "'b'", "'B'", "'ß'", "'z'", "'€'"}},
		"varchar_utf8mb3": {typ: "VARCHAR(100) CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci", values: []string{"'ä'", "'b'", "'ss'", "'z'", "'日'", "'x y'"}},
		"varchar_utf16":   {typ: "VARCHAR(100) CHARACTER SET utf16", values: []string{"'ä'", "'b'", "'😀'", "'z'", "'日'", "'x y'"}},
		"varchar_long":    {typ: "VARCHAR(700)", values: big},
		"varbinary":       {typ: "VARBINARY(100)", values: []string{"''", "x'00'", "x'0000'", "x'ff'", "x'20'", "'a'", "'a '", "'A'", "x'FFFF'"}},
		"binary":          {typ: "BINARY(16)", values: []string{"x'00112233445566778899aabbccddeeff'", "x'ff112233445566778899aabbccddeeff'", "x'00'", "'a'", "x'2000'"}},
		"uuid":            {typ: "UUID", values: []string{"'28aa6ed1-421f-472e-ab29-4c091cebc524'", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'128aa6ed-421f-172e-ab29-4c091cebc524'", "'328aa6ed-521f-172e-ab29-4c091cebc524'"}},
		"date":            {typ: "DATE", values: []string{"'0000-00-00'", "'2020-00-00'", "'2020-01-01'", "'9999-12-31'", "'1000-01-01'"}},
		"datetime6":       {typ: "DATETIME(6)", values: []string{"'0000-00-00 00:00:00'", "'2020-01-01 00:00:00.000001'", "'2020-01-01 00:00:00.000002'", "'9999-12-31 23:59:59.999999'", "'2020-01-01'"}},
		"timestamp6":      {typ: "TIMESTAMP(6) DEFAULT '2020-01-01'", values: []string{"'2020-01-01 00:00:00.000001'", "'2020-01-01 00:00:00.000002'", "'2026-10-25 00:30:00'", "'2026-10-25 01:30:00'", "'0000-00-00 00:00:00'"}},
		"time":            {typ: "TIME(3)", values: []string{"'-838:59:59'", "'838:59:59'", "'00:00:00'", "'00:00:00.001'", "'12:00'"}},
		"inet6":           {typ: "INET6", values: []string{"'::1'", "'2001:db8::1'", "'::ffff:10.0.0.1'", "'::'"}},
		"enum":            {typ: "ENUM('z', 'a', 'm')", values: []string{"'z'", "'a'", "'m'"}},
		"double":          {typ: "DOUBLE", values: []string{"0.1", "1e300", "-1e-300", "0.30000000000000004", "5"}},
		"float":           {typ: "FLOAT", values: []string{"0.1", "1e30", "16777216", "16777215", "5"}},
	}
}

func drop(from []string, what string) (out []string) {
	for _, s := range from {
		if s != what {
			out = append(out, s)
		}
	}
	return out
}

func postgresKeys() map[string]keyCase {
	all := texts("'a '", "'a  '", "'A'", `E'a\t'`, `E'a\n'`)
	return map[string]keyCase{
		"bigint":      {typ: "bigint", values: []string{"-9223372036854775808", "9223372036854775807", "0", "-1", "1", "5", "6", "7", "8"}},
		"smallint":    {typ: "smallint", values: []string{"-32768", "32767", "0", "-1", "1"}},
		"numeric":     {typ: "numeric", values: []string{"0", "1.5", "-1.5", "18446744073709551616", "'NaN'", "'Infinity'", "1e-20"}},
		"numeric_10":  {typ: "numeric(10,2)", values: []string{"0", "1.5", "-1.5", "12345678.99"}},
		"double":      {typ: "double precision", values: []string{"0.1", "1e300", "-1e-300", "0.30000000000000004", "'NaN'", "'-Infinity'"}},
		"real":        {typ: "real", values: []string{"0.1", "1e30", "16777216", "16777215"}},
		"boolean":     {typ: "boolean", values: []string{"true", "false"}},
		"text":        {typ: "text", values: all},
		"text_c":      {typ: `text COLLATE "C"`, values: all},
		"text_icu":    {typ: `text COLLATE "und-x-icu"`, values: all},
		"text_en":     {typ: `text COLLATE "en-x-icu"`, values: all},
		"text_ci":     {typ: `text COLLATE nocase`, values: []string{"'a'", "'b'", "'ab'", "'Z'", "'z z'", "''", "'É'", "'ß'"}},
		"varchar":     {typ: "varchar(30)", values: all},
		"char":        {typ: "char(10)", values: []string{"'a'", "'A'", "'a-b'", "''", `E'a\t'`, "'日本'", "'ab'"}},
		"char_letter": {typ: `"char"`, values: []string{"'a'", "'A'", "'b'", "'0'"}},
		"name":        {typ: "name", values: []string{"'a'", "'A'", "'b'", "'0'"}},
		"bytea":       {typ: "bytea", values: []string{`'\x'`, `'\x00'`, `'\xff'`, `'\x0000'`, `'\x61'`}},
		"uuid":        {typ: "uuid", values: []string{"'28aa6ed1-421f-472e-ab29-4c091cebc524'", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'128aa6ed-421f-172e-ab29-4c091cebc524'"}},
		"date":        {typ: "date", values: []string{"'infinity'", "'-infinity'", "'2020-01-01'", "'0044-03-15 BC'", "'20000-01-01'"}},
		"timestamp":   {typ: "timestamp", values: []string{"'infinity'", "'2020-01-01 00:00:00.000001'", "'2020-01-01 00:00:00.000002'", "'0044-03-15 BC'"}},
		"timestamptz": {typ: "timestamptz", values: []string{"'2020-01-01 00:00:00.000001+05:30'", "'2020-01-01 00:00:00.000002+05:30'", "'2026-10-25 02:30:00 Europe/Berlin'", "'-infinity'"}},
		"time":        {typ: "time", values: []string{"'00:00'", "'24:00'", "'12:00:00.000001'"}},
		"interval":    {typ: "interval", values: []string{"'1 day'", "'25 hours'", "'1 month'", "'-1 year'"}},
		"inet":        {typ: "inet", values: []string{"'::1'", "'10.0.0.1'", "'10.0.0.0/8'", "'10.0.0.1/8'"}},
		"enum":        {typ: "mood", values: []string{"'z'", "'a'", "'m, \"x\"'"}},
		"domain":      {typ: "positive", values: []string{"1", "2", "3", "9223372036854775807"}},
		"array":       {typ: "text[]", values: []string{"'{}'", "'{a}'", "'{a,b}'", `'{"a,b"}'`, "'{NULL}'"}},
		"jsonb":       {typ: "jsonb", values: []string{`'{"a": 1}'`, `'[]'`, `'1'`, `'"a"'`, "'null'"}},
		"bit":         {typ: "bit(4)", values: []string{"B'0000'", "B'1111'", "B'0101'"}},
	}
}

// sqliteKeys: columns hold what they are given, and so keys may be of several types at once.
func sqliteKeys() map[string]keyCase {
	all := append(texts("'a '", "'a  '", "'A'", "'a' || char(9)", "'a' || char(0)", "'a' || char(0) || 'b'", "'a' || char(0, 0)"), "'a' || char(10)")
	floats := []string{"0.1", "1e300", "-1e-300", "0.30000000000000004", "5", "9e999", "-9e999", "1e15", "123456789012345678", "2.2250738585072014e-308", "1.0 / 3"}
	mixed := append([]string{"1", "2.5", "-7", "x'00'", "x'61'", "x''", "9223372036854775807", "-9223372036854775808", "9223372036854775807.0", "'1'", "'2.5'"}, drop(drop(all, "'0'"), "'10'")...)
	return map[string]keyCase{
		"integer":     {typ: "INTEGER", values: []string{"-9223372036854775808", "9223372036854775807", "0", "-1", "1", "5", "6", "7", "8"}},
		"bigint":      {typ: "BIGINT", values: []string{"-9223372036854775808", "9223372036854775807", "0", "-1", "1", "5", "'x'", "1.5", "x'31'", "'0x1'"}},
		"text":        {typ: "TEXT", values: all},
		"nocase":      {typ: "VARCHAR(100) COLLATE NOCASE", values: []string{"'a'", "'B'", "'ab'", "'Z'", "'z z'", "''", "'É'", "'é'", "'a' || char(0)", "'_'", "'[' "}},
		"rtrim":       {typ: "TEXT COLLATE RTRIM", values: []string{"'a'", "'A'", "'a  b'", "''", "'b '", "'c' || char(9)"}},
		"blob":        {typ: "BLOB", values: []string{"''", "x''", "x'00'", "x'0000'", "x'ff'", "x'61'", "'a'", "5", "5.5", "'5'"}},
		"untyped":     {typ: "", values: mixed},
		"numeric":     {typ: "DECIMAL(30, 5)", values: []string{"0", "1.5", "-1.5", "99999999999999999999.12345", "'NaN'", "3", "x'00'"}},
		"real":        {typ: "REAL", values: floats},
		"datetime":    {typ: "DATETIME", values: []string{"'2020-01-01 00:00:00'", "'2020-01-01T00:00:00Z'", "'2020-01-01'", "1577836800", "2458849.5", "'0000-00-00'"}},
		"uuid":        {typ: "UUID", values: []string{"'28aa6ed1-421f-472e-ab29-4c091cebc524'", "x'28aa6ed1421f472eab294c091cebc524'", "'00000000000000000000000000001234'", "'28aa6ed1421f472eab294c091cebc525'"}},
		"without_row": {typ: "TEXT", values: all},
		"strict_any":  {typ: "ANY", values: append(mixed, "'0'", "'10'")},
		"down":        {typ: "TEXT", values: all},
	}
}

// keys: a table with each kind of key is read whole, each row once, however small
// ranges and pages are.
func keys(t *testing.T, w World) {
	cases := mariaKeys()
	if w.Postgres {
		cases = postgresKeys()
		w.Exec(t, `CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`)
		w.Exec(t, `CREATE TYPE mood AS ENUM ('z', 'a', 'm, "x"')`)
		w.Exec(t, `CREATE DOMAIN positive AS bigint CHECK (value > 0)`)
	}
	if w.MySQL { // it has types and collations of its own
		delete(cases, "uuid")
		delete(cases, "inet6")
		for name, collation := range map[string]string{"varchar_nopad_bin": "utf8mb4_0900_bin", "varchar_nopad_ci": "utf8mb4_0900_ai_ci"} {
			cases[name] = keyCase{typ: "VARCHAR(100) COLLATE " + collation, values: cases[name].values}
		}
	}
	if w.SQLite {
		cases = sqliteKeys()
	}
	d := w.open(t, false, small())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			table := "key_" + name
			end := map[string]string{"without_row": " WITHOUT ROWID", "strict_any": " STRICT"}[name]
			primary := "PRIMARY KEY (k)"
			if name == "down" {
				primary = "PRIMARY KEY (k DESC)"
			}
			w.Exec(t, fmt.Sprintf("CREATE TABLE %s (k %s NOT NULL, n INT, %s)%s", table, c.typ, primary, end))
			var rows []string
			for i, v := range c.values {
				rows = append(rows, fmt.Sprintf("(%s, %d)", v, i))
			}
			w.Exec(t, "INSERT INTO "+table+" (k, n) VALUES "+strings.Join(rows, ", "))
			described := describeTable(t, d, table)
			s := &database.Source{Table: described, Columns: []string{"n", "k"}}
			for _, size := range []int64{1, 2, 4, 1000} {
				got, ranges := read(t, d, s, size)
				same(t, fmt.Sprintf("ranges of %d", size), column(got, 0), numbers(len(c.values)))
				if described.Key() == nil {
					if !strings.Contains("key_enum key_double key_float", table) || w.Postgres || w.SQLite {
						t.Errorf("no key can be read by: %+v", described.Keys)
					}
					continue
				}
				if want := (int64(len(c.values)) + size - 1) / size; int64(len(ranges)) != want {
					t.Errorf("%d ranges in place of %d", len(ranges), want)
				}
				for _, r := range got {
					if database.KeyText(r.Key) != r.Values[1].String() {
						t.Errorf("the key %q of a row with %q", database.KeyText(r.Key), r.Values[1])
					}
				}
			}
		})
	}
}

// composite: rows that share the beginning of a key, many of them, and few.
func composite(t *testing.T, w World) {
	d := w.open(t, false, small())
	for name, c := range map[string]struct{ columns, key, row string }{
		"two":    {"a BIGINT, b BIGINT", "a, b", "%[1]d / 7, %[1]d %% 7 - 3"},
		"skewed": {"a BIGINT, b BIGINT", "b, a", "%[1]d, CASE WHEN %[1]d > 3 THEN 1 ELSE 0 END"},
		"three":  {"a INT, b VARCHAR(20), c INT", "b, a, c", "%[1]d / 10, CASE WHEN %[1]d %% 3 = 0 THEN 'x' ELSE 'X y' END, %[1]d %% 10"},
		"reals":  {"a VARCHAR(20), b DATE", "a, b", "'k%[1]d', '2026-01-01'"},
	} {
		t.Run(name, func(t *testing.T) {
			table := "composite_" + name
			w.Exec(t, "CREATE TABLE "+table+" ("+c.columns+", n INT NOT NULL, PRIMARY KEY ("+c.key+"))")
			var rows []string
			for i := range 60 {
				rows = append(rows, "("+fmt.Sprintf(c.row, i)+fmt.Sprintf(", %d)", i))
			}
			insert := "INSERT INTO " + table + " VALUES " + strings.Join(rows, ", ")
			if !w.Postgres && !w.SQLite {
				insert = strings.ReplaceAll(insert, " / ", " DIV ")
			}
			w.Exec(t, insert)
			for _, size := range []int64{1, 7, 1000} {
				got, _ := read(t, d, &database.Source{Table: describeTable(t, d, table), Columns: []string{"n"}}, size)
				same(t, fmt.Sprintf("ranges of %d", size), column(got, 0), numbers(60))
			}
		})
	}
}

// noKey: what has no key that can be read by is read in one statement; a key that may
// hold NULLs is none.
func noKey(t *testing.T, w World) {
	d := w.open(t, false, small())
	for name, c := range map[string]struct{ table, key string }{
		"nothing":  {"n INT", ""},
		"nulls":    {"n INT, u INT, UNIQUE (u)", ""},
		"another":  {"n INT, u INT, m INT NOT NULL, UNIQUE (u), CONSTRAINT good UNIQUE (m)", "m"},
		"narrower": {"n INT, a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, CONSTRAINT k1 UNIQUE (a, b), CONSTRAINT k2 UNIQUE (c)", "c"},
	} {
		t.Run(name, func(t *testing.T) {
			table := "no_key_" + name
			w.Exec(t, "CREATE TABLE "+table+" ("+c.table+")")
			for i := range 10 {
				switch name {
				case "another":
					w.Exec(t, fmt.Sprintf("INSERT INTO %s VALUES (%d, NULL, %d)", table, i, 100-i))
				case "narrower":
					w.Exec(t, fmt.Sprintf("INSERT INTO %s VALUES (%d, %d, %d, %d)", table, i, i, i, i))
				default:
					w.Exec(t, fmt.Sprintf("INSERT INTO %s (n) VALUES (%d)", table, i))
				}
			}
			described := describeTable(t, d, table)
			got, ranges := read(t, d, &database.Source{Table: described, Columns: []string{"n"}}, 4)
			same(t, table, column(got, 0), numbers(10))
			key := ""
			if k := described.Key(); k != nil {
				key = strings.Join(k.Columns, ",")
			}
			if key != c.key || (len(ranges) == 1) != (key == "") {
				t.Errorf("read by %q in %d ranges", key, len(ranges))
			}
		})
	}
}
