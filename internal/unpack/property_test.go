package unpack

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/itchyny/gojq"
	"pgregory.net/rapid"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func xmlText(s string) string {
	var b bytes.Buffer
	check(xml.EscapeText(&b, []byte(s)))
	return b.String()
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	check(err)
	return string(b)
}

// phpOf writes a value as PHP's serialize does.
func phpOf(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf(`s:%d:"%s";`, len(v), v)
	case int:
		return fmt.Sprintf("i:%d;", v)
	case []string:
		var b strings.Builder
		fmt.Fprintf(&b, "a:%d:{", len(v))
		for i, s := range v {
			b.WriteString(phpOf(i) + phpOf(s))
		}
		return b.String() + "}"
	}
	panic("php")
}

// TestWhatAProgramWritesIsFound: ids, packed in any layers, come out as they went in.
func TestWhatAProgramWritesIsFound(t *testing.T) {
	wraps := []struct {
		as string
		f  func(string) string
	}{{"gzip", gz}, {"zlib", zl}, {"base64", b64}, {"base64url", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }}, {"zip a b", func(s string) string { return zipped("x", "y", "a b", s) }}}
	docs := []struct {
		as, at string
		f      func(ids []string) string
	}{
		{"json", ".x.ids | each", func(ids []string) string { return jsonOf(map[string]any{"x": map[string]any{"ids": ids}, "n": 4711}) }},
		{"json", ".x | json | each | .id", func(ids []string) string {
			var l []map[string]json.Number
			for _, id := range ids {
				l = append(l, map[string]json.Number{"id": json.Number(id)})
			}
			return jsonOf(map[string]string{"x": jsonOf(l)})
		}},
		{"json", "keys[]", func(ids []string) string {
			m := map[string]bool{}
			for _, id := range ids {
				m[id] = true
			}
			return jsonOf(m)
		}},
		{"xml", "/*/ids/string", func(ids []string) string {
			return "<a><note>" + xmlText("4711 <&>") + "</note><ids>\n <string>" + strings.Join(ids, "</string>\n<string>") + "</string></ids></a>"
		}},
		{"xml", "//f/@id", func(ids []string) string {
			return "<a xmlns='u'><f id='" + strings.Join(ids, "'/><f id=\"0\"/><f id='") + "'/></a>"
		}},
		{"php", ".ids", func(ids []string) string { return `a:1:{s:3:"ids";` + phpOf(ids) + "}" }},
		{"lines", "", func(ids []string) string { return strings.Join(ids, "\r\n") + "\n" }},
	}
	rapid.Check(t, func(t *rapid.T) {
		var ids []string
		for range rapid.IntRange(1, 5).Draw(t, "n") {
			ids = append(ids, strconv.FormatInt(rapid.Int64Range(1, 1<<63-1).Draw(t, "id"), 10))
		}
		d := rapid.SampledFrom(docs).Draw(t, "doc")
		s := Spec{As: []string{d.as}}
		if d.at != "" {
			s.At = []string{d.at}
		}
		data := d.f(ids)
		for range rapid.IntRange(0, 3).Draw(t, "layers") {
			w := rapid.SampledFrom(wraps).Draw(t, "layer")
			s.As, data = append([]string{w.as}, s.As...), w.f(data)
		}
		f, err := Compile(s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.Read(t.Context(), data, nil)
		if err != nil || r.Malformed != "" {
			t.Fatalf("%v: %s %v", s, r.Malformed, err)
		}
		got := map[string]bool{}
		for _, v := range r.Values {
			got[v.Text] = true
		}
		for _, id := range ids {
			if !got[id] {
				t.Fatalf("%v: %s is not among %s", s, id, said(r))
			}
		}
		if cut := rapid.IntRange(0, len(data)-1).Draw(t, "cut"); d.as != "lines" && !strings.HasPrefix(s.As[0], "base64") {
			if r, err := f.Read(t.Context(), data[:cut], nil); err != nil || r.Malformed == "" {
				t.Fatalf("%v: cut at %d of %d, and read all the same: %s %v", s, cut, len(data), said(r), err)
			}
		}
	})
}

// TestJSONAsTheStandardLibrary: what is read is what the standard library reads.
func TestJSONAsTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var make func(depth int) any
		make = func(depth int) any {
			n := 5
			if depth < 4 {
				n = 7
			}
			switch rapid.IntRange(0, n).Draw(t, "kind") {
			case 0:
				return nil
			case 1:
				return rapid.Bool().Draw(t, "b")
			case 2:
				return rapid.Int().Draw(t, "i")
			case 3:
				return rapid.String().Draw(t, "s")
			case 4, 5:
				return float64(rapid.IntRange(-1000, 1000).Draw(t, "f")) + 0.5
			case 6:
				l := []any{}
				for range rapid.IntRange(0, 4).Draw(t, "n") {
					l = append(l, make(depth+1))
				}
				return l
			}
			m := map[string]any{}
			for range rapid.IntRange(0, 4).Draw(t, "n") {
				m[rapid.String().Draw(t, "name")] = make(depth + 1)
			}
			return m
		}
		v := make(0)
		text := []byte(jsonOf(v))
		got, err := readJSON(text, 1e6)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(got, v) {
			t.Fatalf("%s: %#v; want %#v", text, got, v)
		}
	})
}

// TestPathsAreJQ: a path taken apart finds what jq finds, where jq finds no damage.
func TestPathsAreJQ(t *testing.T) {
	docs := []string{`{"a":[{"b":1,"c":{"d":[2,3]}},{"b":null}],"e":{"x":4,"y":5},"f":"{\"g\":[6]}"}`, `[[1,2],[3,[4]]]`, `{"a":[],"e":{}}`, "null", `{"a":{"b":{"b":7}}}`, "5"}
	for _, path := range []string{".", ".a[].b", ".a[] | .c.d[]", "(.a[], .e[]) | .b", ".a, .e", ".a[0].b", ".a[].c | .d | .[0]", `.["e"].x`, ".[][]", ".[] | .[]", "[.a[].b] | .[]", ".a[] | select(.b) | .b", ".a as $x | $x[].b", ".a[1:][].b", ".e | keys[]", "(.a | .[]) as $x | $x.b", ".e | .x, .y", "(.e).x", "if .a then .e.x else null end"} {
		q, err := gojq.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := compileJQ(path, nil, 1e6)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range docs {
			doc, err := readJSON([]byte(text), 1e6)
			if err != nil {
				t.Fatal(err)
			}
			var want, got []any
			damage := false
			for it := q.Run(doc); ; {
				v, ok := it.Next()
				if !ok {
					break
				}
				if _, ok := v.(error); ok {
					damage = true
					break
				}
				want = append(want, v)
			}
			told := ""
			p.step.run(t.Context(), doc, func(s string) { told = s }, func(v any) bool { got = append(got, v); return true })
			if damage != (told != "") || !damage && !reflect.DeepEqual(got, want) || len(got) < len(want) {
				t.Errorf("%s in %s: %v %q; want %v, damage %v", path, text, got, told, want, damage)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	var forms []*Form
	for _, s := range []Spec{
		{As: []string{"gzip", "json"}, At: []string{".a | each | .b", "keys[]"}}, {As: []string{"zlib"}}, {As: []string{"zip a", "php"}}, {As: []string{"php"}, At: []string{".[]"}}, {As: []string{"json"}}, {As: []string{"json"}, At: []string{".a | json | .b", ".a | ascii_downcase"}},
		{As: []string{"base64", "xml"}, At: []string{"//a", "//@*"}}, {As: []string{"lines", "addresses"}}, {Find: `a(\d+)b?`, Split: ",", Match: `(\d+)x?`}, {Kind: Address}, {As: []string{"xml"}, At: []string{"/*/a", "string(//b)"}},
	} {
		forms = append(forms, form(f, s))
	}
	for i, s := range []string{gz(`{"a":[{"b":1}]}`), zl("12"), zipped("a", "i:1;"), `a:1:{i:0;O:1:"A":1:{s:1:"b";d:0.5;}}`, `[1,"2",{"a":null}]`, `{"a":"{\"b\":1}"}`, b64("<x a='1'><a>2</a></x>"), "s3://bkt/a\nhttps://files.example.org/%", "a1b a2,3x", "https://files.example.org/x", "<x><a>1</a></x>"} {
		f.Add(i, []byte(s))
	}
	known := &Known{Number: func(n int64) bool { return n == 7 }, Text: func([]byte) bool { return false }}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		if i < 0 {
			i = -(i + 1)
		}
		r, err := forms[i%len(forms)].Read(t.Context(), data, known)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Values {
			if v.Kind == ID && v.Text == "" || v.Kind == Address && len(v.Found.Places) == 0 {
				t.Fatalf("%q: %+v", data, v)
			}
		}
	})
}
