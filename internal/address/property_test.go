package address

import (
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// quote percent-encodes a key as an owner's program would.
func quote(key string) string {
	parts := strings.Split(key, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestWhatAProgramWritesIsFound: a key of any characters, in any form of address, in any
// kind of text, is among the places.
func TestWhatAProgramWritesIsFound(t *testing.T) {
	h := hosts(t)
	forms := []func(k string) string{
		func(k string) string { return "https://bkt.s3.amazonaws.com/" + quote(k) },
		func(k string) string { return "http://s3.eu-west-1.amazonaws.com/bkt/" + quote(k) },
		func(k string) string { return "//files.example.org/" + url.PathEscape(k) },
		func(k string) string {
			return "https://bkt.s3.amazonaws.com/" + quote(k) + "?X-Amz-Signature=ab&x=(1)#f"
		},
	}
	texts := []func(a string) string{
		func(a string) string { return a },
		func(a string) string { return "see " + a + ", and more" },
		func(a string) string { return "![alt](" + a + ")" },
		func(a string) string { return "[r]: " + a + "\n" },
		func(a string) string { return "<" + a + ">" },
		func(a string) string { return "«" + a + "»。" },
		func(a string) string { return `<img src="` + html.EscapeString(a) + `" alt="">` },
		func(a string) string { return `<img srcset="` + html.EscapeString(a) + ` 1x">` },
		func(a string) string { return jsonText("see " + a + "\nnext") },
		func(a string) string { return strings.ReplaceAll(jsonText(map[bool]string{true: a}[true]), "/", `\/`) },
		func(a string) string { return jsonText(`<a href="` + html.EscapeString(a) + `">`) },
		func(a string) string { return jsonText(jsonText(a)) },
	}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringOfN(rapid.RuneFrom([]rune("ab/.-_ +%()[]{}'\"&;,#?!*~@:=<>|\\`éñ日本😀")), 1, 24, -1).Draw(t, "key")
		a := rapid.SampledFrom(forms).Draw(t, "form")(key)
		text := rapid.SampledFrom(texts).Draw(t, "text")(a)
		for _, f := range all(h, text) {
			if slices.Contains(f.Places, Place{"bkt", key}) {
				return
			}
		}
		t.Fatalf("%q is not found in %s: %+v", key, text, all(h, text))
	})
}

// TestPlainIsAsWritten: in s3:// too, where its text sets it apart.
func TestPlainIsAsWritten(t *testing.T) {
	h := hosts(t)
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringOfN(rapid.RuneFrom([]rune("ab/.-_+%()[]{}'&;,#?!*~@:=|éñ日本😀")), 1, 24, -1).Draw(t, "key")
		if inner := rapid.StringOfN(rapid.RuneFrom([]rune("a b")), 0, 5, -1).Draw(t, "spaces"); key != "" {
			key = "k" + inner + strings.ReplaceAll(key, "://", "") // where the next address begins
		}
		for _, text := range []string{"s3://bkt/" + key, "<s3://bkt/" + key + ">", jsonText(map[string]string{"u": "s3://bkt/" + key}["u"]), `<x y="` + html.EscapeString("s3://bkt/"+key) + `">`, "see s3://bkt/" + key + "."} {
			if fs := all(h, text); len(fs) == 0 || !slices.Contains(fs[0].Places, Place{"bkt", key}) {
				t.Fatalf("%q is not found in %s: %+v", key, text, fs)
			}
		}
		if f, ok := h.Alone("s3://bkt/" + key); !ok || !slices.Contains(f.Places, Place{"bkt", key}) {
			t.Fatalf("%q: %+v", key, f)
		}
	})
}

func FuzzIn(f *testing.F) {
	h := hosts(f)
	for _, s := range []string{"s3://bkt/a", "https://bkt.s3.amazonaws.com/a%", `https:\/\/files.example.org\/\u00`, "&quot;//files.example.org/&amp;", "s3%3A%2F%2Fbkt%2F", "//user@files.example.org:1/", "\\u002ffiles.example.org/a", "s3:", "%2f", "s3%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h.In(s, func(f Found) bool {
			for _, p := range f.Places {
				if !h.counts(p.Bucket) || p.Key == "" {
					t.Fatalf("%q: %+v", s, f)
				}
			}
			return true
		})
		h.Alone(s)
	})
}

func BenchmarkIn(b *testing.B) {
	h := hosts(b)
	text := strings.Repeat("Some words of a post, more or less. ", 25) + "See [this](https://bkt.s3.amazonaws.com/a/b%20c.txt)."
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		h.In(text, func(Found) bool { return true })
	}
}
