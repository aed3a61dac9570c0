package layout

import (
	"errors"
	"fmt"
)

// Kinds of pages.
const (
	DataPage       = 0
	IndexPage      = 1
	DictionaryPage = 2
	DataPageV2     = 3
)

// MaxHeader is the longest header of a page that is believed, in bytes. Besides some
// numbers it can have the least and the greatest value.
const MaxHeader = 1 << 20

// Page is a page's header.
type Page struct {
	Kind                     int32
	Uncompressed, Compressed int32 // bytes of what follows the header
	CRC                      uint32
	HasCRC                   bool
	Values                   int32 // NULLs included
	Encoding                 int32
	// LevelEncoding is that of definition levels, in the first version of data pages.
	LevelEncoding int32
	// The second version's own: how many bytes levels take, which are never
	// compressed; and whether the rest is.
	Rows, Nulls            int32
	Definition, Repetition int32
	Packed                 bool
}

// ParsePage reads the header that b begins with, and says how long it is. The error
// is ErrMore if it goes on behind b.
func ParsePage(b []byte) (p Page, n int, err error) {
	p = Page{Kind: -1, Uncompressed: -1, Compressed: -1, Values: -1, Encoding: -1, Packed: true, LevelEncoding: RLE}
	d := &decoder{b: b}
	inner := false // the header of its kind is there
	d.structure(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == typeI32:
			p.Kind = d.i32()
		case id == 2 && kind == typeI32:
			p.Uncompressed = d.i32()
		case id == 3 && kind == typeI32:
			p.Compressed = d.i32()
		case id == 4 && kind == typeI32:
			p.CRC, p.HasCRC = uint32(d.i32()), true
		case kind == typeStruct && (id == 5 && p.Kind == DataPage || id == 7 && p.Kind == DictionaryPage || id == 8 && p.Kind == DataPageV2):
			inner = true
			p.inner(d)
		default:
			return false
		}
		return true
	})
	switch {
	case d.err != nil:
		return p, 0, d.err
	case p.Kind == IndexPage && p.Compressed >= 0:
		return p, d.at, nil
	case !inner:
		return p, 0, fmt.Errorf("a page is of kind %d, and does not say what it holds", p.Kind)
	}
	return p, d.at, p.check()
}

// inner reads what the header says of values.
func (p *Page) inner(d *decoder) {
	d.structure(func(id int16, kind byte) bool {
		switch second := p.Kind == DataPageV2; {
		case id == 1 && kind == typeI32:
			p.Values = d.i32()
		case id == 2 && kind == typeI32 && !second:
			p.Encoding = d.i32()
		case id == 3 && kind == typeI32 && p.Kind == DataPage:
			p.LevelEncoding = d.i32()
		case id == 2 && kind == typeI32:
			p.Nulls = d.i32()
		case id == 3 && kind == typeI32 && second:
			p.Rows = d.i32()
		case id == 4 && kind == typeI32 && second:
			p.Encoding = d.i32()
		case id == 5 && kind == typeI32 && second:
			p.Definition = d.i32()
		case id == 6 && kind == typeI32 && second:
			p.Repetition = d.i32()
		case id == 7 && second:
			p.Packed = kind != typeFalse
			return false
		default:
			return false
		}
		return true
	})
}

// check compares what the header says with itself.
func (p *Page) check() error {
	levels := int64(p.Definition) + int64(p.Repetition)
	switch {
	case p.Compressed < 0 || p.Uncompressed < 0 || p.Values < 0:
		return errors.New("a page's header lacks a size or a count, or has a negative one")
	case p.Encoding < 0 || p.Encoding >= numEncodings || knownEncodings>>p.Encoding&1 == 0:
		return fmt.Errorf("values are encoded in a way that is not known: %d", p.Encoding)
	case p.Definition < 0 || p.Repetition < 0 || levels > int64(p.Compressed) || levels > int64(p.Uncompressed):
		return errors.New("the levels of a page are longer than the page")
	case p.Nulls < 0 || p.Nulls > p.Values || p.Rows < 0 || p.Rows > p.Values:
		return errors.New("a page has more rows or NULLs than values")
	}
	return nil
}
