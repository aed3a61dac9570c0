package s3

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
)

// pages makes a store that answers the nth request for a listing with the nth
// page, and the last one for ever.
func pages(t *testing.T, change []func(*Config), docs ...string) *Bucket {
	t.Helper()
	n := 0
	b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<?xml version="1.0"?><ListVersionsResult>%s</ListVersionsResult>`, docs[min(n, len(docs)-1)])
		n++
	})), change...)
	b.policy.Attempts = 1
	return b
}

func row(key, version string) string {
	return fmt.Sprintf(`<Version><Key>%s</Key><VersionId>%s</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>"e"</ETag><Size>1</Size></Version>`, key, version)
}

func more(key, version string) string {
	return fmt.Sprintf(`<IsTruncated>true</IsTruncated><NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>`, key, version)
}

func listAll(t *testing.T, b *Bucket, q store.ListQuery) (rows []string, err error) {
	t.Helper()
	err = b.List(t.Context(), q, func(vs []cooper.Version, prefixes []string) error {
		if len(rows) > 1000 {
			t.Fatal("the listing does not end")
		}
		for _, v := range vs {
			rows = append(rows, v.Key+"@"+v.VersionID)
		}
		rows = append(rows, prefixes...)
		return nil
	})
	return rows, err
}

func TestRepeatsWherePagesMeet(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		b := pages(t, change,
			row("a", "1")+row("k", "3")+row("k", "2")+more("k", "2"),
			row("k", "2")+row("k", "1")+more("k", "1"),
			row("k", "1")+row("z", "1"))
		got, err := listAll(t, b, store.ListQuery{})
		if want := []string{"a@1", "k@3", "k@2", "k@1", "z@1"}; err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

func marker(key, version string) string {
	return fmt.Sprintf(`<DeleteMarker><Key>%s</Key><VersionId>%s</VersionId><IsLatest>false</IsLatest><LastModified>2026-01-01T03:04:05.000Z</LastModified></DeleteMarker>`, key, version)
}

// Some stores give the delete markers of a page first, and repeat a row of the
// page before that was not its last then.
func TestMarkersInAListOfTheirOwn(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		b := pages(t, change,
			marker("b", "1")+marker("k", "2")+row("a", "1")+row("b", "2")+row("k", "3")+more("k", "3"),
			marker("k", "1")+row("k", "3")+row("z", "1"))
		got, err := listAll(t, b, store.ListQuery{})
		if want := []string{"a@1", "b@2", "b@1", "k@3", "k@2", "k@1", "z@1"}; err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

func TestListingsThatDoNotEnd(t *testing.T) {
	for name, docs := range map[string][]string{
		"the same page again":    {row("a", "1") + more("a", "1")},
		"versions in circles":    {row("k", "1") + more("k", "1"), row("k", "2") + more("k", "2"), row("k", "1") + more("k", "1")},
		"backwards by marker":    {row("b", "1") + more("b", "1"), row("c", "1") + more("a", "2"), row("d", "1")},
		"backwards by key":       {row("b", "1") + more("b", "1"), row("a", "1")},
		"no marker":              {row("a", "1") + "<IsTruncated>true</IsTruncated>"},
		"no version marker":      {row("a", "1") + more("a", ""), more("a", "")},
		"outside of the prefix":  {row("a", "1"), ""},
		"prefixes outside of it": {"<CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes>"},
	} {
		both(t, func(t *testing.T, change []func(*Config)) {
			q := store.ListQuery{}
			if strings.Contains(name, "outside") {
				q.Prefix = "p"
			}
			if got, err := listAll(t, pages(t, change, docs...), q); cooper.KindOf(err) != cooper.KindInvalid {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		})
	}
}

func TestEmptyPagesAreNoEnd(t *testing.T) {
	var docs []string
	for i := range 50 {
		docs = append(docs, more(fmt.Sprintf("k%03d", i), "1"))
	}
	got, err := listAll(t, pages(t, nil, append(docs, row("z", "1"))...), store.ListQuery{})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
}

// A page cut short is asked for again, also where nothing says that it is cut.
func TestCutPageIsAskedForAgain(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		n := 0
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			doc := "<ListVersionsResult>" + row("a", "1") + "<IsTruncated>false</IsTruncated></ListVersionsResult>"
			if n++; n <= 2 {
				doc = doc[:len(doc)-n*20]
			}
			fmt.Fprint(w, doc)
		})), change...)
		if got, err := listAll(t, b, store.ListQuery{}); err != nil || len(got) != 1 || n != 3 {
			t.Fatal(got, err, n)
		}
	})
}

// What is asked for, and what comes back, must survive any encoding.
func TestOddKeysInListings(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		for _, encoded := range []bool{true, false} {
			keys := []string{" a", "%41", "+b", "a b+c", "k\n", "ü/&<\">"}
			if encoded { // XML has no word for this, which is why the encoding is asked for
				keys = append(keys, "\U0010ffff\x01")
			}
			b := openTest(t, serve(t, stub(func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if q.Get("prefix") != "" || q.Get("encoding-type") != "url" {
					t.Errorf("asked %v", q)
				}
				i := 0
				if m := q.Get("key-marker"); m != "" {
					i = slices.Index(keys, m) + 1
				}
				write := func(s string) string {
					if encoded {
						return url.QueryEscape(s)
					}
					var b strings.Builder
					if err := xml.EscapeText(&b, []byte(s)); err != nil {
						t.Error(err)
					}
					return b.String()
				}
				fmt.Fprint(w, "<ListVersionsResult>", row(write(keys[i]), "1"))
				if encoded {
					fmt.Fprint(w, "<EncodingType>url</EncodingType>")
				}
				if i+1 < len(keys) {
					fmt.Fprint(w, more(write(keys[i]), "1"))
				}
				fmt.Fprint(w, "</ListVersionsResult>")
			})), change...)
			var got []string
			err := b.List(t.Context(), store.ListQuery{}, func(vs []cooper.Version, _ []string) error {
				for _, v := range vs {
					got = append(got, v.Key)
				}
				return nil
			})
			if err != nil || !slices.Equal(got, keys) {
				t.Errorf("encoded=%t: %q, %v", encoded, got, err)
			}
		}
	})
}
