package inventory

import (
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// column reads one column of a row group, page by page.
type column struct {
	pages  parquet.Pages
	page   parquet.Page
	row    int // the next row in page
	value  int // the next value: nulls have none
	levels []byte
	values encoding.Values
	// dictionary holds the strings of a dictionary column.
	dictionary []string
	known      parquet.Dictionary
}

// columns reads a row group.
type columns struct {
	list [columnCount]column
	left int64 // rows
	omit Fields
}

// fieldsOf are the columns that hold nothing but a field that may be left out.
var fieldsOf = [columnCount]Fields{
	colVersionID: FieldVersionID, colVersionText: FieldVersionID, colETag: FieldETag, colETagText: FieldETag,
}

// openColumns opens the columns of a group but for those that are omitted,
// which have no pages.
func openColumns(group parquet.RowGroup, omit Fields) *columns {
	c := &columns{left: group.NumRows(), omit: omit}
	for i, chunk := range group.ColumnChunks() {
		if fieldsOf[i]&omit == 0 {
			c.list[i].pages = chunk.Pages()
		}
	}
	return c
}

func (c *columns) close() error {
	var errs []error
	for i := range c.list {
		if c.list[i].pages == nil {
			continue
		}
		parquet.Release(c.list[i].page)
		errs = append(errs, c.list[i].pages.Close())
	}
	return errors.Join(errs...)
}

// ready gives how many rows, at most limit, every column has in its present
// page; io.EOF after the last row.
func (c *columns) ready(limit int) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(limit), c.left))
	for i := range c.list {
		if c.list[i].pages == nil {
			continue
		}
		m, err := c.list[i].ready()
		if err != nil {
			return 0, err
		}
		n = min(n, m)
	}
	return n, nil
}

// skip moves past n rows that were read.
func (c *columns) skip(n int) {
	c.left -= int64(n)
	for i := range c.list {
		if c.list[i].pages != nil {
			c.list[i].skip(n)
		}
	}
}

// ready gives how many rows are left in the page, which it reads if need be.
func (c *column) ready() (int, error) {
	for c.page == nil || c.row == int(c.page.NumRows()) {
		parquet.Release(c.page)
		var err error
		if c.page, err = c.pages.ReadPage(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			c.page = nil
			return 0, err
		}
		c.row, c.value = 0, 0
		c.levels, c.values = c.page.DefinitionLevels(), c.page.Data()
		if d := c.page.Dictionary(); d != nil && d != c.known {
			c.known, c.dictionary = d, c.dictionary[:0]
			for i := range d.Len() {
				c.dictionary = append(c.dictionary, d.Index(int32(i)).String())
			}
		}
	}
	return int(c.page.NumRows()) - c.row, nil
}

func (c *column) skip(n int) {
	c.value += c.present(n)
	c.row += n
}

// present counts which of the next n rows are not null.
func (c *column) present(n int) int {
	if c.levels == nil {
		return n
	}
	count := 0
	for _, level := range c.levels[c.row : c.row+n] {
		count += int(level)
	}
	return count
}

// null tells about row i from the present one.
func (c *column) null(i int) bool { return c.levels != nil && c.levels[c.row+i] == 0 }

// texts gives the bytes of all values in the page, value k lying between
// offsets k and k+1.
func (c *column) texts(n int) (data []byte, offsets []uint32) {
	if c.present(n) == 0 {
		return nil, []uint32{0}
	}
	data, offsets = c.values.ByteArray()
	return data, offsets[c.value:]
}

// fixed gives the bytes of the values from the next on, each of one size.
func (c *column) fixed(n, size int) []byte {
	if c.present(n) == 0 {
		return nil
	}
	data, _ := c.values.FixedLenByteArray()
	return data[c.value*size:]
}

// numbers gives the values from the next on.
func (c *column) numbers(n int) []int64 {
	if c.present(n) == 0 {
		return nil
	}
	return c.values.Int64()[c.value:]
}

// flag gives the value of row i from the present one.
func (c *column) flag(bits []byte, i int) bool {
	i += c.row
	return bits[i/8]>>(i%8)&1 != 0
}

// indexes gives the places in dictionary of the values from the next on.
func (c *column) indexes() []int32 { return c.values.Int32()[c.value:] }
