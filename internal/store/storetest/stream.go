package storetest

import (
	"context"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
)

// begin begins an upload of at most size bytes.
func begin(t *testing.T, e Env, p store.Put, size int) store.Parts {
	t.Helper()
	p.Size, p.Body = int64(size), nil
	parts, err := e.Streamer.Begin(within(t), p)
	if err != nil {
		t.Fatal(err)
	}
	if parts.UploadID() == "" || parts.PartSize() < leastPart {
		t.Fatalf("upload %q in parts of %d bytes", parts.UploadID(), parts.PartSize())
	}
	return parts
}

// sendParts sends a body in parts, from one buffer that is used again.
func sendParts(t *testing.T, parts store.Parts, body []byte) {
	t.Helper()
	buf := make([]byte, parts.PartSize())
	for len(body) > 0 {
		n := copy(buf[:parts.PartSize()], body)
		if err := parts.Part(within(t), buf[:n]); err != nil {
			t.Fatal(err)
		}
		body = body[n:]
		clear(buf)
	}
}

func wantNoUploads(t *testing.T, e Env) {
	t.Helper()
	us, _ := unfinished(t, e, "")
	wantUploads(t, "unfinished uploads", us)
}

func streamParts(t *testing.T, e Env) {
	e.need(t, Large)
	e.enable(t)
	p := described("dir/k", nil)
	parts := begin(t, e, p, 1<<30)
	body := bodyOf(parts.PartSize()+1000, 1)
	sendParts(t, parts, body)
	_, err := e.Reader.Head(within(t), store.Ref{Key: "dir/k"}, 0)
	wantKind(t, "head before the upload is complete", err, cooper.KindMissing)
	us, _ := unfinished(t, e, "")
	wantUploads(t, "under way", us, store.Upload{Key: "dir/k", UploadID: parts.UploadID()})
	o, err := parts.Complete(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if o.Key != "dir/k" || o.Size != int64(len(body)) || o.VersionID == "" || !strings.HasSuffix(o.ETag, "-2") {
		t.Errorf("complete says %+v", o)
	}
	got := wantBody(t, e, store.Ref{Key: "dir/k", VersionID: o.VersionID, IfMatch: o.ETag}, body)
	wantDescribed(t, got, p)
	if err := parts.Abort(within(t)); err != nil {
		t.Errorf("abort after the end: %v", err)
	}
	wantBody(t, e, store.Ref{Key: "dir/k"}, body)
	wantNoUploads(t, e)
}

// streamLittle: what was announced is a bound, and may be nothing.
func streamLittle(t *testing.T, e Env) {
	for _, n := range []int{0, 1, 1000} {
		parts := begin(t, e, store.Put{Key: "k"}, 1<<20)
		body := bodyOf(n, 1)
		if err := parts.Part(within(t), body); err != nil {
			t.Fatal(err)
		}
		if err := parts.Part(within(t), nil); err != nil {
			t.Errorf("an empty part at the end: %v", err)
		}
		if n > 0 {
			wantKind(t, "a part after the last", parts.Part(within(t), body), cooper.KindInternal)
		}
		if o, err := parts.Complete(within(t)); err != nil || o.Size != int64(n) {
			t.Fatalf("%d bytes: %+v, %v", n, o, err)
		}
		wantBody(t, e, store.Ref{Key: "k"}, body)
		wantKind(t, "a part after the end", parts.Part(within(t), bodyOf(1, 1)), cooper.KindInternal)
	}
	parts := begin(t, e, store.Put{Key: "k"}, 1<<20)
	wantKind(t, "a part that is too long", parts.Part(within(t), make([]byte, parts.PartSize()+1)), cooper.KindInternal)
	if err := parts.Abort(within(t)); err != nil {
		t.Error(err)
	}
}

func streamConditions(t *testing.T, e Env) {
	e.need(t, PartConditions)
	e.need(t, MD5ETags)
	first, second := bodyOf(10, 1), bodyOf(20, 2)
	e.Seed.Put(t, "k", first)
	for _, c := range []struct {
		p    store.Put
		want cooper.Kind
	}{
		{store.Put{Key: "k", IfNoneMatch: true}, cooper.KindConflict},
		{store.Put{Key: "k", IfMatch: etagOf(second)}, cooper.KindChanged},
		{store.Put{Key: "other", IfMatch: etagOf(second)}, cooper.KindChanged},
	} {
		parts := begin(t, e, c.p, 20)
		sendParts(t, parts, second)
		_, err := parts.Complete(within(t))
		wantKind(t, "complete under a condition that does not hold", err, c.want)
		wantNoUploads(t, e)
	}
	wantBody(t, e, store.Ref{Key: "k"}, first)
	for _, p := range []store.Put{{Key: "k", IfMatch: etagOf(first)}, {Key: "new", IfNoneMatch: true}} {
		parts := begin(t, e, p, 20)
		sendParts(t, parts, second)
		if _, err := parts.Complete(within(t)); err != nil {
			t.Errorf("complete under a condition that holds: %v", err)
		}
		wantBody(t, e, store.Ref{Key: p.Key}, second)
	}
}

func streamGivenUp(t *testing.T, e Env) {
	parts := begin(t, e, store.Put{Key: "k"}, 10)
	sendParts(t, parts, bodyOf(10, 1))
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if err := parts.Abort(ctx); err != nil {
		t.Errorf("abort when all is over: %v", err)
	}
	wantNoUploads(t, e)
	if _, err := parts.Complete(within(t)); err == nil {
		t.Error("complete after the abort: no error")
	} else if kind := cooper.KindOf(err); kind == cooper.KindMissing || kind == cooper.KindChanged {
		t.Errorf("complete after the abort: kind %q, which says something of the object", kind)
	}
	id := e.Seed.BeginUpload(t, "k", bodyOf(5, 1))
	for range 2 {
		if err := e.Streamer.Discard(within(t), "k", id); err != nil {
			t.Errorf("discard: %v", err)
		}
		wantNoUploads(t, e)
	}
	e.Seed.Put(t, "k", nil)
	if e.Streamer.Discard(within(t), "k", "") == nil {
		t.Error("discard without an id: no error")
	}
	wantBody(t, e, store.Ref{Key: "k"}, nil)
	_, err := e.Streamer.Begin(within(t), store.Put{Key: "k", Size: -1})
	wantKind(t, "begin with a negative size", err, cooper.KindInvalid)
}
