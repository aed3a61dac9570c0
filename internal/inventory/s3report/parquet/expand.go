package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"cooper/internal/parquetrows/layout"
)

// shared is what the columns of a Reader use one after the other.
type shared struct {
	memory *memory
	packed []byte // a page as it is in the file
	gzip   *gzip.Reader
	zstd   *zstd.Decoder
	source bytes.Reader
}

// expanders take some memory of their own, whatever the page.
const (
	gzipMemory = 64 << 10
	zstdMemory = 1 << 20
)

var errSize = errors.New("a page expands to another size than it says")

// expand decompresses a page into the whole of to, never beyond.
func (s *shared) expand(codec int32, to, packed []byte) (err error) {
	n := 0
	switch codec {
	case layout.Uncompressed:
		n = len(packed)
		copy(to, packed)
	case layout.Snappy:
		// Decode would make a buffer of its own for more than there is room for.
		if n, err = snappy.DecodedLen(packed); err != nil || n != len(to) {
			break
		}
		_, err = snappy.Decode(to, packed)
	case layout.Gzip:
		n, err = s.gunzip(to, packed)
	case layout.Zstd:
		n, err = s.unzstd(to, packed)
	case layout.LZ4Raw:
		n, err = lz4.UncompressBlock(packed, to)
	default:
		err = fmt.Errorf("codec %d", codec)
	}
	if err == nil && n != len(to) {
		err = errSize
	}
	return err
}

func (s *shared) gunzip(to, packed []byte) (n int, err error) {
	s.source.Reset(packed)
	if s.gzip == nil {
		if err := s.memory.take(gzipMemory); err != nil {
			return 0, err
		}
		s.gzip = new(gzip.Reader)
	}
	if err := s.gzip.Reset(&s.source); err != nil {
		return 0, err
	}
	if n, err = io.ReadFull(s.gzip, to); err != nil {
		return n, errSize
	}
	// What is behind has to be the end.
	var behind [1]byte
	if k, err := io.ReadFull(s.gzip, behind[:]); !errors.Is(err, io.EOF) {
		return n + k, errors.Join(errSize, err)
	}
	return n, nil
}

func (s *shared) unzstd(to, packed []byte) (int, error) {
	if s.zstd == nil {
		if err := s.memory.take(zstdMemory); err != nil {
			return 0, err
		}
		var err error
		// Within the room there is, whatever a frame says.
		s.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return 0, err
		}
	}
	b, err := s.zstd.DecodeAll(packed, to[:0:len(to)])
	return len(b), err
}

func (s *shared) close() {
	if s.zstd != nil {
		s.zstd.Close()
		s.zstd = nil
	}
}
