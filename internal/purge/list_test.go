package purge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
)

// read gives all choices, as Go strings.
func read(t *testing.T, c Choices) string {
	t.Helper()
	var parts []string
	for {
		one, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if one.Any {
			parts = append(parts, fmt.Sprintf("%q", one.Key))
		} else {
			parts = append(parts, fmt.Sprintf("%q@%s", one.Key, one.VersionID))
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(parts, " ")
}

func TestReadList(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{Lines, "", ""},
		{Lines, "b\na\n", `"a" "b"`},
		{Lines, "b\r\n a \n\"q\"\n{}", `" a " "\"q\"" "b\r" "{}"`},
		{NUL, "a\nb\x00c\x00", `"a\nb" "c"`},
		{JSON, `"a\u0000b"` + "\n" + `{"key":"a","version_id":"v2"}` + "\n" + `{"key":"a"}` + "\n\"a\\u0001\"\n", `"a" "a"@v2 "a\x00b" "a\x01"`},
		{JSON, `{"key":"a","version_id":""}`, `"a"@`},
		{JSON, `{"key":"a","version_id":"null"}`, `"a"@null`},
		{JSON, `"\ufffd\ud83d\ude00"`, "\"\ufffd😀\""},
	} {
		got, err := ReadList(context.Background(), strings.NewReader(c.text), c.format, 1<<20, t.TempDir())
		if err != nil {
			t.Errorf("%s %q: %v", c.format, c.text, err)
			continue
		}
		if s := read(t, got); s != c.want {
			t.Errorf("%s %q: %s, want %s", c.format, c.text, s, c.want)
		}
	}
	for format, texts := range map[string][]string{
		Lines: {"a\n\nb", "\xff\n", strings.Repeat("a", maxEntry+1)},
		NUL:   {"\x00", "a\x00\x00"},
		JSON: {"a", "{}", `""`, "[]", `{"key":1}`, "\n",
			// Taken for a key alone, these would mean every version of it.
			`{"Key":"a","VersionId":"v1"}`, `{"key":"a","versionid":"v1"}`, `{"key":"a","version":"v1"}`,
			`{"key":"a","key":"b"}`, `{"key":"a","version_id":"1","version_id":"2"}`, `{"key":"a"}{"key":"b"}`,
			// What an outer join did not find.
			`{"key":"a","version_id":null}`,
			// Half a character would be read as another sign, and so as another key.
			`"a\ud800"`, `{"key":"a\udc00b"}`},
		"csv": {""},
	} {
		for _, text := range texts {
			if _, err := ReadList(context.Background(), strings.NewReader(text), format, 1<<20, t.TempDir()); cooper.KindOf(err) != cooper.KindUsage {
				t.Errorf("%s %.20q: %v", format, text, err)
			}
		}
	}
}

// TestReadLongList: what does not fit in memory is sorted on disk.
func TestReadLongList(t *testing.T) {
	var b strings.Builder
	const n = 20_000
	for i := range n {
		fmt.Fprintf(&b, "key/%08d\n", i*7919%n)
	}
	c, err := ReadList(context.Background(), strings.NewReader(b.String()), Lines, 64<<10, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if one, err := c.Next(); err != nil || one.Key != fmt.Sprintf("key/%08d", i) {
			t.Fatalf("%d: %+v, %v", i, one, err)
		}
	}
	if _, err := c.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestFromSQL(t *testing.T) {
	e, err := duckdb.Open(duckdb.Options{Memory: 128 << 20, Threads: 1, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Views(context.Background(), query.Sources{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sql, want string
	}{
		{"SELECT unnest(['b', 'a', 'Z', 'é', 'a/']) AS key", `"Z" "a" "a/" "b" "é"`},
		{"SELECT * FROM (VALUES ('a', 'v2', 1), ('a', 'null', 2), ('a', '', 3)) t(Key, VERSION_ID, n) -- all;\n;", `"a"@ "a"@null "a"@v2`},
	} {
		got, err := FromSQL(context.Background(), e, c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if s := read(t, got); s != c.want {
			t.Errorf("%s: %s, want %s", c.sql, s, c.want)
		}
	}
	for sql, kind := range map[string]cooper.Kind{
		"SELECT 1 AS x": cooper.KindUsage, "SELEC": cooper.KindUsage, "SELECT 'a' AS key) UNION ALL (SELECT 'b'": "", "DROP TABLE x": cooper.KindUsage,
		// Every version of the keys would be meant.
		"SELECT 'a' AS key, min('v1')": cooper.KindUsage, "SELECT 'a' AS key, 'v1' AS version": cooper.KindUsage,
	} {
		c, err := FromSQL(context.Background(), e, sql)
		if err == nil {
			err = c.Close()
		}
		if kind != "" && cooper.KindOf(err) != kind {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{"SELECT NULL AS key", "SELECT 'a' AS key, NULL AS version_id", "SELECT 'a' AS key, 1 AS version_id",
		"SELECT key, version_id FROM (SELECT 'a' AS key) LEFT JOIN (SELECT 'b' AS key, 'v' AS version_id) USING (key)"} {
		c, err := FromSQL(context.Background(), e, sql)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Next(); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%s: %v", sql, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
