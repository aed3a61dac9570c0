package sniff

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"cooper"
)

// enough is the number of bits that a content must have fixed: garbage passes
// with a probability below 2 to the minus that.
const enough = 64

// Verdict is what Check says.
type Verdict int

// The values of Verdict.
const (
	Differs Verdict = iota // not what was expected: a wrong key, or something else
	Matches                // what was expected
	Short                  // too short to be told from garbage
)

// Texts are looked at for textMost bytes and cannot be told from garbage under
// textLeast: of the strings of that length, fewer than 1 in 2^64 are text (see
// textBits).
const (
	textLeast = 64
	textMost  = 4096
)

// expectation is one way a content may look.
type expectation struct {
	declared string
	bits     float64 // garbage passes with a probability of 2 to the minus this, at most
	need     int     // the first bytes that Check wants to see
	check    func(head []byte) Verdict
}

// Expectations say what the contents under a prefix look like: one way of
// several. Once declared they do not change.
type Expectations struct{ any []expectation }

// Declare takes what may be expected, any one of:
//
//	csv:HEADER          the first line is HEADER, exactly
//	json                begins with { or [ and is UTF-8 text
//	text                is UTF-8 text
//	magic:NAME          begins as the format does; MagicNames lists those that will do
//	bytes:HEX[@OFFSET]  has these bytes there
//
// It refuses, as KindUsage, what would let garbage pass with a probability of
// 2^-64 or more, all taken together.
func Declare(declared ...string) (*Expectations, error) {
	e, pass := &Expectations{}, 0.0
	for _, d := range declared {
		x, err := parse(d)
		if err != nil {
			return nil, err
		}
		pass += math.Exp2(-x.bits)
		e.any = append(e.any, x)
	}
	if len(e.any) == 0 {
		return nil, usage("", "nothing is declared that a right key could be told by")
	}
	if pass >= math.Exp2(-enough) {
		return nil, usage(strings.Join(declared, " | "),
			fmt.Sprintf("%.1f bits are fixed, and more than %d are needed to tell a right key from a wrong one", -math.Log2(pass), enough))
	}
	return e, nil
}

func usage(where, message string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: message,
		Remedy: "Declare a longer beginning, such as csv: and the whole first line, or text."}
}

func parse(d string) (expectation, error) {
	name, arg, given := strings.Cut(d, ":")
	var x expectation
	var err error
	switch {
	case name == "csv" && given:
		x = firstLine(arg)
	case name == "json" && !given:
		x = textual(func(c byte) bool { return c == '{' || c == '[' })
	case name == "text" && !given:
		x = textual(func(byte) bool { return true })
	case name == "magic" && given:
		x, err = beginsAs(arg)
	case name == "bytes" && given:
		x, err = fixed(arg)
	default:
		err = usage(d, "not a way to declare contents: csv:HEADER, json, text, magic:NAME or bytes:HEX@OFFSET")
	}
	x.declared = d
	return x, err
}

// firstLine: a CSV that ends behind its header, with no line end, is one too.
func firstLine(header string) expectation {
	return expectation{bits: 8 * float64(len(header)), need: len(header) + 2, check: func(head []byte) Verdict {
		rest, ok := strings.CutPrefix(string(head), header)
		switch {
		case ok && (rest == "" || rest[0] == '\n' || rest == "\r" || strings.HasPrefix(rest, "\r\n")):
			return Matches
		case !ok && strings.HasPrefix(header, string(head)):
			return Short
		}
		return Differs
	}}
}

func textual(first func(byte) bool) expectation {
	return expectation{bits: textBits(textLeast), need: textMost, check: func(head []byte) Verdict {
		switch {
		case len(head) > 0 && !first(head[0]) || !isText(head):
			return Differs
		case len(head) < textLeast:
			return Short
		}
		return Matches
	}}
}

// textBits is how many bits of n bytes are fixed by their being text as isText
// has it. It counts the strings that are, by their last character: there are 98
// of one byte, and of two, three and four bytes 2^5·60, 2^10·60 and 2^20; each
// may be cut by the end.
func textBits(n int) float64 {
	const two, three, four = 0x800 - 0x80, 0x10000 - 0x800 - 0x800, 0x110000 - 0x10000
	whole := make([]float64, n+1) // strings of whole characters, over 256^length
	at := func(i int) float64 {
		if i < 0 {
			return 0
		}
		return whole[i]
	}
	p2, p3, p4 := two/math.Exp2(16), three/math.Exp2(24), four/math.Exp2(32)
	whole[0] = 1
	for i := 1; i <= n; i++ {
		whole[i] = at(i-1)*98/256 + at(i-2)*p2 + at(i-3)*p3 + at(i-4)*p4
	}
	// Cut ones: a first byte of 30, 16 and 5 values, or two or three bytes of these; at most 64 values for each byte after.
	cut := at(n-1)*(30+16+5)/256 + at(n-2)*(16+5)*64/math.Exp2(16) + at(n-3)*5*64*64/math.Exp2(24)
	return -math.Log2(at(n) + cut)
}

// A beginning is a format's first bytes that are the same in every file, each
// element of it one of several strings of one length.
type beginning [][]string

var beginnings = map[string]beginning{
	"png":    {{"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"}},
	"jfif":   {{"\xff\xd8\xff\xe0\x00\x10JFIF\x00"}},
	"hdf5":   {{"\x89HDF\r\n\x1a\n"}, {"\x00", "\x01", "\x02", "\x03"}},
	"sqlite": {{"SQLite format 3\x00"}},
	"xz": {{"\xfd7zXZ\x00"}, { // the flags, and their CRC-32
		"\x00\x00\xff\x12\xd9\x41", "\x00\x01\x69\x22\xde\x36", "\x00\x04\xe6\xd6\xb4\x46", "\x00\x0a\xe1\xfb\x0c\xa1"}},
	"bzip2": {{"BZh"}, {"1", "2", "3", "4", "5", "6", "7", "8", "9"}, {"1AY&SY"}},
	"zstd":  {{"\x28\xb5\x2f\xfd"}},
	"gzip":  {{"\x1f\x8b\x08"}},
	"zip":   {{"PK\x03\x04"}},
}

func (b beginning) bits() (bits float64) {
	for _, alternatives := range b {
		bits += 8*float64(len(alternatives[0])) - math.Log2(float64(len(alternatives)))
	}
	return bits
}

// MagicNames lists the formats of which the magic alone will do.
func MagicNames() []string {
	var names []string
	for name, b := range beginnings {
		if b.bits() > enough {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func beginsAs(name string) (expectation, error) {
	b, ok := beginnings[name]
	if !ok {
		return expectation{}, usage("magic:"+name, "not one of "+strings.Join(MagicNames(), ", "))
	}
	need := 0
	for _, alternatives := range b {
		need += len(alternatives[0])
	}
	return expectation{bits: b.bits(), need: need, check: func(head []byte) Verdict {
		for _, alternatives := range b {
			n := min(len(head), len(alternatives[0]))
			if !slices.ContainsFunc(alternatives, func(a string) bool { return a[:n] == string(head[:n]) }) {
				return Differs
			}
			if n < len(alternatives[0]) {
				return Short
			}
			head = head[n:]
		}
		return Matches
	}}, nil
}

// maxOffset keeps what is held of a content before it is believed small.
const maxOffset = 64 << 10

func fixed(arg string) (expectation, error) {
	digits, place, given := strings.Cut(arg, "@")
	want, err := hex.DecodeString(digits)
	if err != nil {
		return expectation{}, usage("bytes:"+arg, "these are not hexadecimal digits")
	}
	at := 0
	if given {
		if at, err = strconv.Atoi(place); err != nil || at < 0 || at > maxOffset {
			return expectation{}, usage("bytes:"+arg, fmt.Sprintf("an offset is a number from 0 to %d", maxOffset))
		}
	}
	return expectation{bits: 8 * float64(len(want)), need: at + len(want), check: func(head []byte) Verdict {
		switch {
		case len(head) < at+len(want):
			return Short
		case string(head[at:at+len(want)]) == string(want):
			return Matches
		}
		return Differs
	}}, nil
}

// Need is how many of the first bytes Check wants to see.
func (e *Expectations) Need() int {
	need := 0
	for _, x := range e.any {
		need = max(need, x.need)
	}
	return need
}

// Check judges a content by its first Need bytes, or all of it if it is
// shorter.
func (e *Expectations) Check(head []byte) Verdict {
	best := Differs
	for _, x := range e.any {
		switch x.check(head[:min(len(head), x.need)]) {
		case Matches:
			return Matches
		case Short:
			best = Short
		}
	}
	return best
}

// String is as it was declared.
func (e *Expectations) String() string {
	var s []string
	for _, x := range e.any {
		s = append(s, x.declared)
	}
	return strings.Join(s, " | ")
}
