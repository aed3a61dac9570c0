// Package xmlpath reads XML documents and finds values in them by XPath 1.0.
//
// It promises to read strictly: a document that is cut short, badly nested, has a DOCTYPE,
// an entity beyond XML's own five or an encoding that is not read here is refused with a
// reason, never read by half. Nothing outside the document is ever fetched. Paths that say
// yes or no instead of where, variables and the functions id and lang are refused when
// they are compiled. A path finds each node once, in document order, and its work is
// bounded.
//
// Namespaces are where paths go blind: in XPath, a name without a prefix means no
// namespace, so that a program that begins to write xmlns="…" reads as if nothing were
// there. Here a name without a prefix means that name in any namespace, and the document
// says which namespaces it has, so that the caller can tell of those that no path names.
// White space around a value, and what a value means, is left to the caller.
package xmlpath

// kind is what a node is.
type kind uint8

const (
	root kind = iota
	element
	attribute
	text
	comment
	instruction
)

// A node stands in document order in its tree: an element, its attributes, its content.
type node struct {
	kind   kind
	parent int32
	// end is the number behind the last node inside this one; next is the sibling that
	// follows, 0 for none.
	end, next int32
	// prefix, local are the parts of the name; value is that of an attribute or a text.
	prefix, local, value []byte
	// space is the number of the namespace among the tree's; 0 is none.
	space int32
}

// A Tree is a document. It is valid until the Parser that made it is used again.
type Tree struct {
	nodes  []node
	spaces []string // by number; the first is none
	// used: namespaces of elements and attributes, with a prefix that they are written with.
	used []Namespace
}

// A Namespace is one that stands in a document, and a prefix it has there.
type Namespace struct{ URI, Prefix string }

// Namespaces are those of the document's elements and attributes, without XML's own.
func (t *Tree) Namespaces() []Namespace { return t.used }

// first is the first child of a node, 0 for none.
func (t *Tree) first(i int32) int32 {
	c := i + 1
	for c < t.nodes[i].end && t.nodes[c].kind == attribute {
		c++
	}
	if c >= t.nodes[i].end {
		return 0
	}
	return c
}

// Value is the string-value of a node: its text with that of everything in it.
func (t *Tree) value(i int32) []byte {
	n := &t.nodes[i]
	if n.kind != element && n.kind != root {
		return n.value
	}
	var one []byte
	many := false
	for j := i + 1; j < n.end; j++ {
		if m := &t.nodes[j]; m.kind == text {
			switch {
			case one == nil:
				one = m.value
			case !many:
				one, many = append(append(make([]byte, 0, len(one)+len(m.value)), one...), m.value...), true
			default:
				one = append(one, m.value...)
			}
		}
	}
	return one
}

// hasElements tells whether elements stand in a node.
func (t *Tree) hasElements(i int32) bool {
	for c := t.first(i); c != 0; c = t.nodes[c].next {
		if t.nodes[c].kind == element {
			return true
		}
	}
	return false
}
