// Package handleid reads ids of file handles: decimal digits up to 2^63-1, UUIDs in any
// usual spelling, or texts, whichever the handles' own table has.
//
// It promises one normal form for all spellings of an id, so that ids of handles and ids
// in links can be compared as bytes, and it never reads what is none: white space, signs,
// fractions and digits of other scripts are refused with a reason that a person
// understands. Which type a column has, and what becomes of a value that is refused, is
// left to the caller; so is a normal form that two handles share (texts that are the same
// UUID in two spellings): both are meant.
package handleid

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Type is what the ids of a kind of handles are.
type Type int

// Types of ids. Any is for where the handles' column is not known: digits or a UUID.
const (
	Any Type = iota
	Integer
	UUID
	Text
)

// Beyond is the reason for digits that are more than 2^63-1.
const Beyond = "beyond 64 bits"

// Parse gives the normal form of an id as it stands in a text, or why it is none. Nothing
// at all is no id either: where that is no link, the caller does not ask.
func (t Type) Parse(s string) (normal, reason string) {
	if t == Integer || t == Any {
		if n, ok := digits(s); ok {
			if n < 0 {
				return "", Beyond
			}
			if s[0] != '0' {
				return s, "" // as nearly all are: nothing is written anew
			}
			return strconv.FormatInt(n, 10), ""
		}
	}
	if t == UUID || t == Any || t == Text {
		if u, ok := canonical(s); ok {
			return u, ""
		}
	}
	if t == Text && s != "" {
		return s, ""
	}
	return "", NotAnID(s)
}

// ParseBytes is Parse for a value of a binary column: 16 bytes are a UUID where one is
// expected, whatever they look like as text.
func (t Type) ParseBytes(b []byte) (normal, reason string) {
	if t == UUID && len(b) == 16 {
		return dashed([16]byte(b)), ""
	}
	return t.Parse(string(b))
}

// ParseInt is Parse for a number that the database gave as one.
func (t Type) ParseInt(n int64) (normal, reason string) {
	s := strconv.FormatInt(n, 10)
	if n < 0 && t != Text || t == UUID {
		return "", NotAnID(s)
	}
	return s, ""
}

// NotAnID is the reason for a text that is no id.
func NotAnID(s string) string { return "not an id: " + Show(s) }

// Show makes a value fit to stand in a reason: cut where it is long, quoted where white
// space around it would not be seen.
func Show(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s[:min(len(s), most*utf8.UTFMax)])[:most]) + "…"
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	if s == "" || unicode.IsSpace(first) || unicode.IsSpace(last) || strings.ContainsFunc(s, unicode.IsControl) {
		return "'" + s + "'"
	}
	return s
}

// digits reads decimal digits; -1 where they are beyond 2^63-1.
func digits(s string) (n int64, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		if n >= 0 {
			d := int64(s[i] - '0')
			if n > (math.MaxInt64-d)/10 {
				n = -1
				continue
			}
			n = n*10 + d
		}
	}
	return n, s != ""
}

// canonical reads a UUID: 32 hexadecimal digits of either case, with a dash behind any
// four of them or none, in braces or behind urn:uuid: or not.
func canonical(s string) (string, bool) {
	if len(s) < 32 || len(s) > len("urn:uuid:{}")+39 {
		return "", false
	}
	if p := "urn:uuid:"; len(s) > len(p) && strings.EqualFold(s[:len(p)], p) {
		s = s[len(p):]
	} else if p := "uuid:"; len(s) > len(p) && strings.EqualFold(s[:len(p)], p) {
		s = s[len(p):]
	}
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		s = s[1 : len(s)-1]
	}
	var h [32]byte
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '-':
			if n == 0 || n == 32 || n%4 != 0 || s[i-1] == '-' {
				return "", false
			}
		case n == 32 || !isHex(c):
			return "", false
		default:
			h[n] = c
			n++
		}
	}
	var u [16]byte
	if _, err := hex.Decode(u[:], h[:]); n != 32 || err != nil {
		return "", false
	}
	return dashed(u), true
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// dashed is the normal form of a UUID.
func dashed(u [16]byte) string {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}
