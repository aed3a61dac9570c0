package storetest

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"cooper"
	"cooper/internal/store"
)

// described is an object with all that any server keeps.
func described(key string, body []byte) store.Put {
	return store.Put{
		Key: key, Size: int64(len(body)), Body: bytes.NewReader(body), ContentType: "text/csv; charset=utf-8",
		Metadata: map[string]string{"cooper-origin": "v1 12 abc", "note": "two words"},
		Headers: store.Headers{
			ContentEncoding: "zstd", CacheControl: "max-age=60, private", ContentDisposition: `attachment; filename="a b.csv"`,
			ContentLanguage: "de, en", Expires: "Fri, 02 Jan 2026 03:04:05 GMT",
		},
	}
}

// wantDescribed fails the test unless o has what p said.
func wantDescribed(t *testing.T, o store.Object, p store.Put) {
	t.Helper()
	if o.ContentType != p.ContentType || !maps.Equal(o.Metadata, p.Metadata) || o.Headers != p.Headers {
		t.Errorf("%q has %q %q %+v, put were %q %q %+v", p.Key, o.ContentType, o.Metadata, o.Headers, p.ContentType, p.Metadata, p.Headers)
	}
	if o.HiddenMetadata != 0 {
		t.Errorf("%q hides metadata", p.Key)
	}
}

// headAndGet gives what both say of an object, which must be the same.
func headAndGet(t *testing.T, e Env, key string, body []byte) store.Object {
	t.Helper()
	o := wantBody(t, e, store.Ref{Key: key}, body)
	h, err := e.Reader.Head(within(t), store.Ref{Key: key}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if h.Headers != o.Headers || h.Lock != o.Lock || h.Tags != o.Tags || h.KMSKey != o.KMSKey || h.Encryption != o.Encryption {
		t.Errorf("HEAD says %+v, GET %+v", h, o)
	}
	return o
}

// putDescribed: bytes that are said to be encoded arrive as they were sent.
func putDescribed(t *testing.T, e Env) {
	body := bodyOf(300, 1)
	p := described("k", body)
	if _, err := e.Writer.Put(within(t), p); err != nil {
		t.Fatal(err)
	}
	wantDescribed(t, headAndGet(t, e, "k", body), p)

	// Not even what looks as if a client should decode it.
	p = store.Put{Key: "gz", Size: 300, Body: bytes.NewReader(body), Headers: store.Headers{ContentEncoding: "gzip"}}
	if _, err := e.Writer.Put(within(t), p); err != nil {
		t.Fatal(err)
	}
	if o := headAndGet(t, e, "gz", body); o.Headers.ContentEncoding != "gzip" {
		t.Errorf("content encoding %q", o.Headers.ContentEncoding)
	}
}

func putRedirect(t *testing.T, e Env) {
	e.need(t, Redirects)
	p := store.Put{Key: "k", Body: bytes.NewReader(nil), Headers: store.Headers{Redirect: "/other page"}}
	if _, err := e.Writer.Put(within(t), p); err != nil {
		t.Fatal(err)
	}
	if o := headAndGet(t, e, "k", nil); o.Headers != p.Headers {
		t.Errorf("headers %+v", o.Headers)
	}
}

func putClass(t *testing.T, e Env) {
	e.need(t, Classes)
	body := bodyOf(10, 1)
	if _, err := e.Writer.Put(within(t), store.Put{Key: "k", Size: 10, Body: bytes.NewReader(body), StorageClass: "STANDARD_IA"}); err != nil {
		t.Fatal(err)
	}
	if o := headAndGet(t, e, "k", body); o.StorageClass != "STANDARD_IA" {
		t.Errorf("storage class %q", o.StorageClass)
	}
}

func putEncrypted(t *testing.T, e Env) {
	e.need(t, Encryption)
	e.need(t, MD5ETags)
	body := bodyOf(10, 1)
	for _, want := range []store.Encryption{
		{Method: "AES256"}, {Method: "aws:kms", KMSKey: "arn:aws:kms:us-east-1:123456789012:key/k-1", BucketKey: true},
		{Method: "aws:kms:dsse", KMSKey: "arn:aws:kms:us-east-1:123456789012:key/k-2"},
	} {
		put, err := e.Writer.Put(within(t), store.Put{Key: "k", Size: 10, Body: bytes.NewReader(body), Encryption: want})
		if err != nil {
			t.Errorf("%+v: %v", want, err)
			continue
		}
		o := headAndGet(t, e, "k", body)
		for _, x := range []store.Object{put, o} {
			if got := (store.Encryption{Method: x.Encryption, KMSKey: x.KMSKey, BucketKey: x.BucketKey}); got != want {
				t.Errorf("encrypted with %+v, want %+v", got, want)
			}
		}
		if e.lacks(ReadETags) {
			continue
		}
		if o.ETag != put.ETag || (o.ETag == etagOf(body)) != (want.Method == "AES256") {
			t.Errorf("%s: ETag %s, at the write %s", want.Method, o.ETag, put.ETag)
		}
	}
}

func putLocked(t *testing.T, e Env) {
	e.need(t, Locks)
	e.need(t, VersionIDs)
	e.EnableLock()
	body := bodyOf(10, 1)
	until := cooper.InstantOf(time.Now().Add(time.Hour).Truncate(time.Second))
	for key, c := range map[string]struct{ lock, want store.Lock }{
		"both":       {store.Lock{Mode: "COMPLIANCE", Until: until, LegalHold: true}, store.Lock{Mode: "COMPLIANCE", Until: until, LegalHold: true}},
		"retained":   {store.Lock{Mode: "GOVERNANCE", Until: until}, store.Lock{Mode: "GOVERNANCE", Until: until}},
		"held":       {store.Lock{LegalHold: true}, store.Lock{LegalHold: true}},
		"past, held": {store.Lock{Mode: "COMPLIANCE", Until: 1000, LegalHold: true}, store.Lock{LegalHold: true}},
	} {
		o, err := e.Writer.Put(within(t), store.Put{Key: key, Size: 10, Body: bytes.NewReader(body), Lock: c.lock})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if got := headAndGet(t, e, key, body); got.Lock != c.want {
			t.Errorf("%s: %+v, want %+v", key, got.Lock, c.want)
		}
		r := store.Removal{Key: key, VersionID: o.VersionID}
		wantKind(t, "remove what is locked", e.Remover.Remove(within(t), e.Permit, []store.Removal{r})[0], cooper.KindDenied)
		wantBody(t, e, store.Ref{Key: key, VersionID: o.VersionID}, body)
	}
}
