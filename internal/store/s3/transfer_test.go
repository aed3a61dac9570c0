package s3

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"cooper/internal/store"
)

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// chunked sends a body without saying how long it is.
func chunked(w http.ResponseWriter, b []byte) {
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	_, _ = w.Write(b)
}

// Whatever a store or a proxy does to a body on its way, it arrives as it is stored, or
// is read to its end.
func TestBodiesAsTheyAreStored(t *testing.T) {
	text := strings.Repeat("some text\n", 500)
	packed := gzipped(t, text)
	send := func(w http.ResponseWriter, b []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b)
	}
	for name, c := range map[string]struct {
		stored  []byte
		answer  func(w http.ResponseWriter, r *http.Request, stored []byte)
		untold  bool // the length stays unknown
		most    int  // requests for two GETs
		unsized bool // the caller does not know the size
	}{
		"as it is": {stored: packed, most: 2, answer: func(w http.ResponseWriter, _ *http.Request, b []byte) { send(w, b) }},
		"decompressed unless gzip is welcome, as by Google": {stored: packed, most: 4, unsized: true, answer: func(w http.ResponseWriter, r *http.Request, b []byte) {
			if r.Header.Get("Accept-Encoding") == "gzip" {
				w.Header().Set("Content-Encoding", "gzip")
				send(w, b)
				return
			}
			w.Header().Set("X-Goog-Stored-Content-Encoding", "gzip")
			w.Header().Set("X-Goog-Stored-Content-Length", strconv.Itoa(len(b)))
			chunked(w, []byte(text))
		}},
		"decompressed, with a length": {stored: packed, most: 4, answer: func(w http.ResponseWriter, r *http.Request, b []byte) {
			if r.Header.Get("Accept-Encoding") == "gzip" {
				w.Header().Set("Content-Encoding", "gzip")
				send(w, b)
				return
			}
			send(w, []byte(text))
		}},
		"compressed unless identity is asked for": {stored: []byte(text), most: 2, answer: func(w http.ResponseWriter, r *http.Request, b []byte) {
			if r.Header.Get("Accept-Encoding") == "identity" {
				send(w, b)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			chunked(w, gzipped(t, text))
		}},
		"never with a length": {stored: []byte(text), untold: true, most: 4, answer: func(w http.ResponseWriter, _ *http.Request, b []byte) { chunked(w, b) }},
		"never with a length, and compressed where that is welcome": {stored: []byte(text), untold: true, most: 4, answer: func(w http.ResponseWriter, r *http.Request, b []byte) {
			if r.Header.Get("Accept-Encoding") == "gzip" {
				w.Header().Set("Content-Encoding", "gzip")
				b = packed
			}
			chunked(w, b)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			b := openTest(t, serve(t, stub(func(w http.ResponseWriter, r *http.Request) {
				asked++
				w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum(c.stored)))
				c.answer(w, r, c.stored)
			})))
			for range 2 {
				ref := store.Ref{Key: "k", Size: int64(len(c.stored))}
				if c.unsized {
					ref.Size = 0
				}
				o, rc, err := b.Get(t.Context(), ref, store.Range{})
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(rc)
				if err != nil || !bytes.Equal(got, c.stored) {
					t.Errorf("%d bytes of %d, %v", len(got), len(c.stored), err)
				}
				rc.Close()
				if want := map[bool]int64{true: store.Untold, false: int64(len(c.stored))}[c.untold]; o.Size != want || o.Length != want {
					t.Errorf("%+v, want %d bytes", o, want)
				}
			}
			if asked > c.most {
				t.Errorf("%d requests", asked)
			}
		})
	}
}

// A range of what would be decompressed is asked for as it is stored.
func TestARangeAsItIsStored(t *testing.T) {
	packed := gzipped(t, strings.Repeat("some text\n", 500))
	b := openTest(t, serve(t, stub(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" { // a range is ignored then
			chunked(w, []byte("text"))
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-%d/%d", len(packed)-1, len(packed)))
		w.Header().Set("Content-Length", strconv.Itoa(len(packed)-5))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(packed[5:])
	})))
	o, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{From: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, packed[5:]) || o.Size != int64(len(packed)) {
		t.Errorf("%q, %+v, %v", got, o, err)
	}
}

// An object of another size is another object, after a second look.
func TestAnotherSizeIsNotHidden(t *testing.T) {
	b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "longer") })))
	for range 2 {
		o, rc, err := b.Get(t.Context(), store.Ref{Key: "k", Size: 3}, store.Range{})
		if err != nil || o.Size != 6 {
			t.Fatal(o, err)
		}
		rc.Close()
	}
}
