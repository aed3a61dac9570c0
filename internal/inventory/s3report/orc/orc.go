// Package orc reads flat tables out of ORC files, as far as S3 Inventory and
// the writers akin to it (Hive, Apache ORC, Arrow) need it: format 0.11 and
// 0.12, columns of booleans, whole numbers, text and timestamps right under the
// root, chosen by the caller; all others are passed over without being looked at.
//
// It promises to deliver as many rows as the file says it has, or an error; to
// hold no more memory than it is given whatever the file claims; never to panic.
// It reads a stripe in pieces of a compression chunk for each stream, so that
// memory does not depend on the size of stripes.
//
// ORC has no checksums: whether the bytes are the right ones, and what the
// columns mean, is left to the caller.
package orc

import (
	"errors"
	"fmt"
	"io"
)

// ErrUnsupported is in the tree of errors about files that are sound as far as
// one can tell, but use something that is not read here.
var ErrUnsupported = errors.New("this is not supported")

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrUnsupported)
}

// Kind is the type of a column, by its number in the format.
type Kind int

// The kinds of columns that can be read.
const (
	Boolean   Kind = 0
	Byte      Kind = 1
	Short     Kind = 2
	Int       Kind = 3
	Long      Kind = 4
	String    Kind = 7
	Binary    Kind = 8
	Timestamp Kind = 9 // without a time zone
	Varchar   Kind = 16
	Char      Kind = 17
	Instant   Kind = 18 // "timestamp with local time zone"

	kindStruct Kind = 12
)

var kindNames = []string{
	"boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "string", "binary", "timestamp", "array", "map",
	"struct", "uniontype", "decimal", "date", "varchar", "char", "timestamp with local time zone",
}

// String is the name of the type in a schema, such as bigint.
func (k Kind) String() string {
	if k >= 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("type %d", int(k))
}

// Column is a column right under the root.
type Column struct {
	Name string
	Kind Kind
	id   int // in the file's tree of types
}

// File is an ORC file whose description of itself has been read and makes sense.
type File struct {
	r       io.ReaderAt
	tail    tail
	columns []Column
	limit   int64
}

// Open reads the description at the end of a file of size bytes. It and a Reader
// hold at most limit bytes each: two chunks for each stream, the dictionaries of a
// stripe, the rows at hand.
func Open(r io.ReaderAt, size, limit int64) (*File, error) {
	f := &File{r: r, limit: limit}
	m := &memory{limit: limit}
	if err := f.tail.read(r, size, m); err != nil {
		return nil, err
	}
	var err error
	f.columns, err = f.tail.columns()
	return f, err
}

// Columns are those right under the root, in the file's order.
func (f *File) Columns() []Column { return f.columns }

// Rows is how many rows the file has.
func (f *File) Rows() int64 { return f.tail.rows }

// Stripes is how many stripes the rows are in.
func (f *File) Stripes() int { return len(f.tail.stripes) }
