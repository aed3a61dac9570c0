package unpack

import (
	"strings"
	"testing"
)

// TestRefusedPaths: what could leave values out without a word, or run on, is no path.
func TestRefusedPaths(t *testing.T) {
	for path, want := range map[string]string{
		".files[]?": "? is refused", ".files?": "? is refused", ".a.b?.c": "? is refused", `.["a"]?`: "? is refused", "try .a": "try is refused", "try .a catch null": "try is refused", ".a // .b": "// is refused", ".a // empty": "is refused",
		"empty": "empty is refused", ".a | if . == 1 then . else empty end": "empty is refused", "..": ".. is refused", ".. | .id": ".. is refused", "..id": "at ..id", "recurse": "recurse is refused", "recurse(.a)": "recurse is refused", "recurse(.a; . != null)": "recurse is refused", "[paths]": "paths is refused", "tostream": "tostream is refused", "leaf_paths": "leaf_paths is refused",
		".a | arrays": "arrays is refused", ".a | objects": "objects is refused", ".a | iterables": "iterables is refused", ".a | booleans": "booleans is refused", ".a | numbers": "numbers is refused", ".a | normals": "normals is refused", ".a | finites": "finites is refused", ".a | strings": "strings is refused", ".a | nulls": "nulls is refused", ".a | values": "values is refused", ".a | scalars": "scalars is refused",
		"first": "first is refused", "first(.a[])": "first is refused", "last": "last is refused", "nth(1)": "nth is refused", "limit(1; .a[])": "limit is refused", "skip(1; .a[])": "skip is refused", "min": "min is refused", "max_by(.a)": "max_by is refused", "until(. > 1; . + 1)": "until is refused", "while(true; .)": "while is refused", "repeat(.)": "repeat is refused", "range(10)": "range is refused", "[.[] | combinations]": "combinations is refused",
		"env": "env is refused", "env.HOME": "env is refused", "$ENV": "$ENV is refused", "$ENV.HOME": "$ENV is refused", "input": "input is refused", "inputs": "inputs is refused", "input_line_number": "input_line_number is refused", "input_filename": "input_filename is refused", "now": "now is refused", "debug": "debug is refused", `debug("x")`: "debug is refused", "stderr": "stderr is refused", "halt": "halt is refused", `"x" | halt_error`: "halt_error is refused", "$__loc__": "$__loc__ is refused", "builtins": "builtins is refused", "localtime": "localtime is refused",
		"def f: .a; f": "def is refused", "[def f: 1; f]": "def is refused", `import "x" as x; .`: "modules are refused", `include "x"; .`: "modules are refused", "reduce .[] as $x (0; . + $x)": "reduce", "foreach .[] as $x (0; . + $x)": "reduce", "label $x | .a": "reduce",
		"if type == \"object\" then .id end": "without else", "if .a | type == \"object\" then .a.id end": "without else", "if .a == 1 then 1 elif type == \"x\" then 2 end": "without else", "select(type == \"object\")": "select by type", "select((.a | type) == \"string\")": "select by type",
		".a = 1": "is refused", ".a |= 1": "is refused", ".a += 1": "is refused", ".a //= 1": "is refused", "del(.a)": "del is refused", ".a | fromjson": "json reads", ". as [$a] ?// $a | $a": "?// is refused", "$x": "neither a lookup", ".a | $cols2": "neither a lookup", "strftime(\"%Y\")": "not known", "nosuch": "not known", `"\(empty)"`: "empty is refused", "{a: empty}": "empty is refused", "{(empty): 1}": "empty is refused", ". as {(empty): $x} | 1": "empty is refused", ".[empty]": "empty is refused", ".[empty:]": "empty is refused", "-empty": "empty is refused", "[empty]": "empty is refused", "map(empty)": "empty is refused", "@json \"\\(empty)\"": "empty is refused", "(empty)": "empty is refused", "isvalid(.a)": "not known",
		".a[": "at .a[", "": "",
	} {
		_, err := Compile(Spec{As: []string{"json"}, At: []string{path}}, Options{})
		if path == "" {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", path, err, want)
		}
	}
}

func TestPathsThatMay(t *testing.T) {
	for _, path := range []string{
		".", ".a", ".a.b[].c", ".a | each | .b", ".a[0]", ".a[-1].id", ".a[1:] | each", `.["a b"].c`, "select(.kind == \"file\") | .id", ".rows[].values[] | select(.[0] | IN($cols[])) | .[1]", "if type == \"object\" then .id else . end", "if .a then .b end",
		"to_entries[] | .key", "with_entries(.) | keys[]", ".a | split(\",\") | each", `.u | capture("/(?<id>[0-9]+)").id`, `.u | sub("^x"; "")`, ".a | tostring", ".a | tonumber", ".a as {b: $x, $y} | $x, $y", "[.a[] | .b] | unique | each", ".a | test(\"x\")", "error(\"no\")", ".a | walk(.)", "@base64d", `"\(.a)"`, ".a | not", "(.a, .b) | .c", ".a + .b", "getpath([\"a\"])", "[.[] | json] | each", ".type",
	} {
		if _, err := Compile(Spec{As: []string{"json"}, At: []string{path}}, Options{Lookups: map[string][]any{"cols": nil}}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	f, err := Compile(Spec{As: []string{"json"}, At: []string{"select(.a) | select(.b)", `.u | scan("x")`}}, Options{})
	if err != nil || strings.Join(f.Narrowed(), " ") != "select scan" {
		t.Errorf("%v %v", f.Narrowed(), err)
	}
}

func TestRefusedSpecs(t *testing.T) {
	for want, s := range map[string]Spec{
		"not known":             {As: []string{"rar"}},
		"needs the name":        {As: []string{"zip"}},
		"takes nothing":         {As: []string{"gzip x"}},
		"must come last":        {As: []string{"addresses", "json"}},
		"second document":       {As: []string{"json", "xml"}, At: []string{"/a"}},
		"neither json":          {As: []string{"gzip"}, At: []string{".a"}},
		"xml needs a path":      {As: []string{"xml"}},
		"XPath":                 {As: []string{"xml"}, At: []string{"/a["}},
		"nothing to do":         {As: []string{"addresses"}, Split: ","},
		"find: error":           {Find: "("},
		"find: x* fits":         {Find: "x*"},
		"split: |, fits":        {Split: "|,"},
		"split: error":          {Split: "(("},
		"match: error":          {Match: "a)(b"},
		"buckets that they may": {Kind: Address},
	} {
		if _, err := Compile(s, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %s", s, err, want)
		}
	}
	if _, err := Compile(Spec{As: []string{"json"}, At: []string{"$x"}}, Options{Lookups: map[string][]any{"x": {1.5}}}); err == nil {
		t.Error("a lookup of fractions was taken")
	}
}
