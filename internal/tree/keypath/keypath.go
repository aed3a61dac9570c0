// Package keypath maps S3 keys to paths in a backup tree and back.
//
// From a path to a key the mapping is a pure function, and no two keys share a
// path; ordinary keys keep their own. Only odd components look odd: `%XX`
// escapes a byte, `%` alone is an empty component, a piece that ends in `%~`
// goes on in the directory of that name, `%=` ends the displaced form of a key
// whose plain path is a directory, and `%@` begins the version in the name of
// a file in history. The parsers accept exactly what the other functions give,
// nothing else. Which of the two forms a file has, and everything that touches
// a disk, is left to package tree.
//
// A Layout gives paths relative to a tree. In the inline layout more is left as
// it is, as another program does it, and what is odd begins with `.%`. The
// functions beside it are the mapping of the sidecar layout, relative to its
// mirror or history directory; directories that are restored to have it too.
// Paths are separated by '/'.
package keypath

import (
	"strings"
	"unicode/utf8"
)

const (
	// maxPiece is the longest name of a mirror component in bytes, including
	// the mark that it goes on. File systems allow 255: the rest is room for
	// the displaced mark and for versions in history.
	maxPiece = 200
	// maxName is what file systems allow.
	maxName = 255

	contMark      = "%~"
	displacedMark = "%="
	versionMark   = "%@"
)

// Mirror is the plain path of key's latest version.
func Mirror(key string) string {
	if isOrdinary(key) {
		return key
	}
	return string(appendKey(make([]byte, 0, len(key)+16), key))
}

// Displaced is the path of key's latest version where the plain path is a
// directory, because other keys lie under it.
func Displaced(key string) string {
	return string(append(appendKey(make([]byte, 0, len(key)+16), key), displacedMark...))
}

// ParseMirror gives the key whose latest version lies at path, and whether
// that is its displaced form. It is not ok if no key has that path.
func ParseMirror(path string) (key string, displaced, ok bool) {
	p := path
	if strings.HasSuffix(p, displacedMark) {
		// Neither a piece that goes on nor an escaped name ends like this.
		p, displaced = p[:len(p)-len(displacedMark)], true
	}
	key, ok = decodeKey(p)
	if !ok {
		return "", false, false
	}
	return key, displaced, true
}

// decodeKey undoes appendKey and refuses what appendKey would not have given.
func decodeKey(p string) (string, bool) {
	if p == "" {
		return "", false
	}
	if isOrdinary(p) {
		return p, true
	}
	key := make([]byte, 0, len(p))
	joined := false // the piece before goes on in this one
	for i, name := range strings.Split(p, "/") {
		if i > 0 && !joined {
			key = append(key, '/')
		}
		name, joined = cutCont(name)
		if name == "%" && !joined {
			continue // an empty component
		}
		key = appendUnescaped(key, name)
	}
	if joined || string(appendKey(make([]byte, 0, len(p)), string(key))) != p {
		return "", false
	}
	return string(key), true
}

func cutCont(name string) (string, bool) {
	if strings.HasSuffix(name, contMark) {
		return name[:len(name)-len(contMark)], true
	}
	return name, false
}

// isOrdinary tells whether key is its own path: it has no byte and no
// component that could be escaped.
func isOrdinary(key string) bool {
	begin := 0
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c < 0x20 || c == 0x7f || c == '%':
			return false
		case c == '/':
			if !isOrdinaryName(key[begin:i]) {
				return false
			}
			begin = i + 1
		}
	}
	return isOrdinaryName(key[begin:])
}

func isOrdinaryName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxPiece
}

func appendKey(dst []byte, key string) []byte {
	for {
		component, rest, more := strings.Cut(key, "/")
		dst = appendComponent(dst, component)
		if !more {
			return dst
		}
		dst = append(dst, '/')
		key = rest
	}
}

func appendComponent(dst []byte, c string) []byte {
	switch c {
	case "":
		return append(dst, '%')
	case ".":
		return append(dst, "%2E"...)
	case "..":
		return append(dst, "%2E%2E"...)
	case "%":
		return append(dst, "%25"...)
	}
	begin := len(dst)
	for i := 0; i < len(c); i++ {
		if isOddByte(c[i]) || c[i] == '%' && looksLikeEscape(c[i+1:]) {
			dst = appendEscape(dst, c[i])
		} else {
			dst = append(dst, c[i])
		}
	}
	if len(dst)-begin <= maxPiece {
		return dst
	}
	return appendPieces(dst[:begin], c)
}

// appendPieces writes a component that is too long as several names. Every
// '%' is escaped here, so that a cut never makes an escape or breaks one.
//
// The last piece has at least three bytes (a cut is made only where more than
// maxPiece are left, and takes at most maxPiece-2), so it is never "." or "..".
func appendPieces(dst []byte, c string) []byte { return appendCut(dst, escapeAll(c), "") }

func escapeAll(c string) []byte {
	esc := make([]byte, 0, len(c)+16)
	for i := 0; i < len(c); i++ {
		if isOddByte(c[i]) || c[i] == '%' {
			esc = appendEscape(esc, c[i])
		} else {
			esc = append(esc, c[i])
		}
	}
	return esc
}

// appendCut writes an escaped component, each name with prefix, cut where it
// is too long.
func appendCut(dst, esc []byte, prefix string) []byte {
	for len(esc) > maxPiece {
		cut := maxPiece - len(contMark)
		switch { // not inside an escape
		case esc[cut-1] == '%':
			cut--
		case esc[cut-2] == '%':
			cut -= 2
		default:
			cut -= insideRune(esc, cut)
		}
		dst = append(append(append(append(dst, prefix...), esc[:cut]...), contMark...), '/')
		esc = esc[cut:]
	}
	return append(append(dst, prefix...), esc...)
}

// insideRune is how many bytes before at the character begins that a cut there
// would break; 0 if there is none.
func insideRune(b []byte, at int) int {
	for back := range utf8.UTFMax {
		if utf8.RuneStart(b[at-back]) {
			if b[at-back] < utf8.RuneSelf {
				return 0 // what follows an ASCII character is broken already
			}
			return back
		}
	}
	return 0
}

func isOddByte(b byte) bool { return b < 0x20 || b == 0x7f }

// looksLikeEscape tells whether a '%' followed by s would be read as
// something else than itself.
func looksLikeEscape(s string) bool {
	if s == "" {
		return false
	}
	if s[0] == '~' || s[0] == '=' || s[0] == '@' {
		return true
	}
	return len(s) >= 2 && isHex(s[0]) && isHex(s[1])
}

const hexDigits = "0123456789ABCDEF"

func appendEscape(dst []byte, b byte) []byte {
	return append(dst, '%', hexDigits[b>>4], hexDigits[b&15])
}

func isHex(b byte) bool { return b >= '0' && b <= '9' || b >= 'A' && b <= 'F' }

func unhex(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b - 'A' + 10
}

func appendUnescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			dst = append(dst, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		dst = append(dst, s[i])
	}
	return dst
}
