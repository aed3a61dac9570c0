package xmlpath

import "bytes"

// nameEnds are bytes that no name has. Others beyond ASCII are taken as they come.
var nameEnds = func() (t [256]bool) {
	for c := range 128 {
		ok := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == ':' || c == '-' || c == '.'
		t[c] = !ok
	}
	return t
}()

// name reads a name at the position, in its two parts.
func (p *Parser) name() (prefix, local []byte, err error) {
	i, colon := p.pos, -1
	for i < len(p.data) && !nameEnds[p.data[i]] {
		if p.data[i] == ':' {
			if colon >= 0 {
				return nil, nil, p.broken("a name with two colons")
			}
			colon = i
		}
		i++
	}
	if i == len(p.data) {
		return nil, nil, NotClosed
	}
	local = p.data[p.pos:i]
	if colon >= 0 {
		prefix, local = p.data[p.pos:colon], p.data[colon+1:i]
		if len(prefix) == 0 {
			return nil, nil, p.broken("a name without its first part")
		}
	}
	if len(local) == 0 || local[0] >= '0' && local[0] <= '9' || local[0] == '-' || local[0] == '.' {
		return nil, nil, p.broken("what is no name")
	}
	p.pos = i
	return prefix, local, nil
}

func (p *Parser) skip() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// opening reads <name attributes> or <name attributes/>.
func (p *Parser) opening() error {
	if len(p.open) > maxDepth {
		return TooDeep
	}
	p.pos++
	prefix, local, err := p.name()
	if err != nil {
		return err
	}
	e := p.child(node{kind: element, prefix: prefix, local: local})
	p.deep = append(p.deep, len(p.binds))
	p.open, p.last = append(p.open, e), append(p.last, 0)
	p.attrs = p.attrs[:0]
	for {
		before := p.pos
		p.skip()
		if p.pos >= len(p.data) {
			return NotClosed
		}
		switch c := p.data[p.pos]; {
		case c == '>':
			p.pos++
			return p.spaces(e)
		case c == '/':
			if p.pos+1 >= len(p.data) {
				return NotClosed
			}
			if p.data[p.pos+1] != '>' {
				return p.broken("/ in a tag")
			}
			p.pos += 2
			if err := p.spaces(e); err != nil {
				return err
			}
			p.leave()
			return nil
		case before == p.pos:
			return p.broken("a tag")
		}
		if err := p.attribute(e); err != nil {
			return err
		}
	}
}

func (p *Parser) attribute(e int32) error {
	prefix, local, err := p.name()
	if err != nil {
		return err
	}
	p.skip()
	if p.pos >= len(p.data) {
		return NotClosed
	}
	if p.data[p.pos] != '=' {
		return p.broken("an attribute without a value")
	}
	p.pos++
	p.skip()
	if p.pos >= len(p.data) {
		return NotClosed
	}
	quote := p.data[p.pos]
	if quote != '"' && quote != '\'' {
		return p.broken("an attribute without quotes")
	}
	p.pos++
	n := bytes.IndexByte(p.data[p.pos:], quote)
	if n < 0 {
		return NotClosed
	}
	raw := p.data[p.pos : p.pos+n]
	if bytes.IndexByte(raw, '<') >= 0 {
		return p.broken("< in an attribute")
	}
	v, err := p.resolved(raw, true)
	if err != nil {
		return err
	}
	p.pos += n + 1
	switch {
	case string(prefix) == "xmlns":
		return p.bind(local, v)
	case len(prefix) == 0 && string(local) == "xmlns":
		return p.bind(nil, v)
	}
	if len(p.attrs) == maxAttrs {
		return TooMany
	}
	a := p.push(node{kind: attribute, parent: e, prefix: prefix, local: local, value: v})
	p.tree.nodes[a].end = a + 1
	p.attrs = append(p.attrs, a)
	return nil
}

// bind declares a prefix for the innermost element and all in it.
func (p *Parser) bind(prefix, uri []byte) error {
	for _, b := range p.binds[p.deep[len(p.deep)-1]:] {
		if bytes.Equal(b.prefix, prefix) {
			return p.broken("a prefix declared twice")
		}
	}
	if len(uri) == 0 && len(prefix) > 0 {
		return p.broken("a prefix for no namespace")
	}
	if len(p.binds) >= maxBinds || len(p.tree.spaces) >= maxBinds {
		return TooMany
	}
	at := int32(-1)
	for i, s := range p.tree.spaces {
		if s == string(uri) {
			at = int32(i)
		}
	}
	if at < 0 {
		at = int32(len(p.tree.spaces))
		p.tree.spaces = append(p.tree.spaces, string(uri))
	}
	p.binds = append(p.binds, bind{prefix, at})
	return nil
}

// spaces finds the namespaces of an element and its attributes, once all of them are read.
func (p *Parser) spaces(e int32) error {
	n := &p.tree.nodes[e]
	if err := p.space(n); err != nil {
		return err
	}
	for k, i := range p.attrs {
		a := &p.tree.nodes[i]
		if len(a.prefix) > 0 {
			if err := p.space(a); err != nil {
				return err
			}
		}
		for _, j := range p.attrs[:k] {
			if b := &p.tree.nodes[j]; bytes.Equal(a.local, b.local) && a.space == b.space && (a.space != 0 || bytes.Equal(a.prefix, b.prefix)) {
				return Broken("XML with one attribute twice: " + clip(a.name()))
			}
		}
	}
	return nil
}

// space finds the namespace of a node by its prefix, and remembers that it was used.
func (p *Parser) space(n *node) error {
	if string(n.prefix) == "xml" {
		return nil
	}
	for i := len(p.binds) - 1; i >= 0; i-- {
		if bytes.Equal(p.binds[i].prefix, n.prefix) {
			n.space = p.binds[i].space
			p.use(n)
			return nil
		}
	}
	if len(n.prefix) > 0 {
		return Broken("XML prefix that is not declared: " + clip(string(n.prefix)))
	}
	return nil
}

func (p *Parser) use(n *node) {
	uri := p.tree.spaces[n.space]
	if uri == "" || uri == xmlSpace || uri == xmlnsSpace || uri == "http://www.w3.org/2001/XMLSchema-instance" {
		return
	}
	for _, u := range p.tree.used {
		if u.URI == uri && u.Prefix == string(n.prefix) {
			return
		}
	}
	if len(p.tree.used) < 100 {
		p.tree.used = append(p.tree.used, Namespace{URI: uri, Prefix: string(n.prefix)})
	}
}
