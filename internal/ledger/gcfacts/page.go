package gcfacts

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"cooper"
)

// The shape of files: pages of the same rows in each column, and row groups, both bounded by rows
// and by bytes, for keys of absurd length.
const (
	pageRows   = 8 << 10
	pageBytes  = 1 << 20
	groupRows  = 128 << 10
	groupBytes = 32 << 20
)

// page collects the values of some rows, column by column. A row is put in the order of the
// columns. Values say themselves what is absent.
type page struct {
	columns []column
	next    int // the column whose turn it is
	rows    int
	bytes   int
	uuids   []byte // room for UUIDs; values point into it
}

// column is the values of one. As long as they are all the same, as most columns of links are in
// most pages, they are counted only.
type column struct {
	values []parquet.Value
	same   constant
	count  int // of values that are the same, before any other
}

// constant is a value that many rows may have.
type constant struct {
	what constantKind
	text string
	n    int32
}

type constantKind uint8

const (
	constantNull constantKind = iota
	constantText
	constantInt32
)

func (c *constant) value(column int) parquet.Value {
	switch c.what {
	case constantText:
		return parquet.ValueOf(c.text)
	case constantInt32:
		return parquet.Int32Value(c.n)
	}
	return parquet.NullValue().Level(0, 0, column)
}

// put puts a value that may be another in each row.
func (p *page) put(v parquet.Value) {
	c := &p.columns[p.next]
	if c.count > 0 {
		c.spread(p.next)
	}
	c.values = append(c.values, v)
	p.next++
}

// again puts a value that is probably the one of the row before.
func (p *page) again(v constant) {
	c := &p.columns[p.next]
	if len(c.values) > 0 || c.count > 0 && c.same != v {
		p.put(v.value(p.next))
		return
	}
	c.same = v
	c.count++
	p.next++
}

// spread makes values of what was counted.
func (c *column) spread(column int) {
	v := c.same.value(column)
	for range c.count {
		c.values = append(c.values, v)
	}
	c.count = 0
}

// some tells whether a column that may be NULL has a value.
func (c *column) some() bool {
	if c.count > 0 {
		return c.same.what != constantNull
	}
	return slices.ContainsFunc(c.values, func(v parquet.Value) bool { return !v.IsNull() })
}

func (p *page) null() { p.again(constant{what: constantNull}) }

// must puts a text that is never absent.
func (p *page) must(s string) {
	p.bytes += len(s)
	p.again(constant{what: constantText, text: s})
}

// text puts a text, or NULL for none.
func (p *page) text(s string) {
	if s == "" {
		p.null()
		return
	}
	p.bytes += len(s)
	p.put(parquet.ValueOf(s).Level(0, 1, p.next))
}

func (p *page) number(n int64) { p.put(parquet.Int64Value(n)) }

func (p *page) small(n int) {
	p.again(constant{what: constantInt32, n: int32(min(n, math.MaxInt32))}) //nolint:gosec // it is bounded
}

func (p *page) flag(b bool) { p.put(parquet.BooleanValue(b)) }

// natural puts a number, or NULL for a negative one.
func (p *page) natural(n int64) {
	if n < 0 {
		p.null()
		return
	}
	p.put(parquet.Int64Value(n).Level(0, 1, p.next))
}

func (p *page) instant(t cooper.Instant) {
	if t == 0 {
		p.null()
		return
	}
	p.put(parquet.Int64Value(int64(t)).Level(0, 1, p.next))
}

// key puts bytes into two columns: as text, or as they are where they are none.
func (p *page) key(s string) {
	if utf8.ValidString(s) {
		p.text(s)
		p.null()
		return
	}
	p.null()
	p.text(s)
}

// id puts a text into three columns: as a number, as a UUID, or as it is.
func (p *page) id(s string) {
	if n, ok := asNumber(s); ok {
		p.put(parquet.Int64Value(n).Level(0, 1, p.next))
		p.null()
		p.null()
		return
	}
	p.null()
	if cap(p.uuids)-len(p.uuids) < 16 { // what is full, values of this page point into
		p.uuids = make([]byte, 0, pageRows*16)
	}
	at := len(p.uuids)
	if u, ok := appendUUID(p.uuids, s); ok {
		p.uuids = u
		p.bytes += 16
		p.put(parquet.FixedLenByteArrayValue(u[at:len(u):len(u)]).Level(0, 1, p.next))
		p.null()
		return
	}
	p.null()
	p.text(text(s))
}

// full tells that the page should end.
func (p *page) full() bool { return p.rows >= pageRows || p.bytes >= pageBytes }

// write ends the page in all columns.
func (p *page) write(columns []*parquet.ColumnWriter) error {
	for i, w := range columns {
		c := &p.columns[i]
		c.spread(i)
		if _, err := w.WriteRowValues(c.values); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		c.values = c.values[:0]
	}
	p.rows, p.bytes, p.uuids = 0, 0, p.uuids[:0]
	return nil
}

// asNumber reads a decimal number that is written in the one way that comes out again.
func asNumber(s string) (int64, bool) {
	if len(s) == 0 || len(s) > 20 || s[0] == '+' || s[0] == '0' && len(s) > 1 || s[0] == '-' && (len(s) == 1 || s[1] == '0') {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// appendUUID appends the bytes of a UUID that is written in lower case with its four hyphens.
func appendUUID(b []byte, s string) ([]byte, bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return b, false
	}
	for i := 0; i < len(s); {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			i++
		}
		hi, lo := nibble(s[i]), nibble(s[i+1])
		if hi > 15 || lo > 15 {
			return b, false
		}
		b = append(b, hi<<4|lo)
		i += 2
	}
	return b, true
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// text makes s fit for a text column.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return cooper.Quote(s)
}
