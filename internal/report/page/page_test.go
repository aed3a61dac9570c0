package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/report"
)

func write(t testing.TB, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// data cuts the report out of a page, as a parser of HTML would: up to the first
// thing that looks like the end of a script.
func data(t testing.TB, page string) map[string]any {
	t.Helper()
	_, after, ok := strings.Cut(page, `<script type="application/json" id="data">`)
	if !ok {
		t.Fatal("no data")
	}
	raw, _, _ := strings.Cut(after, "</script")
	var out map[string]any
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatalf("%v in %.200q", err, raw)
	}
	return out
}

// everywhere is a report in which a name stands wherever a name can.
func everywhere(name string) *report.Report {
	leaf := &report.Node{Name: name, Key: true}
	return &report.Report{
		Snapshot: report.Snapshot{ID: name, Bucket: name, Source: name, Prefix: name}, Prefix: name, Prices: name,
		Tree:       &report.Node{Name: name, Children: []*report.Node{{Name: name + "/", Children: []*report.Node{leaf}}}},
		Classes:    []report.Row{{Name: name}},
		Duplicates: &report.Duplicates{Largest: []report.Group{{ETag: name, Keys: []string{name}}}},
		Uploads:    report.Uploads{Why: name, Largest: []report.Upload{{Key: name, UploadID: name}}},
		Savings:    []report.Saving{{Title: name, Basis: name}},
		Compare:    &report.Comparison{Prefixes: []report.PrefixChanges{{Prefix: name}}},
		Notes:      []string{name},
	}
}

// shape is the page with the data and the bucket's name taken out.
func shape(t testing.TB, page string) string {
	t.Helper()
	before, after, _ := strings.Cut(page, `<script type="application/json" id="data">`)
	_, after, _ = strings.Cut(after, "</script")
	head, rest, _ := strings.Cut(before, "<title>")
	title, rest, _ := strings.Cut(rest, "</title>")
	if strings.ContainsAny(title, "<>\"") {
		t.Errorf("title %q", title)
	}
	return head + rest + after
}

// checkName: no name changes anything of a page but the text that says it.
func checkName(t testing.TB, name string) {
	t.Helper()
	page := write(t, everywhere(name))
	if got, plain := shape(t, page), shape(t, write(t, everywhere("plain"))); got != plain {
		t.Errorf("%q changes the page", name)
	}
	d := data(t, page)
	said := strings.ToValidUTF8(name, "\ufffd")
	if !utf8.ValidString(name) {
		said = d["prices"].(string) // how many marks stand for what is broken is nobody's concern
	}
	root := d["tree"].([]any)
	child := root[len(root)-1].([]any)[0].([]any)
	for where, got := range map[string]any{
		"prices": d["prices"], "note": d["notes"].([]any)[0], "root": root[0],
		"leaf": child[len(child)-1].([]any)[0].([]any)[0],
	} {
		if got != said {
			t.Errorf("%s: got %q, want %q", where, got, said)
		}
	}
}

func TestHostileNames(t *testing.T) {
	for _, name := range []string{
		"", "</script><script>alert(1)</script>", "<!--<script>", "-->", "]]>", "</title>", `"'` + "`", "{{.Bucket}}",
		"\u2028\u2029", "\x00\x1b[31m\x7f\r\n", "\u202egnp.exe", "\xff\xfe broken", "&lt;&amp;", "javascript:alert(1)", strings.Repeat("x", 1024),
	} {
		checkName(t, name)
	}
}

// TestHostileHandle: nor does what stands in a database, in the page of a file handle.
func TestHostileHandle(t *testing.T) {
	page := func(name string) string {
		var b bytes.Buffer
		if err := WriteHandle(&b, name, map[string]any{"handle": name, "key": name}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, name := range []string{"", "</script><script>alert(1)</script>", "<!--<script>", "</title>", "{{.Title}}", "\u2028", "blob:1", "\x00\x1b[31m"} {
		if shape(t, page(name)) != shape(t, page("plain")) {
			t.Errorf("%q changes the page", name)
		}
		if got := data(t, page(name))["key"]; got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
	if err := WriteHandle(io.Discard, "1", math.NaN()); err == nil {
		t.Error("what is no JSON makes a page")
	}
}

func FuzzName(f *testing.F) {
	f.Add("</script>")
	f.Add("\xf0\x28\x8c\x28<!--")
	f.Fuzz(func(t *testing.T, name string) { checkName(t, name) })
}

func TestAnyName(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		checkName(t, rapid.StringOfN(rapid.SampledFrom([]rune("<>/!-&;\"'scriptSCRIPT \x00\u2028a")), 0, 40, -1).Draw(rt, "name"))
	})
}

// TestTreeIsWhole: the short form says all that the page shows of a node.
func TestTreeIsWhole(t *testing.T) {
	part := func(n int64) report.Part {
		return report.Part{Current: report.Amount{Count: n, Bytes: n << 40, Cost: float64(n) / 3}, Noncurrent: report.Amount{Count: n + 1, Bytes: n + 2, Cost: 1234567}, DeleteMarkers: n + 3}
	}
	r := everywhere("b")
	r.Tree = &report.Node{Name: "p/", Newest: 1_700_000_000_123, Part: part(1), Rest: &report.Rest{Names: 9, Part: part(2)},
		Children: []*report.Node{{Name: "k", Key: true, Part: part(3)}, {Name: "deep/", Part: part(4), Rest: &report.Rest{Names: 1, Part: part(5)}}}}
	got, err := json.Marshal(data(t, write(t, r))["tree"])
	if err != nil {
		t.Fatal(err)
	}
	want := `["p/",1700000000123,1,1099511627776,0.333333,2,3,1234570,4,[` +
		`["k",0,3,3298534883328,1,4,5,1234570,6],` +
		`["deep/",0,4,4398046511104,1.33333,5,6,1234570,7,[],[1,5,5497558138880,1.66667,6,7,1234570,8]]],` +
		`[9,2,2199023255552,0.666667,3,4,1234570,5]]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestDeepTree: a key of 1,024 bytes can be 512 prefixes deep.
func TestDeepTree(t *testing.T) {
	r := everywhere("b")
	r.Tree = &report.Node{}
	for n, i := r.Tree, 0; i < 1024; i++ {
		n.Children = []*report.Node{{Name: "/"}}
		n = n.Children[0]
	}
	data(t, write(t, r))
}

// TestNothingFromElsewhere: the page asks for nothing, and the policy names the
// very script and style that are in it.
func TestNothingFromElsewhere(t *testing.T) {
	page := write(t, everywhere("b"))
	for _, no := range []string{"http://", "https://", "//cdn", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "fetch(", "XMLHttpRequest", "import("} {
		// The name space of SVG is a name, not a place.
		if rest := strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""); strings.Contains(rest, no) {
			t.Errorf("the page has %s", no)
		}
	}
	_, after, _ := strings.Cut(page, "<style>")
	css, _, _ := strings.Cut(after, "</style>")
	_, after, _ = strings.Cut(page, "<script>")
	js, _, _ := strings.Cut(after, "</script>")
	policy := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(page)
	for _, text := range []string{css, js} {
		if !strings.Contains(policy, hash(text)) {
			t.Error("the policy forbids a part of the page itself")
		}
	}
	if n := strings.Count(page, "<script"); n != 2 {
		t.Errorf("%d scripts", n)
	}
}

func TestTheSameReportGivesTheSamePage(t *testing.T) {
	first := write(t, everywhere("b"))
	if second := write(t, everywhere("b")); first != second {
		t.Error("two pages of one report differ")
	}
}

// TestSize: twenty thousand prefixes with names as people give them.
func TestSize(t *testing.T) {
	r := everywhere("b")
	r.Tree = &report.Node{}
	for i := range 20_000 {
		p := report.Part{Current: report.Amount{Count: int64(i) * 1000, Bytes: int64(i) * 1e10, Cost: float64(i) / 7}, Noncurrent: report.Amount{Count: int64(i), Bytes: int64(i) * 1e9, Cost: float64(i) / 70}}
		r.Tree.Children = append(r.Tree.Children, &report.Node{Name: fmt.Sprintf("sub-%05d_ses-01_task-rest_bold/", i), Newest: cooper.Instant(1.7e12), Part: p})
	}
	if n := len(write(t, r)); n > 3<<20 {
		t.Errorf("%d bytes", n)
	}
}

type full struct{ room int }

var errFull = errors.New("no space left")

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestErrors(t *testing.T) {
	whole := len(write(t, everywhere("b")))
	for _, room := range []int{0, 100, whole / 2, whole - 1} {
		if err := Write(&full{room}, everywhere("b")); !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
	if err := Write(&full{whole}, everywhere("b")); err != nil {
		t.Error(err)
	}
	for _, cost := range []float64{math.NaN(), math.Inf(1)} {
		r := everywhere("b")
		r.Tree.Children[0].Noncurrent.Cost = cost
		if err := Write(io.Discard, r); err == nil {
			t.Errorf("a cost of %v is written", cost)
		}
	}
}
