package purge

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/inventory/extsort"
)

// The formats of a list of keys.
const (
	Lines = "lines" // a key a line, as it is
	NUL   = "nul"   // keys that end with a NUL byte, as `find -print0` writes them
	JSON  = "json"  // a line for each: a string, or {"key": …, "version_id": …} and nothing else
)

// maxEntry bounds an entry of a list, in bytes: a key has at most 1,024, and
// JSON may take six for each.
const maxEntry = 16 << 10

// ReadList reads a list of keys and sorts it, within memory bytes and with the
// rest in dir; close the choices when done. Nothing is guessed: a line is a key
// with all its blanks, and an entry that is empty, no UTF-8 or too long is KindUsage.
func ReadList(ctx context.Context, r io.Reader, format string, memory int64, dir string) (Choices, error) {
	end := byte('\n')
	switch format {
	case Lines, JSON:
	case NUL:
		end = 0
	default:
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: "--keys-format " + cooper.Quote(format), Message: "is not known", Remedy: "It is lines, nul or json."}
	}
	sorter := extsort.New(extsort.Options{Memory: memory, Dir: dir})
	feeder := sorter.Feeder()
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 0, maxEntry), maxEntry)
	scan.Split(splitAt(end))
	n := 0
	err := func() error {
		for scan.Scan() {
			if n++; n%4096 == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c, err := parseEntry(scan.Bytes(), format)
			if err != nil {
				return &cooper.Error{Kind: cooper.KindUsage, Where: fmt.Sprintf("--keys, entry %d", n), Err: err, Remedy: remedyOf(format)}
			}
			key, data := encodeChoice(c)
			if err := feeder.Add(ctx, key, data); err != nil {
				return err
			}
		}
		if err := scan.Err(); err != nil {
			return &cooper.Error{Kind: cooper.KindUsage, Where: fmt.Sprintf("--keys, entry %d", n+1), Message: "cannot be read", Err: err}
		}
		return nil
	}()
	if err != nil {
		return nil, errors.Join(err, sorter.Close())
	}
	feeder.Close()
	merge, err := sorter.Merge(ctx)
	if err != nil {
		return nil, errors.Join(err, sorter.Close())
	}
	return &sorted{sorter: sorter, merge: merge}, nil
}

func remedyOf(format string) string {
	if format == JSON {
		return `An entry is a string, for all versions of a key, or {"key": …, "version_id": …} for one of them.`
	}
	return "Odd keys can be given with --keys-format json or nul."
}

// splitAt cuts at a byte; what stands behind the last one counts, too, unless it
// is nothing.
func splitAt(end byte) bufio.SplitFunc {
	return func(data []byte, last bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, end); i >= 0 {
			return i + 1, data[:i], nil
		}
		if last && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	}
}

func parseEntry(b []byte, format string) (c Choice, err error) {
	c = Choice{Key: string(b), Any: true}
	if format == JSON {
		if c, err = parseJSON(b); err != nil {
			return c, err
		}
	}
	switch {
	case c.Key == "":
		return c, errors.New("it has no key")
	case !utf8.ValidString(c.Key):
		return c, errors.New("the key is not UTF-8")
	}
	return c, nil
}

// parseJSON reads a string, or an object that has a key and perhaps a version.
// What it does not know it refuses: taken for a key alone, an entry that names a
// version in other words would mean every version of the key. A version_id that
// is null is refused as in an answer in SQL, of which it may be a copy.
func parseJSON(b []byte) (c Choice, err error) {
	if !utf8.Valid(b) {
		return c, errors.New("it is not UTF-8")
	}
	b = bytes.TrimSpace(b)
	if bytes.HasPrefix(b, []byte(`"`)) {
		c.Any = true
		c.Key, err = unquote(b)
		return c, err
	}
	if !json.Valid(b) || !bytes.HasPrefix(b, []byte("{")) {
		return c, errors.New("it is neither a string nor an object")
	}
	members := json.NewDecoder(bytes.NewReader(b))
	if _, err := members.Token(); err != nil {
		return c, err
	}
	seen := map[string]bool{}
	for members.More() {
		name, err := members.Token()
		if err != nil {
			return c, err
		}
		var value json.RawMessage
		if err := members.Decode(&value); err != nil {
			return c, err
		}
		field, _ := name.(string)
		switch {
		case seen[field]:
			return c, fmt.Errorf("it has %q twice", field)
		case field == "key":
			c.Key, err = unquote(value)
		case field == "version_id" && string(value) == "null":
			err = errors.New(`its version_id is null; the version without an id is called "null"`)
		case field == "version_id":
			c.VersionID, err = unquote(value)
		default:
			err = fmt.Errorf("it has %q; what is known is key and version_id", field)
		}
		if err != nil {
			return c, err
		}
		seen[field] = true
	}
	c.Any = !seen["version_id"]
	return c, nil
}

// unquote reads a string of JSON. Half a surrogate pair, which would be read as
// another sign, is refused.
func unquote(b []byte) (s string, err error) {
	var p *string
	if err := json.Unmarshal(b, &p); err != nil {
		return "", err
	}
	if p == nil {
		return "", errors.New("null where a text belongs")
	}
	const sign = "\ufffd"
	meant := strings.Count(string(b), sign) + strings.Count(strings.ToLower(string(b)), `\ufffd`)
	if strings.Count(*p, sign) > meant {
		return "", errors.New("it has half of a character")
	}
	return *p, nil
}

// encodeChoice makes a record that sorts as its key does: no key is a prefix of
// another once zeros are told apart from the end.
func encodeChoice(c Choice) (key, data []byte) {
	key = []byte(strings.ReplaceAll(c.Key, "\x00", "\x00\xff") + "\x00\x01")
	if c.Any {
		return key, nil
	}
	return key, []byte("=" + c.VersionID)
}

// sorted gives a sorted list back.
type sorted struct {
	sorter *extsort.Sorter
	merge  *extsort.Merge
}

func (s *sorted) Next() (Choice, error) {
	if !s.merge.Next() {
		return Choice{}, cmp.Or(s.merge.Err(), io.EOF)
	}
	data := s.merge.Data()
	text := strings.TrimSuffix(string(s.merge.Key()), "\x00\x01")
	c := Choice{Key: strings.ReplaceAll(text, "\x00\xff", "\x00"), Any: len(data) == 0}
	if !c.Any {
		c.VersionID = string(data[1:])
	}
	return c, nil
}

func (s *sorted) Close() error { return s.sorter.Close() }
