package rewrite

import (
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec/codectest"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// What is left is not written, and the reason is told.
func TestLeft(t *testing.T) {
	gz := append([]byte("\x1f\x8b\x08"), codectest.Noise(1, 5000)...)
	until := cooper.InstantOf(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		reason string
		body   []byte
		put    mem.PutOptions
		change func(*bucketop.Rewriting, *cooper.Version)
	}{
		{"empty", nil, mem.PutOptions{}, nil},
		{"compressed already: gzip", gz, mem.PutOptions{}, nil},
		{"compressed already: zstd", encode(t, zstd3, csv, 1), mem.PutOptions{}, nil},
		{"compressed already: zstd", encode(t, both, csv, 1), mem.PutOptions{}, func(r *bucketop.Rewriting, _ *cooper.Version) { r.Codec = both }},
		{"does not shrink: png", append([]byte("\x89PNG\r\n\x1a\n"), codectest.Noise(1, 600<<10)...), mem.PutOptions{}, nil},
		{"looks like noise: encrypted, or compressed", codectest.Noise(1, 5000), mem.PutOptions{}, nil},
		{"does not shrink", append([]byte("\x00\x01\x02\x03"), codectest.Noise(1, 300)...), mem.PutOptions{}, nil},
		{"does not shrink", csv, mem.PutOptions{}, func(r *bucketop.Rewriting, _ *cooper.Version) { r.MinSaving = 0.9 }},
		{"has a Content-Encoding: gzip", csv, mem.PutOptions{Headers: store.Headers{ContentEncoding: "gzip"}}, nil},
		{"locked", csv, mem.PutOptions{Lock: store.Lock{Mode: "COMPLIANCE", Until: until}}, nil},
		{"locked", csv, mem.PutOptions{Lock: store.Lock{LegalHold: true}}, nil},
		{"encrypted with a key of the client", csv, mem.PutOptions{}, func(_ *bucketop.Rewriting, v *cooper.Version) { v.Encryption = "SSE-C" }},
		{"its key has no room for a suffix", csv, mem.PutOptions{}, func(_ *bucketop.Rewriting, v *cooper.Version) { v.Key = strings.Repeat("k", 1021) }},
		{"no room for a note of its origin", csv, mem.PutOptions{Metadata: map[string]string{"note": strings.Repeat("n", 1900)}}, func(r *bucketop.Rewriting, _ *cooper.Version) { r.Mode = bucketop.InPlace }},
	} {
		versioning := "Enabled"
		r := rewriting(versioning)
		if c.reason == bucketop.ReasonNoRoom {
			versioning, r.Versioning = "", ""
		}
		w := newWorld(t, versioning)
		v := w.putWith("a/b", c.body, c.put)
		if c.change != nil {
			c.change(&r, &v)
		}
		o := w.do(w.verb(r), v)
		if o.Status != cooper.Done || o.Content == nil || o.Content.State != cooper.Left || o.Content.Reason != c.reason || o.Content.Stored != v.Identity {
			t.Errorf("%s: %+v %+v", c.reason, o, o.Content)
		}
		if n := len(w.Server.Versions(lab)); n != 1 {
			t.Errorf("%s: %d versions are there now", c.reason, n)
		}
	}
}
