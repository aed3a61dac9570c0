package rewrite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/codec/sniff"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
)

// The machine's own AWS configuration must not decide what tests see.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const lab = "lab"

// world is a server with the bucket lab. It writes down every request, and can
// do something before one is served or lose the answer.
type world struct {
	t      testing.TB
	srv    *mem.Server
	bucket Bucket
	now    time.Time

	mu     sync.Mutex
	trace  []string
	before func(op string) // each request is served
	lose   func(op string) bool
	bodies func(op string, b []byte) []byte // what becomes of the body of an answer
}

func newWorld(t testing.TB, versioning string) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.srv = mem.New(mem.Options{Clock: func() time.Time { w.now = w.now.Add(time.Second); return w.now }})
	w.srv.CreateBucket(lab, versioning)
	web := httptest.NewServer(w)
	t.Cleanup(web.Close)
	b, err := s3.Open(context.Background(), lab, s3.Config{Endpoint: web.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	w.bucket = b
	w.trace = nil
	return w
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	answer, b := w.serve(mem.Operation(r), r, body)
	if answer == nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		rw.Header()[name] = values
	}
	rw.WriteHeader(answer.Code)
	_, _ = rw.Write(b) // whoever is not there any more has no use for it
}

// serve gives the answer to one request, nil if it gets lost, and its body. It
// is given while others are served: who reads it may ask for more meanwhile.
func (w *world) serve(op string, r *http.Request, body []byte) (*httptest.ResponseRecorder, []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	if w.before != nil {
		w.before(op)
	}
	w.trace = append(w.trace, describe(op, r, len(body)))
	answer := httptest.NewRecorder()
	w.srv.ServeHTTP(answer, r)
	if w.lose != nil && w.lose(op) {
		return nil, nil
	}
	b := answer.Body.Bytes()
	if w.bodies != nil {
		b = w.bodies(op, b)
	}
	return answer, b
}

// describe tells of a request what matters.
func describe(op string, r *http.Request, size int) string {
	key, _ := strings.CutPrefix(r.URL.Path, "/"+lab)
	line := op + " " + strings.TrimPrefix(key, "/")
	q := r.URL.Query()
	if v := q.Get("versionId"); v != "" {
		line += "@" + v
	}
	if op == "ListObjectVersions" {
		line += fmt.Sprintf("prefix %q", q.Get("prefix"))
	}
	for _, name := range []string{"partNumber"} {
		if v := q.Get(name); v != "" {
			line += " " + name + " " + v
		}
	}
	if size > 0 && strings.HasPrefix(op, "Put") {
		line += " with a body"
	}
	for _, name := range []string{"Range", "If-Match", "If-None-Match", "Content-Type", "Content-Encoding", "Cache-Control", "X-Amz-Storage-Class", "X-Amz-Tagging",
		"X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled",
		"X-Amz-Grant-Read", "X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Legal-Hold"} {
		if v := r.Header.Get(name); v != "" {
			line += "\n    " + name + ": " + v
		}
	}
	var meta []string
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			meta = append(meta, "\n    "+name+": "+r.Header.Get(name))
		}
	}
	slices.Sort(meta)
	return line + strings.Join(meta, "")
}

// latest is the current version of key, as a plan would have it.
func (w *world) latest(key string) cooper.Version {
	w.t.Helper()
	for _, v := range w.srv.Versions(lab) {
		if v.Key == key && v.Latest {
			return v
		}
	}
	w.t.Fatalf("no %s", key)
	return cooper.Version{}
}

func (w *world) put(key string, body []byte) cooper.Version {
	w.t.Helper()
	return w.putWith(key, body, mem.PutOptions{})
}

func (w *world) putWith(key string, body []byte, o mem.PutOptions) cooper.Version {
	w.t.Helper()
	w.srv.Put(lab, key, body, o)
	return w.latest(key)
}

// body is what key has now; nil for nothing.
func (w *world) body(key, id string) []byte {
	b, _ := w.srv.Body(lab, key, id)
	return b
}

var (
	zstd3     = codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: 3}}
	encrypted = codec.Chain{Encrypt: codec.AES256CFB8}
	both      = codec.Chain{Compress: zstd3.Compress, Encrypt: codec.AES256CFB8}
)

// rewriting is that of a plan for a bucket of the versioning.
func rewriting(versioning string) bucketop.Rewriting {
	return bucketop.Rewriting{
		Codec: zstd3, Mode: bucketop.Suffix, Originals: bucketop.RemoveOriginals, SSE: bucketop.SSEDefault,
		Proof: bucketop.AsSent, MinSaving: 0.05, Versioning: versioning,
	}
}

func (w *world) verb(r bucketop.Rewriting, change ...func(*Options)) *Verb {
	opt := Options{
		Rewriting: r, Keys: testKeys(1), Secure: true, Random: bytes.NewReader(bytes.Repeat([]byte("0123456789abcdef"), 64)),
		Clock: func() time.Time { return w.now },
		Pause: func(ctx context.Context, _ int) error { return ctx.Err() },
	}
	for _, c := range change {
		c(&opt)
	}
	return New(w.bucket, opt)
}

// do rewrites v as the mission would have it done.
func (w *world) do(verb *Verb, v cooper.Version) cooper.Outcome {
	args := bucketop.RewriteArgs{Reason: "test"}
	if v.VersionID == cooper.NullVersion {
		args.Guard = bucketop.ByETag
	}
	return verb.Do(context.Background(), &cooper.Action{Verb: bucketop.Rewrite, Version: v, Args: args.Encode()})
}

// testKeys knows one key, made of a seed, for everything but what is below
// unknown/.
type testKeys byte

func (k testKeys) key() *codec.Key {
	key := new(codec.Key)
	for i := range key {
		key[i] = byte(k) + byte(i)
	}
	return key
}

func (k testKeys) For(name string) (codec.Secret, error) {
	if strings.HasPrefix(name, "unknown/") {
		return codec.Secret{}, &cooper.Error{Kind: cooper.KindMissing, Message: "no key"}
	}
	e, err := sniff.Declare("csv:" + strings.TrimSpace(codectest.Header))
	return codec.Secret{Cipher: codec.AES256CFB8, Key: k.key(), Expect: e}, err
}

func encode(t testing.TB, c codec.Chain, plain []byte, seed byte) []byte {
	t.Helper()
	b, err := c.Append(nil, plain, codec.EncodeOptions{Key: testKeys(seed).key()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodes tells whether what is stored holds plain.
func decodes(c codec.Chain, stored, plain []byte) bool {
	_, err := c.ProveSame(stored, plain, nil, testKeys(1).key())
	return err == nil
}
