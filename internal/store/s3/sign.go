package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	// emptyHash is the SHA-256 of nothing.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	longTime  = "20060102T150405Z"
)

// signer signs requests by Signature Version 4, in headers.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
type signer struct {
	region, service string
	// key is the last derived signing key; it is good for a day.
	key atomic.Pointer[derived]
}

type derived struct {
	date, secret string
	key          []byte
}

// sign adds the headers that authorise r. All headers r has by then are signed,
// so that nothing between here and the store can change them. payload is the
// SHA-256 of the body in hex.
func (s *signer) sign(r *http.Request, c aws.Credentials, payload string, now time.Time) {
	stamp := now.UTC().Format(longTime)
	date := stamp[:8]
	r.Header["X-Amz-Date"] = []string{stamp}
	r.Header["X-Amz-Content-Sha256"] = []string{payload}
	if c.SessionToken != "" {
		r.Header["X-Amz-Security-Token"] = []string{c.SessionToken}
	}
	hs := make([]signedHeader, 0, 16)
	hs = append(hs, signedHeader{"host", []string{r.URL.Host}})
	for name, values := range r.Header {
		hs = append(hs, signedHeader{lowered(name), values})
	}
	slices.SortFunc(hs, func(a, b signedHeader) int { return strings.Compare(a.name, b.name) })
	signed := make([]byte, 0, 256)
	for i, h := range hs {
		if i > 0 {
			signed = append(signed, ';')
		}
		signed = append(signed, h.name...)
	}
	b := make([]byte, 0, 1024)
	for _, line := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery} {
		b = append(append(b, line...), '\n')
	}
	for _, h := range hs {
		b = append(append(b, h.name...), ':')
		b = append(append(b, canonicalValue(h.values)...), '\n')
	}
	b = append(append(append(b, '\n'), signed...), '\n')
	canonical := sha256.Sum256(append(b, payload...))

	scope := date + "/" + s.region + "/" + s.service + "/aws4_request"
	mac := hmacSHA256(s.signingKey(date, c.SecretAccessKey),
		algorithm+"\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(canonical[:]))
	r.Header["Authorization"] = []string{algorithm + " Credential=" + c.AccessKeyID + "/" + scope +
		",SignedHeaders=" + string(signed) + ",Signature=" + hex.EncodeToString(mac)}
}

// signedHeader is a header as signatures want it: its name in small letters.
type signedHeader struct {
	name   string
	values []string
}

// lowered gives the name of a header in small letters; those that most requests
// have are known.
func lowered(name string) string {
	if s, ok := smallLetters[name]; ok {
		return s
	}
	return strings.ToLower(name)
}

var smallLetters = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{
		"Content-Md5", "Content-Type", "Content-Encoding", "If-Match", "If-None-Match", "Range", "X-Amz-Checksum-Mode", "X-Amz-Checksum-Sha256",
		"X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Meta-Cooper-Origin", "X-Amz-Security-Token", headerClass, headerSSE,
	} {
		m[name] = strings.ToLower(name)
	}
	return m
}()

// canonicalValue joins values, without spaces at their ends and with single
// ones inside.
func canonicalValue(vs []string) string {
	v := strings.TrimSpace(vs[0])
	if len(vs) > 1 || strings.Contains(v, "  ") {
		parts := make([]string, len(vs))
		for i := range vs {
			parts[i] = strings.Join(strings.FieldsFunc(vs[i], func(r rune) bool { return r == ' ' }), " ")
		}
		v = strings.Join(parts, ",")
	}
	return v
}

func (s *signer) signingKey(date, secret string) []byte {
	if d := s.key.Load(); d != nil && d.date == date && d.secret == secret {
		return d.key
	}
	k := hmacSHA256([]byte("AWS4"+secret), date)
	k = hmacSHA256(k, s.region)
	k = hmacSHA256(k, s.service)
	k = hmacSHA256(k, "aws4_request")
	s.key.Store(&derived{date: date, secret: secret, key: k})
	return k
}

func hmacSHA256(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}
