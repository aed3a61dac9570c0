package rewrite

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// What stands in the way is taken for the replacement only if it is one.
func TestOccupied(t *testing.T) {
	other := codectest.CSV(9, 20_000)
	for _, c := range []struct {
		name  string
		codec codec.Chain
		there []byte
		kind  cooper.Kind
	}{
		{"an older application's", zstd3, encode(t, codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: 1}}, csv, 1), ""},
		{"an older application's, encrypted", both, encode(t, both, csv, 1), ""},
		{"of another key", both, encode(t, both, csv, 2), cooper.KindConflict},
		{"not encrypted", both, encode(t, zstd3, csv, 1), cooper.KindConflict},
		{"another content", zstd3, encode(t, zstd3, other, 1), cooper.KindConflict},
		{"more", zstd3, encode(t, zstd3, append(bytes.Clone(csv), 'x'), 1), cooper.KindConflict},
		{"a bomb", zstd3, encode(t, zstd3, make([]byte, 30<<20), 1), cooper.KindConflict},
		{"nothing of the kind", zstd3, csv, cooper.KindConflict},
		{"empty", zstd3, nil, cooper.KindConflict},
		{"nothing but a window", zstd3, []byte("\x28\xb5\x2f\xfd\x00\xff\x00\x00"), cooper.KindConflict},
	} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			w := newWorld(t, versioning)
			r := rewriting(versioning)
			r.Codec = c.codec
			v := w.put("a/b", encode(t, codec.Chain{Encrypt: c.codec.Encrypt}, csv, 1))
			w.put("a/b.zst", c.there)
			before := w.Server.Versions(lab)
			o := w.do(w.verb(r), v)
			if d := cmp.Diff(before, w.Server.Versions(lab)); d != "" {
				t.Errorf("%s: %s", c.name, d)
			}
			if c.kind == "" {
				was := c.codec
				was.Compress.Level = 0
				w.rewritten(t, o, v, was, csv)
			} else if o.Status != cooper.Failed || o.Kind != c.kind || !strings.Contains(o.Message, "a/b.zst") {
				t.Errorf("%s: %+v", c.name, o)
			}
			if c.name == "a bomb" && !strings.Contains(o.Message, "decodes to more than 20000 bytes") {
				t.Errorf("it was read to its end: %s", o.Message)
			}
		}
	}
}

// A replacement of an older version is not taken for that of a newer one, and
// the message says what it is.
func TestReplacementOfAnother(t *testing.T) {
	w := newWorld(t, "Enabled")
	verb := w.verb(rewriting("Enabled"))
	w.do(verb, w.put("a/b", csv))
	o := w.do(verb, w.put("a/b", codectest.CSV(7, 20_000)))
	if o.Status != cooper.Failed || o.Kind != cooper.KindConflict || !strings.Contains(o.Message, "the replacement of another version") {
		t.Errorf("%+v", o)
	}
	// Of the same content it will do: that is what counts.
	v := w.put("a/b", csv)
	is := zstd3
	is.Compress.Level = 0
	w.rewritten(t, w.do(verb, v), v, is, csv)
}

// Doing it again finds what was done.
func TestAgain(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			w := newWorld(t, versioning)
			r := rewriting(versioning)
			r.Mode = mode
			v := w.put("a/b", csv)
			first := w.do(w.verb(r), v)
			w.rewritten(t, first, v, zstd3, csv)
			left := w.Server.Versions(lab)
			w.rewritten(t, w.do(w.verb(r), v), v, zstd3, csv)
			// The original may be gone in the meantime, by whatever hand.
			if mode == bucketop.Suffix || versioning == "Enabled" {
				w.Server.DeleteVersion(lab, v.Key, v.VersionID)
				left = left[:0]
				w.rewritten(t, w.do(w.verb(r), v), v, zstd3, csv)
			}
			if n := len(w.Server.Versions(lab)); len(left) > 0 && n != len(left) {
				t.Errorf("%s, %q: %d versions became %d", mode, versioning, len(left), n)
			}
			// What bears the note of another version proves nothing.
			strange := v
			strange.ETag = strings.Repeat("0", 32)
			if o := w.do(w.verb(r), strange); o.Status != cooper.Failed || o.Kind != cooper.KindChanged && o.Kind != cooper.KindMissing {
				t.Errorf("%s, %q: another version: %+v", mode, versioning, o)
			}
		}
	}
}

// In-place, the same content in the same form is somebody's upload all the same,
// unless it bears our note or is what we sent.
func TestUploadOfTheSame(t *testing.T) {
	for _, c := range []struct {
		level int
		kind  cooper.Kind
	}{{1, cooper.KindChanged}, {3, ""}} {
		w := newWorld(t, "Enabled")
		r := rewriting("Enabled")
		r.Mode = bucketop.InPlace
		v := w.put("a/b", csv)
		same := encode(t, codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: c.level}}, csv, 1)
		w.Server.Put(lab, "a/b", same, mem.PutOptions{Headers: store.Headers{ContentEncoding: "zstd"}})
		o := w.do(w.verb(r), v)
		if o.Kind != c.kind || c.kind == "" && o.Content.Stored.VersionID != w.Latest("a/b").VersionID {
			t.Errorf("level %d: %+v", c.level, o)
		}
	}
}
