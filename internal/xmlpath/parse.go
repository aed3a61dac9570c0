package xmlpath

import (
	"bytes"
	"strconv"
)

// Broken is why a document cannot be read.
type Broken string

func (b Broken) Error() string { return string(b) }

// Reasons that callers and tests name.
const (
	NotClosed = Broken("XML not closed")
	Doctype   = Broken("XML with a DOCTYPE")
	Empty     = Broken("empty, where a document must be")
	TooDeep   = Broken("XML nested too deep")
	TooMany   = Broken("XML with too many elements, attributes or namespaces")
)

// How deep elements may nest, how many nodes a document may have unless told, how many
// attributes an element, how many prefixes may be in scope.
const maxDepth, maxNodes, maxAttrs, maxBinds = 1000, 2_000_000, 256, 1000

func (p *Parser) most() int {
	if p.MaxNodes > 0 {
		return p.MaxNodes
	}
	return maxNodes
}

const xmlSpace, xmlnsSpace = "http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/"

// A Parser makes trees, one after the other, in the same memory.
type Parser struct {
	// MaxNodes is how many elements, attributes and texts a document may have; two million
	// unless set. Each takes some hundred bytes.
	MaxNodes int

	tree  Tree
	data  []byte
	pos   int
	open  []int32 // elements that are open
	last  []int32 // the last child of each of them, 0 for none
	binds []bind  // prefixes in scope, the innermost last
	deep  []int   // how many of them were in scope before each open element
	attrs []int32 // those of the element at hand
}

type bind struct {
	prefix []byte
	space  int32
}

// Parse reads a document. The tree keeps parts of data and is valid until the next call.
func (p *Parser) Parse(data []byte) (*Tree, error) {
	if cap(p.tree.nodes) > 1<<16 { // a single large document does not keep its memory
		p.tree.nodes = nil
	}
	p.tree.nodes, p.tree.used = p.tree.nodes[:0], p.tree.used[:0]
	p.tree.spaces = append(p.tree.spaces[:0], "")
	p.open, p.last, p.deep, p.binds = p.open[:0], p.last[:0], p.deep[:0], p.binds[:0]
	if len(data) == 0 {
		return nil, Empty
	}
	data, err := decoded(data)
	if err != nil {
		return nil, err
	}
	p.data, p.pos = data, 0
	p.push(node{kind: root})
	p.open, p.last = append(p.open, 0), append(p.last, 0)
	if err := p.document(); err != nil {
		return nil, err
	}
	p.tree.nodes[0].end = int32(len(p.tree.nodes))
	return &p.tree, nil
}

func (p *Parser) push(n node) int32 {
	p.tree.nodes = append(p.tree.nodes, n)
	return int32(len(p.tree.nodes) - 1)
}

// child adds a node to the innermost open element.
func (p *Parser) child(n node) int32 {
	at := len(p.open) - 1
	n.parent = p.open[at]
	i := p.push(n)
	p.tree.nodes[i].end = i + 1
	if l := p.last[at]; l != 0 {
		p.tree.nodes[l].next = i
	}
	p.last[at] = i
	return i
}

func (p *Parser) document() error {
	seen := false
	for p.pos < len(p.data) {
		if len(p.tree.nodes) > p.most() {
			return TooMany
		}
		if p.data[p.pos] != '<' {
			if err := p.text(); err != nil {
				return err
			}
			continue
		}
		rest := p.data[p.pos:]
		switch {
		case len(rest) < 2:
			return NotClosed
		case rest[1] == '/':
			if err := p.closing(); err != nil {
				return err
			}
		case rest[1] == '?':
			if err := p.instruction(); err != nil {
				return err
			}
		case rest[1] == '!':
			if err := p.declaration(); err != nil {
				return err
			}
		default:
			if len(p.open) == 1 {
				if seen {
					return p.broken("a second root")
				}
				seen = true
			}
			if err := p.opening(); err != nil {
				return err
			}
		}
	}
	if len(p.open) > 1 || !seen {
		return NotClosed
	}
	return nil
}

func (p *Parser) broken(what string) error {
	return Broken("XML broken: " + what + " at byte " + strconv.Itoa(p.pos))
}

// instruction reads <?…?>. What is declared at the beginning was read before.
func (p *Parser) instruction() error {
	n := bytes.Index(p.data[p.pos+2:], []byte("?>")) + 2
	if n < 2 {
		return NotClosed
	}
	body := p.data[p.pos+2 : p.pos+n]
	name, _, _ := bytes.Cut(body, []byte(" "))
	if bytes.EqualFold(name, []byte("xml")) {
		if p.pos != 0 {
			return p.broken("a declaration that is not at the beginning")
		}
	} else {
		p.child(node{kind: instruction, local: trim(name), value: trim(body[len(name):])})
	}
	p.pos += n + 2
	return nil
}

// declaration reads <!-- … -->, <![CDATA[ … ]]>, and refuses a DOCTYPE.
func (p *Parser) declaration() error {
	rest := p.data[p.pos:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		n := bytes.Index(rest[4:], []byte("--"))
		if n < 0 || len(rest) < 4+n+3 {
			return NotClosed
		}
		if rest[4+n+2] != '>' {
			return p.broken("-- in a comment")
		}
		p.child(node{kind: comment, value: rest[4 : 4+n]})
		p.pos += 4 + n + 3
		return nil
	case bytes.HasPrefix(rest, []byte("<![CDATA[")) && len(p.open) > 1:
		n := bytes.Index(rest, []byte("]]>"))
		if n < 0 {
			return NotClosed
		}
		p.addText(bytes.ReplaceAll(rest[9:n], []byte("\r\n"), []byte("\n")))
		p.pos += n + 3
		return nil
	case len(rest) >= 9 && bytes.EqualFold(rest[:9], []byte("<!DOCTYPE")):
		return Doctype
	}
	for _, whole := range []string{"<!--", "<![CDATA[", "<!DOCTYPE"} {
		if len(rest) < len(whole) && bytes.HasPrefix([]byte(whole), rest) {
			return NotClosed
		}
	}
	return p.broken("a declaration")
}

func (p *Parser) closing() error {
	n := bytes.IndexByte(p.data[p.pos:], '>')
	if n < 0 {
		return NotClosed
	}
	name := bytes.TrimRight(p.data[p.pos+2:p.pos+n], " \t\r\n")
	at := len(p.open) - 1
	if at == 0 {
		return p.broken("an end without a beginning")
	}
	e := &p.tree.nodes[p.open[at]]
	if !named(name, e) {
		return Broken("XML broken: <" + clip(e.name()) + "> ends as </" + clip(string(name)) + ">")
	}
	p.leave()
	p.pos += n + 1
	return nil
}

// named tells whether a name, as written, is that of a node.
func named(name []byte, e *node) bool {
	if len(e.prefix) == 0 {
		return bytes.Equal(name, e.local)
	}
	n := len(e.prefix)
	return len(name) == n+1+len(e.local) && name[n] == ':' && bytes.Equal(name[:n], e.prefix) && bytes.Equal(name[n+1:], e.local)
}

func (n *node) name() string {
	if len(n.prefix) > 0 {
		return string(n.prefix) + ":" + string(n.local)
	}
	return string(n.local)
}

// leave closes the innermost element.
func (p *Parser) leave() {
	at := len(p.open) - 1
	p.tree.nodes[p.open[at]].end = int32(len(p.tree.nodes))
	p.open, p.last = p.open[:at], p.last[:at]
	p.binds, p.deep = p.binds[:p.deep[len(p.deep)-1]], p.deep[:len(p.deep)-1]
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }
