package s3report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/s3report/orc"
)

// readORC delivers the rows of an ORC file, a chunk of each column in memory at
// a time.
func (p *part) readORC(ctx context.Context, file *os.File, size int64, to inventory.Sink) error {
	f, err := orc.Open(file, size, p.memory)
	if err != nil {
		return p.orcError(err)
	}
	columns, indexes, err := p.orcColumns(f)
	if err != nil {
		return p.fail(cooper.KindInvalid, "the file is not of the report's schema", err)
	}
	r, err := f.Reader(indexes...)
	if err != nil {
		return p.orcError(err)
	}
	defer r.Close()
	for i := range columns {
		columns[i].vector = r.Vector(i)
	}
	row := newRow(p.schema, p.bucket)
	return p.deliverAll(ctx, to, row, func() (int, error) {
		n, err := r.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			err = p.orcError(err)
		}
		return n, err
	}, func(i int) string { return row.orc(columns, i) })
}

// orcError tells what is damaged from what nobody has taught us, and from what there
// is no room for.
func (p *part) orcError(err error) error {
	e := &cooper.Error{Kind: cooper.KindInvalid, Where: p.Name(), Message: "the ORC file cannot be read", Err: err, Remedy: "Configure the inventory to be written as Parquet or CSV."}
	switch {
	case errors.Is(err, orc.ErrMemory):
		e.Kind, e.Remedy = cooper.KindFull, moreMemory
	case !errors.Is(err, orc.ErrUnsupported):
		return p.unreadable(err)
	}
	return e
}

// orcColumn is a column that matters, with the values of the batch at hand.
type orcColumn struct {
	is     column
	kind   orc.Kind
	vector *orc.Vector
}

// orcColumns finds the columns that matter by name, and their indexes in the
// file. The file must have those that are required.
func (p *part) orcColumns(f *orc.File) (columns []orcColumn, indexes []int, err error) {
	names := p.orcNames(f.Columns())
	if err := p.schema.agrees(names); err != nil {
		return nil, nil, err
	}
	for i, c := range f.Columns() {
		is, known := columnByName[plain(names[i])]
		if !known {
			continue
		}
		if !suitsORC(is, c.Kind) {
			return nil, nil, fmt.Errorf("column %s is of an unexpected type, %s", names[i], c.Kind)
		}
		columns, indexes = append(columns, orcColumn{is: is, kind: c.Kind}), append(indexes, i)
	}
	return columns, indexes, nil
}

// orcNames are the names of a file's columns. Old versions of Hive wrote _col0,
// _col1, … instead of names: these are what the manifest has in their places.
func (p *part) orcNames(columns []orc.Column) []string {
	names, numbered := make([]string, len(columns)), len(columns) == len(p.schema.names)
	for i, c := range columns {
		names[i] = c.Name
		numbered = numbered && c.Name == "_col"+strconv.Itoa(i)
	}
	if numbered {
		return p.schema.names
	}
	return names
}

// suitsORC tells whether a column may be of a type. Text will do for all, but
// keys must not be of a type that does not know spaces at their ends.
func suitsORC(is column, kind orc.Kind) bool {
	switch kind {
	case orc.String, orc.Varchar, orc.Binary:
		return true
	case orc.Char:
		return is != colKey
	case orc.Boolean:
		return is == colIsLatest || is == colIsDeleteMarker
	case orc.Byte, orc.Short, orc.Int, orc.Long:
		return is == colSize
	case orc.Timestamp, orc.Instant:
		return is == colLastModified
	}
	return false
}

// orc makes a version of row i of the batch; the reason is empty, or says why
// the row is set aside. Keys are not encoded in ORC.
func (r *row) orc(columns []orcColumn, i int) (reason string) {
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
		if reason := r.orcValue(&columns[c], i); reason != "" {
			return reason
		}
	}
	return r.finish()
}

// orcValue takes one value of a row.
func (r *row) orcValue(c *orcColumn, i int) (reason string) {
	v := c.vector
	if len(v.Null) > 0 && v.Null[i] {
		return r.text(c.is, nil)
	}
	switch c.kind {
	case orc.Boolean:
		if c.is == colIsLatest {
			r.version.Latest = v.Numbers[i] != 0
		} else {
			r.version.DeleteMarker = v.Numbers[i] != 0
		}
	case orc.Byte, orc.Short, orc.Int, orc.Long:
		r.version.Size, r.hasSize = v.Numbers[i], true
	case orc.Timestamp, orc.Instant:
		if v.Numbers[i] < 0 || v.Numbers[i] > maxInstant {
			return badTime
		}
		r.version.LastModified = cooper.Instant(v.Numbers[i])
	default:
		return r.text(c.is, v.Text[i])
	}
	return ""
}

// structColumns gives the names of the top columns in an ORC schema, such as
// "struct<key:string,size:bigint,price:decimal(10,2)>".
func structColumns(text string) []string {
	inner, ok := strings.CutPrefix(strings.TrimSpace(text), "struct<")
	if !ok {
		return nil
	}
	var names []string
	depth, start := 0, 0
	for i, c := range inner {
		switch c {
		case '<', '(':
			depth++
		case '>', ')':
			depth--
		}
		if depth < 0 || depth == 0 && c == ',' {
			name, _, _ := strings.Cut(inner[start:i], ":")
			if name = strings.Trim(strings.TrimSpace(name), "`"); name != "" {
				names = append(names, name)
			}
			start = i + 1
		}
		if depth < 0 {
			break
		}
	}
	return names
}
