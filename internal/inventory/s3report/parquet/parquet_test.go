package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cooper/internal/parquetrows/layout"
)

const testMemory = 1 << 20

// drain reads the first column whole, as text, and says how much was held.
func drain(b []byte, limit int64) (values []string, held int64, err error) {
	f, err := Open(bytes.NewReader(b), int64(len(b)), limit)
	if err != nil {
		return nil, 0, err
	}
	defer func() { held = f.memory.used }()
	r, err := f.Reader(0)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	for {
		n, err := r.Next()
		if errors.Is(err, io.EOF) {
			return values, 0, nil
		}
		if err != nil {
			return values, 0, err
		}
		v := r.Vector(0)
		for i := range n {
			switch {
			case v.Null != nil && v.Null[i]:
				values = append(values, "-")
			case v.Text != nil:
				values = append(values, string(v.Text[i]))
			default:
				values = append(values, fmt.Sprint(v.Numbers[i]))
			}
		}
	}
}

// TestHandmade reads what no writer at hand makes.
func TestHandmade(t *testing.T) {
	le := binary.LittleEndian
	for name, c := range map[string]struct {
		file handmade
		want string
	}{
		"levels without runs": {handmade{kind: layout.Int32, optional: true, rows: 10, pages: [][]byte{
			headed(layout.DataPage, 2+4*4, 2+4*4, field{5, []field{{1, int32(10)}, {2, int32(layout.Plain)}, {3, int32(layout.BitPacked)}, {4, int32(layout.BitPacked)}}},
				append([]byte{0b10010000, 0b11000000}, le.AppendUint32(le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 1), 2), 3), math.MaxUint32)...)),
		}}, "1 - - 2 - - - - 3 -1"},
		"booleans in runs": {handmade{kind: layout.Boolean, rows: 13, pages: [][]byte{
			dataPage(13, layout.RLE, prefixedBy([]byte{5 << 1, 1, 1<<1 | 1, 0b10101010})),
		}}, "1 1 1 1 1 0 1 0 1 0 1 0 1"},
		"booleans in a dictionary": {handmade{kind: layout.Boolean, rows: 4, pages: [][]byte{
			dictionaryPage(2, []byte{0b10}), dataPage(4, layout.RLEDictionary, []byte{1, 1<<1 | 1, 0b0110}),
		}}, "0 1 1 0"},
		"all the same": {handmade{kind: layout.ByteArray, rows: 3, pages: [][]byte{
			dictionaryPage(1, prefixedBy([]byte("one"))), dataPage(3, layout.PlainDictionary, []byte{0, 3 << 1}),
		}}, "one one one"},
		"nothing but NULL": {handmade{kind: layout.ByteArray, optional: true, rows: 3, pages: [][]byte{
			dataPage(3, layout.DeltaByteArray, prefixedBy([]byte{3 << 1, 0})),
		}}, "- - -"},
		"pages of no rows, and others": {handmade{kind: layout.Int64, rows: 1, pages: [][]byte{
			dataPage(0, layout.Plain, nil), headed(layout.IndexPage, 3, 3, field{6, []field{}}, []byte("abc")), dataPage(1, layout.Plain, le.AppendUint64(nil, 7)), dataPage(0, layout.Plain, nil),
		}}, "7"},
		"numbers without a sign": {handmade{kind: layout.Int32, rows: 1, logical: []field{{layout.LogicalInteger, []field{{2, false}}}}, pages: [][]byte{
			dataPage(1, layout.Plain, le.AppendUint32(nil, 1<<32-1)),
		}}, "4294967295"},
		"no rows": {handmade{kind: layout.Int32}, ""},
		"no rows, as Arrow has it: its pages are nowhere": {handmade{kind: layout.Int32, pages: [][]byte{dictionaryPage(0, nil)}, meta: func(fs []field) []field {
			return append(fs[:len(fs)-1], field{9, int64(0)}, field{11, int64(4)})
		}}, ""},
	} {
		got, _, err := drain(c.file.bytes(), testMemory)
		if s := strings.Join(got, " "); err != nil || s != c.want {
			t.Errorf("%s: %q, want %q; %v", name, s, c.want, err)
		}
	}
}

// TestHostile reads what claims more than it has.
func TestHostile(t *testing.T) {
	uv := binary.AppendUvarint
	// A delta of n zeros: one block, of miniblocks without bits.
	zeros := func(n uint64, first int64) []byte {
		return append(append(binary.AppendVarint(uv(uv(uv(nil, 1<<20), 1), n), first), 0), 0)
	}
	bits := func(h handmade) []byte { return h.bytes() }
	set := func(id int, v any) func([]field) []field {
		return func(fs []field) []field {
			for i := range fs {
				if fs[i].id == id {
					fs[i].value = v
					return fs
				}
			}
			return append(fs, field{id, v})
		}
	}
	one := [][]byte{dataPage(1, layout.Plain, make([]byte, 4))}
	for name, c := range map[string]struct {
		b     []byte
		want  string
		large bool
	}{
		"a codec without bound":     {bits(handmade{kind: layout.Int32, codec: 4, rows: 1, pages: one}), "Brotli", false},
		"a codec that is none":      {bits(handmade{kind: layout.Int32, codec: 77, rows: 1, pages: one}), "number 77", false},
		"a page of two gigabytes":   {bits(handmade{kind: layout.Int32, codec: layout.Snappy, rows: 1, pages: [][]byte{headed(layout.DataPage, math.MaxInt32, 4, field{5, []field{{1, int32(1)}, {2, int32(0)}}}, make([]byte, 4))}}), "", true},
		"packed to two gigabytes":   {bits(handmade{kind: layout.Int32, codec: layout.Snappy, rows: 1, pages: [][]byte{headed(layout.DataPage, 4, math.MaxInt32, field{5, []field{{1, int32(1)}, {2, int32(0)}}}, make([]byte, 4))}}), "", true},
		"a negative size":           {bits(handmade{kind: layout.Int32, rows: 1, pages: [][]byte{headed(layout.DataPage, -1, 4, field{5, []field{{1, int32(1)}, {2, int32(0)}}}, make([]byte, 4))}}), "negative", false},
		"a snappy that grows":       {bits(handmade{kind: layout.Int32, codec: layout.Snappy, rows: 1, pages: [][]byte{headed(layout.DataPage, 4, 5, field{5, []field{{1, int32(1)}, {2, int32(0)}}}, uv(nil, 1<<31))}}), "another size", false},
		"a dictionary of billions":  {bits(handmade{kind: layout.ByteArray, rows: 1, pages: [][]byte{dictionaryPage(math.MaxInt32, make([]byte, 8))}}), "ends before", false},
		"two dictionaries":          {bits(handmade{kind: layout.ByteArray, rows: 1, pages: [][]byte{dictionaryPage(0, nil), dictionaryPage(0, nil)}}), "malformed", false},
		"no dictionary":             {bits(handmade{kind: layout.ByteArray, rows: 1, pages: [][]byte{dataPage(1, layout.RLEDictionary, []byte{0, 2})}}), "there is none", false},
		"a word that is not there":  {bits(handmade{kind: layout.ByteArray, rows: 1, pages: [][]byte{dictionaryPage(1, prefixedBy(nil)), dataPage(1, layout.RLEDictionary, []byte{8, 2, 9})}}), "value 9", false},
		"more values than rows":     {bits(handmade{kind: layout.Int32, rows: 1, pages: [][]byte{dataPage(math.MaxInt32, layout.Plain, nil)}}), "goes on behind", false},
		"a page behind the rows":    {bits(handmade{kind: layout.Int32, rows: 1, pages: append(one[:1:1], one...)}), "goes on behind", false},
		"fewer values than rows":    {bits(handmade{kind: layout.Int32, rows: 2, pages: one}), "ends before", false},
		"a value cut":               {bits(handmade{kind: layout.Int64, rows: 1, pages: one}), "ends before", false},
		"a run without an end":      {bits(handmade{kind: layout.Boolean, rows: 9, pages: [][]byte{dataPage(9, layout.RLE, prefixedBy([]byte{2, 1}))}}), "ends before", false},
		"runs of nothing":           {bits(handmade{kind: layout.Boolean, rows: 9, pages: [][]byte{dataPage(9, layout.RLE, prefixedBy(make([]byte, 1<<16)))}}), "ends before", false},
		"texts that share":          {bits(handmade{kind: layout.ByteArray, rows: 1024, pages: [][]byte{dataPage(1024, layout.DeltaByteArray, sharing(1024, 2048))}}), "", true},
		"more lengths than values":  {bits(handmade{kind: layout.ByteArray, rows: 1, pages: [][]byte{dataPage(1, layout.DeltaLength, zeros(5, 0))}}), "goes on behind", false},
		"a length of minus one":     {bits(handmade{kind: layout.ByteArray, rows: 1, pages: [][]byte{dataPage(1, layout.DeltaLength, zeros(1, -1))}}), "ends before", false},
		"blocks of nothing":         {bits(handmade{kind: layout.Int32, rows: 1, pages: [][]byte{dataPage(1, layout.DeltaBinary, []byte{0, 0, 1, 0})}}), "malformed", false},
		"no such encoding":          {bits(handmade{kind: layout.Int32, rows: 1, pages: [][]byte{dataPage(1, 42, nil)}}), "not known: 42", false},
		"an encoding of another":    {bits(handmade{kind: layout.Int32, rows: 1, pages: [][]byte{dataPage(1, layout.DeltaLength, []byte{1})}}), "encoding number 6", false},
		"in another file":           {bits(handmade{kind: layout.Int32, rows: 1, pages: one, chunk: func(fs []field) []field { return append([]field{{1, "/etc/passwd"}}, fs...) }}), "another file", false},
		"behind the data":           {bits(handmade{kind: layout.Int32, rows: 1, pages: one, meta: set(9, int64(1<<40))}), "do not lie within", false},
		"longer than the data":      {bits(handmade{kind: layout.Int32, rows: 1, pages: one, meta: set(7, int64(math.MaxInt64))}), "do not lie within", false},
		"before the data":           {bits(handmade{kind: layout.Int32, rows: 1, pages: one, meta: set(9, int64(-4))}), "do not lie within", false},
		"of another type":           {bits(handmade{kind: layout.Int32, rows: 1, pages: one, meta: set(1, int32(layout.Int64))}), "another type", false},
		"fewer than no rows":        {bits(handmade{kind: layout.Int32, rows: -1, pages: one}), "does not tell rows", false},
		"a footer longer than that": {append(binary.LittleEndian.AppendUint32([]byte("PAR1PAR1"), 1<<31), "PAR1"...), "the whole file", false},
		"an encrypted footer":       {append(make([]byte, 32), "PARE"...), "encrypted", false},
		"a large footer":            {append(binary.LittleEndian.AppendUint32(make([]byte, testMemory), testMemory/2), "PAR1"...), "", true},
		"no file":                   {[]byte("PAR1"), "too short", false},
	} {
		_, held, err := drain(c.b, testMemory)
		var large *layout.TooLargeError
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &large) != c.large {
			t.Errorf("%s: %v", name, err)
		}
		if held > testMemory {
			t.Errorf("%s: %d bytes are held", name, held)
		}
	}
}

// sharing are n texts in the form that stores what each adds to the one before:
// the first has size bytes, the others are the same.
func sharing(n, size uint64) []byte {
	uv, v := binary.AppendUvarint, binary.AppendVarint
	// First 0, then size each: one step up, then none.
	prefix := v(uv(uv(uv(nil, 1024), 1), n), 0)
	prefix = append(v(prefix, 0), 12)
	packed := make([]byte, 1024*12/8)
	binary.LittleEndian.PutUint16(packed, uint16(size))
	suffix := v(uv(uv(uv(nil, 1024), 1), n), int64(size))
	suffix = append(v(suffix, -int64(size)), 12)
	rest := make([]byte, 1024*12/8)
	for i := range int(n) - 1 { // all but the first step add what the least takes away
		if i > 0 {
			at := i * 12
			word := binary.LittleEndian.Uint32(append(bytes.Clone(rest[at/8:min(at/8+4, len(rest))]), 0, 0, 0, 0)) | uint32(size)<<(at%8)
			for k := range 3 {
				rest[at/8+k] = byte(word >> (8 * k))
			}
		}
	}
	b := append(append(prefix, packed...), suffix...)
	return append(append(b, rest...), make([]byte, size)...)
}

// TestSharing: the texts of the test above are sound where there is room for them.
func TestSharing(t *testing.T) {
	file := handmade{kind: layout.ByteArray, rows: 1024, pages: [][]byte{dataPage(1024, layout.DeltaByteArray, sharing(1024, 2048))}}.bytes()
	got, _, err := drain(file, 8<<20)
	if err != nil || len(got) != 1024 || len(got[0]) != 2048 || got[1023] != got[0] {
		t.Errorf("%d texts, %v", len(got), err)
	}
}

func TestBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(0, 64).Draw(t, "width")
		values := rapid.SliceOfN(rapid.Uint64(), 1, 40).Draw(t, "values")
		var b []byte
		for i := range values {
			if width < 64 {
				values[i] &= 1<<width - 1
			}
			for k := range width {
				bit := i*width + k
				for bit/8 >= len(b) {
					b = append(b, 0)
				}
				b[bit/8] |= byte(values[i]>>k&1) << (bit % 8)
			}
		}
		for i := range values {
			if got := bitsAt(b, i*width, width); got != values[i] {
				t.Fatalf("value %d: %x, want %x", i, got, values[i])
			}
		}
	})
}

func TestColumns(t *testing.T) {
	b := handmade{kind: layout.Double, rows: 0}.bytes()
	f, err := Open(bytes.NewReader(b), int64(len(b)), testMemory)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Column{{Name: "c", Kind: Other, Type: "double"}}, f.Columns(), cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "element" || p.String() == "leaf" }, cmp.Ignore())); d != "" {
		t.Error(d)
	}
	if _, err := f.Reader(0); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

// FuzzFile: whatever the bytes are, there are rows or an error, within the memory.
func FuzzFile(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.parquet")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range samples {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, column uint8) {
		file, err := Open(bytes.NewReader(b), int64(len(b)), testMemory)
		if err != nil || len(file.Columns()) == 0 {
			return
		}
		r, err := file.Reader(int(column) % len(file.Columns()))
		if err != nil {
			return
		}
		defer r.Close()
		rows := int64(0)
		for {
			n, err := r.Next()
			rows += int64(n)
			if errors.Is(err, io.EOF) && rows != file.Rows() {
				t.Fatalf("%d rows, and there should be %d", rows, file.Rows())
			}
			if file.memory.used > testMemory {
				t.Fatalf("%d bytes are held", file.memory.used)
			}
			if err != nil {
				return
			}
			if rows > 1<<22 {
				return // of values that take no bytes there may be any number
			}
		}
	})
}
