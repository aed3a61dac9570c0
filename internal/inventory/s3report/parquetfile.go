package s3report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/s3report/parquet"
	"cooper/internal/parquetrows/layout"
)

// readParquet delivers the rows of a Parquet file, a page of each column in
// memory at a time.
func (p *part) readParquet(ctx context.Context, file *os.File, size int64, to inventory.Sink) error {
	f, err := parquet.Open(file, size, p.memory)
	if err != nil {
		return p.parquetError(err)
	}
	// Keys differ, so a row takes some bits whatever compresses it. Rows that take none
	// would be an endless file.
	if f.Rows() > size*8 {
		return p.unreadable(fmt.Errorf("it says that it has %d rows, in %d bytes", f.Rows(), size))
	}
	columns, indexes, err := p.parquetColumns(f)
	if err != nil {
		return p.fail(cooper.KindInvalid, "the file is not of the report's schema", err)
	}
	r, err := f.Reader(indexes...)
	if err != nil {
		return p.parquetError(err)
	}
	defer r.Close()
	for i := range columns {
		columns[i].vector = r.Vector(i)
	}
	row := newRow(p.schema, p.bucket)
	return p.deliverAll(ctx, to, row, func() (int, error) {
		n, err := r.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			err = p.parquetError(err)
		}
		return n, err
	}, func(i int) string { return row.parquet(columns, i) })
}

// parquetError tells what is damaged from what nobody has taught us, and from
// what there is no room for.
func (p *part) parquetError(err error) error {
	e := &cooper.Error{Where: p.Name(), Message: "the Parquet file cannot be read", Err: err}
	var large *layout.TooLargeError
	switch {
	case errors.Is(err, parquet.ErrUnsupported):
		e.Kind, e.Remedy = cooper.KindInvalid, "Write the file with Snappy, gzip, zstd or LZ4, and simple columns; or as CSV."
	case errors.As(err, &large):
		e.Kind, e.Remedy = cooper.KindFull, moreMemory
	default:
		return p.unreadable(err)
	}
	return e
}

// moreMemory is the remedy for a file that asks for more than there is for it.
const moreMemory = "If the file is meant to be so, give more --memory, or write it in smaller pieces: pages, row groups, stripes."

// parquetColumn is a column that matters, with the values of the batch at hand.
type parquetColumn struct {
	is     column
	kind   parquet.Kind
	vector *parquet.Vector
}

// parquetColumns finds the columns that matter by name, and their indexes in the
// file. The file must have those that the manifest promised and that are required.
func (p *part) parquetColumns(f *parquet.File) (columns []parquetColumn, indexes []int, err error) {
	var names []string
	for _, c := range f.Columns() {
		names = append(names, c.Name)
	}
	if err := p.schema.agrees(names); err != nil {
		return nil, nil, err
	}
	for i, c := range f.Columns() {
		is, known := columnByName[plain(c.Name)]
		if !known {
			continue
		}
		if !suits(is, c.Kind) || is == colLastModified && c.Type == "int32" {
			return nil, nil, fmt.Errorf("column %s is of an unexpected type, %s", c.Name, c.Type)
		}
		columns, indexes = append(columns, parquetColumn{is: is, kind: c.Kind}), append(indexes, i)
	}
	return columns, indexes, nil
}

// suits tells whether a column may be of a kind. Text will do for all; a number for
// a time is in milliseconds.
func suits(is column, kind parquet.Kind) bool {
	switch kind {
	case parquet.Text:
		return true
	case parquet.Boolean:
		return is == colIsLatest || is == colIsDeleteMarker
	case parquet.Number:
		return is == colSize || is == colLastModified
	case parquet.Time:
		return is == colLastModified
	}
	return false
}

// parquet makes a version of row i of the batch; the reason is empty, or says
// why the row is set aside. Keys are not encoded in Parquet.
func (r *row) parquet(columns []parquetColumn, i int) (reason string) {
	r.version, r.key, r.hasSize = cooper.Version{Latest: true}, nil, false
	for c := range columns {
		if columns[c].is == colKey {
			r.key = columns[c].vector.Text[i]
		}
	}
	for c := range columns {
		if columns[c].is == colKey {
			continue
		}
		if reason := r.parquetValue(&columns[c], i); reason != "" {
			return reason
		}
	}
	return r.finish()
}

// parquetValue takes one value of a row.
func (r *row) parquetValue(c *parquetColumn, i int) (reason string) {
	v := c.vector
	switch {
	case v.Null != nil && v.Null[i]:
		return r.text(c.is, nil)
	case c.kind == parquet.Text:
		return r.text(c.is, v.Text[i])
	case c.is == colIsLatest:
		r.version.Latest = v.Numbers[i] != 0
	case c.is == colIsDeleteMarker:
		r.version.DeleteMarker = v.Numbers[i] != 0
	case c.is == colSize:
		r.version.Size, r.hasSize = v.Numbers[i], true
	default:
		if v.Numbers[i] < 0 || v.Numbers[i] > maxInstant {
			return badTime
		}
		r.version.LastModified = cooper.Instant(v.Numbers[i])
	}
	return ""
}

// maxInstant is the end of the year 9999.
const maxInstant = 253402300800000 - 1
