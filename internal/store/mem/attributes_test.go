package mem_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

func TestAttributesThatAreRefused(t *testing.T) {
	for _, c := range []struct{ header, value, want string }{
		{"X-Amz-Tagging", "a=b&a=c", "InvalidArgument"},
		{"X-Amz-Tagging", "%zz", "InvalidArgument"},
		{"X-Amz-Tagging", "=x", "InvalidTag"},
		{"X-Amz-Tagging", "aws:x=y", "InvalidTag"},
		{"X-Amz-Tagging", "a=" + strings.Repeat("ü", 257), "InvalidTag"},
		{"X-Amz-Tagging", "a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9&j=10&k=11", "BadRequest"},
		{"X-Amz-Grant-Read", `id="x"`, "AccessControlListNotSupported"},
		{"X-Amz-Acl", "public-read", "AccessControlListNotSupported"},
		{"X-Amz-Acl", "bucket-owner-full-control", ""},
		{"X-Amz-Object-Lock-Legal-Hold", "ON", "InvalidRequest"},
		{"X-Amz-Server-Side-Encryption", "rot13", "InvalidArgument"},
		{"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "k", "InvalidArgument"},
	} {
		srv := mem.New(mem.Options{})
		srv.CreateBucket(bucket, "")
		status, _, body := do(t, srv, http.MethodPut, "/b/k", "x", c.header, c.value)
		if c.want == "" && status != 200 || c.want != "" && !strings.Contains(body, "<Code>"+c.want+"</Code>") {
			t.Errorf("%s %s: %d %s, want %q", c.header, c.value, status, body, c.want)
		}
		if n := len(srv.Versions(bucket)); (n == 0) != (c.want != "") {
			t.Errorf("%s %s: %d versions", c.header, c.value, n)
		}
	}
}

// Nobody removes what is locked, by whichever request; a delete marker hides it.
func TestLocksRefuseRemoval(t *testing.T) {
	now := newClock()
	srv := mem.New(mem.Options{Clock: now.now})
	srv.CreateBucket(bucket, "")
	srv.EnableLock(bucket)
	until := cooper.InstantOf(now.now().Add(time.Hour))
	id := srv.Put(bucket, "k", []byte("x"), mem.PutOptions{Lock: store.Lock{Mode: "GOVERNANCE", Until: until}})
	remove := func(bypass string) bool {
		t.Helper()
		one, _, _ := do(t, srv, http.MethodDelete, "/b/k?versionId="+id, "", "X-Amz-Bypass-Governance-Retention", bypass)
		doc := "<Delete><Object><Key>k</Key><VersionId>" + id + "</VersionId></Object></Delete>"
		_, _, many := do(t, srv, http.MethodPost, "/b?delete", doc, "X-Amz-Bypass-Governance-Retention", bypass, "X-Amz-Checksum-Sha256", digestOf(doc))
		if (one == 403) != strings.Contains(many, "<Code>AccessDenied</Code>") {
			t.Errorf("DELETE says %d, DeleteObjects %s", one, many)
		}
		return one != 403
	}
	if remove("") {
		t.Error("what is retained was removed")
	}
	if status, _, _ := do(t, srv, http.MethodDelete, "/b/k", ""); status != 204 {
		t.Errorf("a delete marker over it: %d", status)
	}
	srv.Protect(bucket, "k", id, store.Lock{Mode: "COMPLIANCE", Until: until})
	if remove("true") {
		t.Error("what must be kept was removed under another's right")
	}
	srv.Protect(bucket, "k", id, store.Lock{LegalHold: true})
	if remove("true") {
		t.Error("what is held was removed")
	}
	srv.Protect(bucket, "k", id, store.Lock{Mode: "COMPLIANCE", Until: until})
	now.advance(3601)
	if !remove("") {
		t.Error("what was retained an hour ago cannot be removed")
	}
	id = srv.Put(bucket, "k", []byte("x"), mem.PutOptions{Lock: store.Lock{Mode: "GOVERNANCE", Until: until + 1e9}})
	if !remove("true") {
		t.Error("governance cannot be lifted")
	}
	if _, _, body := do(t, srv, http.MethodPut, "/b?versioning", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"); !strings.Contains(body, "InvalidBucketState") {
		t.Errorf("versioning suspended under a lock: %s", body)
	}
}

// What KMS encrypts never has the same ETag twice, in whatever state of
// versioning; a bucket's default holds for who wishes nothing.
func TestDefaultEncryption(t *testing.T) {
	for _, state := range []string{"", "Enabled"} {
		srv := mem.New(mem.Options{})
		srv.CreateBucket(bucket, state)
		srv.SetEncryption(bucket, store.Encryption{Method: "aws:kms", KMSKey: "key-1", BucketKey: true})
		seen := map[string]bool{}
		for range 3 {
			_, h, _ := do(t, srv, http.MethodPut, "/b/k", "x")
			if h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "arn:aws:kms:us-east-1:123456789012:key/key-1" ||
				h.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || h.Get("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled") != "true" {
				t.Errorf("encrypted as %v", h)
			}
			seen[h.Get("Etag")] = true
		}
		if len(seen) != 3 {
			t.Errorf("%d ETags of 3 writes", len(seen))
		}
		_, h, _ := do(t, srv, http.MethodPut, "/b/k", "x", "X-Amz-Server-Side-Encryption", "AES256")
		if got := h.Get("Etag"); got != `"9dd4e461268c8034f5c8564e155c67a6"` || h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "" {
			t.Errorf("shed: %v", h)
		}
	}
}

// Seeded attributes are told like those that a client gave.
func TestSeededAttributes(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "Enabled")
	srv.Put(bucket, "k", []byte("x"), mem.PutOptions{
		Tags: map[string]string{"a": "b"}, Headers: store.Headers{ContentEncoding: "zstd", Redirect: "/x"}, Encryption: "SSE-KMS", KMSKey: "key-1",
		Grants: []store.Grant{{URI: "http://group", Permission: "READ"}}, Lock: store.Lock{LegalHold: true},
	})
	_, h, _ := do(t, srv, http.MethodHead, "/b/k", "")
	for name, want := range map[string]string{
		"X-Amz-Tagging-Count": "1", "Content-Encoding": "zstd", "X-Amz-Website-Redirect-Location": "/x", "X-Amz-Object-Lock-Legal-Hold": "ON",
		"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "arn:aws:kms:us-east-1:123456789012:key/key-1",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if _, _, body := do(t, srv, http.MethodGet, "/b/k?acl", ""); !strings.Contains(body, "<URI>http://group</URI></Grantee><Permission>READ</Permission>") || strings.Contains(body, "FULL_CONTROL") {
		t.Errorf("ACL %s", body)
	}
	if _, _, body := do(t, srv, http.MethodGet, "/b/k?tagging", ""); !strings.Contains(body, "<Tag><Key>a</Key><Value>b</Value></Tag>") {
		t.Errorf("tags %s", body)
	}
}

// However often an upload is completed, it makes one version.
func TestCompletedOnce(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "Enabled")
	id := srv.BeginUpload(bucket, "k", mem.PutOptions{}, []byte("part"))
	doc := `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"f4c9385f1902f7334b00b9b4ecd164de"</ETag></Part></CompleteMultipartUpload>`
	var made, ended atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch status, _, body := do(t, srv, http.MethodPost, "/b/k?uploadId="+id, doc); {
			case status == 200:
				made.Add(1)
			case strings.Contains(body, "NoSuchUpload"):
				ended.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || ended.Load() != 7 || len(srv.Versions(bucket)) != 1 {
		t.Errorf("made %d times, refused %d times, %d versions", made.Load(), ended.Load(), len(srv.Versions(bucket)))
	}
}

func digestOf(doc string) string {
	sum := sha256.Sum256([]byte(doc))
	return base64.StdEncoding.EncodeToString(sum[:])
}
