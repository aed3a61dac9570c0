package rewrite

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

var csv = codectest.CSV(1, 20_000)

// rewritten fails unless o says so, and is right in all that it says.
func (w *world) rewritten(t *testing.T, o cooper.Outcome, v cooper.Version, c codec.Chain, plain []byte) {
	t.Helper()
	if o.Status != cooper.Done || o.Content == nil || o.Content.State != cooper.Rewritten {
		t.Fatalf("%+v %+v", o, o.Content)
	}
	stored := w.latest(o.Content.Stored.Key)
	sum, sha := sha256.Sum256(plain), sha1.Sum(plain)
	got := *o.Content
	if got.Stored.LastModified != 0 {
		stored.LastModified = got.Stored.LastModified
	} else {
		stored.LastModified = 0
	}
	want := cooper.Content{
		State: cooper.Rewritten, PlainSize: int64(len(plain)), StoredSize: stored.Size, SHA256: sum[:], SHA1: sha[:],
		Codec: c.String(), Format: "text", Stored: stored.Identity,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if b := w.body(stored.Key, stored.VersionID); !decodes(c, b, plain) {
		t.Errorf("%d bytes are stored that do not hold the content", len(b))
	}
}

func TestRewrite(t *testing.T) {
	long := codectest.CSV(2, 400<<10)
	for _, c := range []struct {
		name       string
		versioning string
		codec      codec.Chain
		mode       bucketop.Mode
		proof      bucketop.Proof
		plain      []byte
	}{
		{"suffix", "Enabled", zstd3, bucketop.Suffix, bucketop.AsSent, csv},
		{"never versioned", "", zstd3, bucketop.Suffix, bucketop.AsSent, csv},
		{"suspended", "Suspended", zstd3, bucketop.Suffix, bucketop.AsSent, csv},
		{"read back", "Enabled", zstd3, bucketop.Suffix, bucketop.ReadBack, csv},
		{"encrypted", "Enabled", both, bucketop.Suffix, bucketop.AsSent, csv},
		{"encrypted, read back", "", both, bucketop.Suffix, bucketop.ReadBack, long},
		{"in-place", "Enabled", zstd3, bucketop.InPlace, bucketop.AsSent, csv},
		{"in-place, never versioned", "", zstd3, bucketop.InPlace, bucketop.ReadBack, csv},
		{"in-place, suspended", "Suspended", zstd3, bucketop.InPlace, bucketop.AsSent, csv},
		{"longer than its head", "Enabled", zstd3, bucketop.Suffix, bucketop.AsSent, long},
		{"as large as can be held", "Enabled", zstd3, bucketop.Suffix, bucketop.AsSent, codectest.CSV(3, 3<<20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.versioning)
			r := rewriting(c.versioning)
			r.Codec, r.Mode, r.Proof = c.codec, c.mode, c.proof
			v := w.put("a/b.csv", encode(t, codec.Chain{Encrypt: c.codec.Encrypt}, c.plain, 1))
			var moved int64
			o := w.do(w.verb(r, func(o *Options) { o.Moved = func(n int64) { moved += n } }), v)
			w.rewritten(t, o, v, c.codec, c.plain)
			if o.Check != cooper.Verified || o.Method != "md5" || moved != v.Size || o.Bytes < v.Size+o.Content.StoredSize {
				t.Errorf("%+v, %d bytes moved", o, moved)
			}
			if got := int64(len(w.trace)); o.Requests != got {
				t.Errorf("%d requests, %d of them told", got, o.Requests)
			}
			if old := w.body(v.Key, v.VersionID); c.mode == bucketop.Suffix && len(old) != int(v.Size) {
				t.Errorf("of the original %d bytes are left", len(old))
			}
		})
	}
}

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
		if n := len(w.srv.Versions(lab)); n != 1 {
			t.Errorf("%s: %d versions are there now", c.reason, n)
		}
	}
}

// A key that is wrong or missing, and what is not as was declared, is found
// before anything is written.
func TestKeysAreNotGuessed(t *testing.T) {
	for _, c := range []struct {
		name, key string
		body      []byte
		kind      cooper.Kind
		message   string
	}{
		{"another key", "a/b", encode(t, encrypted, csv, 7), cooper.KindInvalid, "a wrong key"},
		{"not encrypted", "a/b", csv, cooper.KindInvalid, "not encrypted, where encryption was declared"},
		{"not encrypted, and compressed", "a/b", encode(t, zstd3, csv, 1), cooper.KindInvalid, "not encrypted as was declared"},
		{"another key, of a longer one", "a/b", encode(t, encrypted, codectest.CSV(1, 600<<10), 7), cooper.KindInvalid, "a wrong key"},
		{"short", "a/b", []byte("0123456789"), cooper.KindInvalid, "shorter than"},
		{"too short to tell", "a/b", encode(t, encrypted, csv[:8], 1), cooper.KindInvalid, "too short"},
		{"no key", "unknown/b", encode(t, encrypted, csv, 1), cooper.KindMissing, "no key"},
	} {
		w := newWorld(t, "Enabled")
		r := rewriting("Enabled")
		r.Codec = both
		o := w.do(w.verb(r), w.put(c.key, c.body))
		if o.Status != cooper.Failed || o.Kind != c.kind || !strings.Contains(o.Message, c.message) || !strings.Contains(o.Message, c.key) {
			t.Errorf("%s: %+v", c.name, o)
		}
		if len(w.srv.Versions(lab)) != 1 || strings.Contains(o.Message, string(testKeys(1).key()[:])) {
			t.Errorf("%s: something was written", c.name)
		}
	}
	w := newWorld(t, "Enabled")
	r := rewriting("Enabled")
	r.Codec = both
	unchecked := func(o *Options) { o.Keys = noExpectation{} }
	if o := w.do(w.verb(r, unchecked), w.put("a/b", encode(t, encrypted, csv, 1))); o.Kind != cooper.KindInvalid {
		t.Errorf("nothing is expected of the content: %+v", o)
	}
}

type noExpectation struct{}

func (noExpectation) For(string) (codec.Secret, error) {
	return codec.Secret{Cipher: codec.AES256CFB8, Key: testKeys(1).key()}, nil
}

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
			before := w.srv.Versions(lab)
			o := w.do(w.verb(r), v)
			if d := cmp.Diff(before, w.srv.Versions(lab)); d != "" {
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
			left := w.srv.Versions(lab)
			w.rewritten(t, w.do(w.verb(r), v), v, zstd3, csv)
			// The original may be gone in the meantime, by whatever hand.
			if mode == bucketop.Suffix || versioning == "Enabled" {
				w.srv.DeleteVersion(lab, v.Key, v.VersionID)
				left = left[:0]
				w.rewritten(t, w.do(w.verb(r), v), v, zstd3, csv)
			}
			if n := len(w.srv.Versions(lab)); len(left) > 0 && n != len(left) {
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

// A newer upload wins, whenever it comes.
func TestNewerUpload(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			for _, fresh := range [][]byte{codectest.CSV(5, 10_000), csv, encode(t, zstd3, csv, 1)} {
				for _, at := range []string{"GetObject", "PutObject"} {
					w := newWorld(t, versioning)
					r := rewriting(versioning)
					r.Mode = mode
					v := w.put("a/b", csv)
					w.before = func(op string) {
						if op == at {
							w.before = nil
							w.srv.Put(lab, "a/b", fresh, mem.PutOptions{})
						}
					}
					o := w.do(w.verb(r), v)
					if mode == bucketop.InPlace && !bytes.Equal(fresh, csv) && (o.Status != cooper.Failed || o.Kind != cooper.KindChanged) {
						t.Errorf("%s, %q, at %s: %+v", mode, versioning, at, o)
					}
					kept := false
					for _, is := range w.srv.Versions(lab) {
						if mode == bucketop.Suffix && at == "GetObject" && is.Key != "a/b" {
							t.Errorf("%q: a replacement of what is not current was stored: %+v", versioning, o)
						}
						kept = kept || is.Key == "a/b" && bytes.Equal(w.body("a/b", is.VersionID), fresh)
					}
					if !kept && !bytes.Equal(fresh, csv) || mode == bucketop.Suffix && !bytes.Equal(w.body("a/b", ""), fresh) {
						t.Errorf("%s, %q, at %s: a newer upload is lost", mode, versioning, at)
					}
				}
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
		w.srv.Put(lab, "a/b", same, mem.PutOptions{Headers: store.Headers{ContentEncoding: "zstd"}})
		o := w.do(w.verb(r), v)
		if o.Kind != c.kind || c.kind == "" && o.Content.Stored.VersionID != w.latest("a/b").VersionID {
			t.Errorf("level %d: %+v", c.level, o)
		}
	}
}

// An answer that got lost is found out.
func TestLostAnswer(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			w := newWorld(t, versioning)
			r := rewriting(versioning)
			r.Mode = mode
			v := w.put("a/b", csv)
			lost := 0
			w.lose = func(op string) bool {
				if op != "PutObject" || lost > 0 {
					return false
				}
				lost++
				return true
			}
			w.rewritten(t, w.do(w.verb(r), v), v, zstd3, csv)
			want := 2
			if mode == bucketop.InPlace && versioning != "Enabled" {
				want = 1
			}
			if n := len(w.srv.Versions(lab)); n != want || lost != 1 {
				t.Errorf("%s, %q: %d versions", mode, versioning, n)
			}
		}
	}
}

// While versioning is suspended a write would take the place of a null version
// that nobody sees: it is looked for.
func TestNullVersionBehind(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		w := newWorld(t, "Suspended")
		r := rewriting("Suspended")
		r.Mode = mode
		target := r.Replacement("a/b")
		w.put(target, []byte("old, and null"))
		w.srv.SetVersioning(lab, "Enabled")
		v := w.put("a/b", csv)
		if mode == bucketop.Suffix {
			w.srv.Delete(lab, target) // a marker: nothing is there, as conditions see it
		}
		w.srv.SetVersioning(lab, "Suspended")
		o := w.do(w.verb(r), v)
		if o.Status != cooper.Failed || o.Kind != cooper.KindConflict {
			t.Errorf("%s: %+v", mode, o)
		}
		if string(w.body(target, cooper.NullVersion)) != "old, and null" {
			t.Errorf("%s: a null version is lost", mode)
		}
	}
}

// Corrupt originals are not given a replacement; what came corrupt once is read
// again.
func TestCorrupt(t *testing.T) {
	w := newWorld(t, "Enabled")
	v := w.put("a/b", csv)
	w.srv.Corrupt(lab, v.Key, v.VersionID)
	n := byte(0)
	w.bodies = func(op string, b []byte) []byte { // another one each time
		if op == "GetObject" {
			b = bytes.Clone(b)
			n++
			b[100] ^= n
		}
		return b
	}
	o := w.do(w.verb(rewriting("Enabled")), v)
	if o.Status != cooper.Failed || o.Kind != cooper.KindCorrupt || o.Check != cooper.Corrupt || len(w.srv.Versions(lab)) != 1 {
		t.Errorf("%+v", o)
	}
	flips := 1
	w = newWorld(t, "Enabled")
	w.bodies = func(op string, b []byte) []byte {
		if op == "GetObject" && flips > 0 {
			flips--
			b = bytes.Clone(b)
			b[100] ^= 1
		}
		return b
	}
	v = w.put("a/b", csv)
	w.rewritten(t, w.do(w.verb(rewriting("Enabled")), v), v, zstd3, csv)
	// What reads back otherwise is no success.
	w = newWorld(t, "Enabled")
	v = w.put("a/b", csv)
	w.bodies = func(op string, b []byte) []byte {
		if op == "GetObject" && len(b) < len(csv) {
			b = bytes.Clone(b)
			b[len(b)/2] ^= 1
		}
		return b
	}
	r := rewriting("Enabled")
	r.Proof = bucketop.ReadBack
	if o := w.do(w.verb(r), v); o.Status != cooper.Failed || o.Kind != cooper.KindCorrupt && o.Kind != cooper.KindInvalid || !bytes.Equal(w.body("a/b", ""), csv) {
		t.Errorf("%+v", o)
	}
}

// What comes alike each time, and is not what its ETag would be as an MD5, is not
// corrupt for sure, nor sound: it is left.
func TestETagThatVouchesForNothing(t *testing.T) {
	for _, quirk := range []bool{true, false} {
		w := newWorld(t, "Enabled")
		if quirk {
			w.srv.SetQuirks(mem.ETagNoMD5)
		}
		v := w.put("a/b", csv)
		if !quirk {
			w.srv.Corrupt(lab, v.Key, v.VersionID)
		}
		gets := 0
		w.bodies = func(op string, b []byte) []byte {
			if op == "GetObject" {
				gets++
			}
			return b
		}
		o := w.do(w.verb(rewriting("Enabled")), v)
		if o.Status != cooper.Done || o.Content == nil || o.Content.State != cooper.Left || o.Content.Reason != bucketop.ReasonETag || o.Check != cooper.Unverifiable || len(w.srv.Versions(lab)) != 1 {
			t.Errorf("%+v", o)
		}
		if gets != 3 {
			t.Errorf("read %d times", gets)
		}
	}
}

// TestOtherTime: a store may tell one time by listing and another by GET; what its
// listing dates anew is another version, though its bytes are the same.
func TestOtherTime(t *testing.T) {
	for _, versioning := range []string{"", "Suspended"} {
		for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
			for _, anew := range []bool{false, true} {
				w := newWorld(t, versioning)
				w.srv.SetQuirks(mem.ListOtherTime)
				v := w.put("a/b", csv)
				v.LastModified -= 37_000 // as listed
				if anew {
					w.put("a/b", csv)
				}
				r := rewriting(versioning)
				r.Mode = mode
				if mode == bucketop.InPlace {
					r.Originals = bucketop.RemoveOriginals
				}
				o := w.do(w.verb(r), v)
				switch {
				case !anew && (o.Status != cooper.Done || o.Content.State != cooper.Rewritten):
					t.Errorf("%q, %s: %+v", versioning, mode, o)
				case anew && (o.Kind != cooper.KindChanged || !strings.Contains(o.Message, v.LastModified.String()) || strings.Contains(o.Remedy, "next inventory")):
					t.Errorf("%q, %s, written anew: %+v", versioning, mode, o)
				}
			}
		}
	}
}

// Where nothing vouches for the original, it comes twice, unless nothing can
// have changed it on the way.
func TestUnverifiable(t *testing.T) {
	for _, c := range []struct {
		secure bool
		flip   int
		gets   int
		status cooper.Status
	}{{true, -1, 1, cooper.Done}, {false, -1, 2, cooper.Done}, {false, 0, 4, cooper.Done}, {false, 1, 4, cooper.Done}} {
		w := newWorld(t, "Enabled")
		v := w.putWith("a/b", csv, mem.PutOptions{Encryption: "SSE-KMS"})
		gets := 0
		w.bodies = func(op string, b []byte) []byte {
			if op == "GetObject" {
				if gets == c.flip {
					b = bytes.Clone(b)
					b[100] ^= 1
				}
				gets++
			}
			return b
		}
		o := w.do(w.verb(rewriting("Enabled"), func(o *Options) { o.Secure = c.secure }), v)
		if o.Status != c.status || gets != c.gets || o.Check != cooper.Unverifiable {
			t.Errorf("%+v: %d times, %+v", c, gets, o)
		}
		w.rewritten(t, o, v, zstd3, csv)
	}
}

func TestArchived(t *testing.T) {
	w := newWorld(t, "Enabled")
	o := w.do(w.verb(rewriting("Enabled")), w.putWith("a/b", csv, mem.PutOptions{Class: "DEEP_ARCHIVE"}))
	if o.Status != cooper.Deferred || o.Kind != cooper.KindArchived || o.Requests != 0 {
		t.Errorf("%+v", o)
	}
	v := w.put("a/c", csv)
	w.srv.SetClass(lab, v.Key, v.VersionID, "GLACIER", "")
	if o := w.do(w.verb(rewriting("Enabled")), v); o.Status != cooper.Deferred || o.Kind != cooper.KindArchived {
		t.Errorf("since the plan: %+v", o)
	}
}

// Plans that would lose an original are not carried out.
func TestRefusedPlans(t *testing.T) {
	w := newWorld(t, "")
	v := w.put("a/b", csv)
	r := rewriting("")
	r.Mode = bucketop.InPlace
	unguarded := &cooper.Action{Version: v, Args: bucketop.RewriteArgs{Reason: "test"}.Encode()}
	if o := w.verb(r).Do(context.Background(), unguarded); o.Kind != cooper.KindInvalid || o.Requests != 0 {
		t.Errorf("without a guard: %+v", o)
	}
	r.Originals = bucketop.KeepOriginals
	if o := w.do(w.verb(r), v); o.Kind != cooper.KindInvalid || o.Requests != 0 {
		t.Errorf("to be kept: %+v", o)
	}
	strange := &cooper.Action{Version: v, Args: map[string]string{"force": "yes"}}
	if o := w.verb(r).Do(context.Background(), strange); o.Kind != cooper.KindInvalid || o.Requests != 0 {
		t.Errorf("an unknown argument: %+v", o)
	}
	if !bytes.Equal(w.body("a/b", ""), csv) {
		t.Error("the original has changed")
	}
}

func TestStopped(t *testing.T) {
	w := newWorld(t, "Enabled")
	v := w.put("a/b", csv)
	ctx, cancel := context.WithCancel(context.Background())
	w.before = func(op string) {
		if op == "PutObject" {
			cancel()
		}
	}
	o := w.verb(rewriting("Enabled")).Do(ctx, &cooper.Action{Version: v, Args: bucketop.RewriteArgs{Reason: "test"}.Encode()})
	// The store's answer may be there before the stop is noticed.
	stopped := o.Status == cooper.Failed && o.Kind == cooper.KindInterrupted
	if !stopped && o.Status != cooper.Done || !bytes.Equal(w.body("a/b", ""), csv) {
		t.Errorf("%+v", o)
	}
}
