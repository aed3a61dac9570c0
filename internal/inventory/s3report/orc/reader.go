package orc

import (
	"errors"
	"fmt"
	"io"
)

// maxStripeFooter is the longest description of a stripe that is believed, in
// bytes decompressed.
const maxStripeFooter = 4 << 20

// Reader delivers the rows of a file, some columns of them.
type Reader struct {
	file    *File
	memory  memory
	expand  decompressor
	footer  *stream
	root    *decoder
	columns []*decoder
	wanted  []*decoder // by their number in the file's tree of types; nil for others

	stripe int   // which is the next
	left   int64 // rows of the one at hand
}

// Reader begins at the first row. The columns are indexes into Columns; they
// have to be of the kinds that can be read.
func (f *File) Reader(columns ...int) (*Reader, error) {
	r := &Reader{file: f, memory: memory{limit: f.limit}, wanted: make([]*decoder, len(f.tail.kinds))}
	r.expand = decompressor{tail: &f.tail, memory: &r.memory}
	r.footer = r.stream()
	r.root = r.decoder(Column{Name: "root", Kind: kindStruct})
	for _, i := range columns {
		c := f.columns[i]
		if !c.Kind.readable() {
			return nil, unsupported("column %s of type %s", c.Name, c.Kind)
		}
		r.columns = append(r.columns, r.decoder(c))
	}
	return r, nil
}

func (r *Reader) stream() *stream { return newStream(r.file.r, &r.file.tail, &r.memory, &r.expand) }

func (r *Reader) decoder(c Column) *decoder {
	d := &decoder{column: c, memory: &r.memory}
	for i := range d.streams {
		d.streams[i] = r.stream()
	}
	r.wanted[c.id] = d
	return d
}

// Close gives back what was held. It need not be called after Next failed.
func (r *Reader) Close() { r.expand.close() }

// Next goes to the following rows, at most BatchRows, and says how many; io.EOF
// behind the last one. Any other error ends the Reader.
func (r *Reader) Next() (int, error) {
	for r.left == 0 {
		if r.stripe > 0 {
			if err := r.each((*decoder).end); err != nil {
				return 0, err
			}
		}
		if r.stripe == len(r.file.tail.stripes) {
			return 0, io.EOF
		}
		r.stripe++
		if err := r.begin(&r.file.tail.stripes[r.stripe-1]); err != nil {
			return 0, r.where(err)
		}
	}
	n := int(min(r.left, BatchRows))
	if err := r.each(func(d *decoder) error { return d.next(n) }); err != nil {
		return 0, err
	}
	if r.root.out.Null != nil {
		return 0, r.where(errors.New("a row is null as a whole"))
	}
	r.left -= int64(n)
	return n, nil
}

// Vector is column i of those that were asked for, after Next.
func (r *Reader) Vector(i int) *Vector { return &r.columns[i].out }

// each does something with every column.
func (r *Reader) each(do func(*decoder) error) error {
	for i := -1; i < len(r.columns); i++ {
		d := r.root
		if i >= 0 {
			d = r.columns[i]
		}
		if err := do(d); err != nil {
			if errors.Is(err, io.EOF) {
				err = errShort
			}
			return r.where(fmt.Errorf("column %s: %w", d.column.Name, err))
		}
	}
	return nil
}

func (r *Reader) where(err error) error { return fmt.Errorf("stripe %d: %w", r.stripe, err) }

// layout is what the description of a stripe says.
type layout struct {
	encodings []encoding // of all nodes in the tree of types
	zone      string
}

type encoding struct{ kind, words uint64 }

// begin goes to a stripe.
func (r *Reader) begin(s *stripe) error {
	r.footer.reset(s.offset+s.index+s.data, s.footer)
	b, err := r.footer.all(maxStripeFooter)
	if err != nil {
		return fmt.Errorf("its description: %w", err)
	}
	l, err := r.lay(b, s)
	if err != nil {
		return err
	}
	if len(l.encodings) != len(r.wanted) {
		return fmt.Errorf("it has %d columns, the file %d", len(l.encodings), len(r.wanted))
	}
	r.left = s.rows
	return r.each(func(d *decoder) error {
		e := l.encodings[d.column.id]
		return d.begin(e.kind, e.words, l.zone)
	})
}

// lay reads the description of a stripe, and tells the columns where their
// streams are: one behind the other, in the order they are described in.
func (r *Reader) lay(b []byte, s *stripe) (l layout, err error) {
	for _, d := range r.wanted {
		if d != nil {
			d.has = [numStreams]bool{}
		}
	}
	at, end := s.offset, s.offset+s.index+s.data
	err = eachField(b, func(f field) error {
		switch f.number {
		case 1:
			size, err := r.place(f.bytes, at, end)
			at += size
			return err
		case 2:
			if len(l.encodings) == len(r.wanted) {
				return errMessage
			}
			var e encoding
			err := eachField(f.bytes, func(f field) error {
				switch f.number {
				case 1:
					e.kind = f.value
				case 2:
					e.words = f.value
				}
				return nil
			})
			l.encodings = append(l.encodings, e)
			return err
		case 3:
			l.zone = string(f.bytes)
		case 4:
			return unsupported("encryption of columns")
		}
		return nil
	})
	return l, err
}

// place gives a stream to its column, if it is of one that matters, and says how
// many bytes it has.
func (r *Reader) place(b []byte, at, end int64) (int64, error) {
	var v [4]uint64
	err := eachField(b, func(f field) error {
		if f.number < uint64(len(v)) {
			v[f.number] = f.value
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	kind, column, size := v[1], v[2], v[3]
	if size > uint64(end-at) {
		return 0, errors.New("its streams are longer than it")
	}
	if kind >= numStreams || column >= uint64(len(r.wanted)) || r.wanted[column] == nil {
		return int64(size), nil
	}
	d := r.wanted[column]
	if d.has[kind] {
		return 0, fmt.Errorf("column %s has the same stream twice", d.column.Name)
	}
	d.has[kind] = true
	d.streams[kind].reset(at, int64(size))
	return int64(size), nil
}
