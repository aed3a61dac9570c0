package orc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unsafe"
)

// ErrMemory is in the tree of errors about files that ask for more memory than they
// are given. Files of real writers take some 25 MB.
var ErrMemory = errors.New("the file asks for more memory than there is for it")

var (
	errVarint = errors.New("a number is longer than 64 bits")
)

// memory counts what is held. What was once taken is used again, and given
// back with the Reader.
type memory struct{ used, limit int64 }

// grow gives s room for size elements in all.
func grow[T any](m *memory, s []T, size int) ([]T, error) {
	if size <= cap(s) {
		return s, nil
	}
	var one T
	size = max(size, 2*cap(s))
	add := int64(size-cap(s)) * int64(unsafe.Sizeof(one))
	if m.used+add > m.limit {
		return s, ErrMemory
	}
	m.used += add
	t := make([]T, len(s), size)
	copy(t, s)
	return t, nil
}

const (
	// fileBuffer is how much is read of a stream at once, in bytes.
	fileBuffer = 32 << 10
	// maxTake is how many bytes can be had in one piece: a run of 512 numbers.
	maxTake = 512 * 8
)

// stream is one stream of a column in a stripe, decompressed chunk by chunk. At
// its end its methods give io.EOF.
// https://orc.apache.org/specification/ORCv1/#compression
type stream struct {
	file   io.ReaderAt
	tail   *tail
	memory *memory
	expand *decompressor

	left   int64 // bytes of the file not read yet
	in     *bufio.Reader
	packed []byte // a chunk as it is in the file
	chunk  []byte // the same decompressed
	rest   []byte // what is unread of it
	piece  [maxTake]byte
}

func newStream(file io.ReaderAt, t *tail, m *memory, d *decompressor) *stream {
	return &stream{file: file, tail: t, memory: m, expand: d}
}

// reset goes to size bytes of the file.
func (s *stream) reset(offset, size int64) {
	section := io.NewSectionReader(s.file, offset, size)
	if s.in == nil {
		s.in = bufio.NewReaderSize(section, fileBuffer)
	} else {
		s.in.Reset(section)
	}
	s.left, s.rest = size, nil
}

// fill goes to the next chunk, which is never empty.
func (s *stream) fill() (err error) {
	for len(s.rest) == 0 {
		if s.left == 0 {
			return io.EOF
		}
		if s.tail.compression == uncompressed {
			s.rest, err = s.read(&s.packed, min(s.left, fileBuffer))
		} else {
			s.rest, err = s.nextChunk()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nextChunk reads a chunk: three bytes that say its length and whether it was
// left as it was, and the chunk.
func (s *stream) nextChunk() ([]byte, error) {
	h, err := s.read(&s.packed, 3)
	if err != nil {
		return nil, err
	}
	header := int64(h[0]) | int64(h[1])<<8 | int64(h[2])<<16
	packed, err := s.read(&s.packed, header>>1)
	if err != nil || header&1 != 0 {
		return packed, err
	}
	s.chunk, err = s.expand.chunk(s.chunk, packed)
	return s.chunk, err
}

// read takes n bytes of the file.
func (s *stream) read(into *[]byte, n int64) ([]byte, error) {
	if n > s.left {
		return nil, errors.New("a stream ends within a chunk")
	}
	b, err := grow(s.memory, *into, int(n))
	if err != nil {
		return nil, err
	}
	*into, s.left = b, s.left-n
	if _, err := io.ReadFull(s.in, b[:n]); err != nil {
		return nil, fmt.Errorf("reading the file: %w", noEOF(err))
	}
	return b[:n], nil
}

// noEOF keeps a file that became shorter from looking like a stream's end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ended tells whether nothing is left.
func (s *stream) ended() (bool, error) {
	err := s.fill()
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

func (s *stream) byte() (byte, error) {
	if len(s.rest) == 0 {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b, nil
}

// uvarint reads a number in base 128, the lowest digits first.
func (s *stream) uvarint() (uint64, error) {
	var x uint64
	for shift := 0; shift < 70; shift += 7 {
		b, err := s.byte()
		if err != nil {
			return 0, err
		}
		x |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return x, nil
		}
	}
	return 0, errVarint
}

// bigEndian reads a number of up to eight bytes.
func (s *stream) bigEndian(bytes int) (uint64, error) {
	b, err := s.take(bytes)
	if err != nil {
		return 0, err
	}
	var eight [8]byte
	copy(eight[8-bytes:], b)
	return binary.BigEndian.Uint64(eight[:]), nil
}

// take gives n bytes, at most maxTake, in one piece, good until the next call.
func (s *stream) take(n int) ([]byte, error) {
	if n <= len(s.rest) {
		b := s.rest[:n]
		s.rest = s.rest[n:]
		return b, nil
	}
	for got := 0; got < n; {
		if err := s.fill(); err != nil {
			return nil, err
		}
		k := copy(s.piece[got:n], s.rest)
		got, s.rest = got+k, s.rest[k:]
	}
	return s.piece[:n], nil
}

// appendTo adds n bytes to b. Memory is taken as they arrive.
func (s *stream) appendTo(b []byte, n int64) ([]byte, error) {
	for n > 0 {
		if err := s.fill(); err != nil {
			return b, err
		}
		k := int(min(n, int64(len(s.rest))))
		var err error
		if b, err = grow(s.memory, b, len(b)+k); err != nil {
			return b, err
		}
		b = append(b, s.rest[:k]...)
		n, s.rest = n-int64(k), s.rest[k:]
	}
	return b, nil
}

// all gives everything that is left, which may be limit bytes.
func (s *stream) all(limit int) ([]byte, error) {
	var b []byte
	for {
		err := s.fill()
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b)+len(s.rest) > limit {
			return nil, fmt.Errorf("it is longer than %d MiB", limit>>20)
		}
		if b, err = s.appendTo(b, int64(len(s.rest))); err != nil {
			return nil, err
		}
	}
}
