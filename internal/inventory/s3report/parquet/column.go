package parquet

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"cooper/internal/parquetrows/layout"
)

// readAhead is how much of a column is read from the file at once, and the longest header
// of a page, in bytes.
const readAhead = 64 << 10

// column reads the values of one column, page by page.
type column struct {
	is     *Column
	memory *memory
	shared *shared

	chunk  layout.Chunk // of the row group at hand
	in     *bufio.Reader
	behind int64 // values of the row group that are in pages to come

	page       []byte // the page at hand, expanded
	left       int64  // its values not taken yet, NULLs included
	levels     hybrid
	optional   bool
	values     source
	dictionary *dictionary
	arena      []byte // where texts go that are put together

	out   Vector
	bits  [BatchRows]uint32 // levels, and places in the dictionary
	nulls [BatchRows]bool
}

func newColumn(is *Column, m *memory, s *shared) *column {
	c := &column{is: is, memory: m, shared: s, optional: is.element.Repetition == 1}
	if is.Kind == Text {
		c.out.Text = make([][]byte, BatchRows)
	} else {
		c.out.Numbers = make([]int64, BatchRows)
	}
	return c
}

func (c *column) where(err error) error { return fmt.Errorf("column %s: %w", c.is.Name, err) }

// begin goes to the chunk of the next row group.
func (c *column) begin(file io.ReaderAt) error {
	if c.in == nil {
		if err := c.memory.take(readAhead); err != nil {
			return err
		}
		c.in = bufio.NewReaderSize(nil, readAhead)
	}
	from, n := c.chunk.Range()
	c.in.Reset(io.NewSectionReader(file, from, n))
	c.behind, c.left = c.chunk.Values, 0
	if c.dictionary != nil {
		c.dictionary.there = false
	}
	return nil
}

// ready reads pages until there is one with values in it.
func (c *column) ready() error {
	for c.left == 0 {
		if c.behind == 0 {
			return errShort
		}
		if err := c.next(); err != nil {
			return err
		}
	}
	return nil
}

// end wants nothing behind the rows.
func (c *column) end() error {
	for c.left == 0 {
		if _, err := c.in.Peek(1); errors.Is(err, io.EOF) {
			return nil
		}
		if err := c.next(); err != nil {
			return err
		}
	}
	return errLong
}

// header reads a page's header.
func (c *column) header() (h layout.Page, err error) {
	for n := 256; ; n *= 8 {
		b, rerr := c.in.Peek(min(n, readAhead))
		if len(b) == 0 {
			return h, rerr
		}
		h, used, err := layout.ParsePage(b)
		if errors.Is(err, layout.ErrMore) && rerr == nil && n < readAhead {
			continue
		}
		if err != nil {
			return h, fmt.Errorf("a page's header is malformed: %w", err)
		}
		_, err = c.in.Discard(used)
		return h, err
	}
}

// next reads a page, of any kind.
func (c *column) next() error {
	h, err := c.header()
	if err != nil {
		return err
	}
	switch h.Kind {
	case layout.IndexPage:
		_, err := c.in.Discard(int(h.Compressed))
		return err
	case layout.DictionaryPage:
		return c.readDictionary(&h)
	}
	if int64(h.Values) > c.behind {
		return errLong
	}
	var levels []byte
	if levels, err = c.read(&h, &c.page); err != nil {
		return err
	}
	c.behind -= int64(h.Values)
	c.left = int64(h.Values)
	return c.open(&h, levels)
}

// read reads the body of a page and expands it into a buffer. Levels that are apart
// from it come first in that.
func (c *column) read(h *layout.Page, into *[]byte) (levels []byte, err error) {
	codec := c.chunk.Codec
	if !h.Packed {
		codec = layout.Uncompressed
	}
	if codec == layout.Uncompressed && h.Compressed != h.Uncompressed {
		return nil, errSize
	}
	if *into, err = c.memory.room(*into, int(h.Uncompressed)); err != nil {
		return nil, err
	}
	to := *into
	packed := to
	if codec != layout.Uncompressed {
		if c.shared.packed, err = c.memory.room(c.shared.packed, int(h.Compressed)); err != nil {
			return nil, err
		}
		packed = c.shared.packed
	}
	if _, err := io.ReadFull(c.in, packed); err != nil {
		return nil, err
	}
	if h.HasCRC && crc32.ChecksumIEEE(packed) != h.CRC {
		return nil, errors.New("the checksum of a page does not match")
	}
	if h.Repetition > 0 {
		return nil, errors.New("a page has repetitions, and its column none")
	}
	plain := int(h.Definition)
	if codec != layout.Uncompressed {
		copy(to, packed[:plain])
		if len(packed) > plain || len(to) > plain {
			if err := c.shared.expand(codec, to[plain:], packed[plain:]); err != nil {
				return nil, fmt.Errorf("a page cannot be expanded: %w", err)
			}
		}
	}
	return to[:plain], nil
}

// open makes the page at hand ready to be taken from.
func (c *column) open(h *layout.Page, levels []byte) (err error) {
	b := c.page[len(levels):]
	switch {
	case !c.optional:
	case h.Kind == layout.DataPageV2:
		c.levels = hybrid{b: levels, width: 1}
	case h.LevelEncoding == layout.BitPacked:
		n := (int(h.Values) + 7) / 8
		if n > len(b) {
			return errShort
		}
		c.levels, b = hybrid{b: b[:n], backwards: true}, b[n:]
	default:
		if c.levels.b, b, err = prefixed(b); err != nil {
			return err
		}
		c.levels = hybrid{b: c.levels.b, width: 1}
	}
	c.values, err = c.source(h, b)
	return err
}

// take reads n rows out of the page.
func (c *column) take(n int) error {
	present := n
	c.out.Null = nil
	if c.optional {
		if err := c.levels.next(c.bits[:n]); err != nil {
			return err
		}
		present = 0
		for i, level := range c.bits[:n] {
			c.nulls[i] = level == 0
			present += int(level)
		}
		if present < n {
			c.out.Null = c.nulls[:n]
		}
	}
	c.left -= int64(n)
	if present > 0 {
		if err := c.values.next(present); err != nil {
			return err
		}
	}
	if present < n {
		c.spread(n, present)
	}
	return nil
}

// spread moves the first values to the rows that have one.
func (c *column) spread(n, present int) {
	for i := n - 1; i >= 0; i-- {
		have := !c.nulls[i]
		if have {
			present--
		}
		switch {
		case c.out.Text == nil && have:
			c.out.Numbers[i] = c.out.Numbers[present]
		case c.out.Text == nil:
			c.out.Numbers[i] = 0
		case have:
			c.out.Text[i] = c.out.Text[present]
		default:
			c.out.Text[i] = nil
		}
	}
}
