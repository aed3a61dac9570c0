package mem_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper/internal/store/mem"
)

func put(t *testing.T, c *s3.Client, key, body string) string {
	t.Helper()
	out, err := c.PutObject(ctx(), &s3.PutObjectInput{Bucket: str(bucket), Key: str(key), Body: strings.NewReader(body)})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	if out.VersionId == nil {
		return ""
	}
	return *out.VersionId
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
	_ = bytes.MinRead
}
