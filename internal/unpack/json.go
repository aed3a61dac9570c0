package unpack

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNesting is how deep JSON and PHP's values may nest.
const maxNesting = 512

// readJSON reads one document, strictly: nothing behind it, no name twice in an object,
// whole numbers exact, at most so many values, as each takes more memory than bytes. It gives nil, bool, string, int, *big.Int, float64 for what is not
// written as a whole number, []any and map[string]any, as gojq takes them.
func readJSON(data []byte, most int) (any, error) {
	if len(data) == 0 {
		return nil, bad(Empty)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, bad("JSON that is no UTF-8")
	}
	p := &jsonReader{data: data, left: most}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.skip()
	if p.pos < len(data) {
		return nil, bad("bytes behind the JSON")
	}
	return v, nil
}

type jsonReader struct {
	data []byte
	pos  int
	left int // how many values more it may have
}

// broken says that what is at the position is no JSON, or that nothing is there any more.
func (p *jsonReader) broken() error {
	if p.pos >= len(p.data) {
		return bad("JSON cut short")
	}
	return bad("JSON broken at byte " + strconv.Itoa(p.pos))
}

func (p *jsonReader) skip() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonReader) value(depth int) (any, error) {
	if depth > maxNesting {
		return nil, bad("JSON nested too deep")
	}
	if p.left--; p.left < 0 {
		return nil, bad("JSON with too many values")
	}
	p.skip()
	if p.pos >= len(p.data) {
		return nil, p.broken()
	}
	switch c := p.data[p.pos]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.str()
	case c == 't':
		return true, p.word("true")
	case c == 'f':
		return false, p.word("false")
	case c == 'n':
		return nil, p.word("null")
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	return nil, p.broken()
}

func (p *jsonReader) word(w string) error {
	for i := range len(w) {
		if p.pos >= len(p.data) || p.data[p.pos] != w[i] {
			return p.broken()
		}
		p.pos++
	}
	return nil
}

// next skips white space and takes c, if it is there.
func (p *jsonReader) next(c byte) bool {
	p.skip()
	if p.pos < len(p.data) && p.data[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *jsonReader) array(depth int) (any, error) {
	p.pos++
	out := []any{}
	if p.next(']') {
		return out, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if p.next(']') {
			return out, nil
		}
		if !p.next(',') {
			return nil, p.broken()
		}
	}
}

func (p *jsonReader) object(depth int) (any, error) {
	p.pos++
	out := map[string]any{}
	if p.next('}') {
		return out, nil
	}
	for {
		if p.skip(); p.pos >= len(p.data) || p.data[p.pos] != '"' {
			return nil, p.broken()
		}
		name, err := p.str()
		if err != nil {
			return nil, err
		}
		if !p.next(':') {
			return nil, p.broken()
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if _, twice := out[name]; twice {
			return nil, bad("JSON with one name twice: " + show(name))
		}
		out[name] = v
		if p.next('}') {
			return out, nil
		}
		if !p.next(',') {
			return nil, p.broken()
		}
	}
}

// number reads a number. What is written with a fraction or an exponent is no whole number,
// whatever it comes to; nor is -0.
func (p *jsonReader) number() (any, error) {
	start := p.pos
	digits := func() bool {
		from := p.pos
		for p.pos < len(p.data) && p.data[p.pos] >= '0' && p.data[p.pos] <= '9' {
			p.pos++
		}
		return p.pos > from
	}
	if p.data[p.pos] == '-' {
		p.pos++
	}
	whole := true
	if p.pos < len(p.data) && p.data[p.pos] == '0' {
		p.pos++
	} else if !digits() {
		return nil, p.broken()
	}
	if p.pos < len(p.data) && p.data[p.pos] == '.' {
		whole = false
		p.pos++
		if !digits() {
			return nil, p.broken()
		}
	}
	if p.pos < len(p.data) && p.data[p.pos]|0x20 == 'e' {
		whole = false
		p.pos++
		if p.pos < len(p.data) && (p.data[p.pos] == '+' || p.data[p.pos] == '-') {
			p.pos++
		}
		if !digits() {
			return nil, p.broken()
		}
	}
	text := string(p.data[start:p.pos])
	if whole && text != "-0" && len(text) < 1000 {
		if n, err := strconv.Atoi(text); err == nil {
			return n, nil
		}
		if n, ok := new(big.Int).SetString(text, 10); ok {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil { // beyond what a float holds
		f = math.Copysign(math.MaxFloat64, f)
	}
	return f, nil
}

func (p *jsonReader) str() (string, error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			return string(p.data[start : p.pos-1]), nil
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", p.broken()
		}
		p.pos++
	}
	return "", p.broken()
}

// escaped reads a string on from its first backslash.
func (p *jsonReader) escaped(start int) (string, error) {
	out := append(make([]byte, 0, p.pos-start+32), p.data[start:p.pos]...)
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			return string(out), nil
		case c < ' ':
			return "", p.broken()
		case c != '\\':
			out = append(out, c)
			p.pos++
		default:
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return "", p.broken()
}

func (p *jsonReader) escape() (rune, error) {
	p.pos++
	if p.pos >= len(p.data) {
		return 0, p.broken()
	}
	c := p.data[p.pos]
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), c); i >= 0 {
		p.pos++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, p.broken()
	}
	p.pos++
	r, err := p.unit()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if bytes.HasPrefix(p.data[p.pos:], []byte(`\u`)) {
		before := p.pos
		p.pos += 2
		low, err := p.unit()
		if err != nil {
			return 0, err
		}
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, nil
		}
		p.pos = before
	}
	return utf8.RuneError, nil
}

func (p *jsonReader) unit() (r rune, err error) {
	for range 4 {
		if p.pos >= len(p.data) {
			return 0, p.broken()
		}
		n := bytes.IndexByte([]byte("0123456789abcdef"), p.data[p.pos]|0x20)
		if p.data[p.pos] < '0' || n < 0 {
			return 0, p.broken()
		}
		r = r<<4 | rune(n)
		p.pos++
	}
	return r, nil
}
