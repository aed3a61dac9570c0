package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

type object = map[string]any

func schema(t *testing.T) object {
	t.Helper()
	var s object
	if err := json.Unmarshal(Schema, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// known are the keys that the reader has for each block, by the schema's name for it.
func known() map[string][]field {
	r := &reader{}
	return map[string][]field{
		"":                    (&Config{}).fields(r),
		"limits":              (&Limits{}).fields(r),
		"busy":                (&Busy{}).fields(r),
		"detect":              (&Detect{}).fields(r),
		"archive":             (&Archive{}).fields(r),
		"registry":            (&Registry{}).fields(r),
		"acknowledge":         (&Acknowledge{}).fields(r),
		"$defs/bucket":        (&Bucket{}).fields(r),
		"$defs/handles":       (&Handles{}).fields(r),
		"$defs/time":          (&Time{}).fields(r),
		"$defs/status":        (&Status{}).fields(r),
		"$defs/status/values": nil, // States
		"$defs/derived":       (&Derived{}).fields(r),
		"$defs/guard":         (&Guard{}).fields(r),
		"$defs/association":   (&Association{}).fields(r),
		"$defs/fetch":         (&Fetch{}).fields(r),
		"$defs/step":          nil, // steps with arguments
	}
}

// blocks are the maps of the schema that say which keys they have, by where they are.
func blocks(name string, s object, found map[string]object) {
	if ps, ok := s["properties"].(object); ok {
		found[name] = s
		for key, p := range ps {
			blocks(strings.TrimPrefix(name+"/"+key, "/"), p.(object), found)
		}
	}
	for _, alt := range []string{"anyOf", "oneOf"} {
		list, _ := s[alt].([]any)
		for _, a := range list {
			blocks(name, a.(object), found)
		}
	}
	defs, _ := s["$defs"].(object)
	for key, d := range defs {
		blocks("$defs/"+key, d.(object), found)
	}
}

// TestSchemaKeys: the schema knows each key that the reader knows, and no other; and which of
// them must be there.
func TestSchemaKeys(t *testing.T) {
	found := map[string]object{}
	blocks("", schema(t), found)
	for name, fields := range known() {
		b := found[name]
		if b == nil {
			t.Errorf("the schema has no block %q", name)
			continue
		}
		delete(found, name)
		var keys, must []string
		for _, f := range fields {
			keys = append(keys, f.key)
			if f.must {
				must = append(must, f.key)
			}
		}
		switch name {
		case "$defs/status/values":
			keys = slices.Clone(States)
		case "$defs/step":
			keys = []string{"zip", "exec"}
		}
		slices.Sort(keys)
		if d := diff(keys, slices.Sorted(maps.Keys(b["properties"].(object)))); d != "" {
			t.Errorf("keys of %q (-reader +schema): %s", name, d)
		}
		var required []string
		list, _ := b["required"].([]any)
		for _, r := range list {
			required = append(required, r.(string))
		}
		slices.Sort(must)
		slices.Sort(required)
		if d := diff(must, required); d != "" {
			t.Errorf("what %q must have (-reader +schema): %s", name, d)
		}
		if b["additionalProperties"] != false {
			t.Errorf("%q allows keys that the reader does not know", name)
		}
		for key, p := range b["properties"].(object) {
			if d, _ := p.(object)["description"].(string); d == "" {
				t.Errorf("%s of %q has no description", key, name)
			}
		}
	}
	for name := range found {
		t.Errorf("no test of the schema's block %q", name)
	}
}

// TestSchemaSteps: the schema has each form of as.
func TestSchemaSteps(t *testing.T) {
	step := schema(t)["$defs"].(object)["step"].(object)["anyOf"].([]any)[0].(object)["pattern"].(string)
	for _, s := range Steps {
		if !regexp.MustCompile(step).MatchString(s) && !regexp.MustCompile(step).MatchString(s+" x") {
			t.Errorf("the schema does not know %s", s)
		}
	}
}

// valid is as much of JSON Schema as the schema uses.
func valid(root, s object, v any) error {
	for key, want := range s {
		if err := holdsTrue(root, s, key, want, v); err != nil {
			return err
		}
	}
	return nil
}

func holdsTrue(root, s object, key string, want, v any) error {
	m, isMap := v.(object)
	list, isList := v.([]any)
	text, isText := v.(string)
	number, isNumber := v.(float64)
	bad := fmt.Errorf("%s %v: %v", key, want, v)
	tell := func(ok bool) error {
		if ok {
			return nil
		}
		return bad
	}
	switch key {
	case "$schema", "$id", "title", "description", "default", "$defs":
		return nil
	case "$ref":
		name := strings.TrimPrefix(want.(string), "#/$defs/")
		return valid(root, root["$defs"].(object)[name].(object), v)
	case "const":
		return tell(v == want)
	case "enum":
		return tell(slices.Contains(want.([]any), v))
	case "not":
		return tell(valid(root, want.(object), v) != nil)
	case "type":
		types, ok := want.([]any)
		if !ok {
			types = []any{want}
		}
		is := map[any]bool{"object": isMap, "array": isList, "string": isText, "number": isNumber, "null": v == nil}
		_, is["boolean"] = v.(bool)
		is["integer"] = isNumber && number == float64(int64(number))
		return tell(slices.ContainsFunc(types, func(t any) bool { return is[t] }))
	case "pattern":
		return tell(!isText || regexp.MustCompile(want.(string)).MatchString(text))
	case "minLength":
		return tell(!isText || float64(utf8.RuneCountInString(text)) >= want.(float64))
	case "minimum":
		return tell(!isNumber || number >= want.(float64))
	case "maximum":
		return tell(!isNumber || number <= want.(float64))
	case "minItems":
		return tell(!isList || float64(len(list)) >= want.(float64))
	case "minProperties":
		return tell(!isMap || float64(len(m)) >= want.(float64))
	case "maxProperties":
		return tell(!isMap || float64(len(m)) <= want.(float64))
	case "required":
		return tell(!isMap || !slices.ContainsFunc(want.([]any), func(k any) bool { _, ok := m[k.(string)]; return !ok }))
	case "items":
		for _, e := range list {
			if err := valid(root, want.(object), e); err != nil {
				return err
			}
		}
		return nil
	case "properties", "additionalProperties", "propertyNames":
		return members(root, s, key, want, m)
	case "allOf", "anyOf", "oneOf":
		n, all := 0, want.([]any)
		for _, a := range all {
			if valid(root, a.(object), v) == nil {
				n++
			}
		}
		return tell(key == "allOf" && n == len(all) || key == "anyOf" && n > 0 || key == "oneOf" && n == 1)
	}
	return fmt.Errorf("this test does not know %s", key)
}

func members(root, s object, key string, want any, m object) error {
	known, _ := s["properties"].(object)
	for k, v := range m {
		p, ok := known[k].(object)
		more, _ := want.(object)
		var err error
		switch {
		case key == "propertyNames":
			err = valid(root, more, k)
		case key == "properties" && ok:
			err = valid(root, p, v)
		case key == "additionalProperties" && !ok && want == false:
			err = fmt.Errorf("is not known")
		case key == "additionalProperties" && !ok:
			err = valid(root, more, v)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	return nil
}

// asJSON is a file as an editor sees it.
func asJSON(t *testing.T, src string) any {
	t.Helper()
	var v any
	if err := yaml.Load([]byte(src), &v); err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var again any
	if err := json.Unmarshal(out, &again); err != nil {
		t.Fatal(err)
	}
	return again
}

// TestSchemaAgrees: what the reader takes the schema takes, and of what the
// schema refuses the reader takes nothing.
func TestSchemaAgrees(t *testing.T) {
	root := schema(t)
	sources := []string{wide, spelled, based("lag: 0\n")}
	for _, set := range []string{"platform", "rails"} {
		if src, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "gc", set, "cooper.yaml")); err == nil {
			sources = append(sources, string(src))
		}
	}
	for _, src := range sources {
		if err := valid(root, root, asJSON(t, src)); err != nil {
			t.Errorf("the schema refuses what the reader takes: %v", err)
		}
	}
	for _, src := range []string{
		"lag: soon\n", "zebra: 1\n", "version: 2\n", "stores: {}\n", "waive: []\n", "protect: [{table: T}]\n", "protect: {prefix: ''}\n",
		"protect: {prefix: a, of: b}\n", "limits: {connections: 0}\n", "limits: {unpacked: 16M}\n", "detect: {jump: 2}\n", "archive: {class: GLACIER}\n", "archive: {bucket: cold, links: open}\n",
		"associations: {}\n", "associations: {a: {table: T, object: o}}\n", "associations: {a: {table: T, object: o, handle: h, key: k}}\n",
		"associations: {a: {table: T, object: o, value: v, as: [gz]}}\n", "associations: {a: {table: T, object: o, fetch: {bucket: b}, as: json}}\n",
		"associations: {a: {table: T, object: {ID}, handle: h}}\n", "handles: {table: T, id: i}\n", "handles: {key: {table: T, id: i, key: k}}\n",
		"handles: {table: T, id: i, key: k, modified: {column: c, unit: min}}\n", "handles: {table: T, id: i, key: k, status: {column: c, values: {GONE: 1}}}\n",
		"database: \"sqlite:\"\n", "database: sqlite://x\n", "addresses: {a.b: s3://x}\n", "buckets: {data: {inv: x}}\n",
		"registry: {}\n", "registry: {table: T, complete_since: soon}\n", "registry: {table: T, zebra: x}\n",
	} {
		src = based(src)
		if err := valid(root, root, asJSON(t, src)); err == nil {
			t.Errorf("the schema takes %s", src)
		}
		if _, err := Parse("cooper.yaml", []byte(src)); err == nil {
			t.Errorf("the reader takes %s", src)
		}
	}
}

// TestDocumented: docs/formats/cooper-yaml.md names each key, and its examples are right.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats", "cooper-yaml.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]object{}
	blocks("", schema(t), found)
	for name, b := range found {
		for key := range b["properties"].(object) {
			if !strings.Contains(string(doc), "`"+key+"`") {
				t.Errorf("%s of %q is not documented", key, name)
			}
		}
	}
	for _, s := range Steps {
		if !strings.Contains(string(doc), "`"+s) {
			t.Errorf("the form %s is not documented", s)
		}
	}
	root := schema(t)
	n := 0
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		n++
		src := based(m[1])
		if err := valid(root, root, asJSON(t, src)); err != nil {
			t.Errorf("the schema refuses the example: %v\n%s", err, m[1])
		}
		if _, err := parse("cooper.yaml", []byte(src)); err != nil {
			t.Errorf("an example: %s\n%s", said(err), m[1])
		}
	}
	if n < 6 {
		t.Errorf("%d examples", n)
	}
}
