package s3

import (
	"net/url"
	"slices"
	"strings"
)

// address is where a bucket is: what comes before a key in a URL.
type address struct {
	scheme, host string
	// path is decoded, escaped is how it is sent; neither ends in a slash.
	path, escaped string
}

func addressOf(u url.URL) address {
	path := strings.TrimSuffix(u.Path, "/")
	return address{scheme: u.Scheme, host: u.Host, path: path, escaped: escape(path, false)}
}

// url names a key, or the bucket itself if key is empty. Path and RawPath agree
// byte by byte, so that net/url sends RawPath as it stands: nothing cleans
// "//", "." or "..".
func (a address) url(key string, query params) *url.URL {
	if key == "" && a.path != "" {
		return &url.URL{Scheme: a.scheme, Host: a.host, Path: a.path, RawPath: a.escaped, RawQuery: query.encode()}
	}
	return &url.URL{
		Scheme:   a.scheme,
		Host:     a.host,
		Path:     a.path + "/" + key,
		RawPath:  a.escaped + "/" + escape(key, false),
		RawQuery: query.encode(),
	}
}

// params are the parameters of a query.
type params [][2]string

// encode writes them sorted and escaped as signatures want them.
func (p params) encode() string {
	if len(p) == 0 {
		return ""
	}
	slices.SortFunc(p, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	var b strings.Builder
	for i, kv := range p {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(kv[0], true))
		b.WriteByte('=')
		b.WriteString(escape(kv[1], true))
	}
	return b.String()
}

const upperHex = "0123456789ABCDEF"

// escape percent-encodes every byte but letters, digits, "-", ".", "_", "~"
// and, unless slash says so, "/".
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func escape(s string, slash bool) string {
	n := 0
	for i := range len(s) {
		if !plain(s[i], slash) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; plain(c, slash) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

func plain(c byte, slash bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	case c == '-', c == '.', c == '_', c == '~':
		return true
	}
	return c == '/' && !slash
}
