package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A line begins with the CRC-32C, in eight hex digits, of where it belongs and of
// what it says; then come a blank and what it says, a JSON object. Any one bit of it
// that is another makes it no line.

const sumDigits = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// lineText is the line of text at a place.
func lineText(place string, text []byte) []byte {
	sum := crc32.Update(crc32.Checksum([]byte(place), castagnoli), castagnoli, text)
	return fmt.Appendf(make([]byte, 0, len(text)+sumDigits+2), "%08x %s\n", sum, text)
}

// lineOf gives what a line at a place says; not ok if it is no line there.
func lineOf(place string, line []byte) (text []byte, ok bool) {
	if len(line) < sumDigits+2 {
		return nil, false
	}
	text = line[sumDigits+1 : len(line)-1]
	return text, bytes.Equal(line, lineText(place, text))
}

// mostGarbled is more than a crash leaves of a line, in bytes.
const mostGarbled = 16 << 10

// undamaged tells the damage of a file, to which lines are added one by one, from what
// crashes leave at its end, and others have added to since: the beginning of a line, or bytes that
// were never written. These say nothing. What has the form of a line and is none, or would be
// one but for a single bit, was written and has been changed: errLine.
func undamaged(b []byte, valid, formed func(line []byte) bool) error {
	for len(b) > 0 {
		good, bad := 0, 0 // a run of lines
		for line := range bytes.Lines(b) {
			switch {
			case !valid(line):
				if formed(line) {
					return errLine
				}
				bad += len(line)
				continue
			case bad == 0:
				good += len(line)
				continue
			}
			break
		}
		if bad > mostGarbled || oneBitFrom(bytes.Clone(b[good:good+bad]), valid) {
			return errLine
		}
		b = b[good+bad:]
	}
	return nil
}

// oneBitFrom tells whether another bit would make lines of b.
func oneBitFrom(b []byte, valid func(line []byte) bool) bool {
	lines := func() bool {
		for line := range bytes.Lines(b) {
			if !valid(line) {
				return false
			}
		}
		return true
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if lines() {
				return true
			}
			b[i] ^= 1 << bit
		}
	}
	return false
}

// eachLine gives the lines of a file with their ends; the last one may lack it.
func eachLine(r io.Reader, f func(line []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), longestNote)
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if n, line, _ := scanWhole(data, atEOF); n > 0 || !atEOF || len(data) == 0 {
			return n, line, nil
		}
		return len(data), data, nil
	})
	for lines.Scan() {
		if err := f(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// strictly decodes one JSON value that has no unknown field, and nothing behind it.
func strictly(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows")
	}
	return nil
}

var errLine = errors.New("a line is not what was written: its checksum differs")
