// Package parquet reads flat tables out of Parquet files, as far as S3 Inventory and
// whatever rewrites its reports (Athena, Spark, DuckDB, Polars, Arrow, …) need it:
// columns right under the root, chosen by the caller; all others are passed over
// without being looked at.
//
// It promises to deliver as many rows as the file says it has, or an error; to hold
// no more memory than it is given, whatever the file claims; never to panic. A page
// of each column is in memory at a time. What the columns mean is left to the
// caller. The format is described at https://github.com/apache/parquet-format.
package parquet

import (
	"errors"
	"fmt"
	"io"

	"cooper/internal/parquetrows/layout"
)

// ErrUnsupported is in the tree of errors about files that are sound as far as one
// can tell, but use something that is not read here.
var ErrUnsupported = errors.New("this is not supported")

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrUnsupported)
}

// Kind is what the values of a column are read as.
type Kind int

// The kinds of columns.
const (
	Other   Kind = iota // what cannot be read
	Boolean             // 0 and 1
	Number              // whole numbers
	Time                // milliseconds since 1970
	Text                // bytes
)

// Column is a node right under the root.
type Column struct {
	Name string
	Kind Kind
	// Type names the column's type for people.
	Type string

	element *layout.Element
	leaf    int // which of the file's columns it is
}

// File is a Parquet file whose description of itself makes sense.
type File struct {
	r       io.ReaderAt
	footer  *layout.Footer
	columns []Column
	memory  memory
}

// Open reads the description at the end of a file of size bytes. The file and its
// Reader hold at most limit bytes.
func Open(r io.ReaderAt, size, limit int64) (*File, error) {
	footer, err := layout.ReadFooter(r, size, limit/4)
	if err != nil {
		return nil, err
	}
	f := &File{r: r, footer: footer, memory: memory{limit: limit}}
	if err := f.memory.take(size - 8 - footer.Start); err != nil {
		return nil, err
	}
	f.list()
	return f, nil
}

// list finds the columns right under the root.
func (f *File) list() {
	leaf, below := 0, int32(0) // nodes that lie deeper
	for i := 1; i < len(f.footer.Schema); i++ {
		e := &f.footer.Schema[i]
		if below > 0 {
			below--
		} else {
			kind, name := kindOf(e)
			f.columns = append(f.columns, Column{Name: e.Name, Kind: kind, Type: name, element: e, leaf: leaf})
		}
		below += e.Children
		if e.Type != layout.Group {
			leaf++
		}
	}
}

var typeNames = []string{"boolean", "int32", "int64", "int96", "float", "double", "binary", "fixed_len_byte_array"}

// Values of the older way to say what a column means.
const (
	convertedDecimal = 5
	convertedMillis  = 9
	convertedMicros  = 10
	convertedUint64  = 14
	convertedInt64   = 18
)

// kindOf says how a column is read, and names its type. Whole numbers of 64 bits
// without a meaning may be times as well: that is for the caller to say.
func kindOf(e *layout.Element) (Kind, string) {
	if e.Type == layout.Group || e.Repetition == 2 {
		return Other, "a nested type"
	}
	name := typeNames[e.Type]
	logical, converted := e.Logical.Kind, e.Converted
	switch e.Type {
	case layout.Boolean:
		return Boolean, name
	case layout.Int32, layout.Int64:
		if e.Logical.PerMilli > 0 || converted == convertedMillis || converted == convertedMicros {
			if e.Type == layout.Int32 {
				return Other, name
			}
			return Time, name + " (timestamp)"
		}
		plain := logical == 0 && converted < 0 || logical == layout.LogicalInteger || logical == 0 && converted >= 11 && converted <= convertedInt64
		if plain || logical == layout.LogicalDecimal && e.Logical.Scale == 0 {
			return Number, name
		}
		return Other, name + " of another meaning"
	case layout.Int96:
		return Time, name
	case layout.ByteArray, layout.FixedLen:
		if logical == layout.LogicalDecimal || converted == convertedDecimal {
			return Other, name + " (decimal)"
		}
		return Text, name
	}
	return Other, name
}

// perMilli is how many units of a column of times make a millisecond.
func perMilli(e *layout.Element) int64 {
	switch {
	case e.Logical.PerMilli > 0:
		return e.Logical.PerMilli
	case e.Converted == convertedMicros:
		return 1e3
	}
	return 1
}

// unsigned tells whether numbers have no sign.
func unsigned(e *layout.Element) bool {
	return e.Logical.Unsigned || e.Converted >= 11 && e.Converted <= convertedUint64
}

// Columns are the nodes right under the root, in the file's order.
func (f *File) Columns() []Column { return f.columns }

// Rows is how many rows the file has.
func (f *File) Rows() int64 { return f.footer.Rows }

// codecs are what pages may be compressed by. Others are refused before a page is
// read: of some, what expands has no bound.
var codecs = []int32{layout.Uncompressed, layout.Snappy, layout.Gzip, layout.Zstd, layout.LZ4Raw}

// Reader begins at the first row. The columns are indexes into Columns. Before a row is
// delivered, all that the file says of them and of their number has to agree. A file
// has one Reader.
func (f *File) Reader(columns ...int) (*Reader, error) {
	r := &Reader{file: f, at: make([]*column, leaves(f.footer))}
	for _, i := range columns {
		c := &f.columns[i]
		if c.Kind == Other {
			return nil, unsupported("column %s of type %s", c.Name, c.Type)
		}
		r.at[c.leaf] = newColumn(c, &f.memory, &r.shared)
		r.columns = append(r.columns, r.at[c.leaf])
	}
	r.shared.memory = &f.memory
	var sum int64
	for g := range f.footer.Groups() {
		rows, err := r.describe(g)
		if err != nil {
			return nil, err
		}
		if sum += rows; sum < 0 {
			return nil, errors.New("its row groups have more rows than can be")
		}
	}
	if sum != f.footer.Rows {
		return nil, fmt.Errorf("the file says that it has %d rows; its row groups have %d", f.footer.Rows, sum)
	}
	return r, nil
}

func leaves(f *layout.Footer) (n int) {
	for i := range f.Schema {
		if f.Schema[i].Type != layout.Group {
			n++
		}
	}
	return n
}

// describe reads what the footer says of a row group, and lets the columns know.
func (r *Reader) describe(group int) (rows int64, err error) {
	rows, err = r.file.footer.Group(group, func(i int, chunk *layout.Chunk) error {
		c := r.at[i]
		if c == nil {
			return nil
		}
		c.chunk = *chunk
		if chunk.Values == 0 { // Arrow says of no rows that they are at offset 0; nothing of them is read
			return nil
		}
		if err := chunk.Check(r.file.footer, c.is.element, codecs...); err != nil {
			var codec *layout.CodecError
			if errors.As(err, &codec) {
				err = unsupported("%v", err)
			}
			return c.where(err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, c := range r.columns {
		if c.chunk.Values != rows {
			return 0, fmt.Errorf("row group %d has %d rows, and column %s in it %d", group, rows, c.is.Name, c.chunk.Values)
		}
	}
	return rows, nil
}
