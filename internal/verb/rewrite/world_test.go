package rewrite

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

const lab = verbtest.Lab

// world is one with the bucket opened.
type world struct {
	*verbtest.World
	bucket Bucket
}

func newWorld(t testing.TB, versioning string) *world {
	t.Helper()
	w := &world{World: verbtest.New(t, versioning, mem.Options{})}
	w.Line = describe
	b, done := w.Begin()
	t.Cleanup(done)
	w.bucket = b
	return w
}

// describe tells of a request what matters here.
func describe(op string, r *http.Request, body []byte) string {
	line := op + " " + verbtest.KeyOf(r)
	q := r.URL.Query()
	if v := q.Get("versionId"); v != "" {
		line += "@" + v
	}
	if op == "ListObjectVersions" {
		line += fmt.Sprintf("prefix %q", q.Get("prefix"))
	}
	if v := q.Get("partNumber"); v != "" {
		line += " partNumber " + v
	}
	if len(body) > 0 && strings.HasPrefix(op, "Put") {
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

func (w *world) put(key string, body []byte) cooper.Version {
	return w.putWith(key, body, mem.PutOptions{})
}

func (w *world) putWith(key string, body []byte, o mem.PutOptions) cooper.Version {
	w.Server.Put(lab, key, body, o)
	return w.Latest(key)
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
		Rewriting: r, Keys: verbtest.Keys(1), Secure: true, Random: bytes.NewReader(bytes.Repeat([]byte("0123456789abcdef"), 64)),
		Clock: w.Now,
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

// encode gives what a chain makes of a content, with the key of a seed.
func encode(t testing.TB, c codec.Chain, plain []byte, seed byte) []byte {
	t.Helper()
	return verbtest.Keys(seed).Encode(t, c, plain)
}

// decodes tells whether what is stored holds plain.
func decodes(c codec.Chain, stored, plain []byte) bool {
	_, err := c.ProveSame(stored, plain, nil, verbtest.Keys(1).Key())
	return err == nil
}
