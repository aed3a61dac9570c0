package rewrite

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// letters gives n bytes of a text of which three quarters are left when it is
// compressed, with the header of a CSV.
func letters(seed byte, n int) []byte {
	raw := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(raw)
	b := base64.StdEncoding.AppendEncode(nil, raw)
	copy(b, codectest.Header)
	return b[:n]
}

const (
	onePart  = 17 << 20 // is stored with one request
	twoParts = 23 << 20 // needs an upload in parts
)

// ops are the names of the requests so far.
func (w *world) ops() string {
	var names []string
	for _, line := range w.Trace {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func (w *world) uploads(t *testing.T) int {
	t.Helper()
	n := 0
	err := w.bucket.(store.Uploads).Uploads(t.Context(), "", func(us []store.Upload) error { n += len(us); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLarge(t *testing.T) {
	for _, c := range []struct {
		name       string
		versioning string
		codec      codec.Chain
		mode       bucketop.Mode
		size       int
		ops        string
	}{
		{"one part", "Enabled", zstd3, bucketop.Suffix, onePart, "GetObject GetObjectTagging HeadObject GetObject PutObject"},
		{"two parts", "Enabled", zstd3, bucketop.Suffix, twoParts, "GetObject GetObjectTagging HeadObject GetObject CreateMultipartUpload UploadPart UploadPart CompleteMultipartUpload"},
		{"encrypted", "", both, bucketop.Suffix, twoParts, "GetObject GetObjectTagging HeadObject GetObject CreateMultipartUpload UploadPart UploadPart CompleteMultipartUpload"},
		{"in-place", "", zstd3, bucketop.InPlace, twoParts, "GetObject GetObjectTagging GetObject CreateMultipartUpload UploadPart UploadPart CompleteMultipartUpload"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name != "encrypted" {
				t.Skip("takes a second")
			}
			w := newWorld(t, c.versioning)
			r := rewriting(c.versioning)
			r.Codec, r.Mode = c.codec, c.mode
			plain := letters(1, c.size)
			v := w.put("a/b", encode(t, codec.Chain{Encrypt: c.codec.Encrypt}, plain, 1))
			var noted []string
			verb := w.verb(r, func(o *Options) {
				o.Memory = 1 << 20 // less than it needs: then it is alone
				o.Uploads = func(key, id string) error {
					noted = append(noted, key)
					if strings.Contains(w.ops(), "UploadPart") || id == "" {
						t.Error("a part was sent before the upload was noted")
					}
					return nil
				}
			})
			o := w.do(verb, v)
			if got := w.ops(); got != c.ops {
				t.Errorf("requests: %s", got)
			}
			w.rewritten(t, o, v, c.codec, plain)
			if o.Requests != int64(len(w.Trace)) || o.Check != cooper.Verified {
				t.Errorf("%+v", o)
			}
			if strings.Contains(c.ops, "Multipart") && !slices.Equal(noted, []string{r.Replacement("a/b")}) {
				t.Errorf("noted: %q", noted)
			}
			w.Trace = nil
			w.rewritten(t, w.do(verb, v), v, c.codec, plain)
			if c.mode == bucketop.Suffix && strings.Contains(w.ops(), "Upload") {
				t.Errorf("again: %s", w.ops())
			}
		})
	}
}

func TestLargeLeft(t *testing.T) {
	half := slices.Concat(letters(1, 2<<20), codectest.Noise(1, 17<<20))
	for _, c := range []struct {
		name, reason, ops string
		body              []byte
	}{
		{"noise", "looks like noise: encrypted, or compressed", "GetObject", codectest.Noise(2, wholeMost+1)},
		{"its beginning shrinks", "does not shrink", "GetObject GetObjectTagging HeadObject GetObject CreateMultipartUpload UploadPart AbortMultipartUpload", half},
	} {
		w := newWorld(t, "Enabled")
		v := w.put("a/b", c.body)
		o := w.do(w.verb(rewriting("Enabled")), v)
		if o.Status != cooper.Done || o.Content.State != cooper.Left || o.Content.Reason != c.reason || o.Content.PlainSize != -1 {
			t.Errorf("%s: %+v %+v", c.name, o, o.Content)
		}
		if w.ops() != c.ops || len(w.Server.Versions(lab)) != 1 || w.uploads(t) != 0 {
			t.Errorf("%s: %s", c.name, w.ops())
		}
	}
}

// What fails on the way leaves nothing behind; what passes is overcome.
func TestLargeFaults(t *testing.T) {
	plain := letters(1, twoParts)
	key := func(o *Options) {}
	flip := func(which string, n int) func(w *world) {
		return func(w *world) {
			w.Bodies = func(op string, b []byte) []byte {
				if op == "GetObject" && len(b) > 1<<20 && n > 0 {
					n--
					switch b = bytes.Clone(b); which {
					case "flip":
						b[len(b)/2+n] ^= 1 // damage on the way is never alike
					case "cut":
						b = b[:len(b)/2]
					}
				}
				return b
			}
		}
	}
	for _, c := range []struct {
		name   string
		change func(o *Options)
		fault  func(w *world)
		kind   cooper.Kind
	}{
		{"cut bodies", key, flip("cut", 3), ""},
		{"came corrupt once", key, flip("flip", 1), ""},
		{"comes corrupt always", key, flip("flip", 99), cooper.KindCorrupt},
		{"the note cannot be written", func(o *Options) {
			o.Uploads = func(string, string) error { return &cooper.Error{Kind: cooper.KindFull, Err: errors.New("no space")} }
		}, func(*world) {}, cooper.KindFull},
		{"something came first", key, func(w *world) {
			w.Before = func(op string) {
				if op == "CompleteMultipartUpload" {
					w.Before = nil
					w.Server.Put(lab, "a/b.zst", []byte("foreign"), mem.PutOptions{})
				}
			}
		}, cooper.KindConflict},
		{"overwritten while it is read", key, func(w *world) {
			gets := 0
			w.Before = func(op string) {
				if op == "GetObject" {
					if gets++; gets == 2 {
						w.Server.Put(lab, "a/b", []byte("new"), mem.PutOptions{})
					}
				}
			}
		}, cooper.KindChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.kind != cooper.KindConflict {
				t.Skip("takes a second")
			}
			w := newWorld(t, "")
			v := w.put("a/b", plain)
			c.fault(w)
			o := w.do(w.verb(rewriting(""), c.change), v)
			if c.kind == "" {
				w.rewritten(t, o, v, zstd3, plain)
			} else if o.Status != cooper.Failed || o.Kind != c.kind {
				t.Errorf("%+v", o)
			}
			if n := w.uploads(t); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

// Before an upload in parts the store is asked about, and nothing is begun if it
// cannot be trusted there.
func TestPartsAreAskedAbout(t *testing.T) {
	w := newWorld(t, "")
	v := w.put("a/b", letters(1, twoParts))
	no := &cooper.Error{Kind: cooper.KindStore, Message: "it does not mind"}
	o := w.do(w.verb(rewriting(""), func(o *Options) { o.Parts = func(context.Context) error { return no } }), v)
	if o.Status != cooper.Failed || o.Kind != cooper.KindStore || strings.Contains(w.ops(), "Multipart") || len(w.Server.Versions(lab)) != 1 {
		t.Errorf("%+v: %s", o, w.ops())
	}
}
