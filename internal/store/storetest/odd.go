package storetest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
)

// getEncoded: bytes arrive as they are stored, also where a server would decode
// or encode them on the way.
func getEncoded(t *testing.T, e Env) {
	text := bytes.Repeat([]byte("station,7,ok\n"), 400)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for key, o := range map[string]struct {
		body     []byte
		encoding string
	}{"plain.csv": {text, ""}, "packed.csv": {packed.Bytes(), "gzip"}} {
		p := store.Put{Key: key, Size: int64(len(o.body)), Body: bytes.NewReader(o.body), ContentType: "text/csv", Headers: store.Headers{ContentEncoding: o.encoding}}
		written, err := e.Writer.Put(within(t), p)
		if err != nil {
			t.Fatal(err)
		}
		ref := store.Ref{Key: key, IfMatch: written.ETag}
		if e.lacks(ReadConditions) {
			ref.IfMatch = ""
		}
		got := wantBody(t, e, ref, o.body)
		head, err := e.Reader.Head(within(t), ref, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, said := range []store.Object{got, head} {
			if said.Size != p.Size || said.Headers.ContentEncoding != o.encoding || said.ETag != written.ETag && !e.lacks(ReadETags) {
				t.Errorf("%s: %+v; written were %d bytes, encoding %q, ETag %q", key, said, p.Size, o.encoding, written.ETag)
			}
		}
		_, some, err := fetch(t, e, store.Ref{Key: key}, store.Range{From: 5, Length: 20})
		if err != nil || !bytes.Equal(some, o.body[5:25]) {
			t.Errorf("%s: a range of it is %q, %v", key, some, err)
		}
	}
}

// listVersionless: a store that cannot list versions says so, with what can be
// done, and lists what is current.
func listVersionless(t *testing.T, e Env) {
	if !e.lacks(Versions) {
		t.Skip("there are listings of versions")
	}
	var want []cooper.Version
	for i := range e.pageSize() + 3 {
		v := cooper.Version{Identity: cooper.Identity{Key: fmt.Sprintf("k%04d", i), Size: int64(i)}, Latest: true}
		body := bodyOf(i, 1)
		e.Seed.Put(t, v.Key, body)
		v.ETag = etagOf(body)
		want = append(want, v)
	}
	wantRows(t, e, "current objects", list(t, e, store.ListQuery{Current: true}).versions, want)
	var said *cooper.Error
	err := e.Lister.List(within(t), store.ListQuery{}, func(vs []cooper.Version, _ []string) error {
		t.Errorf("a page of %d versions", len(vs))
		return nil
	})
	if !errors.As(err, &said) || !strings.Contains(said.Remedy, "--current") {
		t.Errorf("list versions: %v; want an error whose remedy is --current", err)
	}
	wantBody(t, e, store.Ref{Key: want[3].Key}, bodyOf(3, 1))
}

// listInCircles: where markers are not heeded, a listing of several pages ends
// with an error, and neither goes on for ever nor passes for whole.
func listInCircles(t *testing.T, e Env) {
	if !e.lacks(Paging) {
		t.Skip("pages go on after a marker")
	}
	for i := range 2*e.pageSize() + 1 {
		e.Seed.Put(t, fmt.Sprintf("k%04d", i), nil)
	}
	err := e.Lister.List(within(t), store.ListQuery{}, func([]cooper.Version, []string) error { return nil })
	wantKind(t, "a listing that goes round in circles", err, cooper.KindInvalid)
}

// noTags: what a store does not know, nothing has.
func noTags(t *testing.T, e Env) {
	if !e.lacks(Tags) {
		t.Skip("there are tags")
	}
	e.Seed.Put(t, "k", bodyOf(10, 1))
	got, err := e.Describer.Tags(within(t), store.Ref{Key: "k"})
	if err != nil || len(got) > 0 {
		t.Errorf("tags %q, %v; want none", got, err)
	}
	o, err := e.Reader.Head(within(t), store.Ref{Key: "k"}, 0)
	if err != nil || !slices.Contains([]int{0, store.Untold}, o.Tags) {
		t.Errorf("head says %d tags, %v", o.Tags, err)
	}
}
