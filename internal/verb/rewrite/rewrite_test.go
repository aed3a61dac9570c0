package rewrite

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/store/mem"
)

var csv = codectest.CSV(1, 20_000)

// rewritten fails unless o says so, and is right in all that it says.
func (w *world) rewritten(t *testing.T, o cooper.Outcome, v cooper.Version, c codec.Chain, plain []byte) {
	t.Helper()
	if o.Status != cooper.Done || o.Content == nil || o.Content.State != cooper.Rewritten {
		t.Fatalf("%+v %+v", o, o.Content)
	}
	stored := w.Latest(o.Content.Stored.Key)
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
	if b := w.Body(stored.Key, stored.VersionID); !decodes(c, b, plain) {
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
			if got := int64(len(w.Trace)); o.Requests != got {
				t.Errorf("%d requests, %d of them told", got, o.Requests)
			}
			if old := w.Body(v.Key, v.VersionID); c.mode == bucketop.Suffix && len(old) != int(v.Size) {
				t.Errorf("of the original %d bytes are left", len(old))
			}
		})
	}
}

func TestArchived(t *testing.T) {
	w := newWorld(t, "Enabled")
	o := w.do(w.verb(rewriting("Enabled")), w.putWith("a/b", csv, mem.PutOptions{Class: "DEEP_ARCHIVE"}))
	if o.Status != cooper.Deferred || o.Kind != cooper.KindArchived || o.Requests != 0 {
		t.Errorf("%+v", o)
	}
	v := w.put("a/c", csv)
	w.Server.SetClass(lab, v.Key, v.VersionID, "GLACIER", "")
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
	if !bytes.Equal(w.Body("a/b", ""), csv) {
		t.Error("the original has changed")
	}
}

func TestStopped(t *testing.T) {
	w := newWorld(t, "Enabled")
	v := w.put("a/b", csv)
	ctx, cancel := context.WithCancel(context.Background())
	w.Before = func(op string) {
		if op == "PutObject" {
			cancel()
		}
	}
	o := w.verb(rewriting("Enabled")).Do(ctx, &cooper.Action{Version: v, Args: bucketop.RewriteArgs{Reason: "test"}.Encode()})
	// The store's answer may be there before the stop is noticed.
	stopped := o.Status == cooper.Failed && o.Kind == cooper.KindInterrupted
	if !stopped && o.Status != cooper.Done || !bytes.Equal(w.Body("a/b", ""), csv) {
		t.Errorf("%+v", o)
	}
}
