package measure

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

const lab = verbtest.Lab

func newLab(t *testing.T) (*verbtest.World, *s3.Bucket) {
	t.Helper()
	w := verbtest.New(t, "Enabled", mem.Options{})
	return w, verbtest.Open(t, w.URL)
}

func put(w *verbtest.World, key string, body []byte, o mem.PutOptions) cooper.Version {
	return w.Version(key, w.Server.Put(lab, key, body, o))
}

// ticking is a clock that goes on by a millisecond each time.
func ticking() func() time.Time {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time { now = now.Add(time.Millisecond); return now }
}

func encoded(t *testing.T, chain string, plain []byte) []byte {
	t.Helper()
	c, err := codec.ParseChain(chain)
	if err != nil {
		t.Fatal(err)
	}
	return verbtest.Keys(1).Encode(t, c, plain)
}

func do(m *Verb, v cooper.Version, try ...codec.Compression) cooper.Outcome {
	return m.Do(context.Background(), &cooper.Action{Version: v, Args: bucketop.MeasureArgs{Try: try, Reason: "test"}.Encode()})
}

var (
	csv   = codectest.CSV(1, 50_000)
	zstd1 = codec.Compression{Method: codec.Zstd, Level: 1}
	zstd3 = codec.Compression{Method: codec.Zstd, Level: 3}
)

func whole(state cooper.ContentState, v cooper.Version, by, format string, plain []byte) cooper.Content {
	sum, sha := sha256.Sum256(plain), sha1.Sum(plain)
	return cooper.Content{State: state, PlainSize: int64(len(plain)), StoredSize: v.Size, SHA256: sum[:], SHA1: sha[:], Codec: by, Format: format, Stored: v.Identity}
}

func check(t *testing.T, name string, o cooper.Outcome, want cooper.Content) {
	t.Helper()
	if o.Status != cooper.Done || o.Content == nil {
		t.Errorf("%s: %+v", name, o)
		return
	}
	if d := cmp.Diff(want, *o.Content); d != "" {
		t.Errorf("%s: %s", name, d)
	}
}

func TestTrials(t *testing.T) {
	w, b := newLab(t)
	const millisecond = int64(time.Millisecond)
	for _, cipher := range []codec.Cipher{codec.Clear, codec.AES256CFB8} {
		stored := codec.Chain{Encrypt: cipher}
		v := put(w, "a/b", encoded(t, stored.String(), csv), mem.PutOptions{})
		m := New(b, Options{Cipher: cipher, Keys: verbtest.Keys(1), Clock: ticking()})
		o := do(m, v, zstd1, zstd3)
		want := whole(cooper.Sampled, v, stored.String(), "text", csv)
		for _, c := range []codec.Compression{zstd1, zstd3} {
			name := codec.Chain{Compress: c, Encrypt: cipher}.String()
			want.Trials = append(want.Trials, cooper.Trial{Codec: name, Stored: int64(len(encoded(t, name, csv))), Nanos: millisecond})
		}
		check(t, string(cipher), o, want)
		if o.Check != cooper.Verified || o.Requests != 1 || o.Bytes != v.Size {
			t.Errorf("%+v", o)
		}
		// Of what is longer than the sample, its beginning counts for the rest.
		m = New(b, Options{Cipher: cipher, Keys: verbtest.Keys(1), Clock: ticking(), Sample: v.Size / 2})
		o = do(m, v, zstd3)
		c := o.Content
		if c == nil || c.PlainSize != -1 || c.SHA256 != nil || c.Format != "text" || c.Trials[0].Nanos != 2*millisecond || o.Bytes != v.Size/2 {
			t.Errorf("%+v %+v", o, c)
		} else if got, all := c.Trials[0].Stored, want.Trials[1].Stored; got < all*9/10 || got > all*11/10 {
			t.Errorf("half of it promises %d bytes; it is %d", got, all)
		}
	}
}

func TestLeft(t *testing.T) {
	w, b := newLab(t)
	noise := codectest.Noise(1, 5000)
	for _, c := range []struct {
		reason string
		cipher codec.Cipher
		body   []byte
		put    mem.PutOptions
		format string
		read   bool
	}{
		{"empty", "", nil, mem.PutOptions{}, "empty", true},
		{"looks like noise: encrypted, or compressed", "", noise, mem.PutOptions{}, "noise", true},
		{"compressed already: zstd", "", encoded(t, "zstd:3", csv), mem.PutOptions{}, "zstd", true},
		{"compressed already: zstd", codec.AES256CFB8, encoded(t, "zstd:3+aes256-cfb8", csv), mem.PutOptions{}, "zstd", false},
		{"has a Content-Encoding: br", "", csv, mem.PutOptions{}, "", false},
	} {
		if enc, ok := strings.CutPrefix(c.reason, "has a Content-Encoding: "); ok {
			c.put.Headers.ContentEncoding = enc
		}
		v := put(w, "a/b", c.body, c.put)
		want := cooper.Content{PlainSize: -1, StoredSize: v.Size, Stored: v.Identity, Codec: codec.Chain{Encrypt: c.cipher}.String()}
		if c.read {
			want = whole(cooper.Left, v, want.Codec, "", c.body)
		}
		want.State, want.Reason, want.Format = cooper.Left, c.reason, c.format
		check(t, c.reason, do(New(b, Options{Cipher: c.cipher, Keys: verbtest.Keys(1), Clock: ticking()}), v, zstd3), want)
	}
}

func TestFound(t *testing.T) {
	w, b := newLab(t)
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, _ = z.Write(csv) // into memory
	_ = z.Close()
	for _, c := range []struct {
		key, chain string
		cipher     codec.Cipher
		body       []byte
	}{
		{"a/b.zst", "zstd", "", encoded(t, "zstd:1", csv)},
		{"a/b.gz", "gzip", "", gz.Bytes()},
		{"a/c.zst", "zstd+aes256-cfb8", codec.AES256CFB8, encoded(t, "zstd:3+aes256-cfb8", csv)},
	} {
		v := put(w, c.key, c.body, mem.PutOptions{})
		o := do(New(b, Options{Cipher: c.cipher, Keys: verbtest.Keys(1), Clock: ticking()}), v)
		check(t, c.key, o, whole(cooper.Found, v, c.chain, "text", csv))
		if o.Check != cooper.Verified || o.Bytes != v.Size {
			t.Errorf("%+v", o)
		}
	}
}

func TestFailures(t *testing.T) {
	w, b := newLab(t)
	good := encoded(t, "zstd:3", csv)
	rotten := put(w, "r.zst", good, mem.PutOptions{})
	w.Server.Corrupt(lab, rotten.Key, rotten.VersionID)
	gone := put(w, "g.zst", good, mem.PutOptions{})
	w.Server.DeleteVersion(lab, gone.Key, gone.VersionID)
	for _, c := range []struct {
		name   string
		v      cooper.Version
		cipher codec.Cipher
		try    []codec.Compression
		status cooper.Status
		kind   cooper.Kind
	}{
		{"not what its name says", put(w, "a.zst", csv, mem.PutOptions{}), "", nil, cooper.Failed, cooper.KindInvalid},
		{"cut short", put(w, "b.zst", good[:len(good)-9], mem.PutOptions{}), "", nil, cooper.Failed, cooper.KindInvalid},
		{"of another key", put(w, "c.zst", encoded(t, "zstd:3+aes256-cfb8", csv), mem.PutOptions{}), codec.AES256CFB8, nil, cooper.Failed, cooper.KindInvalid},
		{"plain where it should be encrypted", put(w, "d", csv, mem.PutOptions{}), codec.AES256CFB8, []codec.Compression{zstd3}, cooper.Failed, cooper.KindInvalid},
		{"rotten there", rotten, "", nil, cooper.Failed, cooper.KindCorrupt},
		{"gone", gone, "", nil, cooper.Failed, cooper.KindMissing},
		{"archived", put(w, "e", csv, mem.PutOptions{Class: "GLACIER"}), "", []codec.Compression{zstd3}, cooper.Deferred, cooper.KindArchived},
	} {
		o := do(New(b, Options{Cipher: c.cipher, Keys: verbtest.Keys(9), Clock: ticking(), Memory: 1}), c.v, c.try...)
		if o.Status != c.status || o.Kind != c.kind || o.Content != nil || !strings.Contains(o.Message, c.v.Key) {
			t.Errorf("%s: %+v", c.name, o)
		}
	}
	// Nothing says that it is damaged, or that it is not.
	o := do(New(b, Options{Keys: verbtest.Keys(9), Clock: ticking()}), rotten, zstd3)
	if o.Status != cooper.Done || o.Content.State != cooper.Left || o.Content.Reason != bucketop.ReasonETag || o.Check != cooper.Unverifiable {
		t.Errorf("%+v", o)
	}
	n := len(w.Server.Versions(lab))
	if w.Server.Counts()["PutObject"] != 0 || n != 6 {
		t.Errorf("something was written: %v, %d versions", w.Server.Counts(), n)
	}
}
