package layout

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMore says that the bytes end before what they describe does.
var ErrMore = errors.New("the description ends early")

// The types of Thrift's compact protocol.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
const (
	typeStop   = 0
	typeTrue   = 1
	typeFalse  = 2
	typeByte   = 3
	typeI16    = 4
	typeI32    = 5
	typeI64    = 6
	typeDouble = 7
	typeBinary = 8
	typeList   = 9
	typeSet    = 10
	typeMap    = 11
	typeStruct = 12
	typeUUID   = 13
)

// maxDepth is how deep structures may lie in each other; Parquet's own are five deep.
const maxDepth = 16

// decoder reads Thrift's compact protocol. Nothing is allocated for what is only
// said to be there: a length is compared with the bytes that are left. After the first
// error everything is zero.
type decoder struct {
	b     []byte
	at    int
	depth int
	err   error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

func (d *decoder) more() {
	if d.err == nil {
		d.err = ErrMore
	}
}

func (d *decoder) byte() byte {
	if d.err != nil || d.at >= len(d.b) {
		d.more()
		return 0
	}
	d.at++
	return d.b[d.at-1]
}

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b[d.at:])
	switch {
	case n == 0:
		d.more()
	case n < 0:
		d.fail("a number of more than 64 bits")
	default:
		d.at += n
		return v
	}
	return 0
}

// varint reads a whole number of any width.
func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *decoder) i32() int32 {
	v := d.varint()
	if v != int64(int32(v)) {
		d.fail("a number of more than 32 bits")
		return 0
	}
	return int32(v)
}

// take gives the next n bytes, which share memory with what is decoded.
func (d *decoder) take(n uint64) []byte {
	if d.err != nil || n > uint64(len(d.b)-d.at) {
		d.more()
		return nil
	}
	d.at += int(n)
	return d.b[d.at-int(n) : d.at : d.at]
}

func (d *decoder) binary() []byte { return d.take(d.uvarint()) }

// list begins a list, or a set, and gives its length and its elements' type. Each of
// them has a byte at least.
func (d *decoder) list() (n int, kind byte) {
	head := d.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = d.uvarint()
	}
	if size > uint64(len(d.b)-d.at) {
		d.more()
		return 0, 0
	}
	return int(size), head & 15
}

// listOf begins a list whose elements have to be of a type.
func (d *decoder) listOf(want byte) int {
	n, kind := d.list()
	if n > 0 && kind != want {
		d.fail("a list of other things than there should be")
		return 0
	}
	return n
}

// structure reads one, field by field: each is called with the id and the type, and
// has to read the field's value, or say that it did not.
func (d *decoder) structure(each func(id int16, kind byte) (known bool)) {
	if d.depth++; d.depth > maxDepth {
		d.fail("structures lie too deep in each other")
	}
	id := int16(0)
	for d.err == nil {
		head := d.byte()
		kind := head & 15
		if d.err != nil || kind == typeStop {
			break
		}
		if delta := int16(head >> 4); delta != 0 {
			id += delta
		} else {
			id = int16(d.varint())
		}
		if !each(id, kind) {
			d.skip(kind)
		}
	}
	d.depth--
}

// skip passes over a value.
func (d *decoder) skip(kind byte) {
	switch kind {
	case typeTrue, typeFalse:
	case typeByte:
		d.byte()
	case typeI16, typeI32, typeI64:
		d.uvarint()
	case typeDouble:
		d.take(8)
	case typeUUID:
		d.take(16)
	case typeBinary:
		d.binary()
	case typeList, typeSet:
		n, kind := d.list()
		for i := 0; i < n && d.err == nil; i++ {
			d.skipElement(kind)
		}
	case typeMap:
		d.skipMap()
	case typeStruct:
		d.structure(func(int16, byte) bool { return false })
	default:
		d.fail("a value of type %d, which does not exist", kind)
	}
}

// skipElement passes over what is in a list, where truth takes a byte.
func (d *decoder) skipElement(kind byte) {
	if kind == typeTrue || kind == typeFalse {
		kind = typeByte
	}
	if d.depth++; d.depth > maxDepth {
		d.fail("lists lie too deep in each other")
	}
	d.skip(kind)
	d.depth--
}

func (d *decoder) skipMap() {
	n := d.uvarint()
	if n == 0 {
		return
	}
	kinds := d.byte()
	if n > uint64(len(d.b)-d.at) {
		d.more()
	}
	for i := uint64(0); i < n && d.err == nil; i++ {
		d.skipElement(kinds >> 4)
		d.skipElement(kinds & 15)
	}
}
