package unpack

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cooper/internal/handleid"
)

// TestBombs: no value unpacks to more than the limit, at any layer.
func TestBombs(t *testing.T) {
	bomb := strings.Repeat("0", 1<<20)
	for name, c := range map[string]struct {
		s Spec
		v string
	}{
		"gzip": {Spec{As: []string{"gzip"}}, gz(bomb)}, "zlib": {Spec{As: []string{"zlib"}}, zl(bomb)}, "zip": {Spec{As: []string{"zip a"}}, zipped("a", bomb)},
		"gzip twice": {Spec{As: []string{"gzip", "gzip"}}, gz(gz(bomb))}, "as it is": {Spec{}, bomb}, "gzip in lines": {Spec{As: []string{"base64", "gzip"}}, b64(gz(bomb))},
	} {
		f, err := Compile(c.s, Options{Limits: Limits{Unpacked: 1<<20 - 1}})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := f.Read(t.Context(), c.v, nil); err != nil || said(r) != "! "+TooMuch {
			t.Errorf("%s: %.60s %v", name, said(r), err)
		}
		f, err = Compile(c.s, Options{Limits: Limits{Unpacked: 1 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := f.Read(t.Context(), c.v, nil); err != nil || said(r) != "0" {
			t.Errorf("%s, as much as the limit: %.60s %v", name, said(r), err)
		}
	}
}

func TestNothingRunsOn(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for name, c := range map[string]struct {
		s    Spec
		v    string
		want string
	}{
		"values":       {Spec{Split: ","}, strings.Repeat("1,", 200), TooMany},
		"deep json":    {Spec{As: []string{"json"}}, deep, "JSON nested too deep"},
		"deep php":     {Spec{As: []string{"php"}}, strings.Repeat("a:1:{i:0;", 5000), "PHP value nested too deep"},
		"deep xml":     {Spec{As: []string{"xml"}, At: []string{"//a"}}, strings.Repeat("<a>", 5000), "XML nested too deep"},
		"many in json": {Spec{As: []string{"json"}}, "[" + strings.Repeat("1,", 200) + "1]", TooMany},
		"time":         {Spec{As: []string{"json"}, At: []string{"[.[] as $a | .[] as $b | .[] as $c | .[] as $d | .[] as $e | select($a < 0) | 1] | length"}}, "[" + strings.Repeat("1,", 500) + "1]", tooSlow},
		"json of much": {Spec{As: []string{"json"}}, "[" + strings.Repeat("{},", 30_000) + "1]", "JSON with too many values"},
		"xml of much":  {Spec{As: []string{"xml"}, At: []string{"//b"}}, "<a>" + strings.Repeat("<b/>", 24_000), "XML with too many elements, attributes or namespaces"},
	} {
		f, err := Compile(c.s, Options{Limits: Limits{Values: 100, Unpacked: 100_000, Time: 50 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.Read(t.Context(), c.v, nil)
		if err != nil || r.Malformed != c.want || len(r.Values) > 100 {
			t.Errorf("%s: %.60s %v", name, said(r), err)
		}
	}
}

// TestOverIsAnError: when the caller gives up, nothing is known of the value.
func TestOverIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := form(t, Spec{As: []string{"json"}, At: []string{".a | ascii_downcase"}})
	if r, err := f.Read(ctx, `{"a":"1"}`, nil); !errors.Is(err, context.Canceled) {
		t.Error(r, err)
	}
	if _, err := f.Read(t.Context(), struct{}{}, nil); err == nil {
		t.Error("a struct was read")
	}
}

func TestNamespacesAreTold(t *testing.T) {
	doc := `<T xmlns="urn:x" xmlns:p="urn:p"><a>1</a><p:b>2</p:b></T>`
	for path, want := range map[string]string{"/*/a": "urn:x urn:p", "/*/p:b": "urn:x", "/*[namespace-uri()='urn:x']/p:b": ""} {
		r, err := form(t, Spec{As: []string{"xml"}, At: []string{path}}).Read(t.Context(), doc, nil)
		if err != nil || strings.Join(r.Namespaces, " ") != want || len(r.Values) == 0 {
			t.Errorf("%s: %+v %v", path, r, err)
		}
	}
}

// TestSilent: an id that stands in a value although the path found none is told, in
// whichever layer it stands; a value in which something was found is not silent.
func TestSilent(t *testing.T) {
	known := &Known{Number: func(n int64) bool { return n == 12 }, Text: func(b []byte) bool { return string(b) == uuid || string(b) == "syn12" }}
	for _, c := range []struct {
		name string
		s    Spec
		v    any
		want bool
	}{
		{"renamed element", Spec{As: []string{"gzip", "xml"}, At: []string{"/*/icon"}}, gz("<T><image>12</image></T>"), true},
		{"found", Spec{As: []string{"gzip", "xml"}, At: []string{"/*/image"}}, gz("<T><image>12</image></T>"), false},
		{"no handle's", Spec{As: []string{"gzip", "xml"}, At: []string{"/*/icon"}}, gz("<T><image>13</image><v>112</v><v>a12</v></T>"), false},
		{"renamed name", Spec{As: []string{"json"}, At: []string{".a"}}, `{"b":12}`, true}, {"as text", Spec{As: []string{"json"}, At: []string{".a"}}, `{"b":"x-12"}`, true},
		{"malformed", Spec{As: []string{"json"}, At: []string{".a"}}, `{"b":12`, false}, {"find", Spec{Find: `f=(\d+)`}, "g=12", true}, {"lines", Spec{As: []string{"lines", "base64", "json"}, At: []string{".a"}}, b64(`{"a":null}`) + "\n" + b64(`{"b":12}`), true},
		{"lines, found", Spec{As: []string{"lines", "base64", "json"}, At: []string{".a"}}, b64(`{"b":12}`) + "\n" + b64(`{"a":12}`), false},
		{"uuid", Spec{As: []string{"json"}, At: []string{".a"}, ID: handleid.UUID}, `{"b":"` + strings.ToUpper(uuid) + `"}`, true}, {"uuid, no number", Spec{As: []string{"json"}, At: []string{".a"}, ID: handleid.UUID}, `{"b":12}`, false},
		{"text", Spec{As: []string{"json"}, At: []string{".a"}, ID: handleid.Text}, `{"b":"syn12"}`, true}, {"php", Spec{As: []string{"php"}, At: []string{".a"}}, `a:1:{s:1:"b";i:12;}`, true}, {"null", Spec{}, nil, false},
		{"long digits", Spec{As: []string{"json"}, At: []string{".a"}}, `{"b":"` + strings.Repeat("9", 40) + `"}`, false},
	} {
		r, err := form(t, c.s).Read(t.Context(), c.v, known)
		if err != nil || r.Silent != c.want {
			t.Errorf("%s: %+v %v", c.name, r, err)
		}
	}
}

type failing struct{}

func (failing) decode([]byte, int64) ([]byte, error) { panic("out of range") }

// TestAFailingReader: a value on which a reader fails is malformed, and the next is read.
func TestAFailingReader(t *testing.T) {
	f := form(t, Spec{As: []string{"gzip"}})
	r, err := f.newRun()
	if err != nil {
		t.Fatal(err)
	}
	r.layers[0] = failing{}
	f.runs.Put(r)
	res, err := f.Read(t.Context(), gz("12"), nil)
	if err != nil || said(res) != "! cannot be read: out of range" && said(res) != "12" { // a pool may forget
		t.Error(said(res), err)
	}
	if res, err = f.Read(t.Context(), gz("12"), nil); err != nil || said(res) != "12" {
		t.Error(said(res), err)
	}
}

// TestManyAtOnce: a Form may be used by many, and none sees another's values.
func TestManyAtOnce(t *testing.T) {
	f := form(t, Spec{As: []string{"gzip", "json"}, At: []string{".v[] | select(.[0] | IN($cols[])) | .[1]", ".v[] | select(.[0] as $x | $cols | index($x)) | .[1]"}})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				n := strconv.Itoa(g*1000 + i)
				r, err := f.Read(t.Context(), gz(`{"v":[["5","`+n+`"],["6","1"]]}`), nil)
				if err != nil || said(r) != n+" "+n {
					t.Error(said(r), r.Malformed, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestResultsStay: what was found is not overwritten by the next value.
func TestResultsStay(t *testing.T) {
	f := form(t, Spec{As: []string{"gzip", "xml"}, At: []string{"/*/a"}, Kind: Key})
	first, err := f.Read(t.Context(), gz("<T><a>first</a></T>"), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(first.Values)
	if _, err := f.Read(t.Context(), gz("<T><a>other</a></T>"), nil); err != nil || said(first) != "first" || !slices.EqualFunc(before, first.Values, func(a, b Value) bool { return a.Text == b.Text }) {
		t.Error(said(first), err)
	}
}
