package xmlpath

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRefused(t *testing.T) {
	deep := strings.Repeat("<a>", maxDepth+1) + strings.Repeat("</a>", maxDepth+1)
	for doc, want := range map[string]string{
		"": string(Empty), " ": "XML not closed", "x": "XML broken: text outside of the root at byte 0", "<": "XML not closed",
		"<a>": "XML not closed", "<a><b></b>": "XML not closed", "<a": "XML not closed", "<a b": "XML not closed", "<a b=": "XML not closed", "<a b='": "XML not closed", "<a></": "XML not closed", "<a/": "XML not closed",
		"<a><!--": "XML not closed", "<a><![CDA": "XML not closed", "<a><![CDATA[x": "XML not closed", "<?xml": "XML not closed", "<?>": "XML not closed", "<!>": "XML broken: a declaration at byte 0", "<a><!-->": "XML not closed", "<a></>": "XML broken: <a> ends as </>", "<a>&am": "XML not closed", "<!DOC": "XML not closed",
		"<a></b>": "XML broken: <a> ends as </b>", "<a/><b/>": "XML broken: a second root at byte 4", "<a/>x": "XML broken: text outside of the root at byte 4", "</a>": "XML broken: an end without a beginning at byte 0",
		"<a b=c/>": "XML broken: an attribute without quotes at byte 5", "<a b='1' b='2'/>": "XML with one attribute twice: b", "<a b='<'/>": "XML broken: < in an attribute at byte 6", "<a b='1'c='2'/>": "XML broken: a tag at byte 8",
		"<a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'/>": "XML with one attribute twice: q:x", "<a xmlns:p='u' xmlns:p='v'/>": "XML broken: a prefix declared twice at byte 26",
		"<p:a/>": "XML prefix that is not declared: p", "<a p:b=''/>": "XML prefix that is not declared: p", "<a:b:c/>": "XML broken: a name with two colons at byte 1", "<1/>": "XML broken: what is no name at byte 1",
		"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>": string(Doctype), "<!doctype a><a/>": string(Doctype), "<?xml version='1.0'?><!DOCTYPE a><a/>": string(Doctype),
		"<a>&e;</a>": "XML entity that is not known: &e;", "<a>&#0;</a>": "XML entity that is not known: &#0;", "<a>&#xD800;</a>": "XML entity that is not known: &#xD800;", "<a>& b and more</a>": "XML broken: & without ; at byte 3",
		"<a>\x00</a>": "XML with control characters", "<a>\xff</a>": "XML that is no UTF-8", "<?xml version='1.0' encoding='KOI8-R'?><a/>": "XML in an encoding that is not read: koi8-r",
		"<?xml version='1.0' encoding='US-ASCII'?><a>é</a>": "XML that is no ASCII, as it declares", "<a>]]></a>": "XML broken: ]]> in a text at byte 3", " <?xml version='1.0'?><a/>": "XML broken: a declaration that is not at the beginning at byte 1",
		"<a><!-- -- --></a>": "XML broken: -- in a comment at byte 3", deep: string(TooDeep),
	} {
		_, err := new(Parser).Parse([]byte(doc))
		if err == nil || err.Error() != want {
			t.Errorf("%.60q: %v; want %s", doc, err, want)
		}
	}
}

func TestEveryCutIsRefused(t *testing.T) {
	whole := "<?xml version='1.0' encoding='UTF-8'?>\n<a b='1'><c>12</c><!-- x --><![CDATA[13]]>&amp;<d/></a>"
	p := new(Parser)
	if _, err := p.Parse([]byte(whole)); err != nil {
		t.Fatal(err)
	}
	for i := range len(whole) {
		if _, err := p.Parse([]byte(whole[:i])); err == nil {
			t.Errorf("cut behind %q", whole[:i])
		}
	}
}

func wideOf(s string, order []int) []byte {
	var b []byte
	for _, r := range s {
		two := []byte{byte(r), byte(r >> 8)}
		b = append(b, two[order[0]], two[order[1]])
	}
	return b
}

func TestEncodings(t *testing.T) {
	for name, doc := range map[string][]byte{
		"mark": []byte("\xef\xbb\xbf<a>é1</a>"), "latin1": []byte("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe91</a>"),
		"utf-16le": wideOf("\ufeff<?xml version='1.0' encoding='UTF-16'?><a>é1</a>", []int{0, 1}), "utf-16be": wideOf("\ufeff<a>é1</a>", []int{1, 0}), "utf-16le without a mark": wideOf("<a>é1</a>", []int{0, 1}),
		"utf-8": []byte("<?xml version=\"1.0\" encoding=\"utf-8\" standalone='yes'?><a>é1</a>"),
	} {
		tree, err := new(Parser).Parse(doc)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := string(tree.value(0)); got != "é1" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, doc := range [][]byte{wideOf("\ufeff<a/>", []int{0, 1})[:5], wideOf("\ufeff<?xml version='1.0' encoding='UTF-8'?><a/>", []int{0, 1}), append(wideOf("\ufeff<a>", []int{0, 1}), 0, 0xd8, '<', 0)} {
		if _, err := new(Parser).Parse(doc); err == nil {
			t.Errorf("%q was read", doc)
		}
	}
}

func TestNamespaces(t *testing.T) {
	tree, err := new(Parser).Parse([]byte(`<a xmlns="u:1" xmlns:p="u:2" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xml:lang="en" xsi:nil="true"><b/><c xmlns=""><d p:x="1"/></c><p:e xmlns:p="u:3"/></a>`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Namespace{{"u:1", ""}, {"u:2", "p"}, {"u:3", "p"}}
	got := tree.Namespaces()
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Error(got)
	}
}

// theirs reads a document with the standard library: all its text, or an error.
func theirs(doc []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	var b strings.Builder
	roots, depth := 0, 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			if roots != 1 {
				return "", errors.New("roots")
			}
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth > 0 {
				b.Write(tok)
			}
		case xml.Directive:
			return "", errors.New("directive")
		}
	}
}

// FuzzParse: nothing panics, and what is read is what the standard library reads, too.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"<a b='1'>x&amp;y<![CDATA[z]]><!--c--></a>", "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>", "<a xmlns='u' xmlns:p='v'><p:b p:c=''/></a>", "<a>&#x41;&#65;</a>", "<!DOCTYPE a><a/>", "\xff\xfe<\x00a\x00/\x00>\x00", "<?p?><a/>\n<!--x-->"} {
		f.Add([]byte(s))
	}
	path, err := Compile("//*[.=string(@*)]/.. | /*/* | //text()")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		tree, err := new(Parser).Parse(doc)
		if err != nil {
			return
		}
		path.Find(tree, func([]byte, error) {})
		if !bytes.HasPrefix(doc, []byte("<?xml")) && len(doc) > 1 && doc[0] != 0xef && doc[0] < 0x80 && doc[0] != 0 && doc[1] != 0 {
			if text, err := theirs(doc); err == nil && text != string(tree.value(0)) {
				t.Fatalf("%q: %q; theirs %q", doc, tree.value(0), text)
			}
		}
	})
}

// TestAsTheStandardLibrary: documents of any shape that a program writes are read alike.
func TestAsTheStandardLibrary(t *testing.T) {
	p := new(Parser)
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		var write func(depth int)
		write = func(depth int) {
			name := rapid.SampledFrom([]string{"a", "b", "c-d", "e.f", "g_h"}).Draw(t, "name")
			b.WriteString("<" + name)
			if rapid.Bool().Draw(t, "attr") {
				b.WriteString(` x="`)
				if err := xml.EscapeText(&b, []byte(rapid.String().Draw(t, "value"))); err != nil {
					t.Fatal(err)
				}
				b.WriteString(`"`)
			}
			b.WriteString(">")
			for range rapid.IntRange(0, 3).Draw(t, "n") {
				if depth < 4 && rapid.Bool().Draw(t, "child") {
					write(depth + 1)
				} else if err := xml.EscapeText(&b, []byte(rapid.String().Draw(t, "text"))); err != nil {
					t.Fatal(err)
				}
			}
			b.WriteString("</" + name + ">")
		}
		write(0)
		want, err := theirs(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		tree, err := p.Parse(b.Bytes())
		if err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		if got := string(tree.value(0)); got != want {
			t.Fatalf("%q; want %q", got, want)
		}
	})
}
