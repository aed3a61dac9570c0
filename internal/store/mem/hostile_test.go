package mem_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"cooper/internal/store/mem"
)

// FuzzRequest throws requests at a server that holds something: whatever they
// are, it answers.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/b/k?partNumber=1", "Range", "bytes=0-1", "")
	f.Add("PUT", "/b/k", "X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "1\r\na\r\n0\r\n\r\n")
	f.Add("PUT", "/b/k", "X-Amz-Copy-Source", "/b/k%zz?versionId=", "")
	f.Add("POST", "/b?delete", "Content-Md5", "", "<Delete><Object><Key>k</Key></Object></Delete>")
	f.Add("POST", "/b/k?restore", "", "", "<RestoreRequest><Days>1</Days></RestoreRequest>")
	f.Add("GET", "/b?versions&key-marker=k&version-id-marker=x&delimiter=/&max-keys=1", "", "", "")
	f.Add("GET", "/b?list-type=2&continuation-token=aw==&prefix=k/", "Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e/f,Signature=a", "")
	f.Add("POST", "/b/k?uploadId=x", "", "", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>")
	f.Add("HEAD", "//../%2e%00", "If-Match", "*", "")
	f.Fuzz(func(t *testing.T, method, target, header, value, body string) {
		srv := mem.New(mem.Options{})
		srv.CreateBucket("b", "Enabled")
		srv.Put("b", "k", []byte("0123456789"), mem.PutOptions{PartSize: 3, Class: "GLACIER"})
		srv.Put("b", "k/l", []byte("0123456789"), mem.PutOptions{})
		srv.Delete("b", "d")
		// As net/http hands them over: RequestURI raw, the rest of no matter.
		r := &http.Request{Method: method, RequestURI: target, URL: &url.URL{}, Header: http.Header{}, Body: http.NoBody, Host: "x", ContentLength: int64(len(body))}
		if body != "" {
			r.Body = httptest.NewRequest(http.MethodPut, "/", strings.NewReader(body)).Body
		}
		r.Header.Set(header, value)
		r.Header.Set("X-Amz-Decoded-Content-Length", "1")
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		if w.Code < 200 || w.Code > 599 {
			t.Errorf("status %d", w.Code)
		}
	})
}

func TestOperationNamesRequests(t *testing.T) {
	for _, c := range []struct{ method, target, copySource, want string }{
		{"GET", "/", "", "ListBuckets"},
		{"GET", "/b", "", mem.Unknown}, // the first version of listing
		{"GET", "/b?list-type=2&prefix=acl", "", "ListObjectsV2"},
		{"GET", "/b/?versions", "", "ListObjectVersions"},
		{"GET", "/b/k?acl", "", "GetObjectAcl"},
		{"GET", "/b?acl", "", "GetBucketAcl"},
		{"PUT", "/b/k?acl", "", mem.Unknown},
		{"GET", "/b/k?tagging&versionId=null", "", "GetObjectTagging"},
		{"GET", "/b/k?tagging&retention", "", mem.Unknown},
		{"GET", "/b/acl", "", "GetObject"},
		{"GET", "/b//?versionId=null", "", "GetObject"},
		{"PUT", "/b/k", "", "PutObject"},
		{"PUT", "/b/k", "b/l", "CopyObject"},
		{"PUT", "/b/k?uploadId=1&partNumber=1", "", "UploadPart"},
		{"PUT", "/b/k?uploadId=1&partNumber=1", "b/l", "UploadPartCopy"},
		{"GET", "/b?intelligent-tiering&x-id=ListBucketIntelligentTieringConfigurations", "", "ListBucketIntelligentTieringConfigurations"},
		{"GET", "/b?intelligent-tiering&id=x", "", mem.Unknown},
		{"PUT", "/b?intelligent-tiering&id=x", "", "PutBucketIntelligentTieringConfiguration"},
		{"PUT", "/b?lifecycle", "", "PutBucketLifecycleConfiguration"},
		{"GET", "/b/k?legal-hold&versionId=null", "", "GetObjectLegalHold"},
		{"PUT", "/b/k?tagging", "", "PutObjectTagging"},
		{"DELETE", "/b/k?tagging", "", mem.Unknown},
		{"DELETE", "/b/k", "", "DeleteObject"},
		{"POST", "/b/k?restore", "", "RestoreObject"},
		{"PATCH", "/b/k", "", mem.Unknown},
		{"GET", "/%zz/k", "", mem.Unknown},
		{"GET", "http://host/b/k", "", "GetObject"},
		{"GET", "http://host", "", "ListBuckets"},
	} {
		r := &http.Request{Method: c.method, RequestURI: c.target, Header: http.Header{}}
		if c.copySource != "" {
			r.Header.Set("X-Amz-Copy-Source", c.copySource)
		}
		if got := mem.Operation(r); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.method, c.target, got, c.want)
		}
	}
}
