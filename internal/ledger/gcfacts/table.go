package gcfacts

import (
	"errors"

	"github.com/parquet-go/parquet-go"

	"cooper/internal/ledger/sealed"
)

// table is the file of one table, written in pages.
type table struct {
	out   *outFile
	pq    *parquet.Writer //nolint:staticcheck // the generic one takes rows only; this one takes columns as well
	page  page
	group int // rows and bytes in the row group
	bytes int
}

// newTable begins a file.
func (s *Store) newTable(name string, schema *parquet.Schema, place string) (*table, error) {
	out, err := s.newFile(name)
	if err != nil {
		return nil, err
	}
	t := &table{out: out, page: page{columns: make([]column, len(schema.Columns()))}}
	t.pq = parquet.NewWriter(out.buf, append(writerOptions(place), schema, filters(schema))...)
	return t, nil
}

// filterBits are those of a handle in the filter of a row group of links: of a hundred that are not there it
// says of some five that they may be.
const filterBits = 6

// filters are those of links, which are in no order of handles: by them one sees where the links to one are.
func filters(schema *parquet.Schema) parquet.WriterOption {
	if schema != schemas[Links] {
		return parquet.BloomFilters()
	}
	return parquet.BloomFilters(parquet.SplitBlockFilter(filterBits, "id_number"), parquet.SplitBlockFilter(filterBits, "id_uuid"))
}

// added ends a row.
func (t *table) added() error {
	t.page.rows++
	if !t.page.full() {
		return nil
	}
	return t.endPage()
}

func (t *table) endPage() error {
	if t.page.rows == 0 {
		return nil
	}
	t.group += t.page.rows
	t.bytes += t.page.bytes
	err := t.page.write(t.pq.ColumnWriters())
	if err == nil && (t.group >= groupRows || t.bytes >= groupBytes) {
		t.group, t.bytes = 0, 0
		err = t.pq.Flush()
	}
	if err != nil {
		return sealed.Local(t.out.name, err)
	}
	return nil
}

func (t *table) finish() error {
	if err := t.endPage(); err != nil {
		return errors.Join(err, t.out.f.Close())
	}
	if err := t.pq.Close(); err != nil {
		return errors.Join(sealed.Local(t.out.name, err), t.out.f.Close())
	}
	return t.out.finish()
}
