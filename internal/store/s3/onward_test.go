package s3

import (
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
)

// paging is a store that lists versions, or current objects, in pages, and writes
// markers as it likes.
type paging struct {
	rows    [][2]string // key, version; sorted by key
	page    int
	encoded bool
	// marker writes where to go on behind a row; nil leaves it out.
	marker func(key string) string
	// garble writes what XML has no word for.
	garble bool
	asked  []string // key-marker or start-after of each request
}

func (p *paging) write(s string) string {
	if p.encoded {
		return url.QueryEscape(s)
	}
	if p.garble {
		s = strings.Map(func(r rune) rune {
			if r < ' ' {
				return '\ufffd'
			}
			return r
		}, s)
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}

func (p *paging) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after, version := q.Get("key-marker"), q.Get("version-id-marker")
	current := q.Get("list-type") == "2"
	if current {
		after = q.Get("start-after")
		if token := q.Get("continuation-token"); token != "" {
			b, _ := base64.StdEncoding.DecodeString(token)
			after = string(b)
		}
	}
	p.asked = append(p.asked, after)
	i, _ := slices.BinarySearchFunc(p.rows, after, func(row [2]string, key string) int { return cmp.Compare(row[0], key) })
	for ; after != "" && i < len(p.rows) && p.rows[i][0] == after; i++ {
		if version != "" && p.rows[i][1] == version {
			i++
			break
		}
	}
	root, row := "ListVersionsResult", "Version"
	if current {
		root, row = "ListBucketResult", "Contents"
	}
	fmt.Fprintf(w, "<%s>", root)
	if p.encoded {
		fmt.Fprint(w, "<EncodingType>url</EncodingType>")
	}
	end := min(i+p.page, len(p.rows))
	for _, x := range p.rows[i:end] {
		fmt.Fprintf(w, "<%s><Key>%s</Key>", row, p.write(x[0]))
		if !current {
			fmt.Fprintf(w, "<VersionId>%s</VersionId><IsLatest>false</IsLatest>", x[1])
		}
		fmt.Fprintf(w, "<LastModified>2026-01-02T03:04:05Z</LastModified><Size>1</Size></%s>", row)
	}
	fmt.Fprintf(w, "<IsTruncated>%t</IsTruncated>", end < len(p.rows))
	if end < len(p.rows) && p.marker != nil {
		last := p.rows[end-1]
		if current {
			fmt.Fprintf(w, "<NextContinuationToken>%s</NextContinuationToken>", base64.StdEncoding.EncodeToString([]byte(last[0])))
		} else {
			var b strings.Builder
			_ = xml.EscapeText(&b, []byte(p.marker(last[0]))) // a Builder never fails
			fmt.Fprintf(w, "<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>", b.String(), last[1])
		}
	}
	fmt.Fprintf(w, "</%s>", root)
}

// Whatever form the marker has, a listing brings every row once.
func TestEveryRowWhateverTheMarker(t *testing.T) {
	raw := func(key string) string { return key }
	for name, c := range map[string]struct {
		encoded bool
		marker  func(string) string
		current bool
	}{
		"encoded":                  {true, url.QueryEscape, false},
		"raw, keys encoded":        {true, raw, false},
		"none, keys encoded":       {true, nil, false},
		"raw":                      {false, raw, false},
		"none":                     {false, nil, false},
		"cached, as MinIO does":    {true, func(k string) string { return url.QueryEscape(k + "[minio_cache:v2,return:]") }, false},
		"current by token":         {true, raw, true},
		"current without a token":  {true, nil, true},
		"current, nothing encoded": {false, nil, true},
	} {
		both(t, func(t *testing.T, change []func(*Config)) {
			rng := rand.New(rand.NewPCG(1, 2))
			p := &paging{encoded: c.encoded, marker: c.marker}
			var want []string
			b := openTest(t, serve(t, stub(p.ServeHTTP)), change...)
			for range 60 {
				p.rows, p.page, want = nil, 1+rng.IntN(4), nil
				keys := map[string]bool{}
				for range 1 + rng.IntN(12) {
					parts := []string{"a", "%", "%41", "%3D", "=", "+", " 100%", "1", "ü", "A", "[", "z"}
					key := "k"
					for range rng.IntN(4) {
						key += parts[rng.IntN(len(parts))]
					}
					keys[key] = true
				}
				for key := range keys {
					for n := range 1 + rng.IntN(3) {
						if c.current && n > 0 {
							break
						}
						p.rows = append(p.rows, [2]string{key, fmt.Sprint("v", n)})
					}
				}
				slices.SortFunc(p.rows, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
				for _, x := range p.rows {
					if c.current {
						x[1] = ""
					}
					want = append(want, x[0]+"@"+x[1])
				}
				got, err := listAll(t, b, store.ListQuery{Current: c.current})
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("%s, page %d: %q, %v; want %q", name, p.page, got, err, want)
				}
			}
		})
	}
}

// Ten keys of twenty vanished where a raw marker was decoded.
func TestMarkers(t *testing.T) {
	url := "<EncodingType>url</EncodingType>"
	for name, c := range map[string]struct {
		first, asked string
		kind         cooper.Kind
	}{
		"raw":                   {url + row("m%253D1", "1") + more("m%3D1", "1"), "m%3D1 1", ""},
		"encoded":               {url + row("m%253D1", "1") + more("m%253D1", "1"), "m%3D1 1", ""},
		"not to be decoded":     {url + row("b+100%25", "1") + more("b 100%", "1"), "b 100% 1", ""},
		"none":                  {url + row("a", "2") + row("a", "1") + "<IsTruncated>true</IsTruncated>", "a 1", ""},
		"before the last row":   {url + row("a", "1") + row("c", "7") + more("b", "1"), "c 7", ""},
		"beyond the last row":   {url + row("a", "1") + row("c", "7") + more("d", "1"), "", cooper.KindInvalid},
		"beyond, either way":    {url + row("a", "1") + more("a%3D", "1"), "", cooper.KindInvalid},
		"of a prefix":           {url + row("a", "1") + "<CommonPrefixes><Prefix>b%2F</Prefix></CommonPrefixes>" + more("b%2F", ""), "b/ ", ""},
		"none, behind a prefix": {url + row("a", "1") + "<CommonPrefixes><Prefix>b%2F</Prefix></CommonPrefixes><IsTruncated>true</IsTruncated>", "b/ ", ""},
		"of an empty page":      {url + more("e%3D", "1"), "e= 1", ""},
	} {
		both(t, func(t *testing.T, change []func(*Config)) {
			n, asked := 0, ""
			b := openTest(t, serve(t, stub(func(w http.ResponseWriter, r *http.Request) {
				if n++; n == 1 {
					fmt.Fprint(w, "<ListVersionsResult>", c.first, "</ListVersionsResult>")
					return
				}
				asked = r.URL.Query().Get("key-marker") + " " + r.URL.Query().Get("version-id-marker")
				fmt.Fprint(w, "<ListVersionsResult/>")
			})), change...)
			_, err := listAll(t, b, store.ListQuery{})
			if cooper.KindOf(err) != c.kind || asked != c.asked {
				t.Errorf("%s: went on from %q, %v; want %q", name, asked, err, c.asked)
			}
		})
	}
}

// Nothing is concluded from where a key stands that cannot be believed, and no key
// behind it is lost.
func TestKeysThatAreNotTold(t *testing.T) {
	keys := []string{"a\x01", "a\x01b", "a0", "aX", "b\x02", "b\x03", "b\x04", "b1", "c"}
	for _, page := range []int{5, 6, 20} {
		p := &paging{page: page, garble: true}
		p.marker = func(key string) string {
			return strings.Map(func(r rune) rune { return map[bool]rune{true: '\ufffd', false: r}[r < ' '] }, key)
		}
		for _, key := range keys {
			p.rows = append(p.rows, [2]string{key, "v" + key[len(key)-1:]})
			p.rows[len(p.rows)-1][1] = fmt.Sprintf("v%x", key)
		}
		b := openTest(t, serve(t, stub(p.ServeHTTP)))
		apart := map[string]int{}
		got, err := listAll(t, b, store.ListQuery{Garbled: func(vs []cooper.Version) error {
			for _, v := range vs {
				apart[v.VersionID]++
			}
			return nil
		}})
		if want := []string{"a0@v6130", "aX@v6158", "b1@v6231", "c@v63"}; err != nil || !slices.Equal(got, want) || len(apart) != 5 {
			t.Errorf("pages of %d: %q, %v, and apart %v; asked %q", page, got, err, apart, p.asked)
		}
		got, err = listAll(t, b, store.ListQuery{})
		if err != nil || len(got) < len(keys) {
			t.Errorf("pages of %d, nobody asked for them apart: %q, %v", page, got, err)
		}
	}
	// A page of nothing else says nothing of where to go on.
	p := &paging{page: 3, garble: true, marker: func(key string) string { return strings.ReplaceAll(key, "\x01", "\ufffd") }}
	for i := range 5 {
		p.rows = append(p.rows, [2]string{fmt.Sprint("a\x01", i), "1"})
	}
	if got, err := listAll(t, openTest(t, serve(t, stub(p.ServeHTTP))), store.ListQuery{}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("%q, %v", got, err)
	}
	// A real U+FFFD in a page that is encoded is a key like any.
	p = &paging{page: 1, encoded: true, marker: url.QueryEscape, rows: [][2]string{{"a", "1"}, {"a\ufffd", "1"}, {"b", "1"}}}
	if got, err := listAll(t, openTest(t, serve(t, stub(p.ServeHTTP))), store.ListQuery{Garbled: func([]cooper.Version) error {
		t.Error("a key that was told is taken for garbled")
		return nil
	}}); err != nil || len(got) != 3 {
		t.Errorf("%q, %v", got, err)
	}
}

// What repeats is refused at once, not after ten thousand pages.
func TestPagesThatRepeat(t *testing.T) {
	for name, c := range map[string]struct {
		root, doc string
		current   bool
	}{
		"versions":       {"ListVersionsResult", row("a", "1") + row("a", "2") + more("a", "2"), false},
		"without marker": {"ListVersionsResult", row("a", "1") + "<IsTruncated>true</IsTruncated>", false},
		"prefixes":       {"ListVersionsResult", "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>" + more("p/", ""), false},
		"tokens":         {"ListBucketResult", "<Contents><Key>a</Key><Size>1</Size></Contents><IsTruncated>true</IsTruncated><NextContinuationToken>t%d</NextContinuationToken>", true},
		"without token":  {"ListBucketResult", "<Contents><Key>a</Key><Size>1</Size></Contents><IsTruncated>true</IsTruncated>", true},
	} {
		both(t, func(t *testing.T, change []func(*Config)) {
			n := 0
			b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
				n++
				fmt.Fprintf(w, "<%s>%s</%s>", c.root, strings.ReplaceAll(c.doc, "%d", fmt.Sprint(n)), c.root)
			})), change...)
			if got, err := listAll(t, b, store.ListQuery{Current: c.current}); cooper.KindOf(err) != cooper.KindInvalid || n > 3 {
				t.Errorf("%s: %q, %v after %d requests", name, got, err, n)
			}
		})
	}
}

// Uploads are listed by the same rules.
func TestMarkersOfUploads(t *testing.T) {
	const root, url = "ListMultipartUploadsResult", "<EncodingType>url</EncodingType>"
	for name, c := range map[string]struct {
		first, asked string
		kind         cooper.Kind
	}{
		"raw":                 {url + begun("m%253D1", "1") + moreUploads("m%3D1", "1"), "m%3D1 1", ""},
		"encoded":             {url + begun("m%253D1", "1") + moreUploads("m%253D1", "1"), "m%3D1 1", ""},
		"none":                {url + begun("a", "2") + begun("a", "1") + "<IsTruncated>true</IsTruncated>", "a 1", ""},
		"beyond the last row": {url + begun("a", "1") + moreUploads("d", "1"), "", cooper.KindInvalid},
		"not told":            {begun("a", "1") + begun("b\ufffd", "2") + moreUploads("b\ufffd", "2"), "a ", ""},
		"told nowhere":        {begun("b\ufffd", "2") + moreUploads("b\ufffd", "2"), "", cooper.KindInvalid},
	} {
		n, asked := 0, ""
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, r *http.Request) {
			if n++; n == 1 {
				fmt.Fprintf(w, "<%s>%s</%s>", root, c.first, root)
				return
			}
			asked = r.URL.Query().Get("key-marker") + " " + r.URL.Query().Get("upload-id-marker")
			fmt.Fprintf(w, "<%s></%s>", root, root)
		})))
		got, err := listUploads(t, b, "")
		if cooper.KindOf(err) != c.kind || asked != c.asked || err == nil && len(got) == 0 {
			t.Errorf("%s: %q, went on from %q, %v; want %q", name, got, asked, err, c.asked)
		}
	}
}
