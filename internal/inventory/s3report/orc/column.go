package orc

import (
	"errors"
	"fmt"
	"io"
)

// BatchRows is how many rows are delivered at once, at most.
const BatchRows = 1024

const (
	// maxText is the longest text that is read, in bytes.
	maxText = 1 << 20
	// maxWords is how many different texts a dictionary may have.
	maxWords = 1 << 24
)

var (
	errShort = errors.New("it ends before its rows do")
	errLong  = errors.New("it has more values than the stripe has rows")
	errText  = fmt.Errorf("a text is longer than %d bytes, or its length is malformed", maxText)
	errWord  = errors.New("a word is not in the dictionary")
)

// Vector is the values of a column in a batch of rows; good until the next
// batch.
type Vector struct {
	// Null tells which rows have no value; it is empty if all have one. Their
	// places in the others are 0 and nil.
	Null []bool
	// Numbers are there for all kinds but text: booleans are 0 or 1, times are
	// milliseconds since 1970-01-01, cut off, or NoTime. A Timestamp without a
	// time zone is taken as if it were in UTC.
	Numbers []int64
	// Text is there for String, Varchar, Char and Binary. The spaces that fill a
	// Char up are taken away.
	Text [][]byte
}

// The streams that matter and the encodings, by their numbers in the format.
const (
	presentStream = iota
	dataStream
	lengthStream
	dictionaryStream
	_
	secondaryStream
	numStreams
)

const (
	dictionaryEncoding = 1
	secondEncoding     = 2
	secondDictionary   = 3
	numEncodings       = 4
)

// values is what a stream of numbers is read with.
type values interface {
	read(dst []int64) error
	ended() (bool, error)
}

// decoder reads one column, stripe after stripe.
type decoder struct {
	column  Column
	memory  *memory
	streams [numStreams]*stream
	has     [numStreams]bool // in this stripe

	present     bits
	bits        bits
	octets      octets
	data, other ints
	values      values // the one of these that reads the data
	clock       *clock
	words       dictionary
	spelled     bool // texts are words of the dictionary

	out     Vector
	null    [BatchRows]bool
	numbers [BatchRows]int64
	more    [BatchRows]int64
	texts   [BatchRows][]byte
	bytes   []byte // what texts are in
}

// readable tells whether a column of this kind can be read.
func (k Kind) readable() bool {
	switch k {
	case Boolean, Byte, Short, Int, Long, String, Binary, Timestamp, Varchar, Char, Instant:
		return true
	}
	return false
}

func (k Kind) isText() bool { return k == String || k == Binary || k == Varchar || k == Char }

func (k Kind) isTime() bool { return k == Timestamp || k == Instant }

// begin prepares for a stripe whose streams have been laid out.
func (d *decoder) begin(encoding, words uint64, zone string) (err error) {
	if encoding >= numEncodings {
		return unsupported("encoding %d", encoding)
	}
	second := encoding == secondEncoding || encoding == secondDictionary
	for i, s := range d.streams {
		if !d.has[i] {
			s.reset(0, 0)
		}
	}
	d.present.reset(d.streams[presentStream])
	d.data.signed, d.other.signed = true, false
	d.data.reset(d.streams[dataStream], second)
	d.values, d.spelled = &d.data, false
	switch kind := d.column.Kind; {
	case kind == Boolean:
		d.bits.reset(d.streams[dataStream])
		d.values = &d.bits
	case kind == Byte:
		d.octets.reset(d.streams[dataStream])
		d.values = &d.octets
	case kind.isTime():
		d.other.reset(d.streams[secondaryStream], second)
		d.clock, err = newClock(kind == Timestamp, zone)
	case kind.isText():
		d.other.reset(d.streams[lengthStream], second)
		d.spelled = encoding == dictionaryEncoding || encoding == secondDictionary
		if d.spelled {
			d.data.signed = false
			err = d.words.load(d, words)
		}
	}
	return err
}

// next reads the following n rows into d.out.
func (d *decoder) next(n int) error {
	have := n
	d.out.Null = nil
	if d.has[presentStream] {
		have = 0
		for i := range n {
			there, err := d.present.next()
			if err != nil {
				return err
			}
			d.null[i] = !there
			if there {
				have++
			}
		}
		if have < n {
			d.out.Null = d.null[:n]
		}
	}
	var err error
	switch {
	case d.column.Kind == kindStruct:
		return nil
	case d.column.Kind.isText():
		err = d.readTexts(have)
		d.out.Text = d.texts[:n]
		spread(d.out.Text, d.out.Null, have)
		return err
	case d.column.Kind.isTime():
		err = d.readTimes(have)
	default:
		err = d.values.read(d.numbers[:have])
	}
	d.out.Numbers = d.numbers[:n]
	spread(d.out.Numbers, d.out.Null, have)
	return err
}

// spread moves the first have values of v to where they belong between nulls.
func spread[T any](v []T, null []bool, have int) {
	var none T
	for i := len(null) - 1; i >= 0; i-- {
		if null[i] {
			v[i] = none
			continue
		}
		have--
		v[i] = v[have]
	}
}

func (d *decoder) readTimes(n int) error {
	if err := d.data.read(d.numbers[:n]); err != nil {
		return err
	}
	if err := d.other.read(d.more[:n]); err != nil {
		return err
	}
	for i, seconds := range d.numbers[:n] {
		d.numbers[i] = d.clock.milliseconds(seconds, d.more[i])
	}
	return nil
}

func (d *decoder) readTexts(n int) error {
	lengths := d.numbers[:n]
	if d.spelled {
		if err := d.data.read(lengths); err != nil {
			return err
		}
		for i, word := range lengths {
			text, err := d.words.word(word)
			if err != nil {
				return err
			}
			d.texts[i] = d.trimmed(text)
		}
		return nil
	}
	if err := d.other.read(lengths); err != nil {
		return err
	}
	total := int64(0)
	for _, length := range lengths {
		if length < 0 || length > maxText {
			return errText
		}
		total += length
	}
	var err error
	if d.bytes, err = d.streams[dataStream].appendTo(d.bytes[:0], total); err != nil {
		return err
	}
	rest := d.bytes
	for i, length := range lengths {
		d.texts[i] = d.trimmed(rest[:length:length])
		rest = rest[length:]
	}
	return nil
}

// trimmed takes away what fills a Char up.
func (d *decoder) trimmed(b []byte) []byte {
	if d.column.Kind != Char {
		return b
	}
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// end makes sure that nothing of the stripe is left: values beyond its rows
// would be rows that are lost.
func (d *decoder) end() error {
	ends := []values{&d.present}
	switch {
	case d.column.Kind == kindStruct:
	case d.column.Kind.isText() && !d.spelled:
		ends = append(ends, &d.other)
	case d.column.Kind.isTime():
		ends = append(ends, &d.data, &d.other)
	default:
		ends = append(ends, d.values)
	}
	for _, v := range ends {
		if ended, err := v.ended(); err != nil || !ended {
			return errors.Join(errLong, err)
		}
	}
	return nil
}

// dictionary is the texts that a column has in a stripe.
type dictionary struct {
	ends  []uint32 // where each text ends in bytes
	bytes []byte
}

// load reads a dictionary of some words. Memory is taken as they arrive.
func (w *dictionary) load(d *decoder, words uint64) (err error) {
	if words > maxWords {
		return unsupported("a dictionary of %d words", words)
	}
	w.ends, w.bytes = w.ends[:0], w.bytes[:0]
	end := int64(0)
	for left := int(words); left > 0; {
		lengths := d.numbers[:min(left, BatchRows)]
		left -= len(lengths)
		if err := d.other.read(lengths); err != nil {
			return err
		}
		if w.ends, err = grow(d.memory, w.ends, len(w.ends)+len(lengths)); err != nil {
			return err
		}
		for _, length := range lengths {
			if length < 0 || length > maxText {
				return errText
			}
			if end += length; end > d.memory.limit || end > 1<<31 {
				return ErrMemory
			}
			w.ends = append(w.ends, uint32(end))
		}
	}
	w.bytes, err = d.streams[dictionaryStream].appendTo(w.bytes, end)
	if errors.Is(err, io.EOF) {
		err = errors.New("the dictionary ends before its words do")
	}
	return err
}

func (w *dictionary) word(i int64) ([]byte, error) {
	if i < 0 || i >= int64(len(w.ends)) {
		return nil, errWord
	}
	from, to := uint32(0), w.ends[i]
	if i > 0 {
		from = w.ends[i-1]
	}
	return w.bytes[from:to:to], nil
}
