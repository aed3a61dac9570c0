package warc

import (
	"net/netip"
	"net/url"
	"strings"
)

// longestURI is what an address may have, in bytes; of longer ones nothing is gained, and readers
// have bounds of their own.
const longestURI = 8 << 10

// TargetURI is an address as others can read it: what must not stand in one is written as %XX. "" if it
// is none of HTTP.
func TargetURI(address string) string {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(address), "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return ""
	}
	at := strings.IndexAny(rest, "/?#\\")
	if at < 0 {
		at = len(rest)
	}
	authority := escaped(rest[:at], func(c byte) bool { return c > 0x20 && c < 0x7f && strings.IndexByte(`"<>\^`+"`{|}", c) < 0 })
	u, err := url.Parse(scheme + "://" + authority + "/")
	if err != nil || u.Hostname() == "" || strings.Count(authority, "@") > 1 {
		return ""
	}
	if strings.ContainsAny(authority, "[]") {
		if ip, err := netip.ParseAddr(u.Hostname()); err != nil || !ip.Is6() || u.User != nil {
			return ""
		}
	}
	rest = rest[at:]
	for i := 0; i < len(rest) && len(rest) <= longestURI; i++ { // a percent sign that stands for nothing
		if rest[i] == '%' && (i+2 >= len(rest) || !hexDigit(rest[i+1]) || !hexDigit(rest[i+2])) {
			rest = rest[:i] + "%25" + rest[i+1:]
		}
	}
	uri := scheme + "://" + authority + escaped(rest, func(c byte) bool {
		return c > 0x20 && c < 0x7f && strings.IndexByte(`"<>\^[]`+"`{|}", c) < 0
	})
	if len(uri) > longestURI {
		return ""
	}
	return uri
}

func hexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }
