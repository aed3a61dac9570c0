// Package ident turns ETags and version ids into binary and back.
//
// They are the incompressible part of every row, so files keep them once and
// as bytes: an MD5 as 16 instead of 32, an S3 version id as 24 instead of 32.
// What does not have those shapes stays text. Every string comes back exactly
// as it was; what ETags and version ids mean is left to others.
package ident

// The lengths of the binary forms, in bytes.
const (
	ETagSize      = 16
	VersionIDSize = 24
)

// textSize is how long both are as text.
const textSize = 32

const hexDigits = "0123456789abcdef"

// versionDigits is base64's alphabet with '.' for '+' and '_' for '/', which
// is what S3 writes version ids in.
const versionDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"

// invalid marks bytes that are no digit; no digit's value has its top bit.
const invalid = 0x80

var (
	hexValues     = values(hexDigits)
	versionValues = values(versionDigits)
	hexPairs      = pairs()
)

func values(digits string) (t [256]byte) {
	for i := range t {
		t[i] = invalid
	}
	for i := range len(digits) {
		t[digits[i]] = byte(i)
	}
	return t
}

func pairs() (t [256][2]byte) {
	for i := range t {
		t[i] = [2]byte{hexDigits[i>>4], hexDigits[i&15]}
	}
	return t
}

// ParseETag writes the binary form of s into dst and gives what follows the
// 32 hexadecimal digits, such as "-12". It is not ok if s does not begin with
// 32 lower-case hexadecimal digits.
func ParseETag(dst *[ETagSize]byte, s string) (rest string, ok bool) {
	if len(s) < textSize {
		return "", false
	}
	var bad byte
	for i := range dst {
		hi, lo := hexValues[s[2*i]], hexValues[s[2*i+1]]
		bad |= hi | lo
		dst[i] = hi<<4 | lo
	}
	if bad&invalid != 0 {
		return "", false
	}
	return s[textSize:], true
}

// ParseVersionID writes the binary form of s into dst. It is not ok unless s
// is 32 characters of [A-Za-z0-9._].
func ParseVersionID(dst *[VersionIDSize]byte, s string) (ok bool) {
	if len(s) != textSize {
		return false
	}
	var bad byte
	for i := range VersionIDSize / 3 {
		q := s[4*i : 4*i+4]
		a, b, c, d := versionValues[q[0]], versionValues[q[1]], versionValues[q[2]], versionValues[q[3]]
		bad |= a | b | c | d
		dst[3*i] = a<<2 | b>>4
		dst[3*i+1] = b<<4 | c>>2
		dst[3*i+2] = c<<6 | d
	}
	return bad&invalid == 0
}

// SplitETag gives the binary form of an ETag, nil if it has none, and the text
// that is left: what follows the digits, or the whole.
func SplitETag(s string) (bin []byte, text string) {
	var b [ETagSize]byte
	rest, ok := ParseETag(&b, s)
	if !ok {
		return nil, s
	}
	return b[:], rest
}

// JoinETag undoes SplitETag. bin is nil or ETagSize bytes.
func JoinETag(bin []byte, text string) string {
	if len(bin) == 0 {
		return text
	}
	return string(AppendETag(make([]byte, 0, textSize+len(text)), bin, text))
}

// AppendETag appends what JoinETag gives.
func AppendETag(dst, bin []byte, text string) []byte {
	for _, b := range bin {
		dst = append(dst, hexPairs[b][0], hexPairs[b][1])
	}
	return append(dst, text...)
}

// SplitVersionID gives the binary form of a version id and no text, or nil and
// the whole text.
func SplitVersionID(s string) (bin []byte, text string) {
	var b [VersionIDSize]byte
	if !ParseVersionID(&b, s) {
		return nil, s
	}
	return b[:], ""
}

// JoinVersionID undoes SplitVersionID. bin is nil or VersionIDSize bytes.
func JoinVersionID(bin []byte, text string) string {
	if len(bin) == 0 {
		return text
	}
	return string(AppendVersionID(make([]byte, 0, textSize), bin, text))
}

// AppendVersionID appends what JoinVersionID gives. Where there is a binary
// form there is no text.
func AppendVersionID(dst, bin []byte, text string) []byte {
	for ; len(bin) >= 3; bin = bin[3:] {
		a, b, c := bin[0], bin[1], bin[2]
		dst = append(dst, versionDigits[a>>2], versionDigits[(a<<4|b>>4)&63],
			versionDigits[(b<<2|c>>6)&63], versionDigits[c&63])
	}
	return append(dst, text...)
}
