// Package orctest makes ORC files for tests: any rows, in stripes and chunks of
// any size, with the encodings that the tests want to see read. It writes what
// package orc reads and no more, all of it in memory, without indexes and
// statistics, and panics on values that do not suit their columns. Files of
// real writers are in that package's testdata.
package orctest

import (
	"bytes"
	"encoding/binary"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"

	"cooper/internal/inventory/s3report/orc"
)

// Compression is how chunks are compressed, by its number in the format.
type Compression int

// The compressions that can be written.
const (
	None   Compression = 0
	Zlib   Compression = 1
	Snappy Compression = 2
)

// Options say how to write. The zero value gives one stripe without
// compression, of the encodings of version 0.12, without dictionaries.
type Options struct {
	Compression Compression
	Chunk       int  // bytes in a compression chunk; 256 KiB if 0
	StripeRows  int  // all of them if 0
	Old         bool // the encodings of version 0.11
	Dictionary  bool // for all text
	// Zone is the writer's time zone. Times are written as if it were UTC.
	Zone string
}

// Column is a column of the table.
type Column struct {
	Name string
	Kind orc.Kind
}

// base is the beginning of 2015 in seconds since 1970, from which times count.
const base = 1420070400

type writer struct {
	opt     Options
	columns []Column
	out     bytes.Buffer
	stripes [][]byte // their places, as the footer has them
	deflate *flate.Writer
}

// Write makes a file. A row has a value for each column: nil, a bool, an int64
// (a time in milliseconds since 1970, too) or a string.
func Write(columns []Column, rows [][]any, opt Options) []byte {
	if opt.Chunk == 0 {
		opt.Chunk = 256 << 10
	}
	w := &writer{opt: opt, columns: columns}
	w.out.WriteString("ORC")
	total := len(rows)
	for len(rows) > 0 {
		n := len(rows)
		if opt.StripeRows > 0 {
			n = min(n, opt.StripeRows)
		}
		w.stripe(rows[:n])
		rows = rows[n:]
	}
	var footer message
	for _, s := range w.stripes {
		footer.bytes(3, s)
	}
	var root message
	root.number(1, 12)
	for i, c := range columns {
		root.number(2, uint64(i+1))
		root.bytes(3, []byte(c.Name))
	}
	footer.bytes(4, root)
	for _, c := range columns {
		var t message
		t.number(1, uint64(c.Kind))
		footer.bytes(4, t)
	}
	footer.number(6, uint64(total))
	packed := w.chunks(footer)
	w.out.Write(packed)
	var ps message
	ps.number(1, uint64(len(packed)))
	ps.number(2, uint64(opt.Compression))
	ps.number(3, uint64(opt.Chunk))
	ps.bytes(4, []byte{0, 12})
	ps.bytes(8000, []byte("ORC"))
	w.out.Write(ps)
	w.out.WriteByte(byte(len(ps)))
	return w.out.Bytes()
}

// message is a protocol buffer message.
type message []byte

func (m *message) number(field int, v uint64) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3)
	*m = binary.AppendUvarint(*m, v)
}

func (m *message) bytes(field int, b []byte) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|2)
	*m = append(binary.AppendUvarint(*m, uint64(len(b))), b...)
}

// chunks compresses b.
func (w *writer) chunks(b []byte) []byte {
	if w.opt.Compression == None {
		return b
	}
	var out []byte
	for len(b) > 0 {
		n := min(len(b), w.opt.Chunk)
		packed, original := w.compress(b[:n]), 0
		if len(packed) >= n {
			packed, original = b[:n], 1
		}
		header := len(packed)<<1 | original
		out = append(out, byte(header), byte(header>>8), byte(header>>16))
		out, b = append(out, packed...), b[n:]
	}
	return out
}

func (w *writer) compress(b []byte) []byte {
	if w.opt.Compression == Snappy {
		return snappy.Encode(nil, b)
	}
	var out bytes.Buffer
	if w.deflate == nil {
		w.deflate, _ = flate.NewWriter(nil, flate.DefaultCompression) // the level exists
	}
	w.deflate.Reset(&out)
	_, err := w.deflate.Write(b)
	if err == nil {
		err = w.deflate.Close()
	}
	if err != nil {
		panic(err)
	}
	return out.Bytes()
}

// stripe writes rows.
func (w *writer) stripe(rows [][]any) {
	offset := w.out.Len()
	var footer, encodings message
	root := message{}
	root.number(1, 0)
	encodings.bytes(2, root)
	for i, c := range w.columns {
		e := encoder{w: w, kind: c.Kind}
		for _, row := range rows {
			e.add(row[i])
		}
		e.finish()
		for _, s := range e.streams {
			packed := w.chunks(s.bytes)
			w.out.Write(packed)
			var m message
			m.number(1, uint64(s.kind))
			m.number(2, uint64(i+1))
			m.number(3, uint64(len(packed)))
			footer.bytes(1, m)
		}
		var m message
		m.number(1, uint64(e.encoding))
		m.number(2, uint64(e.words))
		encodings.bytes(2, m)
	}
	footer = append(footer, encodings...)
	footer.bytes(3, []byte(w.opt.Zone))
	data := w.out.Len() - offset
	packed := w.chunks(footer)
	w.out.Write(packed)
	var m message
	m.number(1, uint64(offset))
	m.number(2, 0)
	m.number(3, uint64(data))
	m.number(4, uint64(len(packed)))
	m.number(5, uint64(len(rows)))
	w.stripes = append(w.stripes, m)
}
