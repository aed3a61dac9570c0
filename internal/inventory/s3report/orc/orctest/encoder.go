package orctest

import (
	"encoding/binary"

	"cooper/internal/inventory/s3report/orc"
)

type stream struct {
	kind  int
	bytes []byte
}

// encoder makes the streams of one column in one stripe.
type encoder struct {
	w       *writer
	kind    orc.Kind
	present []bool
	nulls   bool
	flags   []bool
	numbers []int64
	more    []int64
	text    []string

	streams  []stream
	encoding int
	words    int
}

func (e *encoder) add(v any) {
	e.present = append(e.present, v != nil)
	switch v := v.(type) {
	case nil:
		e.nulls = true
	case bool:
		e.flags = append(e.flags, v)
	case string:
		e.text = append(e.text, v)
	case int64:
		if e.kind != orc.Timestamp && e.kind != orc.Instant {
			e.numbers = append(e.numbers, v)
			return
		}
		seconds, ms := v/1000, v%1000
		if ms < 0 {
			ms += 1000 // but the seconds stay cut off towards 1970, as other writers do
		}
		e.numbers = append(e.numbers, seconds-base)
		e.more = append(e.more, nanos(ms))
	default:
		panic(v)
	}
}

// nanos encodes milliseconds: the zeros of the nanoseconds left off, and their
// number less one.
func nanos(ms int64) int64 {
	if ms == 0 {
		return 0
	}
	zeros := int64(6)
	for ms%10 == 0 {
		ms /= 10
		zeros++
	}
	return ms<<3 | (zeros - 1)
}

func (e *encoder) stream(kind int, b []byte) { e.streams = append(e.streams, stream{kind, b}) }

func (e *encoder) finish() {
	second := 2
	if e.w.opt.Old {
		second = 0
	}
	if e.nulls {
		e.stream(0, packBits(e.present))
	}
	switch e.kind {
	case orc.Boolean:
		e.stream(1, packBits(e.flags))
	case orc.Timestamp, orc.Instant:
		e.encoding = second
		e.stream(1, e.ints(e.numbers, true))
		e.stream(5, e.ints(e.more, false))
	case orc.Long:
		e.encoding = second
		e.stream(1, e.ints(e.numbers, true))
	default:
		e.encoding = second
		if e.w.opt.Dictionary {
			e.encoding++
		}
		e.texts()
	}
}

func (e *encoder) texts() {
	var bytes []byte
	var lengths, words []int64
	known := map[string]int64{}
	for _, s := range e.text {
		if i, ok := known[s]; ok && e.w.opt.Dictionary {
			words = append(words, i)
			continue
		}
		known[s] = int64(len(lengths))
		words = append(words, known[s])
		lengths = append(lengths, int64(len(s)))
		bytes = append(bytes, s...)
	}
	if !e.w.opt.Dictionary {
		e.stream(1, bytes)
		e.stream(2, e.ints(lengths, false))
		return
	}
	e.words = len(lengths)
	e.stream(1, e.ints(words, false))
	e.stream(2, e.ints(lengths, false))
	e.stream(3, bytes)
}

// packBits packs bits into bytes, and these into runs.
func packBits(flags []bool) []byte {
	packed := make([]byte, (len(flags)+7)/8)
	for i, f := range flags {
		if f {
			packed[i/8] |= 0x80 >> (i % 8)
		}
	}
	var out []byte
	for i := 0; i < len(packed); {
		n := 1
		for i+n < len(packed) && n < 130 && packed[i+n] == packed[i] {
			n++
		}
		if n >= 3 {
			out = append(out, byte(n-3), packed[i])
		} else {
			out = append(append(out, byte(256-n)), packed[i:i+n]...)
		}
		i += n
	}
	return out
}

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func code(v int64, signed bool) uint64 {
	if signed {
		return zigzag(v)
	}
	return uint64(v)
}

// ints packs numbers into runs: those with the same step between them, and all
// others as they are.
func (e *encoder) ints(v []int64, signed bool) []byte {
	var out []byte
	for len(v) > 0 {
		n := steady(v)
		longest, literals := 512, e.direct
		if e.w.opt.Old {
			longest, literals = 130, e.literals
		}
		if n < 3 {
			n = 1
			for n < len(v) && n < min(longest, 128) && steady(v[n:]) < 3 {
				n++
			}
			out = literals(out, v[:n], signed)
		} else {
			n = min(n, longest)
			out = e.steps(out, v[:n], signed)
		}
		v = v[n:]
	}
	return out
}

// steady is how many numbers at the beginning have the same step, of a byte,
// between them.
func steady(v []int64) int {
	n := 1
	for n < len(v) && v[n]-v[n-1] == v[1]-v[0] && v[1]-v[0] == int64(int8(v[1]-v[0])) {
		n++
	}
	return n
}

func (e *encoder) steps(out []byte, v []int64, signed bool) []byte {
	n, step := len(v), v[1]-v[0]
	switch {
	case e.w.opt.Old:
		return binary.AppendUvarint(append(out, byte(n-3), byte(step)), code(v[0], signed))
	case step == 0 && n <= 10:
		u := code(v[0], signed)
		width := 1
		for u>>(8*width) != 0 && width < 8 {
			width++
		}
		out = append(out, byte((width-1)<<3|(n-3)))
		for i := width - 1; i >= 0; i-- {
			out = append(out, byte(u>>(8*i)))
		}
		return out
	}
	out = append(out, byte(0xc0|(n-1)>>8), byte(n-1))
	out = binary.AppendUvarint(out, code(v[0], signed))
	return binary.AppendUvarint(out, zigzag(step))
}

func (e *encoder) literals(out []byte, v []int64, signed bool) []byte {
	out = append(out, byte(256-len(v)))
	for _, x := range v {
		out = binary.AppendUvarint(out, code(x, signed))
	}
	return out
}

// direct writes numbers with as many bits as the largest takes.
func (e *encoder) direct(out []byte, v []int64, signed bool) []byte {
	width := 1
	for _, x := range v {
		for width < 64 && code(x, signed)>>width != 0 {
			width++
		}
	}
	// Widths that have a code of their own: up to 24, and these.
	id := width - 1
	if width > 24 {
		for i, w := range []int{26, 28, 30, 32, 40, 48, 56, 64} {
			if w >= width {
				width, id = w, 24+i
				break
			}
		}
	}
	out = append(out, byte(0x40|id<<1|(len(v)-1)>>8), byte(len(v)-1))
	current, free := byte(0), 8
	for _, x := range v {
		for bit := width - 1; bit >= 0; bit-- {
			free--
			current |= byte(code(x, signed)>>bit&1) << free
			if free == 0 {
				out, current, free = append(out, current), 0, 8
			}
		}
	}
	if free < 8 {
		out = append(out, current)
	}
	return out
}
