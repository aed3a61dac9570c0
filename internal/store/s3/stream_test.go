package s3

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/fault"
	"cooper/internal/store/mem"
)

// writeStream uploads a body in parts of 1,000 bytes.
func writeStream(t *testing.T, b *Bucket, p store.Put, body []byte) (store.Object, error) {
	t.Helper()
	b.streamPart = 1000
	p.Size = int64(len(body))
	parts, err := b.Begin(t.Context(), p)
	if err != nil {
		return store.Object{}, err
	}
	for len(body) > 0 {
		n := min(parts.PartSize(), len(body))
		if err := parts.Part(t.Context(), body[:n]); err != nil {
			t.Errorf("part: %v", err)
			return store.Object{}, parts.Abort(t.Context())
		}
		body = body[n:]
	}
	return parts.Complete(t.Context())
}

// unfinishedIn counts the uploads of a bucket that are under way.
func unfinishedIn(t *testing.T, b *Bucket) int {
	t.Helper()
	n := 0
	if err := b.Uploads(t.Context(), "", func(us []store.Upload) error { n += len(us); return nil }); err != nil {
		t.Error(err)
	}
	return n
}

// Each request of an upload suffers each fault once, under each condition, in
// each state of versioning, with ETags that tell of the content and without: one
// object comes of it, and the answer names it.
func TestStreamThroughEachFault(t *testing.T) {
	for _, op := range []string{"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"} {
		for _, kind := range []fault.Kind{fault.Error, fault.SlowDown, fault.TooMany, fault.Drop, fault.Cut, fault.Lost, fault.Twice} {
			for _, state := range []string{"", "Enabled", "Suspended"} {
				for _, sse := range []string{"AES256", "aws:kms"} {
					t.Run(fmt.Sprint(op, " ", kind, " ", state, " ", sse), func(t *testing.T) { streamThrough(t, op, kind, state, sse) })
				}
			}
		}
	}
}

func streamThrough(t *testing.T, op string, kind fault.Kind, state, sse string) {
	body := bytes.Repeat([]byte("0123456789"), 250)
	srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret", MinPartSize: 1})
	srv.CreateBucket(testBucket, state)
	srv.SetEncryption(testBucket, store.Encryption{Method: sse})
	srv.Put(testBucket, "old", []byte("older"), mem.PutOptions{})
	old := srv.Versions(testBucket)[0]
	b := openTest(t, harmed(t, srv, op, kind))
	want, fails := 3, cooper.Kind("")
	switch {
	case op == "UploadPart" && kind == fault.Twice && sse == "aws:kms":
		// Parts that KMS encrypts get another ETag when they are stored again:
		// then nothing comes of it.
		want, fails = 1, cooper.KindStore
	case state == "Enabled":
		want++ // the older version of old
	}
	for _, p := range []store.Put{{Key: "any"}, {Key: "new", IfNoneMatch: true}, {Key: "old", IfMatch: old.ETag}} {
		p.Metadata = map[string]string{"Origin": " of " + p.Key}
		o, err := writeStream(t, b, p, body)
		if cooper.KindOf(err) != fails {
			t.Errorf("%s: %v", p.Key, err)
		}
		if err == nil {
			wantCurrent(t, srv, o, body)
		}
	}
	if vs := srv.Versions(testBucket); len(vs) != want {
		t.Errorf("%d versions, want %d: %+v", len(vs), want, vs)
	}
	// A beginning whose answer is lost leaves an upload that nobody can name.
	if n := unfinishedIn(t, b); n > 0 && op != "CreateMultipartUpload" {
		t.Errorf("%d uploads remain", n)
	}
}

// harmed puts a proxy before a server that harms each request of an operation
// once.
func harmed(t *testing.T, srv http.Handler, op string, kind fault.Kind) string {
	t.Helper()
	target, err := url.Parse(serve(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := fault.New(target, fault.Plan{Rates: map[fault.Kind]float64{kind: 1}, Operations: []string{op}, MaxRepeat: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if len(proxy.Log()) == 0 && kind != fault.Cut { // answers without a body are spared
			t.Error("nothing was harmed: the test is worth nothing")
		}
		proxy.Close()
	})
	return serve(t, proxy)
}

// wantCurrent fails the test unless o is the current version of its key, with
// this body.
func wantCurrent(t *testing.T, srv *mem.Server, o store.Object, body []byte) {
	t.Helper()
	for _, v := range srv.Versions(testBucket) {
		if v.Key != o.Key || !v.Latest {
			continue
		}
		got, _ := srv.Body(testBucket, v.Key, v.VersionID)
		if !bytes.Equal(got, body) || v.ETag != o.ETag || v.Size != o.Size || o.VersionID != "" && o.VersionID != v.VersionID {
			t.Errorf("%d bytes are current, %+v; the answer was %+v", len(got), v, o)
		}
		return
	}
	t.Errorf("%s has no version", o.Key)
}

func TestAbortThroughEachFault(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Error, fault.SlowDown, fault.TooMany, fault.Drop, fault.Lost, fault.Twice} {
		b := openTest(t, harmed(t, memory(t), "AbortMultipartUpload", kind))
		parts, err := b.Begin(t.Context(), store.Put{Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		if err := parts.Part(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := parts.Abort(t.Context()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if n := unfinishedIn(t, b); n != 0 {
			t.Errorf("%s: %d uploads remain", kind, n)
		}
	}
}

// The answer to a completion is lost, and by the time it is asked for again
// somebody has written another object.
func TestLostCompletionThenAnotherObject(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 1500)
	other := bytes.Repeat([]byte("y"), 1500)
	meta := map[string]string{"origin": "a"}
	for _, c := range []struct {
		name  string
		p     store.Put
		other mem.PutOptions
		body  []byte
		want  cooper.Kind
	}{
		{"other bytes", store.Put{IfNoneMatch: true}, mem.PutOptions{Metadata: meta, PartSize: 1000}, other, cooper.KindConflict},
		{"other bytes, of KMS", store.Put{IfNoneMatch: true}, mem.PutOptions{Metadata: meta, Encryption: "SSE-KMS"}, other, cooper.KindConflict},
		{"other metadata", store.Put{IfNoneMatch: true}, mem.PutOptions{PartSize: 1000}, body, cooper.KindConflict},
		{"other bytes, If-Match", store.Put{IfMatch: "0cc175b9c0f1b6a831c399e269772661"}, mem.PutOptions{Metadata: meta}, other, cooper.KindChanged},
		{"no condition", store.Put{}, mem.PutOptions{Metadata: meta}, other, cooper.KindStore},
		{"the same, in one", store.Put{IfNoneMatch: true}, mem.PutOptions{Metadata: meta, Checksum: "CRC64NVME"}, body, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := memory(t)
			srv.Put(testBucket, "matched", []byte("a"), mem.PutOptions{})
			c.p.Key, c.p.Metadata = "k", meta
			if c.p.IfMatch != "" {
				c.p.Key = "matched"
			}
			var completions atomic.Int64
			b := openTest(t, between(t, srv, func(r *http.Request) bool {
				if mem.Operation(r) != "CompleteMultipartUpload" {
					return false
				}
				n := completions.Add(1)
				if n == 2 {
					srv.Put(testBucket, c.p.Key, c.body, c.other)
				}
				return n == 1
			}))
			o, err := writeStream(t, b, c.p, body)
			if cooper.KindOf(err) != c.want {
				t.Errorf("%+v, %v; want kind %q", o, err, c.want)
			}
			if got, _ := srv.Body(testBucket, c.p.Key, ""); !bytes.Equal(got, c.body) {
				t.Error("what the other wrote is not current any more")
			}
		})
	}
}

// An upload that a lifecycle rule ends says nothing of the object.
func TestUploadEndedByAnother(t *testing.T) {
	srv := memory(t)
	b := openTest(t, serve(t, srv))
	for _, p := range []store.Put{{Key: "k"}, {Key: "k", IfNoneMatch: true}, {Key: "k", IfMatch: "abc"}} {
		parts, err := b.Begin(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Discard(t.Context(), "k", parts.UploadID()); err != nil {
			t.Fatal(err)
		}
		if err := parts.Part(t.Context(), []byte("x")); cooper.KindOf(err) != cooper.KindStore {
			t.Errorf("part: %v", err)
		}
		if _, err := parts.Complete(t.Context()); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("complete without a part that failed: %v", err)
		}
		if parts, err = b.Begin(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if err := parts.Part(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := b.Discard(t.Context(), "k", parts.UploadID()); err != nil {
			t.Fatal(err)
		}
		if _, err := parts.Complete(t.Context()); cooper.KindOf(err) != cooper.KindStore {
			t.Errorf("complete: %v", err)
		}
	}
}

// S3 begins the answer to a completion before it knows how it ends: an error
// may come as a success.
func TestErrorSentAsSuccess(t *testing.T) {
	for _, c := range []struct {
		name, body string
		made       bool // the object is made all the same
		requests   int64
		want       cooper.Kind
	}{
		{"internal error", s3Error("InternalError"), false, 2, ""},
		{"internal error, made", s3Error("InternalError"), true, 2, ""},
		{"throttled", s3Error("SlowDown"), false, 2, ""},
		{"refused", s3Error("PreconditionFailed"), false, 1, cooper.KindConflict},
		{"denied", s3Error("AccessDenied"), false, 1, cooper.KindDenied},
		{"ended", s3Error("NoSuchUpload"), false, 1, cooper.KindStore},
		{"nothing", "", true, 2, ""},
		{"cut short", "<?xml version=\"1.0\"?>\n   <CompleteMultipartUploadResult><ETag>", true, 2, ""},
	} {
		both(t, func(t *testing.T, change []func(*Config)) {
			srv := memory(t)
			var asked atomic.Int64
			b := openTest(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if mem.Operation(r) != "CompleteMultipartUpload" || asked.Add(1) > 1 {
					srv.ServeHTTP(w, r)
					return
				}
				if c.made {
					srv.ServeHTTP(discarded{http.Header{}}, r)
				}
				fmt.Fprint(w, c.body)
			})), change...)
			o, err := writeStream(t, b, store.Put{Key: "k", IfNoneMatch: true}, []byte("content"))
			if cooper.KindOf(err) != c.want || asked.Load() != c.requests {
				t.Errorf("%s: %v after %d requests; want kind %q after %d", c.name, err, asked.Load(), c.want, c.requests)
			}
			if err == nil {
				wantCurrent(t, srv, o, []byte("content"))
			}
			if n := unfinishedIn(t, b); n != 0 {
				t.Errorf("%s: %d uploads remain", c.name, n)
			}
		})
	}
}

type discarded struct{ h http.Header }

func (d discarded) Header() http.Header         { return d.h }
func (d discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d discarded) WriteHeader(int)             {}

// A store that makes something else of the parts is found out by what it says.
func TestStreamIsVouchedFor(t *testing.T) {
	for what, answer := range map[string]string{
		"ETag":     `<ETag>"ffffffffffffffffffffffffffffffff-1"</ETag>`,
		"checksum": `<ETag>"x"</ETag><ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>`,
	} {
		srv := memory(t)
		b := openTest(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case mem.Operation(r) == "CompleteMultipartUpload":
				fmt.Fprint(w, "<CompleteMultipartUploadResult>"+answer+"</CompleteMultipartUploadResult>")
			case mem.Operation(r) == "UploadPart" && what == "checksum":
				w.Header().Set("Etag", `"no hash at all"`)
			default:
				srv.ServeHTTP(w, r)
			}
		})))
		if _, err := writeStream(t, b, store.Put{Key: "k"}, []byte("content")); cooper.KindOf(err) != cooper.KindCorrupt || !strings.Contains(err.Error(), "of the parts") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestStreamPartSizes(t *testing.T) {
	const mib = 1 << 20
	for _, bound := range []int64{0, 1, 16 << 30, 156 << 30, 157 << 30, 1 << 40, 5 << 40, 48 << 40} {
		sent, largest := int64(0), int64(0)
		for i := range maxParts {
			size := streamPartSize(bound, defaultStreamPart, i)
			if size%mib != 0 || size < largest {
				t.Fatalf("%d bytes: part %d of %d bytes after one of %d", bound, i, size, largest)
			}
			largest = size
			sent += size
		}
		if sent < bound || bound <= 156<<30 && largest != defaultStreamPart || largest > bound/9000+17*mib {
			t.Errorf("%d bytes: %d fit, in parts of up to %d", bound, sent, largest)
		}
	}
	b := openTest(t, serve(t, memory(t)))
	if _, err := b.Begin(t.Context(), store.Put{Key: "k", Size: 1 << 60}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
}
