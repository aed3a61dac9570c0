package loosejson

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cooper"
)

// value is v as encoding/json has it.
func value(v Value) any {
	switch v.Kind() {
	case True:
		return true
	case False:
		return false
	case Number:
		return json.Number(v.Raw())
	case Text:
		s, _ := v.Text()
		return s
	case List:
		all := []any{}
		for x := range v.Items() {
			all = append(all, value(x))
		}
		return all
	case Object:
		all := map[string]any{}
		for name, x := range v.Fields() {
			all[name] = value(x)
		}
		return all
	default:
		return nil
	}
}

// TestStrict: what is JSON is read as the standard library reads it.
func TestStrict(t *testing.T) {
	texts := []string{`null`, ` true `, `[]`, `{}`, `[{}]`, `{"a":[1,2,{"b":null}],"c":"d"}`, `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, `{"a":1,"a":2}`, `-0`, `1e400`, `1.5E-3`, `[1,[2,[3,[4]]],5]`, "\"\u00e9\u65e5\"", `{"":{"":""}}`, `{"\u0061":1}`}
	given, err := filepath.Glob("../../../shared/ooni/*/measurements/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(given) == 0 {
		t.Log("no measurements are there: only small texts are read")
	}
	for _, path := range given {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	var d Doc
	for _, text := range texts {
		root, err := d.Parse([]byte(text))
		if err != nil {
			t.Errorf("%.80q: %v", text, err)
			continue
		}
		same(t, text, root)
	}
}

func same(t *testing.T, text string, root Value) {
	t.Helper()
	var want any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&want); err != nil {
		t.Errorf("%.80q: the standard library does not read it: %v", text, err)
		return
	}
	a, err := json.Marshal(value(root))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%.200q\nis  %.200s\nnot %.200s", text, a, b)
	}
}

// TestLoose: what is no JSON and can be understood is read, and told.
func TestLoose(t *testing.T) {
	for text, want := range map[string]struct {
		is     string // as JSON
		faults []Fault
	}{
		"\ufeff{\"a\":1}":        {`{"a":1}`, []Fault{ByteOrderMark}},
		`[01,1.,.5,+1,-.5e+3]`:   {`[01,1.,.5,+1,-.5e+3]`, []Fault{OddNumber}},
		"\"a\x00b\tc\"":          {`"a\u0000b\tc"`, []Fault{Control}},
		"[\"a\xff\xfeb\xe9\"]":   {`["a��b�"]`, []Fault{NoUTF8}},
		"{\"\xff\":\"\\n\xff\"}": {"{\"\ufffd\":\"\\n\ufffd\"}", []Fault{NoUTF8}},
		`"\ud800"`:               {`"�"`, []Fault{LoneSurrogate}},
		`"\udc00\ud83d\ude00"`:   {`"�😀"`, []Fault{LoneSurrogate}},
		`"\ud800\ud83d\ude00"`:   {`"�😀"`, []Fault{LoneSurrogate}},
		`"\x\u12\u12G4"`:         {`"\\x\\u12\\u12G4"`, []Fault{OddEscape}},
		"\"\xed\xa0\x80\"":       {`"���"`, []Fault{NoUTF8}},
	} {
		var d Doc
		root, err := d.Parse([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := d.Faults(); !slices.Equal(got, want.faults) {
			t.Errorf("%q has the faults %v, not %v", text, got, want.faults)
		}
		if root.Kind() == List && root.Len() == 5 {
			continue // numbers, below
		}
		same(t, want.is, root)
	}
	var d Doc
	root, err := d.Parse([]byte(`[NaN,Infinity,-Infinity,01,1.,.5,+1]`))
	if err != nil {
		t.Fatal(err)
	}
	var got []float64
	for x := range root.Items() {
		f, ok := x.Float()
		if !ok {
			t.Errorf("%s is no number", x.Raw())
		}
		got = append(got, f)
	}
	if !math.IsNaN(got[0]) || !slices.Equal(got[1:], []float64{math.Inf(1), math.Inf(-1), 1, 1, .5, 1}) || d.Fault(NotANumber) != 3 || d.Fault(OddNumber) != 4 {
		t.Errorf("%v, %v", got, d.Faults())
	}
}

// TestBroken: what cannot be understood is an error that names the byte; what stands before it
// can be asked for.
func TestBroken(t *testing.T) {
	for text, want := range map[string]struct{ where, read string }{
		``:                     {"byte 0", `null`},
		`  `:                   {"byte 2", `null`},
		`{"a":1`:               {"byte 6", `{"a":1}`},
		`{"a":1,`:              {"byte 7", `{"a":1}`},
		`{"a":1,"b"`:           {"byte 10", `{"a":1}`},
		`{"a":1,"b":`:          {"byte 11", `{"a":1}`},
		`{"a":1,"b":"cu`:       {"byte 14", `{"a":1}`},
		`{"a":1,"b":[1,{"c":2`: {"byte 20", `{"a":1,"b":[1,{"c":2}]}`},
		`{"a":1 "b":2}`:        {"byte 7", `{"a":1}`},
		`{"a":1}{"b":2}`:       {"byte 7", `{"a":1}`},
		`[1,]`:                 {"byte 3", `[1]`},
		`{"a":1,}`:             {"byte 7", `{"a":1}`},
		`{a:1}`:                {"byte 1", `{}`},
		`{"a" 1}`:              {"byte 5", `{}`},
		`[1}`:                  {"byte 2", `[1]`},
		`nul`:                  {"byte 0", `null`},
		`[1e]`:                 {"byte 1", `[]`},
		`-`:                    {"byte 0", `null`},
		`"\`:                   {"byte 2", `null`},
		"format: yaml\n- a":    {"byte 0", `null`},
		"\"a\" \x00":           {"byte 4", `"a"`},
	} {
		var d Doc
		root, err := d.Parse([]byte(text))
		if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), want.where+":") && !strings.HasSuffix(err.Error(), want.where) {
			t.Errorf("%q: %v, not at %s", text, err, want.where)
		}
		same(t, want.read, root)
	}
}

// TestDeep: nesting costs neither the stack nor more than its bytes.
func TestDeep(t *testing.T) {
	const depth = 1_000_000
	for _, text := range []string{strings.Repeat("[", depth), strings.Repeat(`{"a":`, depth)} {
		var d Doc
		root, err := d.Parse([]byte(text))
		if err == nil {
			t.Errorf("%.10q is read", text)
		}
		if n := len(d.nodes); root.Kind() < List || n > 2*depth {
			t.Errorf("%d nodes of a %v", n, root.Kind())
		}
		closed := text + map[byte]string{'[': strings.Repeat("]", depth), '{': `1` + strings.Repeat("}", depth)}[text[0]]
		if _, err := d.Parse([]byte(closed)); err != nil {
			t.Error(err)
		}
	}
}

func TestValues(t *testing.T) {
	var d Doc
	root, err := d.Parse([]byte(`{"n":null,"t":true,"i":-9223372036854775808,"big":9223372036854775808,"f":1.5,"s":"x\u0041","l":[1,2],"n":5}`))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := root.Get("n").Int(); n != 5 || !ok {
		t.Errorf("of two fields the last: %d %v", n, ok)
	}
	if n, ok := root.Get("i").Int(); n != math.MinInt64 || !ok {
		t.Error(n, ok)
	}
	if _, ok := root.Get("big").Int(); ok {
		t.Error("a number beyond 64 bits is whole")
	}
	if f, ok := root.Get("big").Float(); f != 9223372036854775808 || !ok {
		t.Error(f, ok)
	}
	if _, ok := root.Get("f").Int(); ok {
		t.Error("1.5 is whole")
	}
	if !root.Get("s").Is("xA") || root.Get("s").Is("x") || root.Get("l").Is("") {
		t.Error("Is")
	}
	if is, ok := root.Get("t").Bool(); !is || !ok {
		t.Error("true")
	}
	if root.Get("l").Len() != 2 || root.Len() != 8 || root.Get("s").Len() != 0 {
		t.Error("Len")
	}
	none := root.Path("l", "x", "y")
	if none.Kind() != Absent || !none.Missing() || none.Len() != 0 || none.Raw() != nil || none.Is("") {
		t.Error("what is absent")
	}
	for range none.Items() {
		t.Error("an item")
	}
	for range none.Fields() {
		t.Error("a field")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,"b\ud800",null]}`, "\ufeff[NaN,\"\xff\"]", `{"a":1,"a":{"b":[[]]}}`, `[01,"\u12`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var d Doc
		root, err := d.Parse(text)
		var std any
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		strict := json.Valid(text)
		if strict && err != nil && !strings.Contains(string(text), "\ufeff") {
			t.Fatalf("the standard library reads %q: %v", text, err)
		}
		got := value(root) // whatever it is, it can be walked
		if !strict || err != nil || d.Faults() != nil {
			return
		}
		if err := dec.Decode(&std); err != nil {
			t.Skip() // nesting has a bound there
		}
		a, _ := json.Marshal(got) //nolint:errchkjson // a value of ours
		b, _ := json.Marshal(std) //nolint:errchkjson // a value of theirs
		if !bytes.Equal(a, b) {
			t.Fatalf("%q is %s, not %s", text, a, b)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	given, err := filepath.Glob("../../../shared/ooni/nettests/measurements/x_*.json")
	if err != nil || len(given) == 0 {
		b.Skip("no measurements are there")
	}
	var texts [][]byte
	total := 0
	for _, path := range given {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		texts = append(texts, text)
		total += len(text)
	}
	b.SetBytes(int64(total))
	b.ReportAllocs()
	var d Doc
	for b.Loop() {
		for _, text := range texts {
			if _, err := d.Parse(text); err != nil {
				b.Fatal(err)
			}
		}
	}
}
