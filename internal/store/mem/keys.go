package mem

import (
	"slices"
	"sort"
	"strings"
)

// keyList is a set of keys in order. Writes between two pages of a listing of a
// large bucket must not cost another pass over all keys, so it is made of short
// pieces.
type keyList struct {
	pieces [][]string // none is empty
}

// pieceSize is the most keys of a piece.
const pieceSize = 1024

// listOf makes a list of keys that are in order.
func listOf(keys []string) *keyList {
	l := &keyList{}
	for piece := range slices.Chunk(keys, pieceSize) {
		l.pieces = append(l.pieces, piece)
	}
	return l
}

// cursor is a place in a list, which must not change meanwhile.
type cursor struct {
	list      *keyList
	piece, at int
}

// first gives the place of the first key for which f is true; it must be true
// for all behind it.
func (l *keyList) first(f func(key string) bool) cursor {
	c := cursor{list: l}
	c.piece = sort.Search(len(l.pieces), func(i int) bool { return f(l.pieces[i][len(l.pieces[i])-1]) })
	if c.more() {
		piece := l.pieces[c.piece]
		c.at = sort.Search(len(piece), func(i int) bool { return f(piece[i]) })
	}
	return c
}

// seek gives the place of the first key that is not less.
func (l *keyList) seek(key string) cursor {
	return l.first(func(k string) bool { return k >= key })
}

func (c *cursor) more() bool  { return c.piece < len(c.list.pieces) }
func (c *cursor) key() string { return c.list.pieces[c.piece][c.at] }

func (c *cursor) next() {
	if c.at++; c.at == len(c.list.pieces[c.piece]) {
		c.piece, c.at = c.piece+1, 0
	}
}

// pass goes behind all keys with the prefix; it is not behind them yet.
func (c *cursor) pass(prefix string) {
	*c = c.list.first(func(k string) bool { return k > prefix && !strings.HasPrefix(k, prefix) })
}

// add puts a key in, which is not there yet.
func (l *keyList) add(key string) {
	c := l.seek(key)
	if !c.more() { // behind all others: to the last piece
		if len(l.pieces) == 0 {
			l.pieces = [][]string{nil}
		}
		c.piece = len(l.pieces) - 1
		c.at = len(l.pieces[c.piece])
	}
	piece := slices.Insert(l.pieces[c.piece], c.at, key)
	l.pieces[c.piece] = piece
	if half := len(piece) / 2; len(piece) > pieceSize {
		l.pieces[c.piece] = piece[:half:half]
		l.pieces = slices.Insert(l.pieces, c.piece+1, slices.Clone(piece[half:]))
	}
}

// remove takes a key out, which is there.
func (l *keyList) remove(key string) {
	c := l.seek(key)
	if piece := slices.Delete(l.pieces[c.piece], c.at, c.at+1); len(piece) > 0 {
		l.pieces[c.piece] = piece
	} else {
		l.pieces = slices.Delete(l.pieces, c.piece, c.piece+1)
	}
}

// all gives every key, in order.
func (l *keyList) all(yield func(key string) bool) {
	for _, piece := range l.pieces {
		for _, key := range piece {
			if !yield(key) {
				return
			}
		}
	}
}
