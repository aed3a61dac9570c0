package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
)

func canonical(t *testing.T, src string) string {
	t.Helper()
	out, err := read(t, src).Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

const spelled = `
version: 1
database: postgres:env:DSN
buckets: [a-1, b-1]
reads: [r-1]
addresses: {files.example.org: a-1/x}
handles:
  one: {table: s.t, id: id, where: "a = 1 AND b = 'x  y'", bucket: =a-1, key: k, modified: {column: m, unknown: [0, 1]}}
  two: {table: u, id: id, bucket: b, key: k}
derived: {d: {sql: SELECT 1 AS derived}}
waive: [x.y, s.x.z]
associations:
  p: {table: /s\..*/, except: [s.a, s.b], object: id, where: a = 1, handle: h}
  q: {table: q, object: id, value: v, as: [gzip, xml], at: [/a, /b], lookup: {n: SELECT 1}}
protect: [{table: s.holds, handle: h}, {table: holds, handle: h, of: one, where: a > 1}]
`

// TestCanonical: the same declaration is the same, whatever it looks like.
func TestCanonical(t *testing.T) {
	other := `# another hand
associations:
  q:
    at: [/b, /a, /b]          # a union
    as: [gzip, xml]
    lookup:
      n: >-
        SELECT
        1
    value: v
    object: id
    of: one
    table: "q"
  p:
    where: |
      a
        =  1
    handle: h
    except: [ '"s".b', s.a ]
    table: '/s\..*/'
    object: "id"
waive: [ '"s"."x".z', x.y, x.y ]
derived: {d: {of: one, sql: 'SELECT   1 AS derived'}}
handles:
  one: {modified: {unknown: [1, 0], column: m}, key: k, bucket: "= a-1", where: "a = 1
     AND b = 'x  y'", id: id, table: '"s".t'}
  two: {table: u, id: id, bucket: b, key: k}
addresses: {FILES.example.org: a-1/x/}
reads: r-1
buckets: {b-1: {inventory: s3://i/x}, a-1: }
version: 1
database: postgresql:file:/run/dsn
protect: [{prefix: keep}, {table: '"holds"', handle: h, where: "a  > 1"}, {of: one, table: s.holds, handle: h}]
limits: {unpacked: 16384KiB, connections: 1}
busy: {active_backends: 3}
detect: {scans: 5}
archive: {bucket: cold}
acknowledge: {for: 1d}
`
	want := canonical(t, spelled)
	if got := canonical(t, other); got != want {
		t.Errorf("the same said in another way:\n%s\n%s", want, got)
	}
	if !json.Valid([]byte(want)) {
		t.Error("no JSON")
	}
	for _, change := range []struct{ from, to string }{
		{"[a-1, b-1]", "[a-1, b-1, c-1]"},
		{"reads: [r-1]", "reads: [r-2]"},
		{"a-1/x", "a-1/y"},
		{"'x  y'", "'x y'"},
		{"unknown: [0, 1]", "unknown: [0]"},
		{"bucket: =a-1", "bucket: a"},
		{"SELECT 1 AS", "SELECT 2 AS"},
		{"x.y,", "x.w,"},
		{"except: [s.a, s.b]", "except: [s.a]"},
		{"where: a = 1,", ""},
		{"handle: h", "key: h"},
		{"handle: h", "handle: h, of: two"},
		{"as: [gzip, xml]", "as: [zlib, xml]"},
		{"at: [/a, /b]", "at: [/a]"},
		{"n: SELECT 1", "n: SELECT 2"},
		{"value: v", "value: v, split: ','"},
		{"  two: {table: u", "  three: {table: u"},
		{"  q: {", "  r: {"},
		{"version: 1", "version: 1\nlimits: {unpacked: 1MiB}"},
		{"where: a > 1}]", "where: a > 2}]"},
		{"[{table: s.holds, handle: h}", "[{table: s.holds, handle: i}"},
		{"[{table: s.holds, handle: h}, ", "["},
		{"version: 1", "version: 1\nin_flight: [{prefix: a}, {table: s.holds, handle: h}]"},
	} {
		src := strings.Replace(spelled, change.from, change.to, 1)
		if src == spelled {
			t.Fatalf("nothing has %s", change.from)
		}
		if canonical(t, src) == want {
			t.Errorf("%s for %s makes no difference", change.to, change.from)
		}
	}
}

// TestOrderOfKinds: an id without a kind is of the first, so which is first makes a difference.
func TestOrderOfKinds(t *testing.T) {
	a := based("handles: {a: {table: T, id: i, key: k}, b: {table: U, id: i, key: k}}\n")
	b := based("handles: {b: {table: U, id: i, key: k}, a: {table: T, id: i, key: k}}\n")
	if canonical(t, a) == canonical(t, b) {
		t.Error("the first kind is another, and it makes no difference")
	}
	a, b = strings.Replace(a, "handle: h", "key: h", 1), strings.Replace(b, "handle: h", "key: h", 1)
	if canonical(t, a) != canonical(t, b) {
		t.Error("a key is of any kind, and the order makes a difference")
	}
}

// TestRender: what is written is read as what was meant, and looks as a person would write it.
func TestRender(t *testing.T) {
	sources := map[string]string{"wide": wide, "spelled": spelled, "base": based("lag: 5m\n"),
		"odd": based("associations: {\"a: b # c\": {table: '\"x.y\".`z`', object: \"'{' || id\", where: \"a = 'é\\n\\t'\", value: v, split: \"\\n\", match: ' (.*) '}, 12: {table: '007', object: yes, handle: 'null'}}\n")}
	for _, set := range []string{"platform", "rails"} {
		if src, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "gc", set, "cooper.yaml")); err == nil {
			sources[set] = string(src)
		}
	}
	for name, src := range sources {
		c := read(t, src)
		out, err := Render(c, nil)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		// Whole, not only what Canonical has of it.
		again := read(t, string(out))
		for _, c := range []*Config{c, again} {
			for _, a := range c.Associations {
				a.Unpack.Find, a.Unpack.Split, a.Unpack.Match = nil, nil, nil // Canonical has them
			}
		}
		if d := diff(c, again); d != "" {
			t.Errorf("%s: %s\n%s", name, d, out)
		}
	}
	out, err := Render(read(t, based("handles: {a: {table: T, id: i, key: k}}\nwaive: x.y\ndetect: {scans: 4}\n")), map[string]string{
		"version":        "Written by cooper gc init.\nEvery key: docs.",
		"associations":   "One line each.",
		"associations.x": "a foreign key\r\nT_ibfk_1\x1b[0m",
		"handles.a":      "12 rows",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `# Written by cooper gc init.
# Every key: docs.
version: 1
database: mysql:env:DSN
buckets: [data]

handles:
  # 12 rows
  a: {table: T, id: i, bucket: =data, key: k}
waive: [x.y]

# One line each.
associations:
  # a foreign key
  # T_ibfk_1?[0m
  x: {table: T, object: o, handle: h}

detect:
  scans: 4
`
	if string(out) != want {
		t.Errorf("%s", out)
	}
}

func more(names ...string) (ws []Written) {
	for _, n := range names {
		ws = append(ws, Written{&Association{Name: n, Table: Table{Text: "N_" + n, Name: "N_" + n}, Object: Object{SQL: "id"}, Holds: Handle, Column: "h"}, "found in " + n})
	}
	return ws
}

// TestAdd: what is there stays, byte for byte, and what is added stands where it belongs.
func TestAdd(t *testing.T) {
	const head = "version: 1\ndatabase: mysql:env:D\nbuckets: [data]\nhandles: {table: F, id: ID, key: KEY}\n"
	const new = "  # found in n\n  n: {table: N_n, object: id, handle: h}\n"
	for name, c := range map[string]struct{ before, after string }{
		"last":              {head + "associations:\n  a: {table: T, object: o, handle: h}\n", new},
		"no end of line":    {head + "associations:\n  a: {table: T, object: o, handle: h}", "\n" + new},
		"missing":           {head, "\nassociations:\n" + new},
		"missing, no end":   {strings.TrimSuffix(head, "\n"), "\n\nassociations:\n" + new},
		"nothing yet":       {head + "associations: # none\n", new},
		"nothing, braces":   {head + "associations: {", "n: {table: N_n, object: id, handle: h}, |}\n"},
		"braces":            {head + "associations: {", "n: {table: N_n, object: id, handle: h}, |a: {table: T, object: o, handle: h}}\n"},
		"braces, lines":     {head + "associations: {", "n: {table: N_n, object: id, handle: h}, |\n  a: {table: T, object: o, handle: h},\n }\nlag: 5m\n"},
		"others behind":     {head + "associations:\n  a: {table: T, object: o, handle: h}   # a: yes\n  # of them\n", new + "|\n# figures\n\ndetect: {scans: 3}\n"},
		"block":             {head + "associations:\n    a:\n        table: T\n        object: o\n        handle: h\n", "    # found in n\n    n: {table: N_n, object: id, handle: h}\n|lag: 5m\n"},
		"several lines":     {head + "associations:\n  a: {table: T, object: o,\n    where: 'x = 1\n\n      # and y',\n    handle: h\n  }\n", new + "|# figures\nlag: 5m\n"},
		"folded":            {head + "associations:\n  a:\n    table: T\n    object: o\n    handle: h\n    where: >-\n      x\n      = 1\n", new + "|\nlag: 5m\n"},
		"end of document":   {"---\n" + head + "associations:\n  a: {table: T, object: o, handle: h}\n", new + "|...\n"},
		"letters before it": {head + "lag: 5m # é\nassociations: {", "n: {table: N_n, object: id, handle: h}, |'é': {table: T, object: o, handle: h}}\n"},
	} {
		added, rest, _ := strings.Cut(c.after, "|")
		src := c.before + rest
		out, names, err := Add("cooper.yaml", []byte(src), more("n"))
		if err != nil || len(names) != 1 || names[0] != "n" {
			t.Errorf("%s: %v %v", name, names, err)
			continue
		}
		if want := c.before + added + rest; string(out) != want {
			t.Errorf("%s: got\n%s\nnot\n%s", name, out, want)
		}
		if again, names, err := Add("cooper.yaml", out, more("n")); err != nil || len(names) > 0 || !bytes.Equal(again, out) {
			t.Errorf("%s: once more: %v %v\n%s", name, names, err, again)
		}
	}
}

func TestAddMore(t *testing.T) {
	src := strings.ReplaceAll(based("associations:\n  a: {table: N_b, object: id, handle: h}\n  taken: {table: U, object: id, handle: h}\n"), "\n", "\r\n")
	// b is there as a, taken is the owner's own; c comes twice.
	out, names, err := Add("cooper.yaml", []byte(src), append(more("b", "taken", "c", "d"), more("c")...))
	if err != nil || strings.Join(names, " ") != "c d" {
		t.Fatalf("%v %v", names, err)
	}
	if bytes.Count(out, []byte("\n")) != bytes.Count(out, []byte("\r\n")) {
		t.Errorf("ends of lines are mixed: %q", out)
	}
	if _, _, err := Add("cooper.yaml", []byte("lag: x\n"), more("n")); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("a wrong file: %v", err)
	}
	// Where it cannot be told how, the file is left alone.
	odd := "{version: 1, database: mysql:env:D, buckets: [data], handles: {table: F, id: ID, key: KEY}}"
	if out, _, err := Add("cooper.yaml", []byte(odd), more("n")); cooper.KindOf(err) != cooper.KindUsage || out != nil {
		t.Errorf("a file in braces: %v\n%s", err, out)
	}
	src = based("associations: ~\n")
	if _, _, err := Add("cooper.yaml", []byte(src), more("n")); cooper.KindOf(err) != cooper.KindUsage || cooper.RemedyOf(err) == "" {
		t.Errorf("a tilde: %v", err)
	}
}
