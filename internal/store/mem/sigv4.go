package mem

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const signatureAlgorithm = "AWS4-HMAC-SHA256"

// authorize refuses what is not signed with the configured key, and what is
// signed for another region than the bucket's.
func (s *Server) authorize(c *call) error {
	sig, signed := parseSignature(c.r.Header.Get("Authorization"))
	if c.query.Has(presignedAlgorithm) {
		if signed {
			return fail(http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed.")
		}
		var err error
		if sig, err = s.presigned(c); err != nil {
			return err
		}
		signed = true
	}
	if s.opts.AccessKey != "" {
		if err := s.authenticate(c, sig, signed); err != nil {
			return err
		}
	}
	if !signed {
		return nil
	}
	s.mu.RLock()
	b := s.buckets[c.bucket]
	s.mu.RUnlock()
	want := DefaultRegion
	switch {
	case b != nil && b.region != "":
		want = b.region
	case s.opts.AccessKey == "": // anything goes until a bucket was moved
		return nil
	}
	if sig.region == want {
		return nil
	}
	return fail(http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region '"+sig.region+"' is wrong; expecting '"+want+"'").
		with("Region", want).head("X-Amz-Bucket-Region", want)
}

// authenticate checks who signed a request, and the signature.
func (s *Server) authenticate(c *call, sig signature, signed bool) error {
	if !signed {
		f := errDenied
		if region := s.regionOf(c.bucket); region != "" {
			f = f.head("X-Amz-Bucket-Region", region)
		}
		return f
	}
	if sig.accessKey != s.opts.AccessKey {
		return fail(http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.").with("AWSAccessKeyId", sig.accessKey)
	}
	canonical := canonicalRequest(c, sig.headers)
	digest := sha256.Sum256([]byte(canonical))
	date := c.r.Header.Get("X-Amz-Date")
	if c.query.Has(presignedAlgorithm) {
		date = c.query.Get("X-Amz-Date")
	}
	toSign := strings.Join([]string{signatureAlgorithm, date, sig.scope(), hex.EncodeToString(digest[:])}, "\n")
	if hmac.Equal([]byte(hex.EncodeToString(mac(sig.key(s.opts.SecretKey), toSign))), []byte(sig.value)) {
		return nil
	}
	return fail(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.").
		with("StringToSign", toSign).with("CanonicalRequest", canonical)
}

func (s *Server) regionOf(bucket string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.buckets[bucket]; b != nil {
		return b.inRegion()
	}
	return ""
}

// signature is what an Authorization header says.
type signature struct {
	accessKey, date, region, service string
	headers                          []string // lower case, as listed
	value                            string
}

// parseSignature reads an Authorization header; false if it is none of SigV4.
func parseSignature(header string) (signature, bool) {
	rest, ok := strings.CutPrefix(header, signatureAlgorithm+" ")
	if !ok {
		return signature{}, false
	}
	var sig signature
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			// An access key may itself hold slashes.
			parts := strings.Split(value, "/")
			n := len(parts)
			if n < 5 {
				return signature{}, false
			}
			sig.accessKey = strings.Join(parts[:n-4], "/")
			sig.date, sig.region, sig.service = parts[n-4], parts[n-3], parts[n-2]
		case "SignedHeaders":
			sig.headers = strings.Split(value, ";")
		case "Signature":
			sig.value = value
		}
	}
	return sig, sig.value != "" && sig.accessKey != ""
}

func (sig signature) scope() string {
	return sig.date + "/" + sig.region + "/" + sig.service + "/aws4_request"
}

// key derives the signing key.
func (sig signature) key(secret string) []byte {
	k := []byte("AWS4" + secret)
	for _, step := range []string{sig.date, sig.region, sig.service, "aws4_request"} {
		k = mac(k, step)
	}
	return k
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

// canonicalRequest renders a request in the one form that is signed. For S3
// the path is encoded once and never normalised.
func canonicalRequest(c *call, headers []string) string {
	var b strings.Builder
	b.WriteString(c.r.Method + "\n")
	path, err := url.PathUnescape(c.raw)
	if err != nil { // parse refused it before
		path = c.raw
	}
	b.WriteString(strings.ReplaceAll(escape(path), "%2F", "/") + "\n")
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		if name == presignedSignature {
			continue
		}
		for _, value := range slices.Sorted(slices.Values(c.query[name])) {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	b.WriteString(strings.Join(pairs, "&") + "\n")
	for _, name := range headers {
		b.WriteString(name + ":" + c.header(name) + "\n")
	}
	b.WriteString("\n" + strings.Join(headers, ";") + "\n")
	if c.query.Has(presignedAlgorithm) {
		b.WriteString("UNSIGNED-PAYLOAD")
	} else {
		b.WriteString(c.r.Header.Get("X-Amz-Content-Sha256"))
	}
	return b.String()
}

// header gives a header as it is signed; net/http keeps some of them apart.
func (c *call) header(name string) string {
	switch name {
	case "host":
		return c.r.Host
	case "content-length":
		return strconv.FormatInt(c.r.ContentLength, 10)
	case "transfer-encoding":
		return strings.Join(c.r.TransferEncoding, ",")
	}
	values := slices.Clone(c.r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

// escape percent-encodes all but the unreserved characters of RFC 3986.
func escape(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		ch := s[i]
		if 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' || '0' <= ch && ch <= '9' || strings.IndexByte("-_.~", ch) >= 0 {
			b.WriteByte(ch)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[ch>>4])
		b.WriteByte(hexDigits[ch&15])
	}
	return b.String()
}
