package orc_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"cooper/internal/inventory/s3report/orc"
)

// text is a field of a protocol buffer message; number is another.
func text(field int, b string) string {
	return string(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3|2), uint64(len(b)))) + b
}

func number(field int, v uint64) string {
	return string(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), v))
}

// fileOf makes a file that ends with a footer and a postscript.
func fileOf(content, footer, postscript string) []byte {
	ps := number(1, uint64(len(footer))) + postscript
	return []byte("ORC" + content + footer + ps + string(rune(len(ps))))
}

// zeros is a chunk of n of them, deflated.
func zeros(t *testing.T, n int) string {
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	header := b.Len() << 1
	return string([]byte{byte(header), byte(header >> 8), byte(header >> 16)}) + b.String()
}

func TestMalformedDescriptions(t *testing.T) {
	root := text(4, number(1, 12)+text(2, "\x01")+text(3, "n")) + text(4, number(1, 4))
	stripe := func(offset, index, data, footer, rows uint64) string {
		return text(3, number(1, offset)+number(2, index)+number(3, data)+number(4, footer)+number(5, rows))
	}
	magic := text(8000, "ORC")
	good := fileOf("0123456789", stripe(3, 1, 5, 4, 7)+root+number(6, 7), magic)
	if f := open(t, good); f.Rows() != 7 || f.Stripes() != 1 || len(f.Columns()) != 1 || f.Columns()[0].Name != "n" {
		t.Errorf("%+v", f)
	}
	for name, c := range map[string]struct {
		file  []byte
		words string
	}{
		"empty":                {nil, "does not describe"},
		"three bytes":          {[]byte("ORC"), "does not describe"},
		"long postscript":      {[]byte("ORC\x01\x02\xff"), "does not describe"},
		"no magic":             {append([]byte("X"), good[1:len(good)-5]...), "does not describe"},
		"no footer":            {fileOf("", "", magic), "does not describe"},
		"footer too long":      {fileOf("", root, number(1, 1<<40)+magic), "does not describe"},
		"metadata too long":    {fileOf("", root, number(5, math.MaxUint64)+magic), "does not describe"},
		"version 1":            {fileOf("", root, text(4, "\x01\x00")+magic), "version 1 of the ORC format"},
		"LZO":                  {fileOf("", root, number(2, 3)+magic), "compression by LZO"},
		"Brotli":               {fileOf("", root, number(2, 6)+magic), "compression by Brotli"},
		"unknown compression":  {fileOf("", root, number(2, 1<<63)+magic), "compression by method"},
		"large chunks":         {fileOf("", root, number(2, 1)+number(3, 1<<24)+magic), "in chunks of 16777216 bytes"},
		"encrypted":            {fileOf("", root+text(10, ""), magic), "encryption"},
		"no types":             {fileOf("", number(6, 0), magic), "does not describe"},
		"no struct":            {fileOf("", text(4, number(1, 10)), magic), "no struct but of type array"},
		"names":                {fileOf("", text(4, number(1, 12)+text(2, "\x01"))+text(4, number(1, 4)), magic), "1 columns have 0 names"},
		"its own child":        {fileOf("", text(4, number(1, 12)+text(2, "\x00")+text(3, "n")), magic), "column n: a description"},
		"no such child":        {fileOf("", text(4, number(1, 12)+text(2, "\x02")+text(3, "n")), magic), "column n: a description"},
		"rows":                 {fileOf("0123456789", stripe(3, 1, 5, 4, 7)+root+number(6, 8), magic), "7 rows, where the file should have 8"},
		"negative rows":        {fileOf("0123456789", stripe(3, 1, 5, 4, math.MaxUint64)+root, magic), "beyond belief"},
		"stripe over the end":  {fileOf("0123456789", stripe(3, 1, 5, 5, 7)+root, magic), "stripe 1 is not where"},
		"stripe that wraps":    {fileOf("0123456789", stripe(3, math.MaxUint64, 5, 4, 7)+root, magic), "stripe 1 is not where"},
		"stripe over another":  {fileOf("0123456789", stripe(3, 0, 1, 1, 7)+stripe(4, 0, 1, 1, 7)+root, magic), "stripe 2 is not where"},
		"stripe of nothing":    {fileOf("0123456789", stripe(3, 0, 0, 0, 7)+root, magic), "stripe 1 is not where"},
		"field cut":            {fileOf("", root+"\x1a\x7f", magic), "malformed"},
		"group":                {fileOf("", root+"\x0b", magic), "malformed"},
		"footer not a chunk":   {fileOf("", root, number(2, 1)+magic), "the footer: "},
		"footer's chunk cut":   {fileOf("", "\xfe\xff\x7fabc", number(2, 1)+magic), "a stream ends within a chunk"},
		"endless footer":       {fileOf("", strings.Repeat(zeros(t, 1<<23), 3), number(2, 1)+number(3, 1<<23)+magic), "the footer: it is longer than 16 MiB"},
		"footer in a bad zlib": {fileOf("", "\x06\x00\x00xyz", number(2, 1)+magic), "the footer: "},
	} {
		_, err := orc.Open(bytes.NewReader(c.file), int64(len(c.file)), orc.MaxMemory)
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// handStream is a stream of a file made by hand.
type handStream struct {
	kind, column uint64
	bytes        string
}

// handmade is a file of one column in one stripe.
func handmade(kind orc.Kind, rows, encoding, words uint64, streams ...handStream) []byte {
	var data, footer string
	for _, s := range streams {
		data += s.bytes
		footer += text(1, number(1, s.kind)+number(2, s.column)+number(3, uint64(len(s.bytes))))
	}
	footer += text(2, "") + text(2, number(1, encoding)+number(2, words))
	return fileOf(data+footer, text(3, number(1, 3)+number(3, uint64(len(data)))+number(4, uint64(len(footer)))+number(5, rows))+
		text(4, number(1, 12)+text(2, "\x01")+text(3, "n"))+text(4, number(1, uint64(kind)))+number(6, rows), text(8000, "ORC"))
}

func TestMalformedStripes(t *testing.T) {
	const (
		present, data, length, dictionary, secondary = 0, 1, 2, 3, 5
		first, words                                 = 0, 1 // encodings
	)
	one := string([]byte{0xff, 1}) // a run of the number 1
	zero := string([]byte{0xff, 0})
	twos := string([]byte{0xfe, 2, 2})
	minus := string(append([]byte{0xff}, binary.AppendUvarint(nil, math.MaxUint64)...))
	large := string(append([]byte{0xff}, binary.AppendUvarint(nil, 1<<20+1)...))
	for name, c := range map[string]struct {
		file  []byte
		words string // of the error; none if it is sound
	}{
		"sound text":          {handmade(orc.String, 1, first, 0, handStream{data, 1, "x"}, handStream{length, 1, one}), ""},
		"sound words":         {handmade(orc.String, 1, words, 1, handStream{data, 1, zero}, handStream{length, 1, one}, handStream{dictionary, 1, "x"}), ""},
		"sound root":          {handmade(orc.Long, 1, first, 0, handStream{present, 0, "\xff\x80"}, handStream{data, 1, one}), ""},
		"no such word":        {handmade(orc.String, 1, words, 1, handStream{data, 1, one}, handStream{length, 1, one}, handStream{dictionary, 1, "x"}), "a word is not in the dictionary"},
		"negative word":       {handmade(orc.String, 1, words, 1, handStream{data, 1, minus}, handStream{length, 1, one}, handStream{dictionary, 1, "x"}), "a word is not in the dictionary"},
		"dictionary cut":      {handmade(orc.String, 1, words, 1, handStream{data, 1, zero}, handStream{length, 1, one}), "the dictionary ends before its words do"},
		"fewer words":         {handmade(orc.String, 1, words, 2, handStream{data, 1, zero}, handStream{length, 1, one}, handStream{dictionary, 1, "x"}), "ends before"},
		"too many words":      {handmade(orc.String, 1, words, 1<<30, handStream{data, 1, zero}), "a dictionary of 1073741824 words"},
		"negative length":     {handmade(orc.String, 1, first, 0, handStream{data, 1, "x"}, handStream{length, 1, minus}), "a text is longer than"},
		"too long":            {handmade(orc.String, 1, first, 0, handStream{data, 1, "x"}, handStream{length, 1, large}), "a text is longer than"},
		"word of minus":       {handmade(orc.String, 1, words, 1, handStream{data, 1, zero}, handStream{length, 1, minus}), "a text is longer than"},
		"text cut":            {handmade(orc.String, 2, first, 0, handStream{data, 1, "x"}, handStream{length, 1, twos}), "column n: it ends before its rows do"},
		"times without nanos": {handmade(orc.Timestamp, 1, first, 0, handStream{data, 1, one}), "it ends before its rows do"},
		"more seconds":        {handmade(orc.Timestamp, 1, first, 0, handStream{data, 1, twos}, handStream{secondary, 1, one}), "it has more values"},
		"more nanos":          {handmade(orc.Timestamp, 1, first, 0, handStream{data, 1, one}, handStream{secondary, 1, twos}), "it has more values"},
		"a stream twice":      {handmade(orc.Long, 1, first, 0, handStream{data, 1, one}, handStream{data, 1, one}), "column n has the same stream twice"},
		"a null row":          {handmade(orc.Long, 1, first, 0, handStream{present, 0, "\xff\x00"}, handStream{data, 1, one}), "a row is null as a whole"},
		"unknown encoding":    {handmade(orc.Long, 1, 9, 0, handStream{data, 1, one}), "encoding 9: this is not supported"},
	} {
		r, err := open(t, c.file).Reader(0)
		if err != nil {
			t.Fatal(name, err)
		}
		_, err = drain(r)
		if c.words == "" && err != nil || c.words != "" && (err == nil || !strings.Contains(err.Error(), "stripe 1: ") || !strings.Contains(err.Error(), c.words)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
