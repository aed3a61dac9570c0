package keyring

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/codec/cfb8"
)

// longestLine bounds what is held of a file that is no file of keys.
const longestLine = 1 << 20

// parse reads JSON lines, or CSV: what begins with { is JSON.
func (b *builder) parse(r io.Reader, name string) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if bom, err := in.Peek(3); err == nil && string(bom) == "\uFEFF" {
		if _, err := in.Discard(3); err != nil {
			return readError(name, err)
		}
	}
	for {
		c, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return readError(name, err)
		case c == '{':
			if err := in.UnreadByte(); err != nil {
				return readError(name, err)
			}
			return b.jsonLines(in, name)
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			if err := in.UnreadByte(); err != nil {
				return readError(name, err)
			}
			return b.csv(in, name)
		}
	}
}

func readError(name string, err error) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: name, Message: "the keys cannot be read", Err: err}
}

// jsonRow is a line of JSON.
type jsonRow struct {
	Prefix  *string `json:"prefix"`
	Pattern *string `json:"pattern"`
	Key     *string `json:"key"`
	Expect  oneOf   `json:"expect"`
}

// oneOf is a string or a list of them.
type oneOf []string

func (o *oneOf) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*o = make(oneOf, 1)
		return json.Unmarshal(b, &(*o)[0])
	}
	return json.Unmarshal(b, (*[]string)(o))
}

// jsonLines reads an object a line. What the decoder says of a mistake is not
// passed on: it quotes what it read.
func (b *builder) jsonLines(r io.Reader, name string) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		at := place(name, "line", n)
		if !utf8.Valid(line) {
			return invalid(at, "not UTF-8 text", "")
		}
		var j jsonRow
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&j); err != nil {
			return invalid(at, "not a JSON object with prefix, key and expect, or pattern and expect", "")
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return invalid(at, "more than one JSON object on the line", "")
		}
		row, err := j.row(at)
		if err != nil {
			return err
		}
		if err := b.add(row, at); err != nil {
			return err
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return invalid(place(name, "line", n+1), fmt.Sprintf("a line of more than %d bytes", longestLine), "")
	case err != nil:
		return readError(name, err)
	}
	return nil
}

func (j *jsonRow) row(at string) (Row, error) {
	row := Row{Expect: j.Expect}
	switch {
	case j.Pattern != nil && j.Prefix == nil && j.Key == nil:
		row.Pattern, row.IsPattern = *j.Pattern, true
	case j.Pattern == nil && j.Prefix != nil && j.Key != nil:
		row.Prefix, row.Key = *j.Prefix, *j.Key
	default:
		return row, invalid(at, "neither prefix and key, nor pattern and expect", "")
	}
	return row, nil
}

// csv reads a table whose first line names its columns.
func (b *builder) csv(r io.Reader, name string) error {
	// A quote that is never closed would have the reader hold all that follows.
	in := csv.NewReader(&lineLimit{r: r})
	in.ReuseRecord = true
	heads, err := in.Read()
	if err != nil {
		return csvError(name, 1, err)
	}
	columns := map[string]int{}
	for i, h := range heads {
		h = strings.ToLower(strings.TrimSpace(h))
		if _, twice := columns[h]; twice || !slices.Contains([]string{"prefix", "key", "expect", "pattern"}, h) {
			return invalid(place(name, "line", 1), "the first line does not name the columns prefix, key and perhaps expect and pattern", "")
		}
		columns[h] = i
	}
	if _, ok := columns["prefix"]; !ok {
		return invalid(place(name, "line", 1), "no column is called prefix", "")
	}
	if _, ok := columns["key"]; !ok {
		return invalid(place(name, "line", 1), "no column is called key", "")
	}
	line := 1
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return csvError(name, line+1, err)
		}
		line, _ = in.FieldPos(0)
		at := place(name, "line", line)
		row, err := csvRow(record, columns, at)
		if err != nil {
			return err
		}
		if err := b.add(row, at); err != nil {
			return err
		}
	}
}

func csvRow(record []string, columns map[string]int, at string) (row Row, err error) {
	field := func(name string) string {
		if i, ok := columns[name]; ok {
			return strings.Clone(record[i])
		}
		return ""
	}
	row = Row{Prefix: field("prefix"), Key: field("key"), Pattern: field("pattern")}
	for _, s := range []string{row.Prefix, row.Pattern, field("expect")} {
		if !utf8.ValidString(s) {
			return row, invalid(at, "not UTF-8 text", "")
		}
	}
	if e := field("expect"); e != "" {
		row.Expect = []string{e}
	}
	row.IsPattern = row.Pattern != ""
	if row.IsPattern && (row.Prefix != "" || row.Key != "") {
		return row, invalid(at, "a pattern beside a prefix or key", "Give each a line of its own.")
	}
	return row, nil
}

// csvError tells where a mistake is, not what it is about: behind the last line
// that was right, unless the reader knows better.
func csvError(name string, line int, err error) error {
	var p *csv.ParseError
	switch {
	case errors.As(err, &p):
		return invalid(place(name, "line", p.Line), "not a line of CSV like the first", "")
	case errors.Is(err, errTooLong):
		return invalid(place(name, "line", line), fmt.Sprintf("a line of more than %d bytes", longestLine), "Look for a quote that is not closed.")
	}
	return readError(name, err)
}

var errTooLong = errors.New("too long a line")

// lineLimit fails when too much is read without a line end outside of quotes.
type lineLimit struct {
	r      io.Reader
	quoted bool
	n      int
}

func (l *lineLimit) Read(p []byte) (int, error) {
	n, err := l.r.Read(p[:min(len(p), 4096)])
	for _, c := range p[:n] {
		l.n++
		switch {
		case c == '"':
			l.quoted = !l.quoted
		case c == '\n' && !l.quoted:
			l.n = 0
		}
		if l.n > longestLine {
			return 0, errTooLong
		}
	}
	return n, err
}

// parseKey reads a key: 32 characters as they are, 64 hexadecimal digits, or
// base64 of 32 bytes. Its error does not show what it read.
func parseKey(text string) (*codec.Key, error) {
	const size = len(codec.Key{})
	raw := []byte(text)
	switch len(text) {
	case size:
	case hex.EncodedLen(size):
		b, err := hex.DecodeString(text)
		if err != nil {
			return nil, errNoKey
		}
		raw = b
	case base64.RawStdEncoding.EncodedLen(size), base64.StdEncoding.EncodedLen(size):
		t := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		b, err := base64.RawStdEncoding.Strict().DecodeString(t)
		if err != nil || len(b) != size {
			return nil, errNoKey
		}
		raw = b
	default:
		return nil, errNoKey
	}
	return cfb8.ParseKey(string(raw))
}

var errNoKey = errors.New("the key is none: it must be 32 characters, 64 hexadecimal digits or base64 of 32 bytes")
