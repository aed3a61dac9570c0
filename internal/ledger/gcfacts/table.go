package gcfacts

import (
	"errors"

	"github.com/parquet-go/parquet-go"

	"cooper/internal/ledger/sealed"
)

// table is the file of one table, written in pages.
type table struct {
	out    *outFile
	schema *parquet.Schema
	place  string
	pq     *parquet.Writer //nolint:staticcheck // the generic one takes rows only; this one takes columns as well
	page   page
	group  int // rows and bytes in the row group
	bytes  int
}

// newTable begins a file.
func (s *Store) newTable(name string, schema *parquet.Schema, place string) (*table, error) {
	out, err := s.newFile(name)
	if err != nil {
		return nil, err
	}
	return &table{out: out, schema: schema, place: place, page: page{columns: make([]column, len(schema.Columns()))}}, nil
}

// begin writes the beginning, once the first page is known.
func (t *table) begin() {
	if t.pq == nil {
		t.pq = parquet.NewWriter(t.out.buf, append(writerOptions(t.place), t.schema, parquet.BloomFilters(t.filters()...))...)
	}
}

// filterBits are those of a value in the filter of a row group: of a hundred that are not there it says of one
// that it may be.
const filterBits = 10

// filtered are the columns by which single rows are looked for, and in whose order they do not stand. Numbers of
// handles are in order: they are the primary key.
var filtered = map[string][]string{
	Handles:  {"id_uuid", "id_text", "key", "key_bytes"},
	Deriveds: {"id_number", "id_uuid", "id_text", "source_number", "source_uuid", "source_text"},
	Links:    {"id_number", "id_uuid", "id_text", "key", "key_bytes"},
}

// filters are those of the columns that have a value in the first page: the library makes them as large for
// columns without any. A column that has values only later is looked through.
func (t *table) filters() (all []parquet.BloomFilterColumn) {
	for table, names := range filtered {
		if t.schema != schemas[table] {
			continue
		}
		for _, name := range names {
			if leaf, is := t.schema.Lookup(name); is && t.page.columns[leaf.ColumnIndex].some() {
				all = append(all, parquet.SplitBlockFilter(filterBits, name))
			}
		}
	}
	return all
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
	t.begin()
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
	t.begin() // a file without rows is one, too
	if err := t.pq.Close(); err != nil {
		return errors.Join(sealed.Local(t.out.name, err), t.out.f.Close())
	}
	return t.out.finish()
}
