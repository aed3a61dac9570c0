package inventory

import (
	"errors"
	"io"

	"cooper"
)

// GroupReader gathers the versions of each key.
type GroupReader struct {
	it    Iterator
	group []cooper.Version
	ahead cooper.Version // the first version of the next key
	state error          // of it; nil while ahead is good
}

// Groups reads it key by key. It does not close it.
func Groups(it Iterator) *GroupReader {
	g := &GroupReader{it: it}
	g.advance()
	return g
}

// Next gives all versions of the next key, in the iterator's order; io.EOF
// after the last key. The slice is used again by the following call, its
// strings are good for ever. When the iterator fails, the versions of the key
// it failed in are not given.
func (g *GroupReader) Next() ([]cooper.Version, error) {
	if g.state != nil {
		return nil, g.state
	}
	g.group = append(g.group[:0], g.ahead)
	for g.advance(); g.state == nil && g.ahead.Key == g.group[0].Key; g.advance() {
		g.group = append(g.group, g.ahead)
	}
	if g.state != nil && !errors.Is(g.state, io.EOF) {
		return nil, g.state
	}
	return g.group, nil
}

func (g *GroupReader) advance() {
	v, err := g.it.Next()
	if err != nil {
		g.state = err
		return
	}
	g.ahead = *v
}
