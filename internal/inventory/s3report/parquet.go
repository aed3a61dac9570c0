package s3report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"cooper"
	"cooper/internal/inventory"
)

// batchRows is how many rows are taken out of the columns at once.
const batchRows = 1024

var (
	errShort = errors.New("a column ends before its rows do")
	errLong  = errors.New("a column goes on behind its rows")
)

// readParquet delivers the rows of a Parquet file, a page of each column in
// memory at a time.
func (p *part) readParquet(ctx context.Context, file *os.File, size int64, to inventory.Sink) error {
	f, err := openParquet(file, size)
	if err != nil {
		return p.unreadable(err)
	}
	columns, err := p.parquetColumns(f)
	if err != nil {
		return err
	}
	// Nothing guards a footer: before a row is delivered, all that it says of their
	// number has to agree.
	if err := countsAgree(f, columns); err != nil {
		return p.unreadable(err)
	}
	row := newRow(p.schema, p.bucket)
	number := int64(0)
	for _, group := range f.RowGroups() {
		rows := &rowGroup{group: group, columns: columns, left: group.NumRows()}
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := rows.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return p.unreadable(errors.Join(err, rows.close()))
			}
			for i := range n {
				number++
				if err := p.deliver(to, row, number, row.parquet(columns, i)); err != nil {
					return errors.Join(err, rows.close())
				}
			}
		}
		if err := rows.close(); err != nil {
			return p.unreadable(err)
		}
	}
	return nil
}

// guard turns a panic of the library, which a hostile file can provoke, into an
// error.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the Parquet file is malformed: %v", r)
	}
}

func openParquet(file io.ReaderAt, size int64) (f *parquet.File, err error) {
	defer guard(&err)
	return parquet.OpenFile(file, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(64<<10))
}

// countsAgree wants file, row groups and columns to have the same number of rows.
func countsAgree(f *parquet.File, columns []*parquetColumn) error {
	var sum int64
	for i, g := range f.Metadata().RowGroups {
		if g.NumRows < 0 || sum > math.MaxInt64-g.NumRows {
			return fmt.Errorf("row group %d has %d rows", i, g.NumRows)
		}
		sum += g.NumRows
		for _, c := range columns {
			if c.index >= len(g.Columns) {
				return fmt.Errorf("row group %d has %d columns", i, len(g.Columns))
			}
			if n := g.Columns[c.index].MetaData.NumValues; n != g.NumRows {
				return fmt.Errorf("row group %d has %d rows, and column %d in it %d", i, g.NumRows, c.index, n)
			}
		}
	}
	if sum != f.NumRows() {
		return fmt.Errorf("the file says that it has %d rows; its row groups have %d", f.NumRows(), sum)
	}
	return nil
}

// parquetColumn is a column that matters, with the values of the batch at hand.
type parquetColumn struct {
	is     column
	index  int // in the file
	toMS   func(parquet.Value) (int64, bool)
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	left   int64 // values of the page not taken yet
	batch  []parquet.Value
}

// parquetColumns finds the columns that matter by name. The file must have those
// that the manifest promised and that are required.
func (p *part) parquetColumns(f *parquet.File) (columns []*parquetColumn, err error) {
	defer func() {
		if err != nil {
			err = p.fail(cooper.KindInvalid, "the file is not of the report's schema", err)
		}
	}()
	defer guard(&err)
	var names []string
	leaves := map[column]*parquet.Column{}
	for _, c := range f.Root().Columns() {
		names = append(names, c.Name())
		if is, ok := columnByName[plain(c.Name())]; ok {
			leaves[is] = c
		}
	}
	if err := p.schema.agrees(names); err != nil {
		return nil, err
	}
	for is := range numColumns {
		c := leaves[is]
		if c == nil {
			continue
		}
		if !c.Leaf() || c.Repeated() || !suits(is, c.Type().Kind()) {
			return nil, fmt.Errorf("column %s is of an unexpected type, %s", c.Name(), c.String())
		}
		columns = append(columns, &parquetColumn{
			is: is, index: c.Index(), toMS: milliseconds(c.Type()), batch: make([]parquet.Value, batchRows),
		})
	}
	return columns, nil
}

// suits tells whether a column may be of a physical type. Text will do for all.
func suits(is column, kind parquet.Kind) bool {
	switch kind {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return true
	case parquet.Boolean:
		return is == colIsLatest || is == colIsDeleteMarker
	case parquet.Int32:
		return is == colSize
	case parquet.Int64:
		return is == colSize || is == colLastModified
	case parquet.Int96:
		return is == colLastModified
	}
	return false
}

// julian1970 is the Julian day of 1970-01-01, from which INT96 counts.
const julian1970 = 2440588

// milliseconds says how a column's times become milliseconds since 1970.
func milliseconds(t parquet.Type) func(parquet.Value) (int64, bool) {
	if t.Kind() == parquet.Int96 {
		return func(v parquet.Value) (int64, bool) {
			i := v.Int96()
			nanos, days := uint64(i[1])<<32|uint64(i[0]), int64(i[2])-julian1970
			return days*msPerDay + int64(nanos/1e6), nanos < msPerDay*1e6
		}
	}
	per := int64(1)
	if lt := t.LogicalType(); lt != nil {
		if ts, ok := lt.Value.(*format.TimestampType); ok && ts.Unit.Value != nil {
			per = int64(time.Millisecond / ts.Unit.Value.Duration())
		}
	}
	return func(v parquet.Value) (int64, bool) { return v.Int64() / per, true }
}

// rowGroup takes batches of rows out of a row group.
type rowGroup struct {
	group   parquet.RowGroup
	columns []*parquetColumn
	left    int64 // rows
	begun   bool
}

// next takes the following rows into the columns' batches, and says how many; io.EOF
// at the end. Their bytes are good until the next call.
func (g *rowGroup) next() (n int, err error) {
	defer guard(&err)
	if g.left <= 0 {
		return 0, g.end()
	}
	if !g.begun {
		g.begun = true
		chunks := g.group.ColumnChunks()
		for _, c := range g.columns {
			c.pages = chunks[c.index].Pages()
		}
	}
	// No column may change its page within a batch: its bytes would go.
	take := min(g.left, batchRows)
	for _, c := range g.columns {
		for c.left <= 0 {
			if err := c.turn(); err != nil {
				return 0, err
			}
		}
		take = min(take, c.left)
	}
	for _, c := range g.columns {
		if err := c.take(int(take)); err != nil {
			return 0, err
		}
	}
	g.left -= take
	return int(take), nil
}

// end is io.EOF if no column has values left behind its rows.
func (g *rowGroup) end() error {
	for _, c := range g.columns {
		for c.left <= 0 && c.pages != nil {
			if err := c.turn(); errors.Is(err, errShort) {
				break
			} else if err != nil {
				return err
			}
		}
		if c.left > 0 {
			return errLong
		}
	}
	return io.EOF
}

// turn goes to the column's next page.
func (c *parquetColumn) turn() error {
	parquet.Release(c.page)
	c.page, c.left = nil, 0
	page, err := c.pages.ReadPage()
	if errors.Is(err, io.EOF) {
		return errShort
	}
	if err != nil {
		return err
	}
	c.page, c.values, c.left = page, page.Values(), page.NumValues()
	return nil
}

// take reads n values into the batch.
func (c *parquetColumn) take(n int) error {
	for got := 0; got < n; {
		k, err := c.values.ReadValues(c.batch[got:n])
		got += k
		if got < n && (k == 0 || err != nil) {
			if err == nil || errors.Is(err, io.EOF) {
				err = errShort
			}
			return err
		}
	}
	c.left -= int64(n)
	return nil
}

// close lets go of the pages.
func (g *rowGroup) close() (err error) {
	defer guard(&err)
	for _, c := range g.columns {
		parquet.Release(c.page)
		if c.pages != nil {
			err = errors.Join(err, c.pages.Close())
		}
		c.page, c.pages, c.values, c.left = nil, nil, nil, 0
	}
	return err
}

// parquet makes a version of row i of the batch; the reason is empty, or says
// why the row is set aside. Keys are not encoded in Parquet.
func (r *row) parquet(columns []*parquetColumn, i int) (reason string) {
	r.version, r.key, r.hasSize = cooper.Version{Latest: true}, nil, false
	for _, c := range columns {
		if c.is == colKey {
			r.key = c.batch[i].ByteArray()
		}
	}
	for _, c := range columns {
		if c.is == colKey {
			continue
		}
		if reason := r.value(c, c.batch[i]); reason != "" {
			return reason
		}
	}
	return r.finish()
}

// value takes one value of a row.
func (r *row) value(c *parquetColumn, v parquet.Value) (reason string) {
	switch v.Kind() {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return r.text(c.is, v.ByteArray())
	case parquet.Boolean:
		if c.is == colIsLatest {
			r.version.Latest = v.Boolean()
		} else {
			r.version.DeleteMarker = v.Boolean()
		}
	case parquet.Int32:
		r.version.Size, r.hasSize = int64(v.Int32()), true
	case parquet.Int64, parquet.Int96:
		if c.is == colSize {
			r.version.Size, r.hasSize = v.Int64(), true
			return ""
		}
		ms, ok := c.toMS(v)
		if !ok || ms < 0 || ms > maxInstant {
			return badTime
		}
		r.version.LastModified = cooper.Instant(ms)
	default: // null
		return r.text(c.is, nil)
	}
	return ""
}

// maxInstant is the end of the year 9999.
const maxInstant = 253402300800000 - 1
