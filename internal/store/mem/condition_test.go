package mem_test

import (
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"cooper/internal/store/mem"
)

func TestConditionsOnReads(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "Enabled")
	old := srv.Put(bucket, "k", []byte("old"), mem.PutOptions{})
	srv.Put(bucket, "k", []byte("new"), mem.PutOptions{})
	etag := srv.Versions(bucket)[1].ETag // of the older one
	for _, c := range []struct {
		target, header, value string
		status                int
	}{
		{"/b/k", "If-Match", etag, 412},
		{"/b/k?versionId=" + old, "If-Match", etag, 200},
		{"/b/k?versionId=" + old, "If-Match", `"` + etag + `"`, 200},
		{"/b/k", "If-Match", "*", 200},
		{"/b/k", "If-None-Match", etag, 200},
		{"/b/k?versionId=" + old, "If-None-Match", `"x", "` + etag + `"`, 304},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if status, _, _ := do(t, srv, method, c.target, "", c.header, c.value); status != c.status {
				t.Errorf("%s %s %s %s: %d, want %d", method, c.target, c.header, c.value, status, c.status)
			}
		}
	}
}

func TestConditionsOnWritesAndDeletes(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{}, "Enabled")
	write := func(body, match, noneMatch string) string {
		in := &s3.PutObjectInput{Bucket: str(bucket), Key: str("k"), Body: strings.NewReader(body)}
		if match != "" {
			in.IfMatch = str(match)
		}
		if noneMatch != "" {
			in.IfNoneMatch = str(noneMatch)
		}
		_, err := c.PutObject(ctx(), in)
		return code(err)
	}
	expect := func(step, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
	sum := md5.Sum([]byte("one"))
	one := hex.EncodeToString(sum[:])
	expect("If-Match where nothing is", write("x", one, ""), "NoSuchKey")
	expect("If-None-Match where nothing is", write("one", "", "*"), "")
	expect("If-None-Match where something is", write("two", "", "*"), "PreconditionFailed")
	expect("If-Match of another", write("two", strings.Repeat("0", 32), ""), "PreconditionFailed")
	expect("If-Match", write("two", one, ""), "")
	_, err := c.DeleteObject(ctx(), &s3.DeleteObjectInput{Bucket: str(bucket), Key: str("k"), IfMatch: str(one)})
	expect("delete If-Match of an older one", code(err), "PreconditionFailed")
	// The condition is about the current version, whichever is to go.
	older := srv.Versions(bucket)[1].VersionID
	_, err = c.DeleteObject(ctx(), &s3.DeleteObjectInput{Bucket: str(bucket), Key: str("k"), VersionId: &older, IfMatch: str(one)})
	expect("delete a version, If-Match of itself", code(err), "PreconditionFailed")
	srv.Delete(bucket, "k")
	expect("If-None-Match on a delete marker", write("three", "", "*"), "")
	if got := history(t, srv, "k"); strings.Join(got, "|") != "three latest|marker|two|one" {
		t.Errorf("history %q", got)
	}
}
