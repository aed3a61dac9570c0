package seal

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"
)

// Reader reads a file of which it checks every block before it hands out the first
// byte of it. It is safe for concurrent use where the file is.
type Reader struct {
	f    io.ReaderAt
	size int64
	sums Sums
	good []atomic.Bool
}

// NewReader reads f, which must have size bytes. Sums that cannot be those of so many bytes are
// ErrDamaged.
func NewReader(f io.ReaderAt, size int64, sums Sums) (*Reader, error) {
	if !sums.fits(size) {
		return nil, fmt.Errorf("%w: %d sums of blocks of %d bytes for %d bytes", ErrDamaged, sums.blocks(), sums.block, size)
	}
	return &Reader{f: f, size: size, sums: sums, good: make([]atomic.Bool, sums.blocks())}, nil
}

// On reads the same file through another handle of it: what was checked through r
// is not checked again.
func (r *Reader) On(f io.ReaderAt) *Reader {
	return &Reader{f: f, size: r.size, sums: r.sums, good: r.good}
}

// Sums are those it reads by.
func (r *Reader) Sums() Sums { return r.sums }

// ReadAt is io.ReaderAt's. A file that is shorter than it was is ErrDamaged as well.
func (r *Reader) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("seal: a negative offset")
	}
	if off >= r.size {
		return 0, io.EOF
	}
	short := int64(len(b)) > r.size-off
	if short {
		b = b[:r.size-off]
	}
	if len(b) > 0 {
		for i := off / r.sums.block; i <= (off+int64(len(b))-1)/r.sums.block; i++ {
			if err := r.check(i); err != nil {
				return 0, err
			}
		}
	}
	n, err := r.f.ReadAt(b, off)
	if n == len(b) {
		err = nil
	} else if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: it ends early", ErrDamaged)
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// Verify checks all blocks that were not read yet, in order.
func (r *Reader) Verify(ctx context.Context) error {
	for i := range r.sums.blocks() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.check(int64(i)); err != nil {
			return err
		}
	}
	return nil
}

var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

func (r *Reader) check(i int64) error {
	if r.good[i].Load() {
		return nil
	}
	buf := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buf)
	from, to := i*r.sums.block, min((i+1)*r.sums.block, r.size)
	var crc uint32
	for at := from; at < to; {
		b := buf[:min(int64(len(buf)), to-at)]
		n, err := r.f.ReadAt(b, at)
		if n < len(b) {
			if err == nil || errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: it ends at byte %d of %d", ErrDamaged, at+int64(n), r.size)
			}
			return err
		}
		crc = crc32.Update(crc, castagnoli, b)
		at += int64(n)
	}
	if crc != r.sums.crc(i) {
		return fmt.Errorf("%w, between byte %d and %d", ErrDamaged, from, to)
	}
	r.good[i].Store(true)
	return nil
}
