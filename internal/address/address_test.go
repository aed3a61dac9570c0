package address

import (
	"slices"
	"strings"
	"testing"
)

func hosts(t testing.TB) *Hosts {
	t.Helper()
	h, err := New([]string{"bkt", "my.dotted.bucket", "Upper"}, map[string]string{
		"files.example.org": "bkt", "CDN.example.org": "bkt/assets", "minio.example.org:9000": "bkt/x/", "local": "bkt"})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func all(h *Hosts, text string) (fs []Found) {
	h.In(text, func(f Found) bool { fs = append(fs, f); return true })
	return fs
}

// TestHosts: every form of Amazon's hosts is the same place.
func TestHosts(t *testing.T) {
	h := hosts(t)
	want := Place{"bkt", "a/b c+d.txt"}
	for _, host := range []string{
		"bkt.s3.amazonaws.com", "bkt.s3.us-east-1.amazonaws.com", "bkt.s3-us-west-2.amazonaws.com", "bkt.s3-eu-west-1.amazonaws.com",
		"bkt.s3.dualstack.us-east-1.amazonaws.com", "bkt.s3-fips.us-east-1.amazonaws.com", "bkt.s3-fips.dualstack.us-gov-west-1.amazonaws.com",
		"bkt.s3-fips-us-gov-west-1.amazonaws.com", "bkt.s3.us-gov-east-1.amazonaws.com", "bkt.s3.cn-north-1.amazonaws.com.cn", "bkt.s3.dualstack.cn-northwest-1.amazonaws.com.cn",
		"bkt.s3-accelerate.amazonaws.com", "bkt.s3-accelerate.dualstack.amazonaws.com", "bkt.s3-website-us-east-1.amazonaws.com", "bkt.s3-website.eu-central-1.amazonaws.com",
		"bkt.s3-external-1.amazonaws.com", "bkt.s3.eusc-de-east-1.amazonaws.eu", "bkt.s3.us-iso-east-1.c2s.ic.gov", "BKT.S3.AMAZONAWS.COM", "bkt.s3.amazonaws.com:443", "bkt.s3.amazonaws.com.",
		"bkt.bucket.vpce-0a1b-2c3d.s3.us-east-1.vpce.amazonaws.com", "files.example.org", "Files.Example.ORG:8080", "user:secret@files.example.org", "local",
		"s3.amazonaws.com/bkt", "s3.us-east-1.amazonaws.com/bkt", "s3-us-west-2.amazonaws.com/bkt", "s3.dualstack.eu-west-1.amazonaws.com/bkt", "s3-fips.us-east-2.amazonaws.com/bkt", "s3.cn-north-1.amazonaws.com.cn/bkt",
		"bucket.vpce-0a1b-2c3d.s3.us-east-1.vpce.amazonaws.com/bkt", "s3.ap-southeast-4.amazonaws.com/%62kt",
	} {
		for _, scheme := range []string{"https://", "http://", "//", "HTTPS://"} {
			a := scheme + host + "/a/b%20c+d.txt"
			f, ok := h.Alone(a)
			if !ok || f.Bad != "" || !slices.Equal(f.Places, []Place{want}) {
				t.Errorf("%s alone: %+v %v", a, f, ok)
			}
			for _, text := range []string{a, "see " + a + " and", "[x](" + a + ")", `<img src="` + a + `">`} {
				fs := all(h, text)
				if len(fs) != 1 || fs[0].Places[0] != want || fs[0].Guess || fs[0].Bad != "" {
					t.Errorf("in %s: %+v", text, fs)
				}
			}
		}
	}
}

// TestNobodys: what is nobody's that was declared is no link, whatever else is wrong with it.
func TestNobodys(t *testing.T) {
	h := hosts(t)
	for _, a := range []string{
		"https://somebody-else.s3.amazonaws.com/a/%zz", "https://bkt.s3.amazonaws.com.evil.example/a", "https://evil-files.example.org/a", "https://files.example.org.evil/a", "s3://other/a",
		"https://s3.amazonaws.com/other/a", "https://s3.amazonaws.com/BKT/a", "s3://BKT/a", "https://bkt.s3.amazonaws.com/", "https://bkt.s3.amazonaws.com", "s3://bkt/", "s3://bkt", "https://s3.amazonaws.com/bkt", "https://s3.amazonaws.com/bkt/",
		"https://example.org/x", "gs://bkt/a", "ftp://files2.example.org/a", "https://bkt.s3.example.com/a", "https://bkt.sqs.us-east-1.amazonaws.com/a", "https://cdn.example.org:1/",
	} {
		if f, ok := h.Alone(a); !ok || len(f.Places) > 0 || f.Bad != "" {
			t.Errorf("%s alone: %+v %v", a, f, ok)
		}
		if fs := all(h, "see "+a+" here"); len(fs) > 0 {
			t.Errorf("in %s: %+v", a, fs)
		}
	}
	for _, a := range []string{"", "hello", "/var/lib/x", "a/b.txt", "12", "x y://z", "mailto:a@b"} {
		if f, ok := h.Alone(a); ok {
			t.Errorf("%q is no address: %+v", a, f)
		}
	}
}

// TestReadings: what a text may mean, the likeliest first; then what else must be among it.
func TestReadings(t *testing.T) {
	h := hosts(t)
	for _, c := range []struct {
		text   string
		likely string
		also   []string
	}{
		{"s3://bkt/a%20b+c.txt", "a%20b+c.txt", nil},
		{"s3a://bkt/a", "a", nil}, {"S3N://bkt/a", "a", nil},
		{"<s3://bkt/a/with space (1).txt>", "a/with space (1).txt", []string{"a/with"}},
		{`"s3://bkt/a/with space.txt"`, "a/with space.txt", nil},
		{"'s3://bkt/it is.txt'", "it is.txt", nil},
		{"look at s3://bkt/a/with space.txt now", "a/with", []string{"a/with space.txt", "a/with space.txt now"}},
		{"s3://bkt/what?", "what", []string{"what?"}},
		{"s3://bkt/k?versionId=1", "k?versionId=1", []string{"k"}},
		{"s3://bkt/a/hash#1.txt", "a/hash#1.txt", nil},
		{"s3://bkt/a/it's.txt", "a/it's.txt", nil},
		{"(s3://bkt/a.txt)", "a.txt", []string{"a.txt)"}},
		{"[x](s3://bkt/paren (1).png)", "paren", []string{"paren (1).png", "paren (1"}},
		{"https://files.example.org/a/paren(1).png", "a/paren(1).png", []string{"a/paren"}},
		{"(https://files.example.org/a/paren(1).png)", "a/paren(1).png", []string{"a/paren(1).png)"}},
		{"https://files.example.org/a.txt.", "a.txt", []string{"a.txt."}},
		{"https://files.example.org/a.txt...", "a.txt", []string{"a.txt.", "a.txt..", "a.txt..."}},
		{"https://files.example.org/a.txt, and", "a.txt", []string{"a.txt,"}},
		{"**https://files.example.org/a.txt**", "a.txt", []string{"a.txt**", "a.txt*"}},
		{"https://files.example.org/a.txt?X-Amz-Signature=ab%zz#p", "a.txt", nil},
		{"https://files.example.org/a.txt#p=2", "a.txt", nil},
		{"https://files.example.org/a%3Fb%23c.txt", "a?b#c.txt", nil},
		{"https://files.example.org/a%2541.txt", "a%41.txt", nil},
		{"https://files.example.org//double.txt", "/double.txt", nil},
		{"https://files.example.org/caf%c3%a9.txt", "café.txt", nil},
		{"https://files.example.org/café.txt", "café.txt", nil},
		{"https://files.example.org/a.txtを見る", "a.txtを見る", []string{"a.txt"}},
		{"（https://files.example.org/a.txt）。", "a.txt", nil},
		{"https://cdn.example.org/x.png", "assets/x.png", nil},
		{"http://minio.example.org:9000/x.png", "x/x.png", nil},
		{`<img srcset="https://files.example.org/1.png 1x, https://bkt.s3.amazonaws.com/2.png 2x">`, "1.png", nil},
		{`<img srcset="https://files.example.org/1.png,https://bkt.s3.amazonaws.com/2.png 2x">`, "1.png,https://bkt.s3.amazonaws.com/2.png", []string{"1.png"}},
		{`<a href='https://files.example.org/1.png'>`, "1.png", nil},
		{`<a href=https://files.example.org/1.png>`, "1.png", nil},
		{`<a href="https://files.example.org/with space.png">`, "with", []string{"with space.png"}},
		{`<a href="https://files.example.org/a&amp;b.png?x=1&amp;y=2">`, "a&b.png", []string{"a&amp;b.png"}},
		{`&lt;img src=&quot;https://files.example.org/a.png&quot;&gt;`, "a.png", nil},
		{`{"u":"https:\/\/files.example.org\/a\u0026b\/c.png"}`, "a&b/c.png", nil},
		{`{"u":"https:\/\/s3.amazonaws.com\/bkt\/c.png"}`, "c.png", nil},
		{`{"u":"s3:\/\/bkt\/c d.png","v":1}`, "c d.png", nil},
		{`"{\"u\":\"https://files.example.org/c.png\",\"v\":1}"`, "c.png", nil},
		{`"{\"u\":\"https:\\/\\/files.example.org\\/a\\/c.png\"}"`, "a/c.png", nil},
		{`see\nhttps://files.example.org/c.png\nand`, "c.png", nil},
		{`one\ns3://bkt/c.png\nand`, "c.png", nil},
		{`https://files.example.org/caf\u00e9\ud83d\ude00.png`, "café😀.png", nil},
		{`https://files.example.org/c.png\u003c/a\u003e`, "c.png", nil},
		{`https:\u002f\u002ffiles.example.org\u002fa\u002fb.png`, "a/b.png", nil},
		{"https:&#x2F;&#x2F;files.example.org&#x2F;a&#x2F;b.png", "a/b.png", nil},
		{`https://files.example.org/a\_b\_c.png`, "a_b_c.png", nil},
		{"[ref]: https://files.example.org/a.png \"title\"", "a.png", nil},
		{"[https://files.example.org/a.png](https://example.org/other)", "a.png", nil},
		{"`https://files.example.org/a.png`", "a.png", nil},
		{"| https://files.example.org/a.png|x|", "a.png|x", []string{"a.png"}},
		{"url(https://files.example.org/a.png);", "a.png", nil},
		{"files.example.org/a.png", "a.png", nil},
		{"https://proxy.example/?u=https%3A%2F%2Ffiles.example.org%2Fa%2520b.png&x=1", "a b.png", nil},
		{"https://proxy.example/?u=s3%3A%2F%2Fbkt%2Fa%20b.png&x=1", "a", []string{"a b.png"}},
	} {
		fs := all(h, c.text)
		if len(fs) == 0 {
			t.Errorf("%s: not found", c.text)
			continue
		}
		f := fs[0]
		if f.Bad != "" || f.Places[0] != (Place{"bkt", c.likely}) {
			t.Errorf("%s: %+v; want %s", c.text, f, c.likely)
		}
		for _, k := range c.also {
			if !slices.Contains(f.Places, Place{"bkt", k}) {
				t.Errorf("%s: %q is not among %q", c.text, k, f.Places)
			}
		}
	}
}

func TestCannotBeRead(t *testing.T) {
	h := hosts(t)
	for text, want := range map[string]string{
		"https://files.example.org/a/%zz.txt": BadPercent, "https://files.example.org/a/100% sure.txt": BadPercent, "https://files.example.org/a%2": BadPercent,
		"https://files.example.org/caf%e9.txt": BadUTF8, "https://files.example.org/a.txt?q=%zz": "", "s3://bkt/100%": "", "https://s3.amazonaws.com/bkt/%": BadPercent,
		"https://s3.amazonaws.com/other/%zz": "",
	} {
		for _, f := range all(h, text) {
			if f.Bad != want {
				t.Errorf("%s: %+v; want %q", text, f, want)
			}
		}
	}
	f, ok := h.Alone("https://files.example.org/100%.txt")
	if !ok || f.Bad != BadPercent || !slices.Contains(f.Places, Place{"bkt", "100%.txt"}) {
		t.Errorf("%+v: as written it may be a link all the same", f)
	}
}

// TestGuesses: a host by itself is a link where the key exists, and a part of a path is none.
func TestGuesses(t *testing.T) {
	h := hosts(t)
	for text, want := range map[string]int{"see files.example.org/a": 1, "https://other.example/files.example.org/a": 0, "x@files.example.org/a": 1, "files.example.org is down": 0, "and/or local/only": 1} {
		fs := all(h, text)
		if len(fs) != want || want == 1 && !fs[0].Guess {
			t.Errorf("%s: %+v", text, fs)
		}
	}
}

func TestNew(t *testing.T) {
	for _, m := range []map[string]string{{"https://x": "b"}, {"x/y": "b"}, {"x": ""}, {"x": "/p"}, {"X": "b", "x": "b"}, {"": "b"}} {
		if _, err := New(nil, m); err == nil {
			t.Errorf("%v was taken", m)
		}
	}
	h, err := New(nil, map[string]string{"x": "s3://b/p"})
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]Place{"https://x/k": {"b", "p/k"}, "s3://any/k": {"any", "k"}, "https://Any.s3.amazonaws.com/k": {"any", "k"}, "https://s3.amazonaws.com/Any/k": {"Any", "k"}} {
		if f, ok := h.Alone(a); !ok || !slices.Contains(f.Places, want) {
			t.Errorf("%s: %+v", a, f)
		}
	}
	h = hosts(t)
	if f, _ := h.Alone("https://upper.s3.amazonaws.com/k"); !slices.Contains(f.Places, Place{"Upper", "k"}) {
		t.Errorf("%+v: hosts do not care for case", f)
	}
	if f, _ := h.Alone("https://my.dotted.bucket.s3.amazonaws.com/k"); len(f.Places) != 1 {
		t.Errorf("%+v", f)
	}
}

func TestLongTextsEnd(t *testing.T) {
	h := hosts(t)
	n := 0
	h.In(strings.Repeat("s3://bkt/a b,(", 20000), func(f Found) bool { n++; return true })
	if n != 20000 {
		t.Error(n)
	}
	n = 0
	h.In("s3://bkt/a s3://bkt/b", func(Found) bool { n++; return false })
	if n != 1 {
		t.Error(n)
	}
}
