package loosejson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// read reads one value, with all that is in it, and gives where it ends.
func (d *Doc) read() (int, error) {
	at, err := d.value(0)
	for err == nil && len(d.open) > 0 {
		in := &d.nodes[d.open[len(d.open)-1]]
		closing := byte(']')
		if in.kind == Object {
			closing = '}'
		}
		switch at = d.space(at); {
		case at == len(d.text):
			return at, d.wrong(at, "it is cut off")
		case d.text[at] == closing:
			at++
			in.end, in.next = int32(at), int32(len(d.nodes)) //nolint:gosec // both are bounded by MaxLength
			d.open = d.open[:len(d.open)-1]
			continue
		case in.count == 0:
		case d.text[at] != ',':
			return at, d.wrong(at, "a comma is missing")
		default:
			at = d.space(at + 1)
		}
		if in.kind == Object {
			at, err = d.name(at)
		}
		if err == nil {
			at, err = d.value(at)
		}
	}
	return at, err
}

// value reads a scalar, or begins a list or an object.
func (d *Doc) value(at int) (int, error) {
	if at = d.space(at); at == len(d.text) {
		return at, d.wrong(at, "a value is missing")
	}
	switch d.text[at] {
	case '{':
		d.begin(Object, at, at+1)
		d.open = append(d.open, int32(len(d.nodes)-1)) //nolint:gosec // bounded by MaxLength
		return at + 1, nil
	case '[':
		d.begin(List, at, at+1)
		d.open = append(d.open, int32(len(d.nodes)-1)) //nolint:gosec // bounded by MaxLength
		return at + 1, nil
	case '"':
		end, escaped, err := d.quoted(at)
		if err != nil {
			return end, err
		}
		d.begin(Text, at+1, end-1).escaped = escaped
		return end, nil
	default:
		return d.word(at)
	}
}

// begin appends a value, and counts it in what it is in.
func (d *Doc) begin(k Kind, start, end int) *node {
	if len(d.open) > 0 {
		d.nodes[d.open[len(d.open)-1]].count++
	}
	d.named = -1
	return d.append(k, start, end)
}

func (d *Doc) append(k Kind, start, end int) *node {
	//nolint:gosec // all are bounded by MaxLength
	d.nodes = append(d.nodes, node{kind: k, start: int32(start), end: int32(end), next: int32(len(d.nodes) + 1)})
	return &d.nodes[len(d.nodes)-1]
}

// name reads the name of a field, and its colon.
func (d *Doc) name(at int) (int, error) {
	if at == len(d.text) || d.text[at] != '"' {
		return at, d.wrong(at, "the name of a field is missing")
	}
	end, escaped, err := d.quoted(at)
	if err != nil {
		return end, err
	}
	d.named = len(d.nodes)
	d.append(Text, at+1, end-1).escaped = escaped
	if at = d.space(end); at == len(d.text) || d.text[at] != ':' {
		return at, d.wrong(at, "a colon is missing")
	}
	return at + 1, nil
}

func (d *Doc) space(at int) int {
	for at < len(d.text) {
		switch d.text[at] {
		case ' ', '\t', '\n', '\r':
			at++
		default:
			return at
		}
	}
	return at
}

// word reads what has no quotes: numbers, and names of values.
func (d *Doc) word(at int) (int, error) {
	end := at
	for end < len(d.text) && (d.text[end] == '-' || d.text[end] == '+' || d.text[end] == '.' || '0' <= d.text[end] && d.text[end] <= '9' || 'a' <= d.text[end]|0x20 && d.text[end]|0x20 <= 'z') {
		end++
	}
	kind := Number
	switch w := d.text[at:end]; string(w) {
	case "null":
		kind = Null
	case "true":
		kind = True
	case "false":
		kind = False
	case "NaN", "Infinity", "-Infinity":
		d.faults[NotANumber]++
	default:
		strict, loose := number(w)
		if !loose {
			return at, d.wrong(at, "this is no value")
		}
		if !strict {
			d.faults[OddNumber]++
		}
	}
	d.begin(kind, at, end)
	return end, nil
}

// number tells whether w is a number as RFC 8259 has it, and whether it is one at all.
func number(w []byte) (strict, loose bool) {
	digits := func(i int) int {
		for i < len(w) && '0' <= w[i] && w[i] <= '9' {
			i++
		}
		return i
	}
	strict = true
	i := 0
	if i < len(w) && (w[i] == '-' || w[i] == '+') {
		strict = w[i] == '-'
		i++
	}
	whole := digits(i)
	n := whole - i
	if n == 0 || n > 1 && w[i] == '0' {
		strict = false
	}
	if i = whole; i < len(w) && w[i] == '.' {
		end := digits(i + 1)
		if end == i+1 {
			strict = false
		}
		n += end - i - 1
		i = end
	}
	if n == 0 {
		return false, false
	}
	if i < len(w) && w[i]|0x20 == 'e' {
		if i++; i < len(w) && (w[i] == '-' || w[i] == '+') {
			i++
		}
		end := digits(i)
		if end == i {
			return false, false
		}
		i = end
	}
	return strict && i == len(w), i == len(w)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain gives where the first byte at or behind at is that ends a text or is not for itself: a
// quote, a backslash, a control character.
func plain(text []byte, at int) int {
	for ; at+8 <= len(text); at += 8 {
		x := binary.LittleEndian.Uint64(text[at:])
		quote, slash := x^('"'*ones), x^('\\'*ones)
		// In each term the lowest marked byte is marked rightly, and what is above does not count.
		if m := ((quote-ones)&^quote | (slash-ones)&^slash | (x-0x20*ones)&^x) & highs; m != 0 {
			return at + bits.TrailingZeros64(m)/8
		}
	}
	for ; at < len(text); at++ {
		if c := text[at]; c == '"' || c == '\\' || c < 0x20 {
			return at
		}
	}
	return at
}

// quoted reads a text that begins at a quote, and gives where its other quote has ended.
func (d *Doc) quoted(at int) (end int, escaped bool, err error) {
	start := at + 1
	for at = plain(d.text, start); at < len(d.text); at = plain(d.text, at) {
		switch d.text[at] {
		case '"':
			if !d.valid {
				for i := start; i < at; {
					r, n := utf8.DecodeRune(d.text[i:at])
					if r == utf8.RuneError && n == 1 {
						d.faults[NoUTF8]++
					}
					i += n
				}
			}
			return at + 1, escaped, nil
		case '\\':
			escaped = true
			_, n, fault := escape(d.text[at:])
			if fault != faults {
				d.faults[fault]++
			}
			at += n
		default:
			d.faults[Control]++
			at++
		}
	}
	return len(d.text), false, d.wrong(len(d.text), "a text is cut off")
}

// escape reads the escape at the beginning of text: what it is, and how many bytes it has. Of an
// odd one the backslash stands for itself. The fault is faults where there is none.
func escape(text []byte) (r rune, n int, fault Fault) {
	if len(text) < 2 {
		return '\\', 1, OddEscape
	}
	switch text[1] {
	case '"', '\\', '/':
		return rune(text[1]), 2, faults
	case 'b':
		return '\b', 2, faults
	case 'f':
		return '\f', 2, faults
	case 'n':
		return '\n', 2, faults
	case 'r':
		return '\r', 2, faults
	case 't':
		return '\t', 2, faults
	}
	r, ok := unit(text)
	if !ok {
		return '\\', 1, OddEscape
	}
	if !utf16.IsSurrogate(r) {
		return r, 6, faults
	}
	if low, ok := unit(text[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12, faults
		}
	}
	return utf8.RuneError, 6, LoneSurrogate
}

// unit reads a \u escape.
func unit(text []byte) (r rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
