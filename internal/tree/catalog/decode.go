package catalog

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"

	"cooper"
	"cooper/internal/inventory/ident"
)

var errShape = errors.New("the columns do not belong together")

// column is one page of one column.
type column struct {
	pages  parquet.Pages
	page   parquet.Page
	values encoding.Values
	// defined tells which rows have a value; nil if all have.
	defined []byte
	none    bool // no row has a value

	dict  parquet.Dictionary // the one words or times come from
	words []string
	times []int64
}

// empty is a column without a value in the row group, whose pages nobody needs.
func (c *column) empty() bool { return c.pages == nil }

// next reads the following page and gives its number of rows.
func (c *column) next() (int, error) {
	c.release()
	page, err := c.pages.ReadPage()
	if err != nil {
		return 0, err
	}
	c.page = page
	c.values = page.Data()
	c.defined, c.none = nil, false
	if nulls := page.NumNulls(); nulls > 0 {
		c.defined, c.none = page.DefinitionLevels(), nulls == page.NumValues()
	}
	return int(page.NumRows()), nil
}

func (c *column) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
}

// each calls set for every row that has a value, with the value's number among
// those that are.
func (c *column) each(n int, set func(row, value int)) {
	if c.none {
		return
	}
	if c.defined == nil {
		for i := range n {
			set(i, i)
		}
		return
	}
	at := 0
	for i, d := range c.defined[:n] {
		if d != 0 {
			set(i, at)
			at++
		}
	}
}

// strings gives every row its string: copies, cut from few large ones.
func (c *column) strings(n int, set func(row int, s string)) {
	if c.none {
		return
	}
	if dict := c.page.Dictionary(); dict != nil {
		if c.dict != dict {
			c.dict, c.words = dict, dictionaryWords(dict)
		}
		index := c.values.Int32()
		c.each(n, func(row, value int) { set(row, c.words[index[value]]) })
		return
	}
	data, offsets := c.values.ByteArray()
	if len(offsets) == 0 {
		return
	}
	begin := offsets[0]
	all := string(data[begin:offsets[len(offsets)-1]])
	c.each(n, func(row, value int) { set(row, all[offsets[value]-begin:offsets[value+1]-begin]) })
}

func dictionaryWords(dict parquet.Dictionary) []string {
	words := make([]string, dict.Len())
	for i := range words {
		words[i] = string(dict.Index(int32(i)).ByteArray())
	}
	return words
}

// int64s gives the values that are there, from a dictionary or not.
func (c *column) int64s() func(value int) int64 {
	if dict := c.page.Dictionary(); dict != nil {
		if c.dict != dict {
			c.dict, c.times = dict, make([]int64, dict.Len())
			for i := range c.times {
				c.times[i] = dict.Index(int32(i)).Int64()
			}
		}
		index := c.values.Int32()
		return func(value int) int64 { return c.times[index[value]] }
	}
	plain := c.values.Int64()
	return func(value int) int64 { return plain[value] }
}

func (c *column) instants(n int, set func(row int, at cooper.Instant)) {
	if c.none {
		return
	}
	at := c.int64s()
	c.each(n, func(row, value int) { set(row, cooper.Instant(at(value))) })
}

func (c *column) bools(n int, set func(row int)) {
	bits := c.values.Boolean()
	for i := range n {
		if bits[i/8]&(1<<(i%8)) != 0 {
			set(i)
		}
	}
}

// decode turns a page of all columns into rows. It may panic on files that are
// not what they should be; the caller recovers.
func decode(columns []column, rows []Row) error {
	n := len(rows)
	clear(rows)
	columns[colKey].strings(n, func(i int, s string) { rows[i].Key = s })
	decodeVersionIDs(columns, rows)
	decodeETags(columns, rows)
	for i, size := range columns[colSize].values.Int64()[:n] {
		rows[i].Size = size
	}
	columns[colLastModified].instants(n, func(i int, at cooper.Instant) { rows[i].LastModified = at })
	columns[colDeleteMarker].bools(n, func(i int) { rows[i].DeleteMarker = true })
	columns[colReason].strings(n, func(i int, s string) { rows[i].Reason = s })
	columns[colSuperseded].instants(n, func(i int, at cooper.Instant) { rows[i].Superseded = at })
	columns[colFirstSeen].instants(n, func(i int, at cooper.Instant) { rows[i].FirstSeen = at })
	columns[colAbsentSince].instants(n, func(i int, at cooper.Instant) { rows[i].AbsentSince = at })
	columns[colGone].instants(n, func(i int, at cooper.Instant) { rows[i].Gone = at })
	columns[colCheck].strings(n, func(i int, s string) { rows[i].Check = cooper.Check(s) })
	columns[colMethod].strings(n, func(i int, s string) { rows[i].Method = s })
	columns[colDropped].bools(n, func(i int) { rows[i].Dropped = true })
	decodeHashes(&columns[colHash], rows, func(r *Row) *[]byte { return &r.Hash })
	if len(columns) > colTold {
		decodeTold(columns, rows)
	}
	if err := decodeShown(&columns[colShown], rows); err != nil {
		return err
	}
	return decodePlaces(&columns[colPlace], rows)
}

func decodePlaces(c *column, rows []Row) error {
	var unknown string
	c.strings(len(rows), func(i int, s string) {
		switch s { // the commonest first
		case placeNames[Mirror]:
			rows[i].Place = Mirror
		case placeNames[History]:
			rows[i].Place = History
		case placeNames[Nowhere]:
		default:
			unknown = s
		}
	})
	if unknown != "" {
		return fmt.Errorf("%q is no place", unknown)
	}
	return nil
}

func decodeVersionIDs(columns []column, rows []Row) {
	n := len(rows)
	columns[colVersionText].strings(n, func(i int, s string) { rows[i].VersionID = s })
	c := &columns[colVersionID]
	if c.none {
		return
	}
	bin, size := c.values.FixedLenByteArray()
	slab := make([]byte, 0, len(bin)/size*32)
	for at := 0; at < len(bin); at += size {
		slab = ident.AppendVersionID(slab, bin[at:at+size], "")
	}
	all := string(slab)
	c.each(n, func(i, value int) { rows[i].VersionID = all[32*value : 32*value+32] })
}

func decodeETags(columns []column, rows []Row) {
	n := len(rows)
	columns[colETagText].strings(n, func(i int, s string) { rows[i].ETag = s })
	c := &columns[colETag]
	if c.none {
		return
	}
	bin, size := c.values.FixedLenByteArray()
	slab := make([]byte, 0, len(bin)/size*32)
	for at := 0; at < len(bin); at += size {
		slab = ident.AppendETag(slab, bin[at:at+size], "")
	}
	all := string(slab)
	c.each(n, func(i, value int) {
		etag := all[32*value : 32*value+32]
		if rest := rows[i].ETag; rest != "" {
			etag += rest // multipart
		}
		rows[i].ETag = etag
	})
}

func decodeTold(columns []column, rows []Row) {
	told := func(i int) *Told {
		if rows[i].Told == nil {
			rows[i].Told = &Told{}
		}
		return rows[i].Told
	}
	for n := range toldTexts {
		columns[colTold+n].strings(len(rows), func(i int, s string) { *told(i).texts()[n] = &s })
	}
	decodeHashes(&columns[colChecksum], rows, func(r *Row) *[]byte {
		if r.Told == nil {
			r.Told = &Told{}
		}
		return &r.Told.Checksum
	})
}

// tells tells whether a page has anything of what a store told.
func tells(columns []column) bool {
	for i := colTold; i < len(columns); i++ {
		if !columns[i].none {
			return true
		}
	}
	return false
}

func decodeHashes(c *column, rows []Row, of func(r *Row) *[]byte) {
	if c.none {
		return
	}
	data, offsets := c.values.ByteArray()
	all := append([]byte(nil), data...)
	c.each(len(rows), func(i, value int) {
		from, to := offsets[value], offsets[value+1]
		*of(&rows[i]) = all[from:to:to]
	})
}

// decodeShown cuts the lists out of one slice. A repetition level of 0 begins
// a row's list, a definition level of 0 stands for an empty one.
func decodeShown(c *column, rows []Row) error {
	if c.none {
		return nil
	}
	repeated, defined := c.page.RepetitionLevels(), c.page.DefinitionLevels()
	if len(repeated) != len(defined) {
		return errShape
	}
	value := c.int64s()
	all := make([]int64, 0, len(defined))
	row, begin := -1, 0
	for i, d := range defined {
		if repeated[i] == 0 {
			if row >= 0 && len(all) > begin {
				rows[row].Shown = all[begin:len(all):len(all)]
			}
			row, begin = row+1, len(all)
		}
		if d != 0 {
			all = append(all, value(len(all)))
		}
	}
	if row+1 != len(rows) {
		return errShape
	}
	if row >= 0 && len(all) > begin {
		rows[row].Shown = all[begin:len(all):len(all)]
	}
	return nil
}
