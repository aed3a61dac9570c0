package s3report

import (
	"bytes"
	"errors"
	"io"
)

const (
	// scanBuffer is how much of a file is looked at once, in bytes.
	scanBuffer = 256 << 10
	// maxRecord is the longest record that is read, in bytes. Keys are at
	// most 1,024 bytes, access control lists some ten thousand.
	maxRecord = 1 << 20
)

// malformed is the reason why a record could not be taken apart. The scanner
// goes on behind it.
type malformed string

func (m malformed) Error() string { return string(m) }

// errMore says that the buffer ends before the record does.
var errMore = errors.New("more is needed")

// scanner takes CSV apart: RFC 4180, with either line ending, in memory that
// does not depend on the file. What it returns is good until the next call.
type scanner struct {
	r          io.Reader
	buf        []byte
	start, end int // what is unread of buf
	eof        bool
	skipping   bool // what comes first is the rest of a record that was too long
	fields     [][]byte
	unquoted   []byte // where fields with quotes in them go
}

func newScanner(r io.Reader) *scanner {
	return &scanner{r: r, buf: make([]byte, scanBuffer), fields: make([][]byte, 0, 32)}
}

// next gives the fields of the next record. The error is malformed for a record
// that makes no sense, together with the fields before the fault; io.EOF at the
// end; else the reader's.
func (s *scanner) next() ([][]byte, error) {
	for {
		data := s.buf[s.start:s.end]
		if s.skipping {
			found := s.skipLine(data)
			data = s.buf[s.start:s.end]
			if !found && !s.eof {
				if err := s.fill(); err != nil {
					return nil, err
				}
				continue
			}
		}
		if len(data) == 0 && s.eof {
			return nil, io.EOF
		}
		n, err := s.record(data)
		if err == nil {
			s.start += n
			if len(s.fields) > 0 { // else an empty line
				return s.fields, nil
			}
			continue
		}
		if !errors.Is(err, errMore) {
			// Go on at the next line: the quotes cannot be trusted.
			s.skipping = true
			return s.fields, err
		}
		if len(data) >= maxRecord {
			s.skipping = true
			return s.fields, malformed("the row is longer than 1 MiB")
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// skipLine drops what is left of a line, and tells whether its end was found.
func (s *scanner) skipLine(data []byte) bool {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		s.start = s.end
		return false
	}
	s.start += i + 1
	s.skipping = false
	return true
}

// fill reads more behind what is unread.
func (s *scanner) fill() error {
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if errors.Is(err, io.EOF) {
			s.eof = true
			return nil
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// record takes the first record of data apart into s.fields, and says how many
// bytes it has.
func (s *scanner) record(data []byte) (int, error) {
	s.fields, s.unquoted = s.fields[:0], s.unquoted[:0]
	if n, empty, err := s.emptyLine(data); empty || err != nil {
		return n, err
	}
	i := 0
	for {
		var field []byte
		var err error
		if i < len(data) && data[i] == '"' {
			field, i, err = s.quoted(data, i+1)
		} else {
			field, i, err = s.bare(data, i)
		}
		if err != nil {
			return 0, err
		}
		s.fields = append(s.fields, field)
		switch {
		case i == len(data): // and the file ends, else there was errMore
			return i, nil
		case data[i] == ',':
			i++
		case data[i] == '\n':
			return i + 1, nil
		case data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n':
			return i + 2, nil
		case data[i] == '\r' && i+1 == len(data) && !s.eof:
			return 0, errMore
		default:
			return 0, malformed("something stands behind a quoted field")
		}
	}
}

// emptyLine tells whether data begins with one.
func (s *scanner) emptyLine(data []byte) (n int, empty bool, err error) {
	switch {
	case len(data) == 0:
		return 0, false, errMore
	case data[0] == '\n':
		return 1, true, nil
	case data[0] != '\r':
		return 0, false, nil
	case len(data) == 1 && !s.eof:
		return 0, false, errMore
	case len(data) > 1 && data[1] == '\n':
		return 2, true, nil
	}
	return 0, false, nil
}

// quoted reads a field from behind its opening quote, and gives the place
// behind its closing one.
func (s *scanner) quoted(data []byte, i int) ([]byte, int, error) {
	from := len(s.unquoted)
	for {
		j := bytes.IndexByte(data[i:], '"')
		if j < 0 {
			if s.eof {
				return nil, 0, malformed("a quote is not closed")
			}
			return nil, 0, errMore
		}
		end := i + j
		if end+1 == len(data) && !s.eof {
			return nil, 0, errMore // it may be half of an escaped quote
		}
		if end+1 == len(data) || data[end+1] != '"' {
			if len(s.unquoted) == from {
				return data[i:end:end], end + 1, nil
			}
			s.unquoted = append(s.unquoted, data[i:end]...)
			return s.unquoted[from:len(s.unquoted):len(s.unquoted)], end + 1, nil
		}
		s.unquoted = append(s.unquoted, data[i:end+1]...)
		i = end + 2
	}
}

// bare reads a field without quotes.
func (s *scanner) bare(data []byte, i int) ([]byte, int, error) {
	for j := i; j < len(data); j++ {
		switch data[j] {
		case ',':
			return data[i:j:j], j, nil
		case '\n':
			if j > i && data[j-1] == '\r' {
				return data[i : j-1 : j-1], j, nil
			}
			return data[i:j:j], j, nil
		case '"':
			return nil, 0, malformed("a quote stands within a field")
		}
	}
	if !s.eof {
		return nil, 0, errMore
	}
	return data[i:len(data):len(data)], len(data), nil
}
