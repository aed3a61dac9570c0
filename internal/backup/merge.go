package backup

import (
	"context"
	"errors"
	"io"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/tree/catalog"
)

// Keys walks sorted keys; io.EOF ends it.
type Keys interface {
	Next() (string, error)
	Close() error
}

// pair is all that snapshot and catalog say about one key. Its slices are good
// until the next key.
type pair struct {
	key      string
	listed   []cooper.Version // latest first
	known    []catalog.Row
	rejected bool // the snapshot holds rows of this key that made no sense
}

// merge walks the keys of a snapshot and of a catalog together, in order. The
// memory it needs is that of one key.
type merge struct {
	versions *inventory.GroupReader
	rows     *rowGroups
	rejects  *peekedKeys

	listed []cooper.Version // the next key of the snapshot, nil after the last
	known  []catalog.Row    // the next key of the catalog, nil after the last
	begun  bool
}

func newMerge(versions inventory.Iterator, rows catalog.Iterator, rejected Keys) (*merge, error) {
	m := &merge{versions: inventory.Groups(versions), rows: newRowGroups(rows), rejects: &peekedKeys{it: rejected}}
	if err := m.nextListed(); err != nil {
		return nil, err
	}
	if err := m.nextKnown(); err != nil {
		return nil, err
	}
	return m, m.rejects.advance()
}

// next gives the next key; false after the last. p is valid until the call
// after.
func (m *merge) next(p *pair) (bool, error) {
	if m.begun {
		if err := m.consume(p); err != nil {
			return false, err
		}
	}
	m.begun = true
	p.listed, p.known = nil, nil
	switch {
	case m.listed == nil && m.known == nil:
		return m.onlyRejected(p)
	case m.known == nil:
		p.listed, p.key = m.listed, m.listed[0].Key
	case m.listed == nil:
		p.known, p.key = m.known, m.known[0].Key
	default:
		a, b := m.listed[0].Key, m.known[0].Key
		switch {
		case a == b:
			p.listed, p.known, p.key = m.listed, m.known, a
		case a < b:
			p.listed, p.key = m.listed, a
		default:
			p.known, p.key = m.known, b
		}
	}
	if !m.rejects.done && m.rejects.key <= p.key {
		return m.onlyRejected(p)
	}
	p.rejected = false
	return true, nil
}

// onlyRejected gives the next rejected key, with what else there is about it.
func (m *merge) onlyRejected(p *pair) (bool, error) {
	if m.rejects.done {
		return false, nil
	}
	if m.rejects.key != p.key {
		p.listed, p.known = nil, nil
	}
	p.key, p.rejected = m.rejects.key, true
	return true, nil
}

// consume steps over what the pair before has used up.
func (m *merge) consume(p *pair) error {
	if p.listed != nil {
		if err := m.nextListed(); err != nil {
			return err
		}
	}
	if p.known != nil {
		if err := m.nextKnown(); err != nil {
			return err
		}
	}
	if p.rejected {
		return m.rejects.advance()
	}
	return nil
}

// What is not sorted would look absent, so order is checked, not believed.
func unsorted(what, key string) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Where: what + ", key " + cooper.Quote(key), Message: "keys are not in order",
		Remedy: "verify it; a snapshot can be made again"}
}

func (m *merge) nextListed() error {
	var before string
	begun := m.listed != nil
	if begun {
		before = m.listed[0].Key
	}
	group, err := m.versions.Next()
	if errors.Is(err, io.EOF) {
		m.listed = nil
		return nil
	}
	if err != nil {
		return err
	}
	if begun && group[0].Key <= before {
		return unsorted("snapshot", group[0].Key)
	}
	m.listed = group
	return nil
}

func (m *merge) nextKnown() error {
	var before string
	begun := m.known != nil
	if begun {
		before = m.known[0].Key
	}
	group, err := m.rows.next()
	if errors.Is(err, io.EOF) {
		m.known = nil
		return nil
	}
	if err != nil {
		return err
	}
	if begun && group[0].Key <= before {
		return unsorted("catalog", group[0].Key)
	}
	m.known = group
	return nil
}

// rowGroups gathers the rows of each key, in memory it uses again.
type rowGroups struct {
	it  catalog.Iterator
	buf []catalog.Row // those of the last group, then the first of the next
	n   int           // how many belong to the last group
	end error         // why there is no row behind the last group
}

func newRowGroups(it catalog.Iterator) *rowGroups {
	g := &rowGroups{it: it}
	g.read(0)
	return g
}

// next gives the rows of the next key, good until the following call.
func (g *rowGroups) next() ([]catalog.Row, error) {
	if g.end != nil {
		return nil, g.end
	}
	// Swapped, not copied, so that no two rows share the memory of Shown.
	g.buf[0], g.buf[g.n] = g.buf[g.n], g.buf[0]
	for g.n = 1; ; g.n++ {
		g.read(g.n)
		if g.end != nil || g.buf[g.n].Key != g.buf[0].Key {
			break
		}
	}
	if g.end != nil && !errors.Is(g.end, io.EOF) {
		return nil, g.end
	}
	return g.buf[:g.n], nil
}

// read copies the iterator's next row to buf[i].
func (g *rowGroups) read(i int) {
	row, err := g.it.Next()
	if err != nil {
		g.end = err
		return
	}
	if i == len(g.buf) {
		g.buf = append(g.buf, catalog.Row{})
	}
	to := &g.buf[i]
	shown, hash := to.Shown, to.Hash
	*to = *row
	to.Shown = append(shown[:0], row.Shown...)
	to.Hash = append(hash[:0], row.Hash...)
}

// peekedKeys knows the next key of a list, if any.
type peekedKeys struct {
	it   Keys
	key  string
	done bool
}

func (p *peekedKeys) advance() error {
	if p.done || p.it == nil {
		p.done = true
		return nil
	}
	before := p.key
	key, err := p.it.Next()
	if errors.Is(err, io.EOF) {
		p.done = true
		return nil
	}
	if err != nil {
		return err
	}
	if key < before {
		return unsorted("rejected rows", key)
	}
	p.key = key
	return nil
}

// each calls f for every key until f fails or ctx ends.
func (m *merge) each(ctx context.Context, f func(p *pair) error) error {
	var p pair
	for n := 0; ; n++ {
		if n%pollEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		ok, err := m.next(&p)
		if err != nil || !ok {
			return err
		}
		if err := f(&p); err != nil {
			return err
		}
	}
}
