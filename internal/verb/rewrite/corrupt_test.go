package rewrite

import (
	"bytes"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/store/mem"
)

// Corrupt originals are not given a replacement; what came corrupt once is read
// again.
func TestCorrupt(t *testing.T) {
	w := newWorld(t, "Enabled")
	v := w.put("a/b", csv)
	w.Server.Corrupt(lab, v.Key, v.VersionID)
	n := byte(0)
	w.Bodies = func(op string, b []byte) []byte { // another one each time
		if op == "GetObject" {
			b = bytes.Clone(b)
			n++
			b[100] ^= n
		}
		return b
	}
	o := w.do(w.verb(rewriting("Enabled")), v)
	if o.Status != cooper.Failed || o.Kind != cooper.KindCorrupt || o.Check != cooper.Corrupt || len(w.Server.Versions(lab)) != 1 {
		t.Errorf("%+v", o)
	}
	flips := 1
	w = newWorld(t, "Enabled")
	w.Bodies = func(op string, b []byte) []byte {
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
	w.Bodies = func(op string, b []byte) []byte {
		if op == "GetObject" && len(b) < len(csv) {
			b = bytes.Clone(b)
			b[len(b)/2] ^= 1
		}
		return b
	}
	r := rewriting("Enabled")
	r.Proof = bucketop.ReadBack
	if o := w.do(w.verb(r), v); o.Status != cooper.Failed || o.Kind != cooper.KindCorrupt && o.Kind != cooper.KindInvalid || !bytes.Equal(w.Body("a/b", ""), csv) {
		t.Errorf("%+v", o)
	}
}

// What comes alike each time, and is not what its ETag would be as an MD5, is not
// corrupt for sure, nor sound: it is left.
func TestETagThatVouchesForNothing(t *testing.T) {
	for _, quirk := range []bool{true, false} {
		w := newWorld(t, "Enabled")
		if quirk {
			w.Server.SetQuirks(mem.ETagNoMD5)
		}
		v := w.put("a/b", csv)
		if !quirk {
			w.Server.Corrupt(lab, v.Key, v.VersionID)
		}
		gets := 0
		w.Bodies = func(op string, b []byte) []byte {
			if op == "GetObject" {
				gets++
			}
			return b
		}
		o := w.do(w.verb(rewriting("Enabled")), v)
		if o.Status != cooper.Done || o.Content == nil || o.Content.State != cooper.Left || o.Content.Reason != bucketop.ReasonETag || o.Check != cooper.Unverifiable || len(w.Server.Versions(lab)) != 1 {
			t.Errorf("%+v", o)
		}
		if gets != 3 {
			t.Errorf("read %d times", gets)
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
		w.Bodies = func(op string, b []byte) []byte {
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
