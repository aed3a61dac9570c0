package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"

	"cooper/internal/parquetrows/layout"
)

// source gives the values of a page, as they are encoded.
type source interface {
	// next puts the next n values, at most BatchRows, into the column's vector.
	next(n int) error
}

// source makes one for the values of a page, which are all of b.
func (c *column) source(h *layout.Page, b []byte) (source, error) {
	if len(b) == 0 {
		return none{}, nil
	}
	text, size := c.is.Kind == Text, int(c.is.element.Size)
	switch kind := c.is.element.Type; h.Encoding {
	case layout.Plain:
		switch kind {
		case layout.Boolean:
			return &booleans{c, hybridOfBits(b)}, nil
		case layout.ByteArray:
			return &lengths{c: c, b: b}, nil
		case layout.FixedLen:
			return &fixed{c, b, size}, nil
		}
		return &numbers{c: c, b: b, size: sizes[kind]}, nil
	case layout.PlainDictionary, layout.RLEDictionary:
		if c.dictionary == nil || !c.dictionary.there {
			return nil, errors.New("a page needs a dictionary, and there is none")
		}
		if b[0] > 32 {
			return nil, errNumber
		}
		return &words{c, hybrid{b: b[1:], width: int(b[0])}}, nil
	case layout.RLE:
		if kind == layout.Boolean {
			runs, _, err := prefixed(b)
			return &booleans{c, hybrid{b: runs, width: 1}}, err
		}
	case layout.DeltaBinary:
		if kind == layout.Int32 || kind == layout.Int64 {
			d, err := newDelta(b, int(h.Values))
			return &deltas{c, d}, err
		}
	case layout.DeltaLength:
		if text && kind == layout.ByteArray {
			return c.deltaLength(b, int(h.Values))
		}
	case layout.DeltaByteArray:
		if text {
			return c.deltaText(b, int(h.Values))
		}
	case layout.ByteStreamSplit:
		switch {
		case text && kind == layout.FixedLen:
			return &split{c: c, b: b, size: size}, nil
		case kind == layout.Int32 || kind == layout.Int64:
			return &split{c: c, b: b, size: sizes[kind]}, nil
		}
	}
	return nil, unsupported("values of type %s in the encoding number %d", c.is.Type, h.Encoding)
}

// none is a page on which every row is NULL.
type none struct{}

func (none) next(int) error { return errShort }

// sizes are the lengths of numbers, in bytes.
var sizes = map[int32]int{layout.Int32: 4, layout.Int64: 8, layout.Int96: 12}

// prefixed takes off what has its length before it, in four bytes.
func prefixed(b []byte) (first, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errShort
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	if n > uint64(len(b)-4) {
		return nil, nil, errShort
	}
	return b[4 : 4+n], b[4+n:], nil
}

// hybridOfBits reads bits without runs.
func hybridOfBits(b []byte) hybrid {
	return hybrid{b: b, width: 1, packed: true, left: 8 * len(b), stop: len(b)}
}

// number makes a value of the bytes of one.
func (c *column) number(b []byte) int64 {
	switch len(b) {
	case 4:
		n := binary.LittleEndian.Uint32(b)
		if unsigned(c.is.element) {
			return int64(n)
		}
		return int64(int32(n))
	case 8:
		return c.meant(int64(binary.LittleEndian.Uint64(b)))
	}
	return instant96(b)
}

// meant makes milliseconds of a time's units.
func (c *column) meant(n int64) int64 {
	if c.is.Kind == Time {
		if n < 0 {
			return -1
		}
		return n / perMilli(c.is.element)
	}
	return n
}

// julian1970 is the Julian day of 1970-01-01, from which INT96 counts days.
const julian1970 = 2440588

// instant96 makes milliseconds of nanoseconds and a Julian day.
func instant96(b []byte) int64 {
	const day = 24 * 60 * 60 * 1000
	nanos, days := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint32(b[8:]))-julian1970
	if nanos >= day*1e6 || days < 0 {
		return -1
	}
	return days*day + int64(nanos/1e6)
}

// booleans are bits, in runs or not.
type booleans struct {
	c *column
	h hybrid
}

func (s *booleans) next(n int) error {
	if err := s.h.next(s.c.bits[:n]); err != nil {
		return err
	}
	for i, bit := range s.c.bits[:n] {
		s.c.out.Numbers[i] = int64(bit)
	}
	return nil
}

// numbers stand behind each other.
type numbers struct {
	c    *column
	b    []byte
	size int
}

func (s *numbers) next(n int) error {
	if n*s.size > len(s.b) {
		return errShort
	}
	for i := range n {
		s.c.out.Numbers[i] = s.c.number(s.b[i*s.size : (i+1)*s.size])
	}
	s.b = s.b[n*s.size:]
	return nil
}

// fixed are texts of one length.
type fixed struct {
	c    *column
	b    []byte
	size int
}

func (s *fixed) next(n int) error {
	if n > len(s.b)/s.size {
		return errShort
	}
	for i := range n {
		s.c.out.Text[i] = s.b[i*s.size : (i+1)*s.size : (i+1)*s.size]
	}
	s.b = s.b[n*s.size:]
	return nil
}

// lengths are texts with their lengths before them.
type lengths struct {
	c *column
	b []byte
}

func (s *lengths) next(n int) (err error) {
	for i := range n {
		if s.c.out.Text[i], s.b, err = prefixed(s.b); err != nil {
			return err
		}
	}
	return nil
}

// deltas are numbers that follow from the ones before.
type deltas struct {
	c *column
	d *delta
}

func (s *deltas) next(n int) error {
	narrow := s.c.is.element.Type == layout.Int32
	for i := range n {
		v, err := s.d.next()
		if err != nil {
			return err
		}
		switch {
		case !narrow:
			v = s.c.meant(v)
		case unsigned(s.c.is.element):
			v = int64(uint32(v))
		default:
			v = int64(int32(v)) // they may have run over
		}
		s.c.out.Numbers[i] = v
	}
	return nil
}

// split has the first bytes of all values, then the second ones, and so on.
type split struct {
	c        *column
	b        []byte
	size, at int
	arena    []byte
}

func (s *split) next(n int) (err error) {
	count := len(s.b) / s.size
	if n > count-s.at || len(s.b)%s.size != 0 {
		return errShort
	}
	if s.arena, err = s.c.memory.room(s.arena, n*s.size); err != nil {
		return err
	}
	for i := range n {
		v := s.arena[i*s.size : (i+1)*s.size : (i+1)*s.size]
		for k := range v {
			v[k] = s.b[k*count+s.at+i]
		}
		if s.c.out.Text != nil {
			s.c.out.Text[i] = v
		} else {
			s.c.out.Numbers[i] = s.c.number(v)
		}
	}
	s.at += n
	return nil
}

// words are places in a dictionary.
type words struct {
	c *column
	h hybrid
}

func (s *words) next(n int) error {
	if err := s.h.next(s.c.bits[:n]); err != nil {
		return err
	}
	d := s.c.dictionary
	for i, place := range s.c.bits[:n] {
		if uint64(place) >= uint64(d.count) {
			return fmt.Errorf("value %d of a dictionary that has %d", place, d.count)
		}
		if s.c.out.Text != nil {
			s.c.out.Text[i] = d.text(int(place))
		} else {
			s.c.out.Numbers[i] = d.numbers[place]
		}
	}
	return nil
}
