package catalog

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"cooper"
)

// What is read at once for each column: a run that is read ahead, another one.
const (
	bigBuffer   = 128 << 10
	smallBuffer = 16 << 10
)

// merged walks several sorted sequences as one. Of several rows with one
// identity it gives that of the newest sequence.
type merged struct {
	readers []*rowsReader
	// heap holds the readers that have a row, the smallest on top; equal rows
	// are ordered newest first.
	heap []head
	// keepDropped gives rows that drop others too.
	keepDropped bool
	started     bool
	filter      func(key string) bool
	err         error
}

type head struct {
	row    *Row
	reader *rowsReader
	age    int // greater is newer
}

// merged opens all sequences at once, so that a later compaction does not
// matter.
func (c *Catalog) merged(ctx context.Context, runs []Sorted, sp span, keepDropped bool) (*merged, error) {
	m := &merged{keepDropped: keepDropped}
	var scans []*scan
	biggest := int64(0)
	for i := range runs {
		biggest = max(biggest, runs[i].Rows())
	}
	for i := range runs {
		ahead := runs[i].Rows()*4 > biggest && runs[i].Rows() > 2*pageRows && !sp.only
		buffer := smallBuffer
		if ahead {
			buffer = bigBuffer
		}
		sc, err := c.openScan(&runs[i], sp, buffer)
		if err != nil {
			for _, sc := range scans {
				err = errors.Join(err, sc.close())
			}
			return nil, err
		}
		scans = append(scans, sc)
	}
	for i, sc := range scans {
		m.readers = append(m.readers, newRowsReader(ctx, sc, sc.buffer == bigBuffer))
		m.heap = append(m.heap, head{reader: m.readers[i], age: i})
	}
	return m, nil
}

// start reads the first row of each sequence.
func (m *merged) start() error {
	alive := m.heap[:0]
	for _, h := range m.heap {
		row, err := h.reader.next()
		if err != nil {
			return err
		}
		if row != nil {
			h.row = row
			alive = append(alive, h)
		}
	}
	m.heap = alive
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return nil
}

func (m *merged) less(i, j int) bool {
	a, b := &m.heap[i], &m.heap[j]
	if c := a.row.Compare(b.row.Identity); c != 0 {
		return c < 0
	}
	return a.age > b.age
}

func (m *merged) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heap) {
			return
		}
		if child+1 < len(m.heap) && m.less(child+1, child) {
			child++
		}
		if !m.less(child, i) {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}

// advance moves the reader on top on.
func (m *merged) advance() error {
	row, err := m.heap[0].reader.next()
	if err != nil {
		return err
	}
	if row == nil {
		n := len(m.heap) - 1
		m.heap[0] = m.heap[n]
		m.heap = m.heap[:n]
	} else {
		m.heap[0].row = row
	}
	m.down(0)
	return nil
}

func (m *merged) Next() (*Row, error) {
	if m.err != nil {
		return nil, m.err
	}
	row, err := m.next()
	if err != nil {
		m.err = err
	}
	return row, err
}

func (m *merged) next() (*Row, error) {
	// The row that was given stays good until now: only now its reader moves on.
	if !m.started {
		m.started = true
		if err := m.start(); err != nil {
			return nil, err
		}
	} else if err := m.skipCurrent(); err != nil {
		return nil, err
	}
	for len(m.heap) > 0 {
		top := m.heap[0].row
		if len(m.heap) > 1 && !top.Dropped {
			m.inherit(top, 0)
		}
		if (m.keepDropped || !top.Dropped) && (m.filter == nil || m.filter(top.Key)) {
			return top, nil
		}
		if err := m.skipCurrent(); err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

// inherit adds to row what older rows of its identity say that a store told. They
// are all in the heap, below one another: at is the place of one of them.
func (m *merged) inherit(row *Row, at int) {
	for _, child := range [2]int{2*at + 1, 2*at + 2} {
		if child >= len(m.heap) || m.heap[child].row.Identity != row.Identity {
			continue
		}
		if m.heap[child].reader.told {
			row.Told = row.Told.over(m.heap[child].row.Told)
		}
		m.inherit(row, child)
	}
}

// skipCurrent leaves the row on top behind, and older ones of its identity.
func (m *merged) skipCurrent() error {
	if len(m.heap) == 1 {
		return m.advance()
	}
	id := m.heap[0].row.Identity
	for {
		if err := m.advance(); err != nil {
			return err
		}
		if len(m.heap) == 0 || m.heap[0].row.Identity != id {
			return nil
		}
	}
}

func (m *merged) Close() error {
	if m.err == nil {
		m.err = fs.ErrClosed
	}
	var err error
	for _, r := range m.readers {
		err = errors.Join(err, r.stop())
	}
	m.readers, m.heap = nil, nil
	return err
}

// failed is an iterator that could not be opened.
type failed struct{ err error }

func (f failed) Next() (*Row, error) { return nil, f.err }
func (f failed) Close() error        { return nil }

// filterOf narrows the keys that begin with prefix to those that lie under it.
func filterOf(prefix string) func(key string) bool {
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return nil
	}
	return func(key string) bool { return cooper.HasPrefix(key, prefix) }
}
