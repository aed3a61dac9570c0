package rewrite

import (
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// A replacement that somebody else has written counts only if nothing that the
// original has beside its content would go with the original.
func TestLacks(t *testing.T) {
	reader := []store.Grant{{ID: "reader", Permission: "READ"}}
	for _, c := range []struct {
		name       string
		was, there mem.PutOptions
		lacks      string
	}{
		{name: "nothing but content"},
		{name: "another type", was: mem.PutOptions{ContentType: "text/csv"}, there: mem.PutOptions{ContentType: "application/zstd"}},
		{"metadata", mem.PutOptions{Metadata: map[string]string{"study": "7", "arm": "b"}}, mem.PutOptions{Metadata: map[string]string{"study": "7"}}, "metadata"},
		{"other metadata", mem.PutOptions{Metadata: map[string]string{"study": "7"}}, mem.PutOptions{Metadata: map[string]string{"study": "8"}}, "metadata"},
		{"more metadata", mem.PutOptions{Metadata: map[string]string{"study": "7"}}, mem.PutOptions{Metadata: map[string]string{"study": "7", "tool": "old"}}, ""},
		{"a header", mem.PutOptions{Headers: store.Headers{ContentLanguage: "de"}}, mem.PutOptions{}, "Content-Language"},
		{"tags", mem.PutOptions{Tags: map[string]string{"keep": "10y"}}, mem.PutOptions{Tags: map[string]string{"keep": ""}}, "tags"},
		{"the same tags", mem.PutOptions{Tags: map[string]string{"keep": "10y"}}, mem.PutOptions{Tags: map[string]string{"keep": "10y"}}, ""},
		{"ACL", mem.PutOptions{Grants: reader}, mem.PutOptions{}, "ACL"},
		{"the same ACL", mem.PutOptions{Grants: reader}, mem.PutOptions{Grants: reader}, ""},
	} {
		for _, originals := range []bucketop.Originals{bucketop.RemoveOriginals, bucketop.KeepOriginals} {
			w := newWorld(t, "")
			w.Server.SetACLs(lab, true)
			r := rewriting("")
			r.Originals = originals
			v := w.putWith("a/b", csv, c.was)
			w.putWith("a/b.zst", encode(t, zstd3, csv, 1), c.there)
			o := w.do(w.verb(r, func(o *Options) { o.Settings.Grants = true }), v)
			if c.lacks != "" && originals == bucketop.RemoveOriginals {
				if o.Kind != cooper.KindConflict || !strings.Contains(o.Message, c.lacks) {
					t.Errorf("%s: %+v", c.name, o)
				}
			} else if o.Status != cooper.Done || o.Content.State != cooper.Rewritten {
				t.Errorf("%s, %s: %+v", c.name, originals, o)
			}
		}
	}
}

// What is large goes another way, to the same end.
func TestLacksLarge(t *testing.T) {
	plain := letters(1, onePart)
	w := newWorld(t, "")
	v := w.putWith("a/b", plain, mem.PutOptions{Metadata: map[string]string{"study": "7"}})
	w.put("a/b.zst", encode(t, zstd3, plain, 1))
	if o := w.do(w.verb(rewriting("")), v); o.Kind != cooper.KindConflict || !strings.Contains(o.Message, "metadata") {
		t.Errorf("%+v", o)
	}
}

// What this program wrote for the version has everything, however it is found.
func TestLacksNothing(t *testing.T) {
	for _, note := range []string{"short", strings.Repeat("n", 1900)} { // with and without room for the note of origin
		w := newWorld(t, "")
		v := w.putWith("a/b", csv, mem.PutOptions{Metadata: map[string]string{"note": note}, Tags: map[string]string{"keep": "10y"}})
		for range 2 {
			if o := w.do(w.verb(rewriting("")), v); o.Status != cooper.Done || o.Content.State != cooper.Rewritten {
				t.Errorf("%+v", o)
			}
		}
	}
}

// What an earlier version of this program wrote in place without the tags is no
// reason to remove the version behind it, which has them.
func TestLacksInPlace(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w := newWorld(t, "Enabled")
		r := rewriting("Enabled")
		r.Mode = bucketop.InPlace
		v := w.putWith("a/b", csv, mem.PutOptions{Tags: map[string]string{"keep": "10y"}})
		first := w.do(w.verb(r), v)
		w.rewritten(t, first, v, zstd3, csv)
		if lost {
			w.Server.SetTags(lab, "a/b", first.Content.Stored.VersionID, nil)
		}
		o := w.do(w.verb(r), v)
		if lost != (o.Kind == cooper.KindConflict && strings.Contains(o.Message, "tags")) || !lost && o.Status != cooper.Done {
			t.Errorf("lost %v: %+v", lost, o)
		}
	}
}
