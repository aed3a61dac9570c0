package storetest

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
)

func put(t *testing.T, e Env) {
	e.enable(t)
	body := bodyOf(5000, 1)
	meta := map[string]string{"mtime": "12.5", "note": "two words"}
	written, err := e.Writer.Put(within(t), store.Put{
		Key: "dir/k", Size: 5000, Body: bytes.NewReader(body), ContentType: "text/x-odd", Metadata: meta,
	})
	if err != nil {
		t.Fatal(err)
	}
	if written.Key != "dir/k" || !e.hasETag(written, body) || written.VersionID == "" || written.Size != 5000 {
		t.Errorf("put says %+v", written)
	}
	o := wantBody(t, e, store.Ref{Key: "dir/k", VersionID: written.VersionID, IfMatch: e.match(body)}, body)
	if o.ContentType != "text/x-odd" || !maps.Equal(o.Metadata, meta) {
		t.Errorf("content type %q, metadata %v", o.ContentType, o.Metadata)
	}
	if _, err := e.Writer.Put(within(t), store.Put{Key: "empty", Body: bytes.NewReader(nil)}); err != nil {
		t.Errorf("put nothing: %v", err)
	}
	wantBody(t, e, store.Ref{Key: "empty"}, nil)
}

// large is more than implementations write in one request.
const large = 65<<20 + 12345

func putInParts(t *testing.T, e Env) {
	if testing.Short() {
		t.Skip("writes 65 MiB")
	}
	e.need(t, Large)
	e.enable(t)
	body := bodyOf(large, 1)
	written, err := e.Writer.Put(within(t), store.Put{Key: "k", Size: large, Body: bytes.NewReader(body), ContentType: "a/b", Metadata: map[string]string{"x": "y"}})
	if err != nil {
		t.Fatal(err)
	}
	o := wantBody(t, e, store.Ref{Key: "k", VersionID: written.VersionID, IfMatch: written.ETag}, body)
	if o.ContentType != "a/b" || o.Metadata["x"] != "y" || !strings.Contains(o.ETag, "-") {
		t.Errorf("got %+v: want content type, metadata and the ETag of an upload in parts", o)
	}
	if e.lacks(Conditional) || e.lacks(PartConditions) {
		return
	}
	_, err = e.Writer.Put(within(t), store.Put{Key: "k", Size: large, Body: bytes.NewReader(body), IfNoneMatch: true})
	wantKind(t, "put in parts where something is", err, cooper.KindConflict)
}

// pathKeys are odd to look at, but paths for any file system.
var pathKeys = []string{
	"a b", "a+b", "a%2Fb", "a%zz", "%", "a?b=c&d=e", "a#b", "ünï", "ü/ü", "u\u0308", "😀", `quo"te`, "a;b", "a:b@c", "*", "~", "&lt;",
	"<x>", "a=b", "a,b", "tab\tkey", "new\nline", "\u007f", "\ufffd", "\u2028", " ", " a ", "$(x)", "a'b", "(a)", "!", "A", "É", "é",
}

// otherKeys are not, or could not be listed in XML if they were not encoded.
var otherKeys = []string{
	"a//b", "/a", "//", "a/", "a/../b", "../x", "..", ".", "./a", "a/./b", "a/.", "\x00", "a\x00b", "\x01", "a\x1fb", `a\b`, strings.Repeat("k", 1024), "/",
}

// roundTrip writes, reads and lists keys.
func roundTrip(t *testing.T, e Env, keys []string) {
	t.Helper()
	e.need(t, Versions)
	e.need(t, Paging)
	e.enable(t)
	ids := map[string]string{}
	for i, key := range keys {
		o, err := e.Writer.Put(within(t), store.Put{Key: key, Size: 20, Body: bytes.NewReader(bodyOf(20, byte(i)))})
		if err != nil {
			t.Errorf("put %q: %v", key, err)
			continue
		}
		ids[key] = o.VersionID
	}
	listed := map[string]string{}
	for _, v := range list(t, e, store.ListQuery{}).versions {
		listed[v.Key] = v.VersionID
	}
	for i, key := range keys {
		if ids[key] == "" {
			continue
		}
		wantBody(t, e, store.Ref{Key: key, VersionID: ids[key]}, bodyOf(20, byte(i)))
		if _, err := e.Reader.Head(within(t), store.Ref{Key: key}, 0); err != nil {
			t.Errorf("head %q: %v", key, err)
		}
		if listed[key] != ids[key] {
			t.Errorf("%q is listed with version %q, want %q", key, listed[key], ids[key])
		}
	}
	if len(listed) != len(ids) {
		t.Errorf("%d keys listed, %d written", len(listed), len(ids))
	}
}

func oddKeys(t *testing.T, e Env) { roundTrip(t, e, pathKeys) }

func impossiblePaths(t *testing.T, e Env) {
	e.need(t, OddKeys)
	roundTrip(t, e, otherKeys)
}

func nestedKeys(t *testing.T, e Env) {
	e.need(t, NestedKeys)
	roundTrip(t, e, []string{"a", "a/b", "a-b", "a/b/c", "a/"})
}
