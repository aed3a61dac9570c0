package adopt

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestJSONOfVersions(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true,
		`{"a": {"version_id": null, "etag": "e"}, "b": {"etag": "e"}, "c": {"version_id": "v", "etag": "e", "more": [1]}}`: true,
		``:                                  false,
		`[]`:                                false,
		`{"a": {"version_id": "v"}}`:        false,
		`{"a": 5}`:                          false,
		`{"a/b": {"etag": "e"}}`:            false,
		`{"": {"etag": "e"}}`:               false,
		`{"a": {"etag": "e"}} {}`:           false,
		`{"a": {"etag": "e"}`:               false,
		`{"a": {"etag": "e", "version_id":`: false,
		`{"a": {"etag": "` + strings.Repeat("e", 2000) + `"}}`: false, // beyond the limit
		strings.Repeat(`{"a":`, 300):                           false,
	} {
		v, invalid, err := readVersions(strings.NewReader(text), 1000)
		if err != nil || (invalid == nil) != ok {
			t.Errorf("%.60s: %v, %v, %v", text, v, invalid, err)
		}
	}
	failed := errors.New("the disk failed")
	if _, _, err := readVersions(io.MultiReader(strings.NewReader(`{"a":`), broken{failed}), 1000); !errors.Is(err, failed) {
		t.Errorf("a failing disk looks like %v", err)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func FuzzJSONOfVersions(f *testing.F) {
	f.Add([]byte(`{"a": {"version_id": null, "etag": "e"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, invalid, err := readVersions(bytes.NewReader(b), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if invalid != nil {
			return
		}
		for _, name := range v.left() {
			if x, ok := v.take(name); !ok || x.ETag == "" || name == "" || strings.Contains(name, "/") {
				t.Fatalf("%q: %+v", name, x)
			}
		}
	})
}
