package fetch_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/fault"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
	"cooper/internal/tree"
	"cooper/internal/verb/fetch"
)

// The tests here go the whole way: an S3 server over HTTP, the client, and the
// staging of a tree on disk.

const bucket = "bucket"

func openTree(tb testing.TB) *tree.Tree {
	tb.Helper()
	tr, err := tree.Open(filepath.Join(tb.TempDir(), "tree"), tree.Options{Create: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = tr.Close() })
	return tr
}

func openBucket(tb testing.TB, endpoint string) *s3.Bucket {
	tb.Helper()
	b, err := s3.Open(context.Background(), bucket, s3.Config{Endpoint: endpoint, Region: "us-east-1", Anonymous: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	return b
}

func random(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func staged(t *testing.T, tr *tree.Tree, id cooper.Identity) []byte {
	t.Helper()
	info, ok := tr.Staging().Find(id)
	if !ok {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(tr.Dir(), info.Path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWholeWay(t *testing.T) {
	server := mem.New(mem.Options{MinPartSize: 1})
	server.CreateBucket(bucket, "Enabled")
	big := random(3<<20+17, 1)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	tr, b := openTree(t), openBucket(t, web.URL)
	for i, c := range []struct {
		key    string
		put    mem.PutOptions
		body   []byte
		change func(v *cooper.Version)
		status cooper.Status
		kind   cooper.Kind
		check  cooper.Check
		method string
	}{
		{key: "a/plain", body: big, check: cooper.Verified, method: "md5"},
		{key: "a/empty", check: cooper.Verified, method: "md5"},
		{key: "a//b/../c\x01 +%41ü", body: []byte("hard"), check: cooper.Verified, method: "md5"},
		{key: "a/parts", body: big, put: mem.PutOptions{PartSize: 1 << 20}, check: cooper.Verified, method: "multipart 1048576"},
		{key: "a/odd parts", body: big, put: mem.PutOptions{PartSize: 1<<20 + 3}, check: cooper.Verified, method: "multipart 1048579"},
		{key: "a/kms", body: big, put: mem.PutOptions{Encryption: "SSE-KMS"}, check: cooper.Unverifiable, method: "sse-kms: the ETag is no MD5"},
		{key: "a/kms checksum", body: big, put: mem.PutOptions{Encryption: "SSE-KMS", Checksum: "CRC64NVME"}, check: cooper.Verified, method: "crc64nvme"},
		{key: "a/kms composite", body: big, put: mem.PutOptions{Encryption: "SSE-KMS", PartSize: 1 << 20, Checksum: "CRC32C", Composite: true}, check: cooper.Verified, method: "composite crc32c 1048576"},
		{key: "a/archived", body: big, put: mem.PutOptions{Class: "DEEP_ARCHIVE"}, status: cooper.Deferred, kind: cooper.KindArchived},
		{key: "a/gone", body: big, change: func(v *cooper.Version) { server.DeleteVersion(bucket, v.Key, v.VersionID) }, status: cooper.Failed, kind: cooper.KindMissing},
		{key: "a/marked", body: big, change: func(v *cooper.Version) { server.Delete(bucket, v.Key) }, check: cooper.Verified, method: "md5"},
		{key: "a/replaced", body: big, change: func(v *cooper.Version) { server.Put(bucket, v.Key, []byte("new"), mem.PutOptions{}) }, check: cooper.Verified, method: "md5"},
		{key: "denied/x", body: big, change: func(*cooper.Version) { server.Deny(bucket, "denied/") }, status: cooper.Failed, kind: cooper.KindDenied},
		{key: "a/rotten", body: big, put: mem.PutOptions{Checksum: "SHA256"}, change: func(v *cooper.Version) { server.Corrupt(bucket, v.Key, v.VersionID) }, status: cooper.Failed, kind: cooper.KindCorrupt},
		{key: "a/rotten or not", body: big, change: func(v *cooper.Version) { server.Corrupt(bucket, v.Key, v.VersionID) }, check: cooper.Unverifiable, method: "the ETag is no MD5 of the bytes, which came alike each time"},
	} {
		id := server.Put(bucket, c.key, c.body, c.put)
		v := find(t, server, c.key, id)
		if c.change != nil {
			c.change(&v)
		}
		o := fetch.New(b, fetch.Into(tr.Staging()), fetch.Options{}).Do(t.Context(), &cooper.Action{ID: int64(i), Version: v})
		if c.status == "" {
			c.status = cooper.Done
		}
		if o.Status != c.status || o.Kind != c.kind || o.Status == cooper.Done && (o.Check != c.check || o.Method != c.method) {
			t.Errorf("%s: %+v", c.key, o)
		}
		got := staged(t, tr, v.Identity)
		if strings.HasSuffix(c.key, "or not") {
			if h := sha256.Sum256(got); len(got) != len(c.body) || bytes.Equal(got, c.body) || !bytes.Equal(h[:], o.Hash) || o.Requests != 3 {
				t.Errorf("%s: %d bytes are staged, %+v", c.key, len(got), o)
			}
			continue
		}
		if o.Status == cooper.Done && !bytes.Equal(got, c.body) || o.Status != cooper.Done && got != nil {
			t.Errorf("%s: %d bytes are staged, of %d", c.key, len(got), len(c.body))
		}
	}
}

func find(t *testing.T, server *mem.Server, key, id string) cooper.Version {
	t.Helper()
	for _, v := range server.Versions(bucket) {
		if v.Key == key && v.VersionID == id {
			return v
		}
	}
	t.Fatalf("%s %s is not there", key, id)
	return cooper.Version{}
}

// TestANullVersionThatWasOverwritten: versionId=null names today's bytes; only
// the identity tells that they are not those of the plan.
func TestANullVersionThatWasOverwritten(t *testing.T) {
	server := mem.New(mem.Options{})
	server.CreateBucket(bucket, "")
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	tr, b := openTree(t), openBucket(t, web.URL)
	then := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		key   string
		again []byte
		at    time.Time
		kind  cooper.Kind
		noted int
	}{
		{"other bytes", []byte("two"), then, cooper.KindChanged, 0},
		{"other bytes, later", []byte("two"), then.Add(time.Hour), cooper.KindChanged, 0},
		{"the same bytes, later", []byte("one"), then.Add(time.Hour), "", 1},
		{"the same bytes", []byte("one"), then, "", 0},
	} {
		noted := 0
		server.Put(bucket, c.key, []byte("one"), mem.PutOptions{LastModified: then})
		v := find(t, server, c.key, cooper.NullVersion)
		server.OverwriteNull(bucket, c.key, c.again, mem.PutOptions{LastModified: c.at})
		o := fetch.New(b, fetch.Into(tr.Staging()), fetch.Options{Redated: func() { noted++ }}).Do(t.Context(), &cooper.Action{Version: v})
		if o.Kind != c.kind || noted != c.noted {
			t.Errorf("%s: noted %d times, %+v", c.key, noted, o)
		}
	}
}

// TestFaults fetches through a proxy that harms a third of all requests; every
// object arrives as it is.
func TestFaults(t *testing.T) {
	server := mem.New(mem.Options{})
	server.CreateBucket(bucket, "Enabled")
	bodies := map[string][]byte{}
	for i := range 60 {
		key := fmt.Sprint("k", i)
		bodies[key] = random(1000+i*7000, byte(i))
		server.Put(bucket, key, bodies[key], mem.PutOptions{})
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	at, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := fault.New(at, fault.Plan{Seed: 7, MaxRepeat: 2, Operations: []string{"GetObject"}, Rates: map[fault.Kind]float64{
		fault.Error: 0.05, fault.SlowDown: 0.03, fault.Drop: 0.05, fault.Cut: 0.15, fault.Flip: 0.1,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	tr, b := openTree(t), openBucket(t, front.URL)
	verb := fetch.New(b, fetch.Into(tr.Staging()), fetch.Options{Pause: func(ctx context.Context, _ int) error { return ctx.Err() }})
	var wg sync.WaitGroup
	versions := make(chan cooper.Version)
	for range 8 {
		wg.Go(func() {
			for v := range versions {
				if o := verb.Do(t.Context(), &cooper.Action{Version: v}); o.Status != cooper.Done || o.Check != cooper.Verified {
					t.Errorf("%s: %+v", v.Key, o)
				}
			}
		})
	}
	all := server.Versions(bucket)
	for _, v := range all {
		versions <- v
	}
	close(versions)
	wg.Wait()
	for _, v := range all {
		if !bytes.Equal(staged(t, tr, v.Identity), bodies[v.Key]) {
			t.Errorf("%s: other bytes are staged", v.Key)
		}
	}
	if proxy.Count(fault.Cut) == 0 || proxy.Count(fault.Flip) == 0 || proxy.Count(fault.Error) == 0 {
		t.Errorf("the proxy did no harm: %d faults", len(proxy.Log()))
	}
}

// still is a reader that answers at once, to see what fetching itself costs.
type still struct{ body []byte }

func (s still) Get(_ context.Context, ref store.Ref, _ store.Range) (store.Object, io.ReadCloser, error) {
	return store.Object{ETag: ref.IfMatch, Size: int64(len(s.body)), Length: int64(len(s.body))}, io.NopCloser(bytes.NewReader(s.body)), nil
}

func (s still) Head(context.Context, store.Ref, int) (store.Object, error) {
	return store.Object{}, &cooper.Error{Kind: cooper.KindMissing}
}

func BenchmarkSmallObject(b *testing.B) {
	body := random(4096, 1)
	tr := openTree(b)
	verb := fetch.New(still{body}, fetch.Into(tr.Staging()), fetch.Options{})
	etag := fmt.Sprintf("%x", md5.Sum(body))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		v := cooper.Version{Identity: cooper.Identity{Key: strconv.Itoa(i), VersionID: "v", ETag: etag, Size: 4096, LastModified: 1700000000000}}
		if o := verb.Do(b.Context(), &cooper.Action{Version: v}); o.Status != cooper.Done {
			b.Fatalf("%+v", o)
		}
	}
}
