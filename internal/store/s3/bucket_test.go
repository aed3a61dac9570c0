package s3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// stub answers every request for a key by f, and what Open asks by success.
func stub(f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := strings.TrimSuffix(r.URL.Path, "/"); path == "/"+testBucket && (r.Method == http.MethodHead || r.URL.Query().Has("location")) {
			w.Header().Set("X-Amz-Bucket-Region", "us-east-1")
			return
		}
		f(w, r)
	})
}

// both runs a test with either client.
func both(t *testing.T, f func(t *testing.T, change []func(*Config))) {
	for name, change := range clients {
		t.Run(name, func(t *testing.T) { f(t, change) })
	}
}

func s3Error(code string) string {
	return `<?xml version="1.0"?><Error><Code>` + code + `</Code><Message>Words.</Message><RequestId>REQ1</RequestId></Error>`
}

func TestErrorKinds(t *testing.T) {
	cases := []struct {
		status int
		code   string
		kind   cooper.Kind
	}{
		{404, "NoSuchKey", cooper.KindMissing}, {404, "NoSuchVersion", cooper.KindMissing}, {404, "NoSuchBucket", cooper.KindMissing}, {400, "InvalidBucketName", cooper.KindUsage},
		{404, "", cooper.KindMissing}, {405, "MethodNotAllowed", cooper.KindInvalid}, {403, "AccessDenied", cooper.KindDenied}, {403, "", cooper.KindDenied},
		{403, "InvalidObjectState", cooper.KindArchived}, {412, "PreconditionFailed", cooper.KindChanged}, {409, "Odd", cooper.KindConflict},
		{400, "InvalidArgument", cooper.KindInvalid}, {416, "InvalidRange", cooper.KindInvalid}, {400, "ExpiredToken", cooper.KindUsage},
		{400, "RequestTimeout", cooper.KindTimeout}, {500, "InternalError", cooper.KindStore}, {502, "", cooper.KindStore}, {501, "NotImplemented", cooper.KindInvalid},
		{403, "RequestTimeTooSkewed", cooper.KindUsage}, {301, "PermanentRedirect", cooper.KindInvalid}, {400, "KMS.DisabledException", cooper.KindDenied},
		{418, "", cooper.KindInvalid}, {401, "", cooper.KindDenied},
	}
	both(t, func(t *testing.T, change []func(*Config)) {
		var status int
		var code string
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			if code != "" {
				fmt.Fprint(w, s3Error(code))
			}
		})), change...)
		for _, c := range cases {
			status, code = c.status, c.code
			_, _, err := b.Get(t.Context(), store.Ref{Key: "dir/k", VersionID: "v 1"}, store.Range{})
			var ce *cooper.Error
			if !errors.As(err, &ce) || ce.Kind != c.kind || ce.Where != "s3://bucket/dir/k (version v 1)" {
				t.Errorf("%d %s: %+v, want %s", c.status, c.code, err, c.kind)
				continue
			}
			if !strings.Contains(err.Error(), c.code) || c.code != "" && !strings.Contains(err.Error(), "REQ1") {
				t.Errorf("%d %s: the message says too little: %v", c.status, c.code, err)
			}
			if next := c.kind == cooper.KindChanged || c.kind == cooper.KindStore; !strings.Contains(err.Error(), " to GET") || next && ce.Remedy == "" {
				t.Errorf("%d %s: not which request, or no next step: %v", c.status, c.code, err)
			}
			if _, err := b.Tags(t.Context(), store.Ref{Key: "dir/k"}); err != nil && !strings.Contains(err.Error(), " to GET ?tagging") {
				t.Errorf("%d %s: not which request: %v", c.status, c.code, err)
			}
		}
	})
}

func TestDeleteMarkerIsMissing(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Delete-Marker", "true")
			w.WriteHeader(http.StatusMethodNotAllowed)
		})), change...)
		if _, err := b.Head(t.Context(), store.Ref{Key: "k", VersionID: "v"}, 0); cooper.KindOf(err) != cooper.KindMissing {
			t.Fatal(err)
		}
	})
}

// A hostile error document: endless, and not printable.
func TestErrorBodyIsBounded(t *testing.T) { both(t, errorBodyIsBounded) }

func errorBodyIsBounded(t *testing.T, change []func(*Config)) {
	b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<Error><Code>Access\x1b[31m</Code><Message>%s</Message>", strings.Repeat("x", 1000))
		for range 1000 {
			if _, err := w.Write(bytes.Repeat([]byte("y"), 1<<16)); err != nil {
				return
			}
		}
	})), change...)
	_, _, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
	if cooper.KindOf(err) != cooper.KindDenied || len(err.Error()) > 1000 || strings.ContainsRune(err.Error(), 0x1b) {
		t.Fatalf("%q", err)
	}
	if in := b.Usage().BytesIn; in > 1<<20 {
		t.Fatalf("read %d bytes of an error", in)
	}
}

func TestRetriesWhatPasses(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		var n atomic.Int64
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			switch n.Add(1) {
			case 1:
				w.WriteHeader(500)
			case 2:
				panic(http.ErrAbortHandler)
			case 3:
				w.WriteHeader(502)
			case 4:
				w.WriteHeader(409)
				fmt.Fprint(w, s3Error("OperationAborted"))
			default:
				fmt.Fprint(w, "hello")
			}
		})), change...)
		_, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rc)
		if err != nil || string(got) != "hello" || rc.Close() != nil {
			t.Fatalf("%q, %v", got, err)
		}
		// net/http may have sent a GET again by itself after the abort.
		if u := b.Usage(); u.Retries != 4 && u.Retries != 3 || u.Get != u.Retries+1 || u.Throttled != 0 {
			t.Fatalf("%+v", u)
		}
	})
}

func TestThrottlingFailsNothing(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		var n atomic.Int64
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			if i := n.Add(1); i <= 40 {
				w.WriteHeader([]int{503, 429, 400}[i%3])
				if i%3 == 2 {
					fmt.Fprint(w, s3Error("SlowDown"))
				}
				return
			}
			fmt.Fprint(w, "hello")
		})), change...)
		o, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if err != nil || o.Size != 5 {
			t.Fatal(o, err)
		}
		_ = rc.Close()
		if u := b.Usage(); u.Throttled != 40 || u.Retries != 40 {
			t.Fatalf("%+v", u)
		}
	})
}

// A store that refuses everything for long is down, whatever it calls it.
func TestThrottlingWithoutEnd(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		n := 0
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, s3Error("SlowDown"))
		})), change...)
		b.policy.Hopeless = func() bool { n++; return n > 20 }
		if _, _, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{}); cooper.KindOf(err) != cooper.KindStore {
			t.Fatal(err)
		}
	})
}

func TestCutBodyIsAnError(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "only this")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})), change...)
		_, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rc)
		if !errors.Is(err, io.ErrUnexpectedEOF) || cooper.KindOf(err) != cooper.KindStore || string(got) != "only this" {
			t.Fatalf("%q, %v", got, err)
		}
		if err := rc.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Stores that ignore a condition, a version or a range must not be believed.
func TestAnswersToAnotherQuestion(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"current"`)
			w.Header().Set("X-Amz-Version-Id", "v2")
			switch r.URL.Path {
			case "/bucket/shifted":
				w.Header().Set("Content-Range", "bytes 0-4/10")
				w.WriteHeader(http.StatusPartialContent)
			case "/bucket/odd":
				w.Header().Set("Content-Range", "bytes 9-3/10")
				w.WriteHeader(http.StatusPartialContent)
			}
			fmt.Fprint(w, "hello")
		})), change...)
		b.policy.Attempts = 1
		for _, c := range []struct {
			ref  store.Ref
			r    store.Range
			kind cooper.Kind
		}{
			{store.Ref{Key: "k"}, store.Range{}, ""},
			{store.Ref{Key: "k", VersionID: "v2", IfMatch: "current"}, store.Range{}, ""},
			{store.Ref{Key: "k", IfMatch: "old"}, store.Range{}, cooper.KindChanged},
			{store.Ref{Key: "k", VersionID: "v1"}, store.Range{}, cooper.KindChanged},
			{store.Ref{Key: "k"}, store.Range{From: 2}, cooper.KindInvalid},
			{store.Ref{Key: "k"}, store.Range{Length: 2}, cooper.KindInvalid},
			{store.Ref{Key: "shifted"}, store.Range{Length: 5}, ""},
			{store.Ref{Key: "shifted"}, store.Range{From: 1, Length: 5}, cooper.KindInvalid},
			{store.Ref{Key: "odd"}, store.Range{Length: 5}, cooper.KindInvalid},
			{store.Ref{Key: "k"}, store.Range{From: -1}, cooper.KindInvalid},
			{store.Ref{Key: ""}, store.Range{}, cooper.KindInvalid},
			{store.Ref{Key: "k", IfMatch: "a\r\nX-Evil: 1"}, store.Range{}, cooper.KindInvalid},
		} {
			_, rc, err := b.Get(t.Context(), c.ref, c.r)
			if cooper.KindOf(err) != c.kind {
				t.Errorf("%+v %+v: %v, want %q", c.ref, c.r, err, c.kind)
			}
			if err == nil {
				_ = rc.Close()
			}
		}
		if n := b.InFlight(); n != 0 {
			t.Errorf("%d requests still count as in flight", n)
		}
	})
}

// An open body counts as in flight; read to its end or closed, it does not.
func TestOpenBodies(t *testing.T) {
	b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })),
		func(c *Config) { c.Concurrency = 1 })
	for i := range 6 {
		_, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if n := b.InFlight(); n != 1 {
			t.Errorf("%d in flight beside an open body", n)
		}
		if i%2 == 0 {
			if _, err := io.ReadAll(rc); err != nil {
				t.Fatal(err)
			}
			if i%4 == 0 {
				defer rc.Close() // late: the end of the body was enough
				continue
			}
		}
		for range 2 { // the second time does nothing
			if err := rc.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := b.InFlight(); n != 0 {
		t.Errorf("%d in flight in the end", n)
	}
}

func TestUsageCountsWhatTheServerCounted(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret", PageSize: 2})
		srv.CreateBucket(testBucket, "Enabled")
		id := srv.Put(testBucket, "old", []byte("x"), mem.PutOptions{Class: "GLACIER"})
		b := openTest(t, serve(t, srv), change...)
		b.partSize = 5 << 20
		ctx := t.Context()
		for i := range 5 {
			if _, err := b.Put(ctx, store.Put{Key: fmt.Sprint("k", i), Size: 4, Body: strings.NewReader("body")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Put(ctx, store.Put{Key: "big", Size: 12 << 20, Body: bytes.NewReader(make([]byte, 12<<20))}); err != nil {
			t.Fatal(err)
		}
		if _, rc, err := b.Get(ctx, store.Ref{Key: "k1"}, store.Range{}); err != nil {
			t.Fatal(err)
		} else if _, err := io.ReadAll(rc); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Head(ctx, store.Ref{Key: "k1"}, 0); err != nil {
			t.Fatal(err)
		}
		if err := b.List(ctx, store.ListQuery{}, func([]cooper.Version, []string) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := b.Restore(ctx, store.Ref{Key: "old", VersionID: id}, store.Restoring{Days: 1, Tier: "Bulk"}); err != nil {
			t.Fatal(err)
		}
		n := srv.Counts()
		t.Log(n)
		got := b.Usage()
		want := store.Usage{
			Get: n["GetObject"], Head: n["HeadObject"] + n["HeadBucket"],
			Put:  n["PutObject"] + n["UploadPart"] + n["CreateMultipartUpload"] + n["CompleteMultipartUpload"],
			List: n["ListObjectVersions"] + n["GetBucketLocation"], Restore: n["RestoreObject"],
			BytesIn: got.BytesIn, BytesOut: got.BytesOut,
		}
		if got != want || got.Put != 5+3+2 || got.List != 5 && got.List != 4 {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if got.BytesOut < 12<<20+20 || got.BytesOut > 12<<20+2000 {
			t.Errorf("%d bytes out", got.BytesOut)
		}
	})
}
