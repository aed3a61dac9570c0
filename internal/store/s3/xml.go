package s3

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// scanner takes a listing apart: elements and the text in them. It knows as
// much XML as stores write (declarations, comments, attributes to be skipped,
// references to characters) and calls everything else an error. encoding/xml
// takes ten times as long, which matters when a listing has 10^9 rows.
type scanner struct {
	b     []byte
	i     int
	depth int
	// empty: the element just opened was written <x/> and closes next.
	empty bool
}

type tokenKind int

const (
	tokenEnd tokenKind = iota // of the document
	tokenOpen
	tokenClose
	tokenText
)

// next gives the next token; text is an element's name or characters as they
// were written. Blank text between elements is passed on as well.
func (s *scanner) next() (tokenKind, []byte, error) {
	if s.empty {
		s.empty = false
		s.depth--
		return tokenClose, nil, nil
	}
	for s.i < len(s.b) {
		if s.b[s.i] != '<' {
			n := bytes.IndexByte(s.b[s.i:], '<')
			if n < 0 {
				n = len(s.b) - s.i
			}
			text := s.b[s.i : s.i+n]
			s.i += n
			if s.depth == 0 {
				if len(bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))) > 0 {
					return 0, nil, malformed("text outside of XML")
				}
				continue
			}
			return tokenText, text, nil
		}
		rest := s.b[s.i+1:]
		switch {
		case bytes.HasPrefix(rest, []byte("?")):
			if err := s.skip("?>"); err != nil {
				return 0, nil, err
			}
		case bytes.HasPrefix(rest, []byte("!--")):
			if err := s.skip("-->"); err != nil {
				return 0, nil, err
			}
		case bytes.HasPrefix(rest, []byte("/")):
			n := bytes.IndexByte(rest, '>')
			if n < 0 || s.depth == 0 {
				return 0, nil, malformed("XML that ends too much or too soon")
			}
			s.depth--
			s.i += n + 2
			return tokenClose, bytes.TrimSpace(rest[1:n]), nil
		default:
			return s.open(rest)
		}
	}
	if s.depth > 0 {
		return 0, nil, malformed("XML that ends too soon")
	}
	return tokenEnd, nil, nil
}

func (s *scanner) skip(end string) error {
	n := bytes.Index(s.b[s.i:], []byte(end))
	if n < 0 {
		return malformed("XML that ends too soon")
	}
	s.i += n + len(end)
	return nil
}

// open reads an element's name and passes over its attributes.
func (s *scanner) open(rest []byte) (tokenKind, []byte, error) {
	quote := byte(0)
	for n, c := range rest {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '<':
			return 0, nil, malformed("XML with < inside a tag")
		case c == '>':
			s.i += n + 2
			s.depth++
			tag := rest[:n]
			if t, ok := bytes.CutSuffix(tag, []byte("/")); ok {
				tag, s.empty = t, true
			}
			if sp := bytes.IndexAny(tag, " \t\r\n"); sp >= 0 {
				tag = tag[:sp]
			}
			if len(tag) == 0 || tag[0] == '!' {
				return 0, nil, malformed("XML with an element without a name")
			}
			return tokenOpen, tag, nil
		}
	}
	return 0, nil, malformed("XML that ends too soon")
}

// unescapeXML replaces references; text without any is returned as it is.
func unescapeXML(b []byte) (string, error) {
	amp := bytes.IndexByte(b, '&')
	if amp < 0 {
		return string(b), nil
	}
	out := make([]byte, 0, len(b))
	for amp >= 0 {
		out = append(out, b[:amp]...)
		semi := bytes.IndexByte(b[amp:], ';')
		if semi < 0 {
			return "", malformed("XML with an unfinished reference")
		}
		r, err := reference(string(b[amp+1 : amp+semi]))
		if err != nil {
			return "", err
		}
		out = utf8.AppendRune(out, r)
		b = b[amp+semi+1:]
		amp = bytes.IndexByte(b, '&')
	}
	return string(append(out, b...)), nil
}

func reference(name string) (rune, error) {
	switch name {
	case "amp":
		return '&', nil
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "quot":
		return '"', nil
	case "apos":
		return '\'', nil
	}
	if len(name) > 1 && name[0] == '#' {
		digits, base := name[1:], 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		n, err := strconv.ParseUint(digits, base, 21)
		if err == nil && utf8.ValidRune(rune(n)) {
			return rune(n), nil
		}
	}
	return 0, malformed("XML with an unknown reference %q", clip(name, 20))
}
