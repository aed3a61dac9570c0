package mem_test

import (
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/store/mem"
)

// hostile are keys that something on the way likes to change.
var hostile = []string{
	"a", "a/b", "a//b", "/a", "a/", "//", "a/../b", "..", ".", "./a", "a b", "a+b", "a%2Fb", "a%b", "%", "a?b=c&d", "a#b", "ü", "u\u0308",
	"\x00", "a\x01\nb", "\u007f", "\ufffd", "😀", `a\b`, "a;b", "a:b@c", "*", "~", "&lt;", `"<'>`, strings.Repeat("k", 1024), "\u2028",
}

func TestHostileKeysComeBackAsTheyWere(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{PageSize: 3}, "Enabled")
	ids := map[string]string{}
	for _, key := range hostile {
		ids[key] = put(t, c, key, "body of "+key)
	}
	for _, key := range hostile {
		if got, err := get(c, key, ids[key]); err != nil || got != "body of "+key {
			t.Errorf("get %q: %q, %v", key, got, err)
		}
	}
	if n := len(srv.Versions(bucket)); n != len(hostile) {
		t.Errorf("%d versions for %d keys", n, len(hostile))
	}
}

func TestKeysThatS3Refuses(t *testing.T) {
	_, c, _ := serve(t, mem.Options{}, "")
	_, err := c.PutObject(ctx(), &s3.PutObjectInput{Bucket: str(bucket), Key: str(strings.Repeat("k", 1025))})
	if code(err) != "KeyTooLongError" {
		t.Errorf("a key of 1,025 bytes: %v", err)
	}
	open := mem.New(mem.Options{})
	open.CreateBucket(bucket, "")
	if status, _, body := do(t, open, http.MethodPut, "/b/%ff", "x"); status != 400 || !strings.Contains(body, "InvalidURI") {
		t.Errorf("a key that is no UTF-8: %d %s", status, body)
	}
}

// history is what GET tells about a key's versions, the latest first.
func history(t *testing.T, srv *mem.Server, key string) []string {
	t.Helper()
	var out []string
	for _, v := range srv.Versions(bucket) {
		if v.Key != key {
			continue
		}
		body, _ := srv.Body(bucket, key, v.VersionID)
		row := string(body)
		if v.DeleteMarker {
			row = "marker"
		}
		if v.VersionID == cooper.NullVersion {
			row += " null"
		}
		if v.Latest {
			row += " latest"
		}
		out = append(out, row)
	}
	return out
}

func TestVersionsThroughAllStatesOfVersioning(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{}, "")
	check := func(step string, want ...string) {
		t.Helper()
		if got := history(t, srv, "k"); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
	remove := func(version string) {
		t.Helper()
		in := &s3.DeleteObjectInput{Bucket: str(bucket), Key: str("k")}
		if version != "" {
			in.VersionId = str(version)
		}
		if _, err := c.DeleteObject(ctx(), in); err != nil {
			t.Fatal(err)
		}
	}
	put(t, c, "k", "1")
	put(t, c, "k", "2")
	check("never versioned: overwritten", "2 null latest")
	remove("")
	check("never versioned: deleted")
	put(t, c, "k", "3")
	srv.SetVersioning(bucket, "Enabled")
	four := put(t, c, "k", "4")
	check("enabled", "4 latest", "3 null")
	remove("")
	check("enabled: deleted", "marker latest", "4", "3 null")
	srv.SetVersioning(bucket, "Suspended")
	put(t, c, "k", "5")
	check("suspended: the null version moves to the top", "5 null latest", "marker", "4")
	remove("")
	check("suspended: a null marker takes the null version's place", "marker null latest", "marker", "4")
	remove(cooper.NullVersion)
	check("the null marker removed", "marker latest", "4")
	remove(four)
	check("a version removed", "marker latest")
	srv.OverwriteNull(bucket, "k", []byte("6"), mem.PutOptions{})
	check("a null version slipped in", "6 null latest", "marker")
}

func TestDeleteMarkersAnswerByHowTheyAreAsked(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "Enabled")
	srv.Put(bucket, "k", []byte("x"), mem.PutOptions{})
	id := srv.Delete(bucket, "k")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		status, h, _ := do(t, srv, method, "/b/k", "")
		if status != 404 || h.Get("X-Amz-Delete-Marker") != "true" || h.Get("X-Amz-Version-Id") != id {
			t.Errorf("%s by key: %d %v", method, status, h)
		}
		status, h, _ = do(t, srv, method, "/b/k?versionId="+id, "")
		if status != 405 || h.Get("X-Amz-Delete-Marker") != "true" || h.Get("Allow") != "DELETE" {
			t.Errorf("%s by version: %d %v", method, status, h)
		}
	}
}

func TestVersionIDsThatNameNothing(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "Enabled")
	id := srv.Put(bucket, "k", []byte("x"), mem.PutOptions{})
	srv.DeleteVersion(bucket, "k", id)
	for query, want := range map[string]string{
		"": "NoSuchKey", "?versionId=" + id: "NoSuchVersion", "?versionId=null": "NoSuchVersion", "?versionId=": "InvalidArgument", "?versionId=zz": "InvalidArgument",
	} {
		if _, _, body := do(t, srv, http.MethodGet, "/b/k"+query, ""); !strings.Contains(body, "<Code>"+want+"</Code>") {
			t.Errorf("%q: %s, want %s", query, body, want)
		}
	}
	if _, _, body := do(t, srv, http.MethodGet, "/other/k", ""); !strings.Contains(body, "NoSuchBucket") {
		t.Errorf("no bucket: %s", body)
	}
}

func TestRanges(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "")
	srv.Put(bucket, "k", []byte("0123456789"), mem.PutOptions{})
	srv.Put(bucket, "empty", nil, mem.PutOptions{})
	for _, c := range []struct {
		key, header   string
		status        int
		body, content string
	}{
		{"k", "", 200, "0123456789", ""},
		{"k", "bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"k", "bytes=3-5", 206, "345", "bytes 3-5/10"},
		{"k", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"k", "bytes=7-99", 206, "789", "bytes 7-9/10"},
		{"k", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"k", "bytes=-30", 206, "0123456789", "bytes 0-9/10"},
		{"k", "bytes=10-", 416, "", "bytes */10"},
		{"k", "bytes=-0", 416, "", "bytes */10"},
		{"k", "bytes=5-3", 200, "0123456789", ""},
		{"k", "bytes=a-b", 200, "0123456789", ""},
		{"k", "bytes=0-1,3-4", 200, "0123456789", ""},
		{"k", "lines=1-2", 200, "0123456789", ""},
		{"k", "bytes=99999999999999999999-", 200, "0123456789", ""},
		{"empty", "bytes=0-", 416, "", "bytes */0"},
	} {
		status, h, body := do(t, srv, http.MethodGet, "/b/"+c.key, "", "Range", c.header)
		if status != c.status || status < 300 && body != c.body || h.Get("Content-Range") != c.content {
			t.Errorf("%s %q: %d %q %q", c.key, c.header, status, body, h.Get("Content-Range"))
		}
	}
}

func TestPartsOfAMultipartUpload(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "")
	srv.Put(bucket, "multi", []byte("aaaabbbbcc"), mem.PutOptions{PartSize: 4, Checksum: "CRC32", Composite: true})
	srv.Put(bucket, "single", []byte("aaaa"), mem.PutOptions{})
	for _, c := range []struct {
		target string
		status int
		body   string
		parts  string
	}{
		{"/b/multi?partNumber=1", 206, "aaaa", "3"},
		{"/b/multi?partNumber=3", 206, "cc", "3"},
		{"/b/multi?partNumber=4", 416, "", ""},
		{"/b/multi?partNumber=0", 400, "", ""},
		{"/b/single?partNumber=1", 206, "aaaa", ""},
		{"/b/single?partNumber=2", 416, "", ""},
	} {
		status, h, body := do(t, srv, http.MethodGet, c.target, "")
		if status != c.status || status < 300 && body != c.body || h.Get("X-Amz-Mp-Parts-Count") != c.parts {
			t.Errorf("%s: %d %q, %q parts", c.target, status, body, h.Get("X-Amz-Mp-Parts-Count"))
		}
	}
	_, h, _ := do(t, srv, http.MethodHead, "/b/multi", "", "X-Amz-Checksum-Mode", "ENABLED")
	if etag := h.Get("Etag"); etag != `"`+md5OfMD5s("aaaa", "bbbb", "cc")+`-3"` {
		t.Errorf("ETag %s", etag)
	}
	if h.Get("X-Amz-Checksum-Type") != "COMPOSITE" || !strings.HasSuffix(h.Get("X-Amz-Checksum-Crc32"), "-3") {
		t.Errorf("checksum %q of type %q", h.Get("X-Amz-Checksum-Crc32"), h.Get("X-Amz-Checksum-Type"))
	}
}

func md5OfMD5s(parts ...string) string {
	var all []byte
	for _, p := range parts {
		sum := md5.Sum([]byte(p))
		all = append(all, sum[:]...)
	}
	sum := md5.Sum(all)
	return hex.EncodeToString(sum[:])
}

func TestETagIsAnMD5OnlyWhereS3SaysSo(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "")
	sum := md5.Sum([]byte("x"))
	plain := hex.EncodeToString(sum[:])
	for encryption, want := range map[string]bool{"": true, "NOT-SSE": true, "SSE-S3": true, "SSE-KMS": false, "DSSE-KMS": false, "SSE-C": false} {
		srv.Put(bucket, "k", []byte("x"), mem.PutOptions{Encryption: encryption})
		v := srv.Versions(bucket)[0]
		if (v.ETag == plain) != want || len(v.ETag) != 32 {
			t.Errorf("encryption %q: ETag %s", encryption, v.ETag)
		}
		status, h, _ := do(t, srv, http.MethodGet, "/b/k", "")
		if encryption == "SSE-C" {
			if status != 400 {
				t.Errorf("SSE-C without a key: %d", status)
			}
			continue
		}
		want := map[string]string{"": "AES256", "SSE-S3": "AES256", "SSE-KMS": "aws:kms", "DSSE-KMS": "aws:kms:dsse"}[encryption]
		if got := h.Get("X-Amz-Server-Side-Encryption"); status != 200 || got != want {
			t.Errorf("encryption %q: status %d, header %q", encryption, status, got)
		}
	}
}

func TestCopies(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{}, "Enabled")
	old := srv.Put(bucket, "a b/ü+", []byte("old"), mem.PutOptions{Metadata: map[string]string{"m": "1"}, ContentType: "a/b"})
	srv.Put(bucket, "a b/ü+", []byte("new"), mem.PutOptions{})
	source := bucket + "/a%20b/%C3%BC%2B"
	out, err := c.CopyObject(ctx(), &s3.CopyObjectInput{Bucket: str(bucket), Key: str("copy"), CopySource: str(source + "?versionId=" + old), StorageClass: types.StorageClassGlacierIr})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.CopySourceVersionId) != old {
		t.Errorf("copied version %q", aws.ToString(out.CopySourceVersionId))
	}
	head, err := c.HeadObject(ctx(), &s3.HeadObjectInput{Bucket: str(bucket), Key: str("copy")})
	if err != nil || head.Metadata["m"] != "1" || aws.ToString(head.ContentType) != "a/b" || head.StorageClass != types.StorageClassGlacierIr {
		t.Errorf("the copy: %+v, %v", head, err)
	}
	if body, _ := srv.Body(bucket, "copy", ""); string(body) != "old" {
		t.Errorf("the copy holds %q", body)
	}
	_, err = c.CopyObject(ctx(), &s3.CopyObjectInput{Bucket: str(bucket), Key: str("a b/ü+"), CopySource: str(source)})
	if code(err) != "InvalidRequest" {
		t.Errorf("copying onto itself without a change: %v", err)
	}
	srv.SetClass(bucket, "copy", *out.VersionId, "GLACIER", "")
	_, err = c.CopyObject(ctx(), &s3.CopyObjectInput{Bucket: str(bucket), Key: str("again"), CopySource: str(bucket + "/copy")})
	if code(err) != "InvalidObjectState" {
		t.Errorf("copying what is archived: %v", err)
	}
}

func TestDeniedAndCorrupt(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{}, "Enabled")
	id := put(t, c, "secret/k", "x")
	put(t, c, "open", "abc")
	srv.Deny(bucket, "secret/")
	if _, err := get(c, "secret/k", id); code(err) != "AccessDenied" {
		t.Errorf("denied: %v", err)
	}
	v := srv.Versions(bucket)[0]
	srv.Corrupt(bucket, "open", v.VersionID)
	if body, _ := srv.Body(bucket, "open", ""); string(body) == "abc" || len(body) != 3 {
		t.Errorf("corrupt: %q", body)
	}
	if w := srv.Versions(bucket)[0]; w != v {
		t.Errorf("corruption shows: %+v, was %+v", w, v)
	}
}

func TestTimesAreTheClocksToTheSecond(t *testing.T) {
	at := time.Date(2020, 2, 29, 23, 59, 59, 999_999_999, time.UTC)
	srv, c, _ := serve(t, mem.Options{Clock: func() time.Time { return at }}, "")
	put(t, c, "k", "x")
	head, err := c.HeadObject(ctx(), &s3.HeadObjectInput{Bucket: str(bucket), Key: str("k")})
	if want := at.Truncate(time.Second); err != nil || !head.LastModified.Equal(want) || srv.Versions(bucket)[0].LastModified != cooper.InstantOf(want) {
		t.Errorf("%v, %+v, %v", head.LastModified, srv.Versions(bucket), err)
	}
}

func put(t *testing.T, c *s3.Client, key, body string) string {
	t.Helper()
	out, err := c.PutObject(ctx(), &s3.PutObjectInput{Bucket: str(bucket), Key: str(key), Body: strings.NewReader(body)})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return aws.ToString(out.VersionId)
}

func get(c *s3.Client, key, version string) (string, error) {
	in := &s3.GetObjectInput{Bucket: str(bucket), Key: str(key), ChecksumMode: types.ChecksumModeEnabled}
	if version != "" {
		in.VersionId = str(version)
	}
	out, err := c.GetObject(ctx(), in)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), err
}
