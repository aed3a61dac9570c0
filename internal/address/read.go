package address

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// BadPercent and BadUTF8 are why an address cannot be read.
const (
	BadPercent = "bad percent-encoding"
	BadUTF8    = "percent-encoding that is no UTF-8"
)

// read gives all readings of an address whose key stands in tail, behind a slash.
func (h *Hosts) read(l leader, tail string, open byte) (Found, bool) {
	all, likely := ends(tail, l.plain, open)
	return h.readTo(l, tail, all, likely)
}

// readTo is read for ends that are known. False: it is no object of a bucket that counts.
func (h *Hosts) readTo(l leader, tail string, ends []int, likely int) (Found, bool) {
	f := Found{Raw: tail[:likely]}
	first := slash(tail)
	if first == 0 {
		return f, false
	}
	if len(tail) == first || tail[first] == ' ' || tail[first] == '\t' {
		return f, false
	}
	f.Bad = h.places(&f.Places, l, tail[first:max(first, likely)])
	f.Guess = likely <= first // nothing but punctuation
	for i := len(ends) - 1; i >= 0; i-- {
		if e := ends[i]; e != likely && e > first {
			h.places(&f.Places, l, tail[first:e])
		}
	}
	return f, len(f.Places) > 0
}

// places adds what a piece of text behind the slash may mean, the likeliest first, and
// says what is wrong with that.
func (h *Hosts) places(to *[]Place, l leader, piece string) (bad string) {
	for i, v := range variants(piece) {
		for _, p := range h.decode(l, v, i == 0, &bad) {
			add(to, p)
		}
	}
	return bad
}

// maxKey is how many bytes the key of an object has at most.
const maxKey = 1024

// add appends a place unless it is there. There are few, so that looking is cheap. A key
// that no object can have is named where there is no other.
func add(to *[]Place, p Place) {
	if p.Key == "" || len(p.Key) > maxKey && len(*to) > 0 {
		return
	}
	for _, q := range *to {
		if q == p {
			return
		}
	}
	*to = append(*to, p)
}

// variants are a piece of text as it is once escapes of JSON, Markdown and HTML are taken
// for what they stand for, and as it is written. What looks escaped is more likely so.
func variants(piece string) []string {
	if strings.IndexByte(piece, '\\') < 0 && strings.IndexByte(piece, '&') < 0 {
		return []string{piece}
	}
	var vs []string
	for u, depth := piece, 0; depth < 3; depth++ { // JSON in JSON is escaped twice
		next := unescaped(u)
		if next == u {
			break
		}
		u = next
		if e := unentitied(u); e != u {
			vs = append([]string{e, u}, vs...)
		} else {
			vs = append([]string{u}, vs...)
		}
	}
	if e := unentitied(piece); e != piece {
		vs = append(vs, e)
	}
	return append(vs, piece)
}

// decode makes places of one reading of the text.
func (h *Hosts) decode(l leader, text string, likeliest bool, bad *string) (ps []Place) {
	if !l.plain {
		if i := strings.IndexAny(text, "?#"); i >= 0 {
			text = text[:i]
		}
	}
	buckets := l.buckets
	if l.path {
		b, rest, ok := strings.Cut(text, "/")
		b, why := percent(b)
		if why != "" || !ok || !h.counts(b) {
			return nil
		}
		buckets, text = []string{b}, rest
	}
	if text == "" {
		return nil
	}
	key := text
	if !l.plain {
		k, why := percent(text)
		if why != "" && likeliest {
			*bad = why // the text as written stays a reading: a link too many, if at all
		}
		if why == "" {
			key = k
		}
	}
	for _, b := range buckets {
		ps = append(ps, Place{b, l.prefix + key})
	}
	return ps
}

// percent decodes a part of a path. A plus is a plus.
func percent(s string) (decoded, bad string) {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s, ""
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", BadPercent
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", BadPercent
		}
		b = append(b, byte(n))
		i += 2
	}
	if !utf8.Valid(b) {
		return "", BadUTF8
	}
	return string(b), ""
}

// unentitied takes HTML's entities for what they stand for.
func unentitied(s string) string { return html.UnescapeString(s) }

// unescaped takes a backslash as JSON and Markdown do: before an ASCII punctuation mark it
// is dropped, \uXXXX is a character.
func unescaped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch c := s[i+1]; {
		case c == 'u':
			r, ok := unit(s[i:])
			if !ok {
				b.WriteByte(s[i])
				continue
			}
			i += 5
			if utf16.IsSurrogate(r) {
				if low, ok := unit(s[i+1:]); ok {
					if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
						r, i = both, i+6
					}
				}
			}
			b.WriteRune(r)
		case c > ' ' && c < 0x7f && !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'):
			b.WriteByte(c)
			i++
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// unit reads \uXXXX.
func unit(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}
