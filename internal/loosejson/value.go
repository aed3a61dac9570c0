package loosejson

import (
	"bytes"
	"iter"
	"math"
	"strconv"
	"unicode/utf8"
)

// Value is a value of a Doc, as long as that has not read anything else. The zero value is Absent,
// and whatever is asked of it is absent too.
type Value struct {
	doc  *Doc
	node int32
}

func (v Value) at() *node { return &v.doc.nodes[v.node] }

// Kind tells what it is.
func (v Value) Kind() Kind {
	if v.doc == nil {
		return Absent
	}
	return v.at().kind
}

// Missing tells whether it is absent or null.
func (v Value) Missing() bool { return v.Kind() <= Null }

// Raw is the value as it stands in the input; of a text what is between the quotes.
func (v Value) Raw() []byte {
	if v.doc == nil {
		return nil
	}
	n := v.at()
	return v.doc.text[n.start:n.end:n.end]
}

// Len is how many values a list or an object has; 0 of anything else.
func (v Value) Len() int {
	if v.doc == nil {
		return 0
	}
	return int(v.at().count)
}

// Get is the field of an object with that name, the last if there are several; Absent if there is
// none, or if it is no object.
func (v Value) Get(name string) (found Value) {
	if v.Kind() != Object {
		return Value{}
	}
	at := v.node + 1
	for range v.at().count {
		n := &v.doc.nodes[at]
		if n.escaped || !v.doc.valid {
			if string(v.doc.appendDecoded(nil, n)) == name {
				found = Value{doc: v.doc, node: at + 1}
			}
		} else if int(n.end-n.start) == len(name) && string(v.doc.text[n.start:n.end]) == name {
			found = Value{doc: v.doc, node: at + 1}
		}
		at = v.doc.nodes[at+1].next
	}
	return found
}

// Path is the field of the field, and so on.
func (v Value) Path(names ...string) Value {
	for _, name := range names {
		v = v.Get(name)
	}
	return v
}

// Items are the values of a list, in its order; none of anything else.
func (v Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != List {
			return
		}
		at := v.node + 1
		for range v.at().count {
			if !yield(Value{doc: v.doc, node: at}) {
				return
			}
			at = v.doc.nodes[at].next
		}
	}
}

// Fields are the fields of an object, in its order and with those that come twice; none of anything
// else.
func (v Value) Fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		at := v.node + 1
		for range v.at().count {
			if !yield(string(v.doc.appendDecoded(nil, &v.doc.nodes[at])), Value{doc: v.doc, node: at + 1}) {
				return
			}
			at = v.doc.nodes[at+1].next
		}
	}
}

// Is tells whether it is exactly that text.
func (v Value) Is(text string) bool {
	if v.Kind() != Text {
		return false
	}
	if v.at().escaped || !v.doc.valid {
		decoded, _ := v.AppendText(nil)
		return string(decoded) == text
	}
	return string(v.Raw()) == text
}

// Text is a text in UTF-8; false if it is none.
func (v Value) Text() (string, bool) {
	if v.Kind() != Text {
		return "", false
	}
	if !v.at().escaped && v.doc.valid {
		return string(v.Raw()), true
	}
	text, _ := v.AppendText(nil)
	return string(text), true
}

// AppendText appends a text in UTF-8; false if it is none.
func (v Value) AppendText(to []byte) ([]byte, bool) {
	if v.Kind() != Text {
		return to, false
	}
	return v.doc.appendDecoded(to, v.at()), true
}

func (d *Doc) appendDecoded(to []byte, n *node) []byte {
	text := d.text[n.start:n.end]
	for n.escaped {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			break
		}
		to = d.appendUTF8(to, text[:at])
		r, length, _ := escape(text[at:])
		to = utf8.AppendRune(to, r)
		text = text[at+length:]
	}
	return d.appendUTF8(to, text)
}

func (d *Doc) appendUTF8(to, text []byte) []byte {
	if d.valid {
		return append(to, text...)
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		to = utf8.AppendRune(to, r)
		text = text[n:]
	}
	return to
}

// Bool is true or false; false, false if it is neither.
func (v Value) Bool() (is, ok bool) {
	k := v.Kind()
	return k == True, k == True || k == False
}

// Int is a number without fraction and exponent; false if it is none, or beyond 64 bits.
func (v Value) Int() (int64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v.Raw()), 10, 64)
	return n, err == nil
}

// Float is a number, also NaN and the infinities; false if it is none. One that is too large
// is an infinity.
func (v Value) Float() (float64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	switch raw := string(v.Raw()); raw {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	default:
		f, _ := strconv.ParseFloat(raw, 64) // the only error that is left is that it is too large, which its value tells
		return f, true
	}
}
