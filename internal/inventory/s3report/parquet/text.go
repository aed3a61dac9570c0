package parquet

import (
	"cooper/internal/parquetrows/layout"
)

// deltaLength reads texts whose lengths stand together before them.
func (c *column) deltaLength(b []byte, most int) (source, error) {
	d, err := newDelta(b, most)
	if err != nil {
		return nil, err
	}
	rest, err := d.rest()
	return &apart{c, d, rest}, err
}

type apart struct {
	c    *column
	size *delta
	b    []byte
}

func (s *apart) next(n int) (err error) {
	for i := range n {
		if s.c.out.Text[i], err = s.one(); err != nil {
			return err
		}
	}
	return nil
}

func (s *apart) one() ([]byte, error) {
	n, err := s.size.next()
	if err != nil {
		return nil, err
	}
	if n < 0 || n > int64(len(s.b)) {
		return nil, errShort
	}
	t := s.b[:n:n]
	s.b = s.b[n:]
	return t, nil
}

// deltaText reads texts of which each has some first bytes of the one before. What
// they come to has nothing to do with the size of the page.
func (c *column) deltaText(b []byte, most int) (source, error) {
	prefix, err := newDelta(b, most)
	if err != nil {
		return nil, err
	}
	if b, err = prefix.rest(); err != nil {
		return nil, err
	}
	suffix, err := newDelta(b, most)
	if err != nil {
		return nil, err
	}
	if b, err = suffix.rest(); err != nil {
		return nil, err
	}
	return &shares{c: c, prefix: prefix, suffix: apart{c, suffix, b}}, nil
}

type shares struct {
	c      *column
	prefix *delta
	suffix apart
	last   int // the length of the text before
	common [BatchRows]int
}

func (s *shares) next(n int) (err error) {
	// First how long they are, then where they go: behind the last one of the batch
	// before, which is moved to the front.
	out, total, last := s.c.out.Text, s.last, s.last
	for i := range n {
		common, err := s.prefix.next()
		if err != nil {
			return err
		}
		if out[i], err = s.suffix.one(); err != nil {
			return err
		}
		if common < 0 || common > int64(last) {
			return errNumber
		}
		s.common[i], last = int(common), int(common)+len(out[i])
		total += last
	}
	arena := &s.c.arena
	if total > cap(*arena) {
		larger, err := s.c.memory.room(nil, total)
		if err != nil {
			return err
		}
		copy(larger, (*arena)[len(*arena)-s.last:])
		s.c.memory.used -= int64(cap(*arena))
		*arena = larger[:s.last]
	} else {
		*arena = append((*arena)[:0], (*arena)[len(*arena)-s.last:]...)
	}
	b := *arena
	from := 0 // where the one before begins
	for i := range n {
		at := len(b)
		b = append(append(b, b[from:from+s.common[i]]...), out[i]...)
		out[i], from = b[at:len(b):len(b)], at
	}
	*arena, s.last = b, last
	return nil
}

// dictionary has the values that places stand for.
type dictionary struct {
	there   bool
	count   int
	page    []byte
	ends    []uint32 // of texts with their lengths before them
	size    int      // of all texts; 0 where they differ
	numbers []int64
}

func (d *dictionary) text(i int) []byte {
	if d.size > 0 {
		return d.page[i*d.size : (i+1)*d.size : (i+1)*d.size]
	}
	from := uint32(4)
	if i > 0 {
		from += d.ends[i-1]
	}
	return d.page[from:d.ends[i]:d.ends[i]]
}

// readDictionary reads the page that has it. Its values come all at once, so what
// they take is counted before.
func (c *column) readDictionary(h *layout.Page) error {
	if c.dictionary == nil {
		c.dictionary = &dictionary{}
	}
	d := c.dictionary
	if d.there {
		return errNumber
	}
	if _, err := c.read(h, &d.page); err != nil {
		return err
	}
	d.there, d.count, d.size = true, int(h.Values), 0
	b := d.page
	switch kind := c.is.element.Type; {
	case h.Encoding != layout.Plain && h.Encoding != layout.PlainDictionary:
		return unsupported("a dictionary in the encoding number %d", h.Encoding)
	case kind == layout.FixedLen:
		d.size = int(c.is.element.Size)
		if d.count > len(b)/d.size {
			return errShort
		}
	case kind == layout.ByteArray:
		return d.index(c.memory, b)
	case kind == layout.Boolean:
		if d.count > 8*len(b) {
			return errShort
		}
		if err := d.grow(c.memory); err != nil {
			return err
		}
		for i := range d.numbers {
			d.numbers[i] = int64(bitsAt(b, i, 1))
		}
	default:
		size := sizes[kind]
		if d.count > len(b)/size {
			return errShort
		}
		if err := d.grow(c.memory); err != nil {
			return err
		}
		for i := range d.numbers {
			d.numbers[i] = c.number(b[i*size : (i+1)*size])
		}
	}
	return nil
}

// index finds where each text ends.
func (d *dictionary) index(m *memory, b []byte) error {
	if d.count > len(b)/4 {
		return errShort
	}
	if d.count > cap(d.ends) {
		if err := m.take(4 * int64(d.count-cap(d.ends))); err != nil {
			return err
		}
		d.ends = make([]uint32, d.count)
	}
	d.ends = d.ends[:d.count]
	for i, left := 0, b; i < d.count; i++ {
		var err error
		if _, left, err = prefixed(left); err != nil {
			return err
		}
		d.ends[i] = uint32(len(b) - len(left))
	}
	return nil
}

func (d *dictionary) grow(m *memory) error {
	if d.count > cap(d.numbers) {
		if err := m.take(8 * int64(d.count-cap(d.numbers))); err != nil {
			return err
		}
		d.numbers = make([]int64, d.count)
	}
	d.numbers = d.numbers[:d.count]
	return nil
}
