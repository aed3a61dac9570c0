package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signerv4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The examples of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func TestSignatureExamples(t *testing.T) {
	creds := aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	at := address{scheme: "https", host: "examplebucket.s3.amazonaws.com"}
	now := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	welcome := sha256.Sum256([]byte("Welcome to Amazon S3."))
	for _, c := range []struct {
		name, method, key string
		q                 params
		h                 http.Header
		payload           string
		want              string
	}{
		{"get object", "GET", "test.txt", nil, http.Header{"Range": {"bytes=0-9"}}, emptyHash,
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"put object", "PUT", "test$file.text", nil,
			http.Header{"Date": {"Fri, 24 May 2013 00:00:00 GMT"}, "X-Amz-Storage-Class": {"REDUCED_REDUNDANCY"}}, hex.EncodeToString(welcome[:]),
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"get lifecycle", "GET", "", params{{"lifecycle", ""}}, http.Header{}, emptyHash,
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"list", "GET", "", params{{"prefix", "J"}, {"max-keys", "2"}}, http.Header{}, emptyHash,
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	} {
		r := &http.Request{Method: c.method, URL: at.url(c.key, c.q), Header: c.h}
		s := signer{region: "us-east-1", service: "s3"}
		s.sign(r, creds, c.payload, now)
		_, got, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
		if got != c.want {
			t.Errorf("%s: signature %s, want %s", c.name, got, c.want)
		}
	}
}

// Whatever the key and query, the SDK's signer must come to the same.
func TestSignatureAgreesWithTheSDK(t *testing.T) {
	const odd = "abc/.+% ~\x01\xc3\xbc\"&=?#"
	rnd := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 11, 22, 10, 11, 12, 0, time.UTC)
	at := address{scheme: "https", host: "store.example:8080", path: "/buc ket", escaped: "/buc%20ket"}
	s := signer{region: "eu-west-3", service: "s3"}
	for i := range 500 {
		key := make([]byte, 1+rnd.IntN(40))
		for j := range key {
			key[j] = odd[rnd.IntN(len(odd))]
		}
		creds := aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "secret"}
		if i%3 == 0 {
			creds.SessionToken = "to/ken+="
		}
		q := params{{"versionId", string(key)}, {"partNumber", "3"}}
		h := http.Header{"X-Amz-Meta-A": {"  two   words "}, "X-Amz-Meta-B": {"ü"}, "If-Match": {`"x"`}}
		r := &http.Request{Method: "GET", URL: at.url(string(key), q), Host: at.host, Header: h.Clone()}
		s.sign(r, creds, emptyHash, now)

		h.Set("X-Amz-Content-Sha256", emptyHash)
		theirs := &http.Request{Method: "GET", URL: at.url(string(key), q), Host: at.host, Header: h}
		err := signerv4.NewSigner(func(o *signerv4.SignerOptions) { o.DisableURIPathEscaping = true }).
			SignHTTP(t.Context(), creds, theirs, emptyHash, "s3", "eu-west-3", now)
		if err != nil {
			t.Fatal(err)
		}
		a, b := strings.ReplaceAll(r.Header.Get("Authorization"), " ", ""), strings.ReplaceAll(theirs.Header.Get("Authorization"), " ", "")
		if a != b {
			t.Fatalf("key %q:\n ours   %s\n theirs %s", key, a, b)
		}
	}
}

// What is signed must be what net/http sends: read the request line itself.
func TestKeysAreSentAsTheyAre(t *testing.T) {
	for key, want := range map[string]string{
		"a":                 "/b/a",
		"//a//b/":           "/b///a//b/",
		"../../etc/passwd":  "/b/../../etc/passwd",
		"a/./b/..":          "/b/a/./b/..",
		".":                 "/b/.",
		"a b+c%20d":         "/b/a%20b%2Bc%2520d",
		"?versionId=x#y":    "/b/%3FversionId%3Dx%23y",
		"\x00\x01\n\x7f\"<": "/b/%00%01%0A%7F%22%3C",
		"ü;:@!$&'()*,=[]~":  "/b/%C3%BC%3B%3A%40%21%24%26%27%28%29%2A%2C%3D%5B%5D~",
	} {
		u := address{scheme: "http", host: "h", path: "/b", escaped: "/b"}.url(key, nil)
		var sent bytes.Buffer
		if err := (&http.Request{Method: "GET", URL: u, Host: u.Host, Header: http.Header{}}).Write(&sent); err != nil {
			t.Fatal(err)
		}
		line, err := sent.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if line != "GET "+want+" HTTP/1.1\r\n" {
			t.Errorf("%q is sent as %q, want %s", key, line, want)
		}
		if u.Path != "/b/"+key {
			t.Errorf("%q became path %q", key, u.Path)
		}
	}
	// With the bucket in the host name a key's own slash comes first.
	u := address{scheme: "https", host: "b.h"}.url("/a", nil)
	if got := u.RequestURI(); got != "//a" {
		t.Errorf("%q", got)
	}
}
