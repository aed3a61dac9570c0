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
	ahead *cooper.Version // the first version of the next key
	end   error           // why there is none
}

// Groups reads it key by key. Nobody else may read it meanwhile; closing it
// is left to the caller.
func Groups(it Iterator) *GroupReader { return &GroupReader{it: it} }

// Next gives all versions of the next key, in the iterator's order; io.EOF
// after the last key. The slice is used again by the following call, its
// strings are good for ever. When the iterator fails, the versions of the key
// it failed in are not given.
func (g *GroupReader) Next() ([]cooper.Version, error) {
	if g.ahead == nil && g.end == nil {
		g.ahead, g.end = g.it.Next()
	}
	if g.end != nil {
		return nil, g.end
	}
	g.group = append(g.group[:0], *g.ahead)
	for {
		g.ahead, g.end = g.it.Next()
		switch {
		case errors.Is(g.end, io.EOF):
			return g.group, nil
		case g.end != nil:
			return nil, g.end
		case g.ahead.Key != g.group[0].Key:
			return g.group, nil
		}
		g.group = append(g.group, *g.ahead)
	}
}
