package rewrite

import (
	"context"
	"crypto/md5" //nolint:gosec // what other programs compare with
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// TestSumsInMetadata: what other programs keep of the bytes in user metadata is
// true of the new form, or not there; what it was stands in the note of origin.
func TestSumsInMetadata(t *testing.T) {
	const rclone, s3cmd = "1B2M2Y8AsgTpgAmY7PhCfg==", "d41d8cd98f00b204e9800998ecf8427e"
	for _, c := range []struct {
		name  string
		plain []byte
		known bool // before it is sent
	}{{"small", csv, true}, {"large, of one part", letters(1, onePart), true}, {"of parts", letters(1, twoParts), false}} {
		for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
			w := newWorld(t, "Enabled")
			v := w.putWith("a/b", c.plain, mem.PutOptions{Metadata: map[string]string{
				"md5chksum": rclone, "s3cmd-attrs": "gid:0/md5:" + s3cmd + "/mode:33188", "mtime": "1700000000.5",
			}})
			r := rewriting("Enabled")
			r.Mode = mode
			if o := w.do(w.verb(r), v); o.Status != cooper.Done || o.Content.State != cooper.Rewritten {
				t.Fatalf("%s, %s: %+v", c.name, mode, o)
			}
			o, err := w.bucket.Head(t.Context(), store.Ref{Key: r.Replacement("a/b")}, 0)
			if err != nil {
				t.Fatal(err)
			}
			origin, err := ParseOrigin(o.Metadata[OriginName])
			if err != nil || origin.Was[rcloneMD5] != rclone || origin.Was[s3cmdAttrs] != s3cmd {
				t.Errorf("%s, %s: %+v, %v", c.name, mode, origin, err)
			}
			sum := md5.Sum(w.Body(r.Replacement("a/b"), "")) //nolint:gosec // as above
			want := map[string]string{"md5chksum": base64.StdEncoding.EncodeToString(sum[:]), "s3cmd-attrs": "gid:0/md5:" + hex.EncodeToString(sum[:]) + "/mode:33188", "mtime": "1700000000.5"}
			if !c.known {
				want = map[string]string{"s3cmd-attrs": "gid:0/mode:33188", "mtime": "1700000000.5"}
			}
			delete(o.Metadata, OriginName)
			if len(o.Metadata) != len(want) {
				t.Errorf("%s, %s: %v", c.name, mode, o.Metadata)
			}
			for name, value := range want {
				if o.Metadata[name] != value {
					t.Errorf("%s, %s, %s: %q, want %q", c.name, mode, name, o.Metadata[name], value)
				}
			}
			// And it is not missed where the replacement is found.
			if mode == bucketop.Suffix {
				if o := w.do(w.verb(r), v); o.Status != cooper.Done || o.Content.State != cooper.Rewritten {
					t.Errorf("%s, again: %+v", c.name, o)
				}
			}
		}
	}
	// Nor in what another program has written; other attributes are.
	for lacks, attrs := range map[string]string{"": "md5:x/uid:1", "metadata": "md5:x/uid:2"} {
		w := newWorld(t, "Enabled")
		v := w.putWith("a/b", csv, mem.PutOptions{Metadata: map[string]string{"md5chksum": rclone, "s3cmd-attrs": "md5:y/uid:1"}})
		w.putWith("a/b.zst", encode(t, zstd3, csv, 1), mem.PutOptions{Metadata: map[string]string{"s3cmd-attrs": attrs}})
		if o := w.do(w.verb(rewriting("Enabled")), v); (o.Status == cooper.Done) != (lacks == "") || !strings.Contains(o.Message, lacks) {
			t.Errorf("%q: %+v", attrs, o)
		}
	}
	// Where there is no room for them all, what they were gives way to the origin.
	m, reason := (&job{Verb: &Verb{}, v: &cooper.Version{}}).withOrigin(map[string]string{"md5chksum": rclone, "x": strings.Repeat("x", 1900)}, Origin{Codec: zstd3}, csv)
	if origin, err := ParseOrigin(m[OriginName]); err != nil || reason != "" || len(origin.Was) > 0 {
		t.Errorf("%v, %q, %v", m, reason, err)
	}
}

// untold is a store whose answers do not tell how many tags there are.
type untold struct{ Bucket }

func (b untold) Get(ctx context.Context, ref store.Ref, r store.Range) (store.Object, io.ReadCloser, error) {
	o, body, err := b.Bucket.Get(ctx, ref, r)
	o.Tags = store.Untold
	return o, body, err
}

// TestTagsUntold: a count that is not told is not none: tags are kept all the
// same, and what cannot be known ends the work on the object.
func TestTagsUntold(t *testing.T) {
	for _, size := range []int{len(csv), onePart} {
		for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
			for _, without := range []bool{false, true} {
				w := newWorld(t, "Enabled")
				w.bucket = untold{w.bucket}
				v := w.putWith("a/b", letters(1, size), mem.PutOptions{Tags: map[string]string{"study": "7"}})
				r := rewriting("Enabled")
				r.Mode = mode
				if o := w.do(w.verb(r, func(o *Options) { o.WithoutTags = without }), v); o.Status != cooper.Done || o.Content.State != cooper.Rewritten {
					t.Fatalf("%d, %s: %+v", size, mode, o)
				}
				tags, err := w.bucket.Tags(t.Context(), store.Ref{Key: r.Replacement("a/b")})
				if err != nil || (tags["study"] == "7") == without {
					t.Errorf("%d, %s, without %v: %v, %v", size, mode, without, tags, err)
				}
			}
		}
	}
	// A replacement of ours that lacks them, as an earlier version made it, does not do.
	w := newWorld(t, "Enabled")
	v := w.putWith("a/b", csv, mem.PutOptions{Tags: map[string]string{"study": "7"}})
	good := w.bucket
	w.bucket = untold{good}
	w.do(w.verb(rewriting("Enabled"), func(o *Options) { o.WithoutTags = true }), v)
	w.bucket = good
	if o := w.do(w.verb(rewriting("Enabled")), v); o.Kind != cooper.KindConflict || !strings.Contains(o.Message, "tags") {
		t.Errorf("%+v", o)
	}
}

// tagless is a store that tells how many tags there are, and gives none.
type tagless struct{ Bucket }

func (tagless) Tags(context.Context, store.Ref) (map[string]string, error) { return nil, nil }

func TestTagsToldAndNotGiven(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		w := newWorld(t, "")
		v := w.putWith("a/b", csv, mem.PutOptions{Tags: map[string]string{"study": "7"}})
		w.bucket = tagless{w.bucket}
		r := rewriting("")
		r.Mode = mode
		if o := w.do(w.verb(r), v); o.Kind != cooper.KindStore || !strings.Contains(o.Message, "tags") || len(w.Server.Versions(lab)) != 1 {
			t.Errorf("%s: %+v", mode, o)
		}
	}
}

// TestRefusedAlthoughRight: a store that refuses to write over the very version
// that it is told to is not taken for a newer upload.
func TestRefusedAlthoughRight(t *testing.T) {
	for _, versioning := range []string{"Enabled", ""} {
		for _, once := range []bool{false, true} {
			w := newWorld(t, versioning)
			v := w.put("a/b", csv)
			w.bucket = &stubborn{Bucket: w.bucket, once: once}
			r := rewriting(versioning)
			r.Mode = bucketop.InPlace
			o := w.do(w.verb(r), v)
			if once { // it may have been hidden for an instant
				if o.Status != cooper.Done || o.Content.State != cooper.Rewritten {
					t.Errorf("%q, once: %+v", versioning, o)
				}
				continue
			}
			if o.Status != cooper.Failed || o.Kind != cooper.KindRefused || !strings.Contains(o.Message, v.ETag) || strings.Contains(o.Message+o.Remedy, "newer upload") || o.Remedy == "" {
				t.Errorf("%q: %+v", versioning, o)
			}
		}
	}
}

// stubborn is a store that refuses every If-Match.
type stubborn struct {
	Bucket
	once bool
	n    int
}

func (b *stubborn) Put(ctx context.Context, p store.Put) (store.Object, error) {
	if b.n++; p.IfMatch != "" && (!b.once || b.n == 1) {
		return store.Object{}, &cooper.Error{Kind: cooper.KindChanged, Message: "somebody has written there since"}
	}
	return b.Bucket.Put(ctx, p)
}

// TestLeftByDescription: what its owner, or its format, asks to be left.
func TestLeftByDescription(t *testing.T) {
	parquet := append([]byte("PAR1\x15\x00"), letters(1, 5000)...)
	for _, c := range []struct {
		name    string
		body    []byte
		headers store.Headers
		ranged  bool
		reason  string
	}{
		{"no-transform", csv, store.Headers{CacheControl: "max-age=60, No-Transform"}, false, "Cache-Control: no-transform"},
		{"another Cache-Control", csv, store.Headers{CacheControl: "no-cache"}, false, ""},
		{"identity", csv, store.Headers{ContentEncoding: "identity"}, false, ""},
		{"parquet", parquet, store.Headers{}, false, "read by ranges: parquet"},
		{"parquet, all the same", parquet, store.Headers{}, true, ""},
		{"large parquet", append([]byte("PAR1\x15\x00"), letters(1, onePart)...), store.Headers{}, false, "read by ranges: parquet"},
	} {
		for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
			w := newWorld(t, "Enabled")
			v := w.putWith("a/b", c.body, mem.PutOptions{Headers: c.headers})
			r := rewriting("Enabled")
			r.Mode, r.Ranged = mode, c.ranged
			o := w.do(w.verb(r), v)
			if o.Status != cooper.Done || o.Content.Reason != c.reason || (o.Content.State == cooper.Left) != (c.reason != "") {
				t.Errorf("%s, %s: %+v %+v", c.name, mode, o, o.Content)
			}
			if c.reason != "" {
				continue
			}
			want := ""
			if mode == bucketop.InPlace {
				want = "zstd"
			}
			if is, err := w.bucket.Head(t.Context(), store.Ref{Key: r.Replacement("a/b")}, 0); err != nil || is.Headers.ContentEncoding != want {
				t.Errorf("%s, %s: Content-Encoding %q, %v", c.name, mode, is.Headers.ContentEncoding, err)
			}
		}
	}
}
