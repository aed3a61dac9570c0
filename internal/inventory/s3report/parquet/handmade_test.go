package parquet

import (
	"encoding/binary"

	"cooper/internal/parquetrows/layout"
)

// A writer of Thrift's compact protocol, as far as files by hand need it. Fields are
// in the order of their ids.

type field struct {
	id    int
	value any // int32, int64, bool, string, []field, [][]field, []int32
}

func thrift(fields []field) (b []byte) {
	last := 0
	for _, f := range fields {
		kind, body := encoded(f.value)
		b = append(b, byte(f.id-last)<<4|kind)
		b, last = append(b, body...), f.id
	}
	return append(b, 0)
}

func encoded(v any) (kind byte, b []byte) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, nil
		}
		return 2, nil
	case int32:
		return 5, binary.AppendVarint(nil, int64(v))
	case int64:
		return 6, binary.AppendVarint(nil, v)
	case string:
		return 8, append(binary.AppendUvarint(nil, uint64(len(v))), v...)
	case []field:
		return 12, thrift(v)
	case [][]field:
		b = append(binary.AppendUvarint([]byte{0xfc}, uint64(len(v))), b...)
		for _, s := range v {
			b = append(b, thrift(s)...)
		}
		return 9, b
	case []int32:
		b = binary.AppendUvarint([]byte{0xf5}, uint64(len(v)))
		for _, n := range v {
			b = binary.AppendVarint(b, int64(n))
		}
		return 9, b
	}
	panic(v)
}

// handmade is a file of one column and one row group, of pages as they are.
type handmade struct {
	kind, codec int32
	size        int32 // of FixedLen
	optional    bool
	rows        int64
	logical     []field
	pages       [][]byte
	chunk       func([]field) []field // changes what is said of the chunk
	meta        func([]field) []field // and of its pages
}

func (h handmade) bytes() []byte {
	b := []byte("PAR1")
	for _, p := range h.pages {
		b = append(b, p...)
	}
	meta := []field{
		{1, h.kind}, {2, []int32{layout.Plain, layout.RLE}}, {4, h.codec}, {5, h.rows},
		{6, int64(len(b) - 4)}, {7, int64(len(b) - 4)}, {9, int64(4)},
	}
	if h.meta != nil {
		meta = h.meta(meta)
	}
	chunk := []field{{2, int64(0)}, {3, meta}}
	if h.chunk != nil {
		chunk = h.chunk(chunk)
	}
	repetition := int32(0)
	if h.optional {
		repetition = 1
	}
	element := []field{{1, h.kind}}
	if h.size > 0 {
		element = append(element, field{2, h.size})
	}
	element = append(element, field{3, repetition}, field{4, "c"})
	if h.logical != nil {
		element = append(element, field{10, h.logical})
	}
	footer := thrift([]field{
		{1, int32(1)},
		{2, [][]field{{{4, "root"}, {5, int32(1)}}, element}},
		{3, h.rows},
		{4, [][]field{{{1, [][]field{chunk}}, {2, int64(len(b) - 4)}, {3, h.rows}}}},
	})
	b = append(b, footer...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	return append(b, "PAR1"...)
}

// dataPage is one of the first version.
func dataPage(values, encoding int32, body []byte) []byte {
	return headed(layout.DataPage, len(body), len(body), field{5, []field{{1, values}, {2, encoding}, {3, int32(layout.RLE)}, {4, int32(layout.RLE)}}}, body)
}

func dictionaryPage(values int32, body []byte) []byte {
	return headed(layout.DictionaryPage, len(body), len(body), field{7, []field{{1, values}, {2, int32(layout.Plain)}}}, body)
}

func headed(kind int32, plain, packed int, inner field, body []byte) []byte {
	return append(thrift([]field{{1, kind}, {2, int32(plain)}, {3, int32(packed)}, inner}), body...)
}

// prefixedBy puts a length before what has it.
func prefixedBy(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}
