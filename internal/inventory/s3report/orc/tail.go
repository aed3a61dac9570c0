package orc

import (
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	magic = "ORC"
	// maxDescription is the longest footer that is believed, in bytes
	// decompressed. A stripe takes some 25 bytes of it.
	maxDescription = 16 << 20
	maxStripes     = 1 << 18
	maxColumns     = 10_000
)

var errTail = errors.New("the end of the file does not describe an ORC file")

// tail is what the end of a file says about the rest of it.
// https://orc.apache.org/specification/ORCv1/#file-tail
type tail struct {
	compression compression
	blockSize   int   // the most a compression chunk decompresses to, in bytes
	end         int64 // of the stripes
	stripes     []stripe
	kinds       []Kind // of all nodes in the tree of types
	root        node   // the first of them
	rows        int64
}

// stripe is where one lies; lengths in bytes.
type stripe struct {
	offset, index, data, footer int64
	rows                        int64
}

// node is a node in the tree of types, with the numbers of those below it.
type node struct {
	kind     Kind
	children []uint64
	names    []string
}

func (t *tail) read(r io.ReaderAt, size int64, m *memory) error {
	var last [256]byte
	n := min(size, int64(len(last)))
	if n < 4 {
		return errTail
	}
	end := last[:n]
	if _, err := r.ReadAt(end, size-n); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	psLen := int64(end[n-1])
	if psLen >= n {
		return errTail
	}
	p, err := parsePostscript(end[n-1-psLen : n-1])
	if err != nil {
		return err
	}
	if p.magic != magic {
		// Hive 0.11 wrote it at the beginning only.
		var first [len(magic)]byte
		if _, err := r.ReadAt(first[:], 0); err != nil || string(first[:]) != magic {
			return errTail
		}
	}
	if err := t.accept(p); err != nil {
		return err
	}
	left := uint64(size - 1 - psLen)
	if p.footer == 0 || p.footer > left || p.metadata > left-p.footer {
		return errTail
	}
	footerAt := int64(left - p.footer)
	t.end = footerAt - int64(p.metadata)
	d := &decompressor{tail: t, memory: m}
	defer d.close()
	s := newStream(r, t, m, d)
	s.reset(footerAt, int64(p.footer))
	b, err := s.all(maxDescription)
	if err != nil {
		return fmt.Errorf("the footer: %w", err)
	}
	// What is kept of it are copies.
	return t.parseFooter(b)
}

type postscript struct {
	footer, metadata, compression, blockSize uint64
	version                                  []uint64
	magic                                    string
}

func parsePostscript(b []byte) (p postscript, err error) {
	err = eachField(b, func(f field) error {
		switch f.number {
		case 1:
			p.footer = f.value
		case 2:
			p.compression = f.value
		case 3:
			p.blockSize = f.value
		case 4:
			return f.numbers(func(v uint64) error { p.version = append(p.version, v); return nil })
		case 5:
			p.metadata = f.value
		case 8000:
			p.magic = string(f.bytes)
		}
		return nil
	})
	if err != nil {
		return p, errTail
	}
	return p, nil
}

// accept takes over what is needed of the postscript, if it can be read.
func (t *tail) accept(p postscript) error {
	if len(p.version) > 0 && p.version[0] != 0 {
		return unsupported("version %d of the ORC format", p.version[0])
	}
	t.compression = compression(min(p.compression, math.MaxInt32))
	if !t.compression.known() {
		return unsupported("compression by %s", t.compression)
	}
	if p.blockSize == 0 {
		p.blockSize = 256 << 10
	}
	if t.compression != uncompressed && p.blockSize > maxChunk {
		return unsupported("compression in chunks of %d bytes", p.blockSize)
	}
	t.blockSize = int(min(p.blockSize, maxChunk))
	return nil
}

func (t *tail) parseFooter(b []byte) error {
	rows := uint64(0)
	err := eachField(b, func(f field) error {
		switch f.number {
		case 3:
			return t.addStripe(f.bytes)
		case 4:
			return t.addType(f.bytes)
		case 6:
			rows = f.value
		case 10:
			return unsupported("encryption of columns")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range t.stripes {
		t.rows += t.stripes[i].rows
	}
	if uint64(t.rows) != rows {
		return fmt.Errorf("the stripes have %d rows, where the file should have %d", t.rows, rows)
	}
	return nil
}

func (t *tail) addStripe(b []byte) error {
	var v [6]uint64
	if err := eachField(b, func(f field) error {
		if f.number < uint64(len(v)) {
			v[f.number] = f.value
		}
		return nil
	}); err != nil {
		return err
	}
	at, end := uint64(len(magic)), uint64(t.end)
	if n := len(t.stripes); n > 0 {
		s := &t.stripes[n-1]
		at = uint64(s.offset + s.index + s.data + s.footer)
	}
	// Stripes follow each other, and lie in the file.
	from := v[1]
	if from < at || from > end || v[2] > end-from || v[3] > end-from-v[2] || v[4] > end-from-v[2]-v[3] || v[4] == 0 {
		return fmt.Errorf("stripe %d is not where it should be", len(t.stripes)+1)
	}
	// So their sum cannot overflow.
	if v[5] > math.MaxInt64/maxStripes || len(t.stripes) == maxStripes {
		return fmt.Errorf("stripe %d has %d rows, which is beyond belief", len(t.stripes)+1, v[5])
	}
	t.stripes = append(t.stripes, stripe{offset: int64(from), index: int64(v[2]), data: int64(v[3]), footer: int64(v[4]), rows: int64(v[5])})
	return nil
}

func (t *tail) addType(b []byte) error {
	if len(t.kinds) == maxColumns {
		return unsupported("more than %d columns", maxColumns)
	}
	var c node
	err := eachField(b, func(f field) error {
		switch f.number {
		case 1:
			c.kind = Kind(min(f.value, math.MaxInt32))
		case 2:
			return f.numbers(func(v uint64) error {
				if len(c.children) == maxColumns {
					return errMessage
				}
				c.children = append(c.children, v)
				return nil
			})
		case 3:
			if len(c.names) == maxColumns {
				return errMessage
			}
			c.names = append(c.names, string(f.bytes))
		}
		return nil
	})
	if len(t.kinds) == 0 {
		t.root = c
	}
	t.kinds = append(t.kinds, c.kind)
	return err
}

// columns are those right under the root, which has to be a struct.
func (t *tail) columns() ([]Column, error) {
	if len(t.kinds) == 0 {
		return nil, errTail
	}
	root := t.root
	if root.kind != kindStruct {
		return nil, unsupported("a table that is no struct but of type %s", root.kind)
	}
	if len(root.names) != len(root.children) {
		return nil, fmt.Errorf("%d columns have %d names", len(root.children), len(root.names))
	}
	columns := make([]Column, len(root.children))
	before := uint64(0)
	for i, id := range root.children {
		if id <= before || id >= uint64(len(t.kinds)) {
			return nil, fmt.Errorf("column %s: %w", root.names[i], errMessage)
		}
		before = id
		columns[i] = Column{Name: root.names[i], Kind: t.kinds[id], id: int(id)}
	}
	return columns, nil
}
