// Package loosejson reads JSON as strangers write it: for measurements that anybody may send, and
// that must not be lost for one odd byte.
//
// It promises:
//
//   - What is JSON is read as RFC 8259 has it. What is not, but can be understood in one way
//     only, is read as well, and told by Faults: NaN and Infinity, control characters in texts,
//     bytes that are no UTF-8, halves of surrogate pairs, a byte order mark, numbers and escapes
//     of a wrong form. A text always comes out as UTF-8.
//   - Anything else is an error. What was read before it can be asked for all the same.
//   - No input makes it panic, recurse, or need more memory than a constant times the input's
//     length: nesting has no bound of its own.
//   - A value is a span of the input until somebody asks for it. Asking twice costs twice.
//
// What values mean is left to others.
package loosejson

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"

	"cooper"
)

// MaxLength is the longest input, in bytes.
const MaxLength = math.MaxInt32

// Kind is what a value is.
type Kind uint8

// The kinds. A value that is not there is Absent.
const (
	Absent Kind = iota
	Null
	False
	True
	Number
	Text
	List
	Object
)

func (k Kind) String() string {
	return [...]string{"absent", "null", "false", "true", "number", "text", "list", "object"}[k]
}

// Fault is a way in which an input is no JSON, and could be read all the same.
type Fault uint8

// The faults.
const (
	ByteOrderMark Fault = iota // before the value
	NotANumber                 // NaN, Infinity: read as numbers
	OddNumber                  // 01, 1., .5, +1: read as numbers
	Control                    // a control character in a text: kept
	NoUTF8                     // each byte that is no UTF-8 became U+FFFD
	LoneSurrogate              // \ud800 without its other half became U+FFFD
	OddEscape                  // \x or \u12: kept as it stands
	faults
)

func (f Fault) String() string {
	return [...]string{"byte order mark", "not a number", "odd number", "control character", "no UTF-8", "lone surrogate", "odd escape"}[f]
}

// node is a value. Names of fields are nodes of kind Text before that of their value.
type node struct {
	start, end int32 // its bytes; of a text those between the quotes
	next       int32 // the node after it and all that is in it
	count      int32 // the values in it
	kind       Kind
	escaped    bool // a text that has escapes
}

// Doc is an input that was read. It may be used again and again, by one goroutine at a time; what
// was read before is gone then.
type Doc struct {
	text   []byte
	nodes  []node
	open   []int32 // lists and objects that are not at their end
	faults [faults]int
	valid  bool // the input is UTF-8
	named  int  // the name of a field that has no value yet; -1 where there is none
}

// Parse reads text, which is not copied and must not change as long as values of it are used.
// The error is KindInvalid and names the byte at which it could not go on; the value is then what
// could be read up to there, absent if nothing could.
func (d *Doc) Parse(text []byte) (Value, error) {
	d.text, d.nodes, d.open, d.faults, d.named = nil, d.nodes[:0], d.open[:0], [faults]int{}, -1
	if len(text) > MaxLength {
		return Value{}, &cooper.Error{Kind: cooper.KindInvalid, Message: fmt.Sprintf("JSON of %d bytes is longer than %d", len(text), MaxLength)}
	}
	if rest, ok := bytes.CutPrefix(text, []byte("\ufeff")); ok {
		d.faults[ByteOrderMark]++
		text = rest
	}
	d.text, d.valid = text, utf8.Valid(text)
	at, err := d.read()
	if err == nil {
		if at = d.space(at); at < len(text) {
			err = d.wrong(at, "something follows the value")
		}
	}
	if d.named >= 0 { // a field without a value is none
		d.nodes = d.nodes[:d.named]
	}
	// What was cut off ends where the input could not be read any further.
	for i := len(d.open) - 1; i >= 0; i-- {
		n := &d.nodes[d.open[i]]
		n.next, n.end = int32(len(d.nodes)), int32(at) //nolint:gosec // both are bounded by MaxLength
	}
	if len(d.nodes) == 0 {
		return Value{}, err
	}
	return Value{doc: d}, err
}

// Fault tells how often the last input had one.
func (d *Doc) Fault(f Fault) int { return d.faults[f] }

// Faults are those that the last input had, each once. Faults of texts are counted when the input
// is read, whether somebody asks for the text or not.
func (d *Doc) Faults() (all []Fault) {
	for f, n := range d.faults {
		if n > 0 {
			all = append(all, Fault(f)) //nolint:gosec // f counts faults
		}
	}
	return all
}

func (d *Doc) wrong(at int, what string) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Where: fmt.Sprintf("byte %d", at), Message: "no JSON: " + what}
}
