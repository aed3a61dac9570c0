package rewrite

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

// moving are parts of a trace that differ from one version of a codec to the
// next, or from run to run.
var moving = regexp.MustCompile(`[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|n{100,}|size=\d+`)

// TestTrace compares every request with testdata/trace.txt: all of them in
// order, with what they say beside bytes, then what the action came to.
func TestTrace(t *testing.T) {
	everything := mem.PutOptions{
		Class: "STANDARD_IA", ContentType: "text/csv", Metadata: map[string]string{"study": "5f1"}, Tags: map[string]string{"k": "v"},
		Headers:    store.Headers{CacheControl: "no-cache"},
		Encryption: "SSE-KMS", KMSKey: "arn:aws:kms:us-east-1:1:key/1", BucketKey: true,
		Lock: store.Lock{LegalHold: true}, Checksum: "CRC64NVME",
	}
	none := func(*world) {}
	var out strings.Builder
	for _, c := range []struct {
		name, versioning string
		put              mem.PutOptions
		change           func(r *bucketop.Rewriting, s *store.Settings)
		body             []byte
		meanwhile        func(w *world)
	}{
		{"beside its original", "Enabled", mem.PutOptions{}, nil, csv, none},
		{"all that is kept", "Enabled", everything, func(r *bucketop.Rewriting, _ *store.Settings) {
			r.Originals, r.SSE = bucketop.KeepOriginals, bucketop.SSEKeep
		}, csv, none},
		{"another encryption", "Enabled", mem.PutOptions{Encryption: "SSE-KMS", KMSKey: "arn:aws:kms:us-east-1:1:key/1", Checksum: "SHA256"}, func(r *bucketop.Rewriting, _ *store.Settings) {
			r.SSE = bucketop.SSEAES
		}, csv, none},
		{"a key of its own", "Enabled", mem.PutOptions{}, func(r *bucketop.Rewriting, _ *store.Settings) { r.SSE = "kms:alias/lab" }, csv, none},
		{"an ACL", "Enabled", mem.PutOptions{Grants: []store.Grant{{ID: mem.Owner, Permission: "FULL_CONTROL"}, {URI: "http://acs.amazonaws.com/groups/global/AllUsers", Permission: "READ"}}}, func(_ *bucketop.Rewriting, s *store.Settings) {
			s.Grants = true
		}, csv, none},
		{"read back", "Enabled", mem.PutOptions{}, func(r *bucketop.Rewriting, _ *store.Settings) { r.Proof = bucketop.ReadBack }, csv, none},
		{"in-place", "", mem.PutOptions{ContentType: "text/csv"}, func(r *bucketop.Rewriting, _ *store.Settings) { r.Mode = bucketop.InPlace }, csv, none},
		{"versioning is suspended", "Suspended", mem.PutOptions{}, nil, csv, none},
		{"no room for its origin", "Enabled", mem.PutOptions{Metadata: map[string]string{"note": strings.Repeat("n", 1900)}}, nil, csv, none},
		{"compressed already", "Enabled", mem.PutOptions{}, nil, encode(t, zstd3, csv, 1), none},
		{"compressed already, and long", "Enabled", mem.PutOptions{}, nil, append(encode(t, zstd3, csv, 1), codectest.Noise(1, headSize)...), none},
		{"does not shrink", "Enabled", mem.PutOptions{}, func(r *bucketop.Rewriting, _ *store.Settings) { r.MinSaving = 0.9 }, csv, none},
		{"an older application's is there", "Enabled", mem.PutOptions{}, nil, csv, func(w *world) {
			w.put("a/b.zst", encode(t, codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: 1}}, csv, 1))
		}},
		{"something else is there", "Enabled", mem.PutOptions{}, nil, csv, func(w *world) { w.put("a/b.zst", []byte("?")) }},
		{"the original is gone, and nothing is there", "Enabled", mem.PutOptions{}, nil, csv, func(w *world) {
			w.Server.DeleteVersion(lab, "a/b", w.Latest("a/b").VersionID)
		}},
		{"the original is gone after an earlier run", "", mem.PutOptions{}, nil, csv, func(w *world) {
			w.do(w.verb(rewriting("")), w.Latest("a/b"))
			w.Server.Put(lab, "a/b", []byte("new"), mem.PutOptions{})
		}},
		{"in-place, a newer upload came first", "Enabled", mem.PutOptions{}, func(r *bucketop.Rewriting, _ *store.Settings) { r.Mode = bucketop.InPlace }, csv, func(w *world) {
			w.Server.Put(lab, "a/b", []byte("new"), mem.PutOptions{})
		}},
	} {
		w := newWorld(t, c.versioning)
		if c.put.Lock.LegalHold {
			w.Server.EnableLock(lab)
		}
		if c.put.Grants != nil {
			w.Server.SetACLs(lab, true)
		}
		r, settings := rewriting(c.versioning), store.Settings{}
		if c.change != nil {
			c.change(&r, &settings)
		}
		v := w.putWith("a/b", c.body, c.put)
		c.meanwhile(w)
		w.Trace = nil
		o := w.do(w.verb(r, func(o *Options) { o.Settings = settings }), v)
		fmt.Fprintf(&out, "# %s\n%s\n----\n%s\n", c.name, strings.Join(w.Trace, "\n"), tell(o))
		text := out.String()
		for i, v := range w.Server.Versions(lab) {
			if v.VersionID != cooper.NullVersion {
				text = strings.ReplaceAll(text, v.VersionID, fmt.Sprint("v", i))
			}
		}
		text = strings.ReplaceAll(strings.ReplaceAll(text, v.VersionID, "gone"), v.ETag, "ETAG")
		out.Reset()
		out.WriteString(text)
	}
	got := moving.ReplaceAllStringFunc(out.String(), func(s string) string {
		name, _, ok := strings.Cut(s, "=")
		if ok {
			return name + "=…"
		}
		return "…"
	})
	verbtest.Golden(t, "testdata/trace.txt", got)
}

func tell(o cooper.Outcome) string {
	line := fmt.Sprintf("%s %s", o.Status, o.Check)
	if c := o.Content; c != nil {
		line += fmt.Sprintf(" %s %s %s@%s", c.State, c.Reason, c.Stored.Key, c.Stored.VersionID)
	}
	if o.Kind != "" {
		line += fmt.Sprintf(" %s: %s", o.Kind, o.Message)
	}
	return line + "\n"
}
