// Package layout reads what a Parquet file says of itself, its footer and the
// headers of its pages, and checks it before anything is made of it.
//
// It promises that what it takes in memory does not exceed some times the bytes that
// are there, whatever they say, and that it neither panics nor hangs. It does not read values: that is
// left to whoever knows what the columns mean. The format is described at
// https://github.com/apache/parquet-format.
package layout

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Physical types of columns.
const (
	Boolean   = 0
	Int32     = 1
	Int64     = 2
	Int96     = 3
	Float     = 4
	Double    = 5
	ByteArray = 6
	FixedLen  = 7
	Group     = -1 // no column, but a node that has some
)

// Codecs, by which pages are compressed.
const (
	Uncompressed = 0
	Snappy       = 1
	Gzip         = 2
	Zstd         = 6
	LZ4Raw       = 7
)

// Encodings of values and levels.
const (
	Plain            = 0
	PlainDictionary  = 2
	RLE              = 3
	BitPacked        = 4
	DeltaBinary      = 5
	DeltaLength      = 6
	DeltaByteArray   = 7
	RLEDictionary    = 8
	ByteStreamSplit  = 9
	numEncodings     = 10
	knownEncodings   = 1<<numEncodings - 1 - 1<<1 // 1 was never defined
	maxSchema        = 10_000                     // nodes
	maxGroups        = math.MaxInt16
	magic, encrypted = "PAR1", "PARE"
)

// codecNames are the format's codecs by number.
var codecNames = []string{"none", "Snappy", "gzip", "LZO", "Brotli", "LZ4 (as Hadoop has it)", "zstd", "LZ4"}

// CodecName is a codec's name for people.
func CodecName(codec int32) string {
	if codec >= 0 && int(codec) < len(codecNames) {
		return codecNames[codec]
	}
	return fmt.Sprintf("number %d", codec)
}

// Element is a node of the schema.
type Element struct {
	Name string
	Type int32 // Group for none
	// Size is the length of each value of type FixedLen, in bytes.
	Size       int32
	Repetition int32 // 0 required, 1 optional, 2 repeated
	Children   int32
	// Converted is the older way to say what values mean, -1 for none.
	Converted int32
	Logical   Logical
}

// Logical is what values mean, as far as it matters here.
type Logical struct {
	// Kind is the number of the field in the format's union, 0 for none.
	Kind int16
	// PerMilli is how many units of a timestamp make a millisecond, 0 if it is
	// none.
	PerMilli int64
	Unsigned bool  // of whole numbers
	Scale    int32 // of decimal ones
}

// Footer is a file's description of itself.
type Footer struct {
	Schema []Element // depth first, the root first
	Rows   int64
	// Start is where the footer begins: data lies before it.
	Start  int64
	b      []byte
	groups []int // where in b each row group begins
}

// Chunk describes one column of a row group.
type Chunk struct {
	Type  int32
	Codec int32
	// Encodings has a bit for each that occurs.
	Encodings                uint32
	Values                   int64
	Compressed, Uncompressed int64 // bytes, headers included
	Data, Dictionary         int64 // offsets; Dictionary is 0 for none
	elsewhere, secret        bool
}

// ReadFooter reads the footer of a file of size bytes, if it has no more than
// most bytes, and checks its structure.
func ReadFooter(r io.ReaderAt, size, most int64) (*Footer, error) {
	var tail [8]byte
	if size < int64(len(magic)+len(tail)) {
		return nil, errors.New("it is too short for a Parquet file")
	}
	if _, err := r.ReadAt(tail[:], size-int64(len(tail))); err != nil {
		return nil, ended(err)
	}
	switch string(tail[4:]) {
	case magic:
	case encrypted:
		return nil, errors.New("the Parquet file is encrypted")
	default:
		return nil, errors.New("it does not end as a Parquet file does")
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	f := &Footer{Start: size - int64(len(tail)) - n}
	switch {
	case f.Start < int64(len(magic)):
		return nil, fmt.Errorf("its footer should have %d bytes, and the whole file has %d", n, size)
	case n > most:
		return nil, &TooLargeError{What: "the footer", Bytes: n, Most: most}
	}
	f.b = make([]byte, n)
	if _, err := r.ReadAt(f.b, f.Start); err != nil {
		return nil, ended(err)
	}
	if err := f.parse(); err != nil {
		return nil, fmt.Errorf("the footer is malformed: %w", err)
	}
	return f, nil
}

// ended makes of an end that comes too early an error that nobody takes for the
// end of rows.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// TooLargeError is about something that may be sound, and needs more memory than there is
// for it.
type TooLargeError struct {
	What        string
	Bytes, Most int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s takes %d bytes in memory, and there is room for %d", e.What, e.Bytes, e.Most)
}

func (f *Footer) parse() error {
	d := &decoder{b: f.b}
	rows := false
	d.structure(func(id int16, kind byte) bool {
		switch {
		case id == 2 && kind == typeList:
			f.schema(d)
		case id == 3 && kind == typeI64:
			f.Rows, rows = d.varint(), true
		case id == 4 && kind == typeList:
			n := d.listOf(typeStruct)
			if n > maxGroups || f.groups != nil {
				d.fail("%d row groups", n)
			}
			for i := 0; i < n && d.err == nil; i++ {
				f.groups = append(f.groups, d.at)
				d.skip(typeStruct)
			}
		default:
			return false
		}
		return true
	})
	switch {
	case d.err != nil:
		return d.err
	case !rows || f.Rows < 0 || len(f.Schema) == 0:
		return errors.New("it does not tell rows and columns")
	}
	return checkTree(f.Schema)
}

// checkTree wants every node of the schema to be somewhere below the first.
func checkTree(schema []Element) error {
	open := int64(1) // nodes that have to come
	for i := range schema {
		e := &schema[i]
		group := e.Type == Group
		switch {
		case open == 0:
			return errors.New("the schema has nodes that belong nowhere")
		case e.Children < 0, group == (e.Children == 0) && i > 0, i == 0 && !group:
			return fmt.Errorf("the schema's node %q is neither a column nor a group", e.Name)
		}
		open += int64(e.Children) - 1
	}
	if open != 0 {
		return errors.New("the schema ends early")
	}
	return nil
}

func (f *Footer) schema(d *decoder) {
	n := d.listOf(typeStruct)
	if n > maxSchema || f.Schema != nil {
		d.fail("the schema has %d nodes", n)
		return
	}
	for i := 0; i < n && d.err == nil; i++ {
		e := Element{Type: Group, Converted: -1}
		d.structure(func(id int16, kind byte) bool {
			switch {
			case id == 1 && kind == typeI32:
				if e.Type = d.i32(); e.Type < Boolean || e.Type > FixedLen {
					d.fail("a column is of type %d, which does not exist", e.Type)
				}
			case id == 2 && kind == typeI32:
				e.Size = d.i32()
			case id == 3 && kind == typeI32:
				e.Repetition = d.i32()
			case id == 4 && kind == typeBinary:
				e.Name = string(d.binary())
			case id == 5 && kind == typeI32:
				e.Children = d.i32()
			case id == 6 && kind == typeI32:
				e.Converted = d.i32()
			case id == 10 && kind == typeStruct:
				e.Logical = logical(d)
			default:
				return false
			}
			return true
		})
		if e.Repetition < 0 || e.Repetition > 2 || e.Size < 0 || e.Type == FixedLen && e.Size == 0 {
			d.fail("the schema's node %q is malformed", e.Name)
		}
		f.Schema = append(f.Schema, e)
	}
}

// Fields of the union of logical types.
const (
	LogicalDecimal   = 5
	LogicalTimestamp = 8
	LogicalInteger   = 10
)

func logical(d *decoder) (l Logical) {
	d.structure(func(id int16, kind byte) bool {
		l.Kind = id
		if kind != typeStruct {
			return false
		}
		switch id {
		case LogicalDecimal:
			d.structure(func(id int16, kind byte) bool {
				if id == 1 && kind == typeI32 {
					l.Scale = d.i32()
					return true
				}
				return false
			})
		case LogicalTimestamp:
			d.structure(func(id int16, kind byte) bool {
				if id != 2 || kind != typeStruct {
					return false
				}
				d.structure(func(id int16, _ byte) bool {
					if id >= 1 && id <= 3 {
						l.PerMilli = []int64{1, 1e3, 1e6}[id-1]
					}
					return false
				})
				return true
			})
		case LogicalInteger:
			d.structure(func(id int16, kind byte) bool {
				if id == 2 {
					l.Unsigned = kind == typeFalse
				}
				return false
			})
		default:
			return false
		}
		return true
	})
	return l
}

// Groups is how many row groups there are.
func (f *Footer) Groups() int { return len(f.groups) }

// Group calls each with every column of row group i, whose description is good
// until the next, and gives the group's number of rows.
func (f *Footer) Group(i int, each func(column int, c *Chunk) error) (rows int64, err error) {
	d := &decoder{b: f.b, at: f.groups[i]}
	rows, columns := -1, 0
	d.structure(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == typeList:
			n := d.listOf(typeStruct)
			for ; columns < n && d.err == nil; columns++ {
				c := chunk(d)
				if d.err == nil {
					d.err = each(columns, c)
				}
			}
		case id == 3 && kind == typeI64:
			rows = d.varint()
		default:
			return false
		}
		return true
	})
	if d.err == nil && rows < 0 {
		d.fail("it has %d rows", rows)
	}
	if d.err == nil && columns != f.leaves() {
		d.fail("it has %d columns, and the file %d", columns, f.leaves())
	}
	if d.err != nil {
		return 0, fmt.Errorf("row group %d: %w", i, d.err)
	}
	return rows, nil
}

// leaves is how many columns the file has.
func (f *Footer) leaves() (n int) {
	for i := range f.Schema {
		if f.Schema[i].Type != Group {
			n++
		}
	}
	return n
}

func chunk(d *decoder) *Chunk {
	c := &Chunk{Type: -1, Codec: -1, Values: -1, Compressed: -1, Uncompressed: -1, Data: -1}
	d.structure(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == typeBinary:
			c.elsewhere = len(d.binary()) > 0
		case id == 3 && kind == typeStruct:
			c.meta(d)
		case id == 8 || id == 9:
			c.secret = true
			return false
		default:
			return false
		}
		return true
	})
	return c
}

func (c *Chunk) meta(d *decoder) {
	d.structure(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == typeI32:
			c.Type = d.i32()
		case id == 2 && kind == typeList:
			for range d.listOf(typeI32) {
				if e := d.i32(); e < 0 || e >= numEncodings || knownEncodings>>e&1 == 0 {
					d.fail("values are encoded in a way that is not known: %d", e)
				} else {
					c.Encodings |= 1 << e
				}
			}
		case id == 4 && kind == typeI32:
			c.Codec = d.i32()
		case id == 5 && kind == typeI64:
			c.Values = d.varint()
		case id == 6 && kind == typeI64:
			c.Uncompressed = d.varint()
		case id == 7 && kind == typeI64:
			c.Compressed = d.varint()
		case id == 9 && kind == typeI64:
			c.Data = d.varint()
		case id == 11 && kind == typeI64:
			c.Dictionary = d.varint()
		default:
			return false
		}
		return true
	})
}

// Check tells what makes a chunk unreadable: its codec has to be one of codecs, its
// type that of its column, and all its bytes before the end of the data.
func (c *Chunk) Check(f *Footer, e *Element, codecs ...int32) error {
	switch {
	case c.secret:
		return errors.New("it is encrypted")
	case c.elsewhere:
		return errors.New("it lies in another file")
	case c.Type != e.Type:
		return errors.New("it is of another type than its column")
	case c.Values < 0 || c.Uncompressed < 0:
		return errors.New("its description lacks something")
	}
	known := false
	for _, codec := range codecs {
		known = known || codec == c.Codec
	}
	if !known {
		return &CodecError{Codec: c.Codec}
	}
	from, n := c.Range()
	if from < int64(len(magic)) || n < 0 || from > f.Start-n {
		return fmt.Errorf("its bytes %d and the following %d do not lie within the file's data", from, n)
	}
	return nil
}

// Range is where the pages of a chunk are: an offset, and how many bytes.
func (c *Chunk) Range() (from, n int64) {
	from = c.Data
	if c.Dictionary > 0 && c.Dictionary < from {
		from = c.Dictionary
	}
	return from, c.Compressed
}

// CodecError is about a chunk that is compressed by what is not read.
type CodecError struct{ Codec int32 }

func (e *CodecError) Error() string {
	return "it is compressed by a codec that is not read here: " + CodecName(e.Codec)
}
