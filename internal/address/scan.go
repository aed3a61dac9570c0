package address

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// window is how far behind its host an address may reach. A key has 1,024 bytes at most,
// three times as many when it is percent-encoded.
const window = 4096

// In calls yield for every address in a text, in their order, until it answers false.
func (h *Hosts) In(text string, yield func(Found) bool) {
	for i := 0; i < len(text); {
		if !inHost[text[i]] {
			i++
			continue
		}
		end, dot := i+1, text[i] == '.'
		for end < len(text) && inHost[text[end]] {
			dot = dot || text[end] == '.'
			end++
		}
		if l, at, start, nested, ok := h.lead(text, i, end, dot); ok {
			tail := text[at:min(len(text), at+window)]
			if nested {
				tail = unnested(tail)
			}
			if f, ok := h.read(l, tail, opener(text[:start])); ok {
				f.Raw = text[start:at] + f.Raw
				bare := !nested && !l.plain && start == i
				f.Guess = f.Guess || nested || bare
				if !(bare && part(text[:i])) && !yield(f) {
					return
				}
			}
		}
		i = end
	}
}

// part tells whether a host without a scheme is part of something else: of a path, or of
// another word.
func part(before string) bool {
	if before == "" {
		return false
	}
	c := before[len(before)-1]
	return c == '/' || c >= utf8.RuneSelf || c == '\\' || c == '+' || c == '~'
}

// Alone reads a value that is an address and nothing else. ok is false where it is not
// one at all; an address of nobody's has no places.
func (h *Hosts) Alone(text string) (f Found, ok bool) {
	i := 0
	if j := strings.IndexByte(text, ':'); j > 0 && strings.HasPrefix(unslashed(text[j+1:]), "//") {
		if !scheme(text[:j]) {
			return Found{}, false
		}
		i = j + 1
		if isS3(text[:j]) {
			i = 0
		}
	}
	slashes := 0
	for n := slash(text[i:]); n > 0 && slashes < 2; n = slash(text[i:]) {
		i, slashes = i+n, slashes+1
	}
	if at := strings.IndexByte(text[i:], '@'); at >= 0 && !strings.ContainsAny(text[i:i+at], "/?#\\") {
		i += at + 1
	}
	end := i
	for end < len(text) && inHost[text[end]] {
		end++
	}
	l, at, _, _, known := h.lead(text, i, end, true)
	if !known || at < end {
		// Somebody else's address, or a bucket by itself; without a scheme it is none.
		return Found{Raw: text}, slashes == 2 && end > i || isS3Lead(text)
	}
	f, some := h.readTo(l, text[at:], []int{len(text) - at}, len(text)-at)
	f.Raw = text
	if !some {
		return Found{Raw: text}, true
	}
	return f, true
}

// lead looks whether an address begins with the word text[i:end]: a host, or s3 before
// "://". It gives where what is behind the host or bucket begins, at its slash, and where
// the address itself does.
func (h *Hosts) lead(text string, i, end int, dot bool) (l leader, at, start int, nested, ok bool) {
	word := text[i:end]
	if end < len(text) && (text[end] == ':' || text[end] == '%') {
		if n := s3Word(word); n > 0 {
			if l, at, nested, ok := h.s3(text, end); ok {
				return l, at, end - n, nested, true
			}
		}
	}
	if !dot && !h.dotless {
		return leader{}, 0, 0, false, false
	}
	// What an escape before the host ends with belongs to the escape.
	switch {
	case i > 0 && text[i-1] == '%' && len(word) > 2 && strings.EqualFold(word[:2], "2f"):
		i, nested = i+2, true
	case i > 0 && text[i-1] == '\\' && len(word) > 5 && strings.EqualFold(word[:5], "u002f"):
		i += 5
	}
	at = end
	var port string
	if at < len(text) && text[at] == ':' {
		p := at + 1
		for p < len(text) && text[p] >= '0' && text[p] <= '9' {
			p++
		}
		port, at = text[at+1:p], p
	} else if nested && strings.HasPrefix(strings.ToLower(text[at:min(len(text), at+3)]), "%3a") {
		p := at + 3
		for p < len(text) && text[p] >= '0' && text[p] <= '9' {
			p++
		}
		port, at = text[at+3:p], p
	}
	if !nested && slash(text[at:]) == 0 || nested && !strings.HasPrefix(strings.ToLower(text[at:min(len(text), at+3)]), "%2f") {
		return leader{}, 0, 0, false, false
	}
	l, ok = h.host(text[i:end], port)
	return l, at, begin(text, i), nested, ok
}

// s3 reads "://BUCKET" behind the word s3, where it begins.
func (h *Hosts) s3(text string, i int) (l leader, at int, nested, ok bool) {
	rest := text[i:min(len(text), i+window)]
	if rest[0] == '%' {
		if len(rest) < 9 || !strings.EqualFold(rest[:9], "%3a%2f%2f") {
			return leader{}, 0, false, false
		}
		nested, at = true, i+9
	} else {
		at = i + 1
		for range 2 {
			n := slash(text[at:])
			if n == 0 {
				return leader{}, 0, false, false
			}
			at += n
		}
	}
	end := at
	for end < len(text) && inHost[text[end]] {
		end++
	}
	bucket := text[at:end]
	if !nested && slash(text[end:]) == 0 || nested && !strings.HasPrefix(strings.ToLower(text[end:min(len(text), end+3)]), "%2f") {
		return leader{}, 0, false, false
	}
	return leader{buckets: []string{bucket}, plain: true}, end, nested, h.counts(bucket)
}

// s3Word tells whether a word ends with the scheme of S3, or one of the two of Hadoop
// that mean the same, and how long that is. What stands before may be the end of an escape.
func s3Word(w string) int {
	for _, s := range []string{"s3", "s3a", "s3n"} {
		if len(w) >= len(s) && strings.EqualFold(w[len(w)-len(s):], s) {
			return len(s)
		}
	}
	return 0
}

func isS3(w string) bool { return len(w) <= 3 && s3Word(w) == len(w) }

func isS3Lead(text string) bool {
	w, rest, ok := strings.Cut(text, ":")
	return ok && isS3(w) && strings.HasPrefix(unslashed(rest), "//")
}

// scheme tells whether a word may be the scheme of an address.
func scheme(w string) bool {
	for i := range len(w) {
		c := w[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(w[i]))) {
			return false
		}
	}
	return w != ""
}

// begin is where the address begins whose host is at i: at its scheme, or at the slashes.
func begin(text string, i int) int {
	if i > 0 && text[i-1] == '@' { // behind the name of a user
		if j := strings.LastIndexByte(text[max(0, i-128):i], '/'); j >= 0 && !strings.ContainsAny(text[max(0, i-128)+j:i], " \t\r\n\"'<>()") {
			i = max(0, i-128) + j + 1
		}
	}
	before := text[max(0, i-64):i]
	trimmed := strings.TrimRight(before, `/\`)
	if len(before)-len(trimmed) >= 2 {
		i -= len(before) - len(trimmed)
		for _, s := range []string{"https:", "http:"} {
			if n := len(trimmed) - len(s); n >= 0 && strings.EqualFold(trimmed[n:], s) {
				return i - len(s)
			}
		}
	}
	return i
}

// slash is the length of a slash at the beginning of a text, plain or escaped as JSON and
// HTML do; 0 where there is none.
func slash(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case '/':
		return 1
	case '\\':
		n := 1
		for n < len(s) && n < 8 && s[n] == '\\' { // JSON in JSON
			n++
		}
		if n < len(s) && s[n] == '/' {
			return n + 1
		}
		if len(s) >= n+5 && strings.EqualFold(s[n:n+5], "u002f") {
			return n + 5
		}
	case '&':
		for _, e := range []string{"&#x2f;", "&#47;", "&sol;"} {
			if len(s) >= len(e) && strings.EqualFold(s[:len(e)], e) {
				return len(e)
			}
		}
	}
	return 0
}

// unslashed gives the beginning of a text with its slashes plain.
func unslashed(s string) string {
	n := 0
	for range 2 {
		k := slash(s[n:])
		if k == 0 {
			break
		}
		n += k
	}
	if n == 0 {
		return ""
	}
	if slash(s) == n {
		return "/"
	}
	return "//"
}

// unnested decodes an address that stands percent-encoded in another one's query.
func unnested(tail string) string {
	if i := strings.IndexAny(tail, " \t\r\n\"'<>&#"); i >= 0 {
		tail = tail[:i]
	}
	if s, err := url.PathUnescape(tail); err == nil {
		return s
	}
	return tail
}

// inHost are the bytes of the name of a host.
var inHost = func() (t [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_" {
		t[c] = true
	}
	return t
}()
