package orc

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// compression is how the chunks of a file are compressed, by its number in the
// format.
type compression int

const (
	uncompressed compression = 0
	zlibbed      compression = 1 // without zlib's header: plain deflate
	snappied     compression = 2
	lzo          compression = 3
	lz4ed        compression = 4
	zstandard    compression = 5
	brotli       compression = 6
)

func (c compression) known() bool {
	return c >= uncompressed && c <= zstandard && c != lzo
}

func (c compression) String() string {
	switch c {
	case lzo:
		return "LZO"
	case brotli:
		return "Brotli"
	}
	return fmt.Sprintf("method %d", int(c))
}

// maxChunk is the most a chunk decompresses to, in bytes: the format has 23
// bits for it.
const maxChunk = 1 << 23

var errChunk = errors.New("a chunk is larger than the file says")

// decompressor expands the chunks of all streams of a file, one at a time.
type decompressor struct {
	tail   *tail
	memory *memory

	source  bytes.Reader
	flate   io.ReadCloser
	zstd    *zstd.Decoder
	outside [1]byte
}

// chunk expands packed into dst, which is given back grown.
func (d *decompressor) chunk(dst, packed []byte) (_ []byte, err error) {
	limit := d.tail.blockSize
	switch d.tail.compression {
	case zlibbed:
		return d.inflate(dst[:0], packed, limit)
	case snappied:
		n, err := snappy.DecodedLen(packed)
		if err != nil {
			return dst, err
		}
		if n > limit {
			return dst, errChunk
		}
		if dst, err = grow(d.memory, dst, n); err != nil {
			return dst, err
		}
		return snappy.Decode(dst[:n], packed)
	}
	if dst, err = grow(d.memory, dst, limit); err != nil {
		return dst, err
	}
	if d.tail.compression == lz4ed {
		n, err := lz4.UncompressBlock(packed, dst[:limit])
		return dst[:max(n, 0)], err
	}
	if d.zstd == nil {
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return dst, err
		}
	}
	return d.zstd.DecodeAll(packed, dst[:0:limit])
}

// inflate expands a deflated chunk. Memory is taken as the bytes arrive.
func (d *decompressor) inflate(dst, packed []byte, limit int) ([]byte, error) {
	d.source.Reset(packed)
	if d.flate == nil {
		d.flate = flate.NewReader(&d.source)
	} else if err := d.flate.(flate.Resetter).Reset(&d.source, nil); err != nil {
		return dst, err
	}
	for {
		room := dst[len(dst):min(cap(dst), limit)]
		if len(room) == 0 && len(dst) < limit {
			var err error
			if dst, err = grow(d.memory, dst, min(limit, max(4<<10, 2*cap(dst)))); err != nil {
				return dst, err
			}
			continue
		}
		if len(room) == 0 {
			room = d.outside[:]
		}
		n, err := d.flate.Read(room)
		if n > 0 && len(dst) == limit {
			return dst, errChunk
		}
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// close gives back what the decompressors hold.
func (d *decompressor) close() {
	if d.zstd != nil {
		d.zstd.Close()
		d.zstd = nil
	}
}
