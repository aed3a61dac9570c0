package unpack

import (
	"bytes"
	"math"
	"strconv"
)

// readPHP reads what PHP's serialize writes, strictly, as the same types that readJSON
// gives: an array whose keys are 0, 1, 2, … is a list, any other array and every object is
// a map by its keys' texts. References, and classes that serialize themselves, are refused.
func readPHP(data []byte, most int) (any, error) {
	if len(data) == 0 {
		return nil, bad(Empty)
	}
	p := &phpReader{data: data, left: most}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.pos < len(data) {
		return nil, bad("bytes behind the PHP value")
	}
	return v, nil
}

type phpReader struct {
	data []byte
	pos  int
	left int // how many values more it may have
}

func (p *phpReader) broken() error {
	if p.pos >= len(p.data) {
		return bad("PHP value cut short")
	}
	return bad("PHP value broken at byte " + strconv.Itoa(p.pos))
}

func (p *phpReader) take(s string) error {
	for i := range len(s) {
		if p.pos >= len(p.data) || p.data[p.pos] != s[i] {
			return p.broken()
		}
		p.pos++
	}
	return nil
}

// until gives the text up to c, and skips both.
func (p *phpReader) until(c byte) (string, error) {
	n := bytes.IndexByte(p.data[p.pos:], c)
	if n < 0 {
		p.pos = len(p.data)
		return "", p.broken()
	}
	s := string(p.data[p.pos : p.pos+n])
	p.pos += n + 1
	return s, nil
}

// size reads a length or a count, up to c.
func (p *phpReader) size(c byte) (int, error) {
	at := p.pos
	s, err := p.until(c)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		p.pos = at
		return 0, p.broken()
	}
	return int(n), nil
}

func (p *phpReader) value(depth int) (any, error) {
	if depth > maxNesting {
		return nil, bad("PHP value nested too deep")
	}
	if p.left--; p.left < 0 {
		return nil, bad("PHP value with too many values")
	}
	if p.pos+1 >= len(p.data) {
		p.pos = len(p.data)
		return nil, p.broken()
	}
	kind := p.data[p.pos]
	if kind == 'N' {
		p.pos++
		return nil, p.take(";")
	}
	if p.data[p.pos+1] != ':' {
		return nil, p.broken()
	}
	at := p.pos
	p.pos += 2
	switch kind {
	case 'b':
		s, err := p.until(';')
		if err == nil && s != "0" && s != "1" {
			p.pos = at
			err = p.broken()
		}
		return s == "1", err
	case 'i':
		return p.integer()
	case 'd':
		s, err := p.until(';')
		if err != nil {
			return nil, err
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !math.IsInf(f, 0) {
			p.pos = at
			return nil, p.broken()
		}
		return f, nil
	case 's':
		s, err := p.str()
		if err != nil {
			return nil, err
		}
		return s, p.take(";")
	case 'E':
		s, err := p.str()
		if err != nil {
			return nil, err
		}
		return s, p.take(";")
	case 'a':
		return p.entries(depth, false)
	case 'O':
		if _, err := p.str(); err != nil {
			return nil, err
		}
		if err := p.take(":"); err != nil {
			return nil, err
		}
		return p.entries(depth, true)
	case 'r', 'R':
		return nil, bad("PHP value with a reference")
	case 'C':
		return nil, bad("PHP value of a class that serializes itself")
	}
	p.pos = at
	return nil, p.broken()
}

func (p *phpReader) integer() (any, error) {
	at := p.pos
	s, err := p.until(';')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s {
		p.pos = at
		return nil, p.broken()
	}
	return n, nil
}

// str reads LENGTH:"BYTES".
func (p *phpReader) str() (string, error) {
	n, err := p.size(':')
	if err != nil {
		return "", err
	}
	if err := p.take(`"`); err != nil {
		return "", err
	}
	if n > len(p.data)-p.pos {
		p.pos = len(p.data)
		return "", p.broken()
	}
	s := string(p.data[p.pos : p.pos+n])
	p.pos += n
	return s, p.take(`"`)
}

// entries reads COUNT:{KEY VALUE …}.
func (p *phpReader) entries(depth int, object bool) (any, error) {
	n, err := p.size(':')
	if err != nil {
		return nil, err
	}
	if err := p.take("{"); err != nil {
		return nil, err
	}
	var list []any
	isList := !object
	out := map[string]any{}
	for i := range n {
		key, err := p.value(maxNesting)
		if err != nil {
			return nil, err
		}
		name, isText := key.(string)
		if number, ok := key.(int); ok {
			name = strconv.Itoa(number)
			isList = isList && number == i
		} else if !isText {
			return nil, p.broken()
		}
		isList = isList && !isText
		if object { // a property that is not public is written with its class before
			if j := bytes.LastIndexByte([]byte(name), 0); j >= 0 && name[0] == 0 {
				name = name[j+1:]
			}
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if _, twice := out[name]; twice {
			return nil, bad("PHP value with one name twice: " + show(name))
		}
		out[name] = v
		list = append(list, v)
	}
	if err := p.take("}"); err != nil {
		return nil, err
	}
	if isList {
		if list == nil {
			list = []any{}
		}
		return list, nil
	}
	return out, nil
}
