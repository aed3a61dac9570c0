package mem_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/store/mem"
)

func TestUploadsThatDoNotMatchTheirHashesAreRefused(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "")
	sum := md5.Sum([]byte("123456789"))
	good := base64.StdEncoding.EncodeToString(sum[:])
	for _, c := range []struct{ header, value, want string }{
		{"Content-Md5", good, ""},
		{"Content-Md5", base64.StdEncoding.EncodeToString(make([]byte, 16)), "BadDigest"},
		{"Content-Md5", "short", "InvalidDigest"},
		{"X-Amz-Checksum-Crc32", "y/Q5Jg==", ""},
		{"X-Amz-Checksum-Crc32", "y/Q5Jw==", "BadDigest"},
		{"X-Amz-Checksum-Crc32c", "4waSgw==", ""},
		{"X-Amz-Checksum-Crc64nvme", "rosUhgp5mIg=", ""}, // the check value of the catalogue: ae8b14860a799888
		{"X-Amz-Checksum-Crc64nvme", "rosUhgp5mIk=", "BadDigest"},
		{"X-Amz-Checksum-Sha1", "98O8HYCOBHMq32eeQ5yAMUnm3f4=", "BadDigest"},
		{"X-Amz-Checksum-Sha256", "FeKw0tnx3UDTD8VJ9qMB0B2HFPcvMkHMDGjYzg7mOfo=", "BadDigest"},
		{"X-Amz-Content-Sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225", ""},
		{"X-Amz-Content-Sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb226", "XAmzContentSHA256Mismatch"},
		{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", ""},
		{"X-Amz-Storage-Class", "CHEAP", "InvalidStorageClass"},
	} {
		key := "/b/" + strings.ToLower(c.header)
		status, _, body := do(t, srv, http.MethodPut, key, "123456789", c.header, c.value)
		if c.want == "" && status != 200 || c.want != "" && !strings.Contains(body, "<Code>"+c.want+"</Code>") {
			t.Errorf("%s %s: %d %s, want %q", c.header, c.value, status, body, c.want)
		}
	}
	for _, v := range srv.Versions(bucket) {
		if v.Size != 9 {
			t.Errorf("stored %+v", v)
		}
	}
}

func TestChecksumsComeBackOnlyWhenAskedFor(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "")
	do(t, srv, http.MethodPut, "/b/k", "123456789")
	const header, want = "X-Amz-Checksum-Crc64nvme", "rosUhgp5mIg="
	for _, c := range []struct {
		mode, byteRange, want string
	}{{"", "", ""}, {"ENABLED", "", want}, {"ENABLED", "bytes=0-8", want}, {"ENABLED", "bytes=0-7", ""}} {
		if _, h, _ := do(t, srv, http.MethodGet, "/b/k", "", "X-Amz-Checksum-Mode", c.mode, "Range", c.byteRange); h.Get(header) != c.want {
			t.Errorf("%+v: %q", c, h.Get(header))
		}
	}
}

func TestChunkedBodies(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "")
	for name, c := range map[string]struct{ body, want string }{
		"plain":           {"9\r\n123456789\r\n0\r\n\r\n", ""},
		"signed":          {"4;chunk-signature=aa\r\n1234\r\n5;chunk-signature=bb\r\n56789\r\n0;chunk-signature=cc\r\n\r\n", ""},
		"trailer":         {"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n", ""},
		"wrong trailer":   {"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"},
		"too short":       {"8\r\n12345678\r\n0\r\n\r\n", "IncompleteBody"},
		"too long":        {"a\r\n1234567890\r\n0\r\n\r\n", "IncompleteBody"},
		"cut":             {"9\r\n1234", "IncompleteBody"},
		"no end":          {"9\r\n123456789\r\n", "IncompleteBody"},
		"no end of end":   {"9\r\n123456789\r\n0\r\n", "IncompleteBody"},
		"no size":         {"x\r\n123456789\r\n0\r\n\r\n", "InvalidRequest"},
		"negative":        {"-9\r\n123456789\r\n0\r\n\r\n", "InvalidRequest"},
		"nothing between": {"4\r\n123456789\r\n0\r\n\r\n", "InvalidRequest"},
		"endless line":    {strings.Repeat("0", 1<<16), "InvalidRequest"},
	} {
		_, _, body := do(t, srv, http.MethodPut, "/b/k", c.body,
			"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding", "gzip,aws-chunked", "X-Amz-Decoded-Content-Length", "9")
		if c.want != "" && !strings.Contains(body, "<Code>"+c.want+"</Code>") {
			t.Errorf("%s: %s, want %s", name, body, c.want)
		}
		if c.want != "" {
			continue
		}
		_, h, got := do(t, srv, http.MethodGet, "/b/k", "")
		if got != "123456789" || h.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %s; stored %q, encoding %q", name, body, got, h.Get("Content-Encoding"))
		}
		do(t, srv, http.MethodDelete, "/b/k", "")
	}
}

// What a client announced and did not send must not become an object.
func TestUploadsCutShortLeaveNothing(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "Enabled")
	web := httptest.NewServer(srv)
	defer web.Close()
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n1234"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.Contains(answer, []byte("IncompleteBody")) {
		t.Errorf("answered %q, %v", answer, err)
	}
	if vs := srv.Versions(bucket); len(vs) != 0 {
		t.Errorf("stored %+v", vs)
	}
}

// upload makes a multipart upload of key and gives the completion's error.
func upload(t *testing.T, c *s3.Client, key string, parts []string, change func([]types.CompletedPart) []types.CompletedPart) (id string, err error) {
	t.Helper()
	up, err := c.CreateMultipartUpload(ctx(), &s3.CreateMultipartUploadInput{Bucket: str(bucket), Key: str(key), ContentType: str("a/b"), Metadata: map[string]string{"m": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	var done []types.CompletedPart
	for i, body := range parts {
		n := aws.Int32(int32(2*i + 1)) // numbers may have gaps
		out, err := c.UploadPart(ctx(), &s3.UploadPartInput{Bucket: str(bucket), Key: str(key), UploadId: up.UploadId, PartNumber: n, Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{PartNumber: n, ETag: out.ETag})
	}
	if change != nil {
		done = change(done)
	}
	_, err = c.CompleteMultipartUpload(ctx(), &s3.CompleteMultipartUploadInput{
		Bucket: str(bucket), Key: str(key), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	return *up.UploadId, err
}

func TestMultipartUploads(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{MinPartSize: 4}, "Enabled")
	parts := []string{"aaaa", "bbbbbb", "cc"}
	if _, err := upload(t, c, "k", parts, nil); err != nil {
		t.Fatal(err)
	}
	body, _ := srv.Body(bucket, "k", "")
	if v := srv.Versions(bucket)[0]; string(body) != "aaaabbbbbbcc" || v.ETag != md5OfMD5s(parts...)+"-3" {
		t.Errorf("stored %q as %+v", body, v)
	}
	head, err := c.HeadObject(ctx(), &s3.HeadObjectInput{Bucket: str(bucket), Key: str("k"), PartNumber: aws.Int32(2)})
	if err != nil || aws.ToInt64(head.ContentLength) != 6 || aws.ToInt32(head.PartsCount) != 3 || head.Metadata["m"] != "1" {
		t.Errorf("part 2: %+v, %v", head, err)
	}
	for want, change := range map[string]func([]types.CompletedPart) []types.CompletedPart{
		"InvalidPartOrder": func(p []types.CompletedPart) []types.CompletedPart { return []types.CompletedPart{p[1], p[0]} },
		"InvalidPart":      func(p []types.CompletedPart) []types.CompletedPart { p[0].ETag = p[1].ETag; return p },
		"EntityTooSmall":   func(p []types.CompletedPart) []types.CompletedPart { return p },
	} {
		id, err := upload(t, c, "other", []string{"aa", "bbbb"}, change)
		if code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := c.AbortMultipartUpload(ctx(), &s3.AbortMultipartUploadInput{Bucket: str(bucket), Key: str("other"), UploadId: &id}); err != nil {
			t.Error(err)
		}
		if _, err := c.ListParts(ctx(), &s3.ListPartsInput{Bucket: str(bucket), Key: str("other"), UploadId: &id}); code(err) != "NoSuchUpload" {
			t.Errorf("parts of an aborted upload: %v", err)
		}
	}
	if n := len(srv.Versions(bucket)); n != 1 {
		t.Errorf("%d versions", n)
	}
}

func TestUploadsUnderWayAreListed(t *testing.T) {
	_, c, _ := serve(t, mem.Options{}, "")
	for _, key := range []string{"b ", "a+", "c"} {
		if _, err := c.CreateMultipartUpload(ctx(), &s3.CreateMultipartUploadInput{Bucket: str(bucket), Key: str(key)}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := c.ListMultipartUploads(ctx(), &s3.ListMultipartUploadsInput{Bucket: str(bucket), EncodingType: types.EncodingTypeUrl})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, u := range out.Uploads {
		keys = append(keys, *u.Key)
	}
	if got := strings.Join(keys, ","); got != "a%2B,b+,c" {
		t.Errorf("listed %q", got)
	}
}

// A later upload that began earlier looks older than what it replaced.
func TestMultipartUploadsAreDatedByTheirBeginning(t *testing.T) {
	clock := newClock()
	srv, c, _ := serve(t, mem.Options{Clock: clock.now}, "Enabled")
	up, err := c.CreateMultipartUpload(ctx(), &s3.CreateMultipartUploadInput{Bucket: str(bucket), Key: str("k")})
	if err != nil {
		t.Fatal(err)
	}
	clock.advance(3600)
	put(t, c, "k", "put while the upload was under way")
	clock.advance(3600)
	part, err := c.UploadPart(ctx(), &s3.UploadPartInput{Bucket: str(bucket), Key: str("k"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CompleteMultipartUpload(ctx(), &s3.CompleteMultipartUploadInput{
		Bucket: str(bucket), Key: str("k"), UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}},
	}); err != nil {
		t.Fatal(err)
	}
	vs := srv.Versions(bucket)
	if len(vs) != 2 || vs[0].Size != 1 || !vs[0].Latest || vs[0].LastModified >= vs[1].LastModified {
		t.Errorf("versions %+v", vs)
	}
}

// What tests write directly must look as if a client had written it.
func TestSeededVersionsEqualUploadedOnes(t *testing.T) {
	clock := newClock()
	srv, c, _ := serve(t, mem.Options{Clock: clock.now, MinPartSize: 1}, "")
	body := bytes.Repeat([]byte("x"), 10)
	put(t, c, "single", string(body))
	if _, err := upload(t, c, "multi", []string{string(body[:4]), string(body[4:8]), string(body[8:])}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := upload(t, c, "none", []string{""}, nil); err != nil {
		t.Fatal(err)
	}
	uploaded := srv.Versions(bucket)
	srv.Put(bucket, "single", body, mem.PutOptions{Checksum: "CRC64NVME"})
	srv.Put(bucket, "multi", body, mem.PutOptions{PartSize: 4, Checksum: "CRC64NVME"})
	srv.Put(bucket, "none", nil, mem.PutOptions{PartSize: 4, Checksum: "CRC64NVME"})
	if got := srv.Versions(bucket); fmt.Sprint(got) != fmt.Sprint(uploaded) {
		t.Errorf("seeded %+v, uploaded %+v", got, uploaded)
	}
	if uploaded[0].VersionID != cooper.NullVersion {
		t.Errorf("version id %q", uploaded[0].VersionID)
	}
}

func TestUploadsByDelimiterAndSeeded(t *testing.T) {
	clock := newClock()
	srv, c, _ := serve(t, mem.Options{Clock: clock.now, PageSize: 2, MinPartSize: 1}, "Enabled")
	begun := clock.now().Add(-3600e9)
	id := srv.BeginUpload(bucket, "d/a", mem.PutOptions{Class: "STANDARD_IA", LastModified: begun}, []byte("one"), []byte("twelve"))
	srv.BeginUpload(bucket, "d/b", mem.PutOptions{})
	for range 4 {
		srv.BeginUpload(bucket, "e", mem.PutOptions{})
	}
	srv.BeginUpload(bucket, "f/", mem.PutOptions{})
	var got []string
	in := &s3.ListMultipartUploadsInput{Bucket: str(bucket), Delimiter: str("/")}
	for more := true; more; {
		out, err := c.ListMultipartUploads(ctx(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.CommonPrefixes {
			got = append(got, *p.Prefix)
		}
		for _, u := range out.Uploads {
			got = append(got, *u.Key)
		}
		more = aws.ToBool(out.IsTruncated)
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
	slices.Sort(got)
	if strings.Join(got, " ") != "d/ e e e e f/" {
		t.Errorf("listed %q", got)
	}
	out, err := c.ListMultipartUploads(ctx(), &s3.ListMultipartUploadsInput{Bucket: str(bucket), Prefix: str("d/a")})
	if err != nil || len(out.Uploads) != 1 || *out.Uploads[0].UploadId != id || !out.Uploads[0].Initiated.Equal(begun) || out.Uploads[0].StorageClass != "STANDARD_IA" {
		t.Fatalf("%+v, %v", out, err)
	}
	var done []types.CompletedPart
	parts, err := c.ListParts(ctx(), &s3.ListPartsInput{Bucket: str(bucket), Key: str("d/a"), UploadId: &id})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts.Parts {
		done = append(done, types.CompletedPart{PartNumber: p.PartNumber, ETag: p.ETag})
	}
	if _, err := c.CompleteMultipartUpload(ctx(), &s3.CompleteMultipartUploadInput{
		Bucket: str(bucket), Key: str("d/a"), UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	}); err != nil {
		t.Fatal(err)
	}
	if body, _ := srv.Body(bucket, "d/a", ""); string(body) != "onetwelve" {
		t.Errorf("stored %q", body)
	}
}
