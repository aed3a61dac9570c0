package xmlpath

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decoded gives a document as UTF-8, by its mark or by what it declares.
func decoded(data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("<\x00")):
		return wide(data, binary.LittleEndian)
	case bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.HasPrefix(data, []byte("\x00<")):
		return wide(data, binary.BigEndian)
	}
	switch e := declared(data); e {
	case "", "utf-8", "utf8":
		if !utf8.Valid(data) {
			return nil, Broken("XML that is no UTF-8")
		}
	case "us-ascii", "ascii":
		for _, c := range data {
			if c >= utf8.RuneSelf {
				return nil, Broken("XML that is no ASCII, as it declares")
			}
		}
	case "iso-8859-1", "latin1", "latin-1":
		out := make([]byte, 0, len(data)+len(data)/8)
		for _, c := range data {
			out = utf8.AppendRune(out, rune(c))
		}
		data = out
	default:
		return nil, Broken("XML in an encoding that is not read: " + clip(e))
	}
	return data, checked(data)
}

// checked refuses bytes that no XML has.
func checked(data []byte) error {
	for _, c := range data {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return Broken("XML with control characters")
		}
	}
	return nil
}

// wide decodes UTF-16.
func wide(data []byte, order binary.ByteOrder) ([]byte, error) {
	if len(data)%2 != 0 {
		return nil, NotClosed
	}
	us := make([]uint16, 0, len(data)/2)
	for i := 0; i < len(data); i += 2 {
		us = append(us, order.Uint16(data[i:]))
	}
	out := make([]byte, 0, len(data))
	for i := 0; i < len(us); i++ {
		r := rune(us[i])
		if utf16.IsSurrogate(r) {
			if i+1 == len(us) {
				return nil, Broken("XML that is no UTF-16")
			}
			if r = utf16.DecodeRune(r, rune(us[i+1])); r == utf8.RuneError {
				return nil, Broken("XML that is no UTF-16")
			}
			i++
		}
		if r == 0xfeff && i == 0 {
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	if e := declared(out); e != "" && !strings.HasPrefix(e, "utf-16") {
		return nil, Broken("XML in an encoding other than it declares: " + clip(e))
	}
	return out, checked(out)
}

// declared is the encoding that <?xml … ?> names, in lower case.
func declared(data []byte) string {
	if !bytes.HasPrefix(data, []byte("<?xml")) {
		return ""
	}
	n := bytes.Index(data, []byte("?>"))
	if n < 0 {
		return ""
	}
	head := data[:n]
	i := bytes.Index(head, []byte("encoding"))
	if i < 0 {
		return ""
	}
	rest := bytes.TrimLeft(head[i+len("encoding"):], " \t\r\n=")
	if len(rest) < 2 || rest[0] != '"' && rest[0] != '\'' {
		return "?"
	}
	end := bytes.IndexByte(rest[1:], rest[0])
	if end < 0 {
		return "?"
	}
	return strings.ToLower(string(rest[1 : 1+end]))
}
