package xmlpath

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads up to the next tag.
func (p *Parser) text() error {
	n := bytes.IndexByte(p.data[p.pos:], '<')
	if n < 0 {
		n = len(p.data) - p.pos
	}
	raw := p.data[p.pos : p.pos+n]
	if len(p.open) == 1 {
		if len(trim(raw)) > 0 {
			return p.broken("text outside of the root")
		}
		p.pos += n
		return nil
	}
	if bytes.Contains(raw, []byte("]]>")) {
		return p.broken("]]> in a text")
	}
	v, err := p.resolved(raw, false)
	if err != nil {
		return err
	}
	p.addText(v)
	p.pos += n
	return nil
}

// addText adds a text, as part of the one before where that is its sibling.
func (p *Parser) addText(v []byte) {
	if l := p.last[len(p.last)-1]; l != 0 && p.tree.nodes[l].kind == text {
		n := &p.tree.nodes[l]
		n.value = append(append(make([]byte, 0, len(n.value)+len(v)), n.value...), v...)
		return
	}
	if len(v) > 0 {
		p.child(node{kind: text, value: v})
	}
}

// resolved replaces references by what they stand for, and line ends by what XML makes of them.
func (p *Parser) resolved(raw []byte, attr bool) ([]byte, error) {
	if bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 && (!attr || !bytes.ContainsAny(raw, "\n\t")) {
		return raw, nil
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			if attr {
				out = append(out, ' ')
			} else {
				out = append(out, '\n')
			}
		case attr && (c == '\n' || c == '\t'):
			out = append(out, ' ')
		case c == '&':
			n := bytes.IndexByte(raw[i:], ';')
			if n < 0 {
				if p.pos+i+10 > len(p.data) {
					return nil, NotClosed
				}
				return nil, p.broken("& without ;")
			}
			r, ok := reference(string(raw[i+1 : i+n]))
			if !ok {
				return nil, Broken("XML entity that is not known: " + clip(string(raw[i:i+n+1])))
			}
			out = utf8.AppendRune(out, r)
			i += n
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// reference is the character of one of XML's five entities, or of a number.
func reference(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "apos":
		return '\'', true
	case "quot":
		return '"', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	r := rune(n)
	return r, err == nil && digits[0] != '+' && n <= utf8.MaxRune && !utf16.IsSurrogate(r) && (n >= 0x20 || n == '\t' || n == '\n' || n == '\r') && n != 0xfffe && n != 0xffff
}
