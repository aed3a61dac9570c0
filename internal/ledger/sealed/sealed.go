// Package sealed writes and reads Parquet files that carry the sums of all their other bytes.
//
// It promises that what a disk, a cable or a copy changed is damage, which names the file, and
// never other rows: nothing is handed out unchecked. Any reader of Parquet reads such files. Which
// files there are, what they mean, and when they appear is left to others.
package sealed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/parquetrows"
	"cooper/internal/seal"
)

// A file carries the sums of all its other bytes in a gap before the footer:
//
//	PAR1, pages, indexes | sums, their length, gapMagic | footer, its length, PAR1
//
// Offsets in Parquet count from the beginning of a file, and the footer's place follows from the
// end, so that nothing refers to the gap and readers pass over it. It is in the same file because a
// file is renamed as a whole, copied as a whole, and removed as a whole.
// https://parquet.apache.org/docs/file-format/
const (
	gapMagic = "cpr:sums"
	gapTail  = 4 + int64(len(gapMagic)) // the sums' length, little-endian, and the magic
	endMagic = "PAR1"
	end      = 4 + int64(len(endMagic)) // likewise, of the footer
	// maxFooter bounds a footer, in bytes: some 3 kB for each row group.
	maxFooter = 256 << 20
)

// Writer is a file being written, and the sums of its blocks.
type Writer struct {
	f    *os.File
	sums seal.Summer
}

// NewWriter begins a file; f is empty, and can be read.
func NewWriter(f *os.File) *Writer { return &Writer{f: f} }

func (s *Writer) Write(b []byte) (int, error) {
	n, err := s.f.Write(b)
	_, _ = s.sums.Write(b[:n]) // it never fails
	return n, err
}

// Seal makes room before the footer for the sums. The file is not to be seen before it is done.
func (s *Writer) Seal() error {
	size := s.sums.Size()
	footer, err := footerOf(s.f, size)
	if err != nil {
		return err
	}
	tail := make([]byte, size-footer)
	if _, err := s.f.ReadAt(tail, footer); err != nil {
		return err
	}
	text, err := s.sums.Sums().MarshalText()
	if err != nil {
		return err
	}
	gap := binary.LittleEndian.AppendUint32(text, uint32(len(text)))
	gap = append(gap, gapMagic...)
	_, err = s.f.WriteAt(append(gap, tail...), footer)
	return err
}

// footerOf is where the footer of a Parquet file of size bytes begins.
func footerOf(f io.ReaderAt, size int64) (int64, error) {
	var b [end]byte
	if size < end {
		return 0, fmt.Errorf("%w: it has %d bytes", seal.ErrDamaged, size)
	}
	if _, err := f.ReadAt(b[:], size-end); err != nil {
		return 0, err
	}
	length := int64(binary.LittleEndian.Uint32(b[:]))
	if string(b[4:]) != endMagic || length > size-end || length > maxFooter {
		return 0, fmt.Errorf("%w: its end is not that of Parquet", seal.ErrDamaged)
	}
	return size - end - length, nil
}

// File is an open file.
type File struct {
	name  string
	in    io.ReaderAt // without the gap, and checked where there are sums
	size  int64
	sound *seal.Reader // nil where there are none
}

// With opens a file for f. The library panics on some damage that its checks do not
// foresee, which files without sums may have: that becomes an error like the others.
func With(name string, f func(*File) error) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return Local(name, err)
	}
	defer func() {
		if r := recover(); r != nil {
			err = Damaged(name, fmt.Errorf("%v", r))
		}
		if cerr := file.Close(); err == nil && cerr != nil {
			err = Local(name, cerr)
		}
	}()
	in, err := opened(file)
	if err != nil {
		return err
	}
	return f(in)
}

// Sealed tells whether the file has sums.
func (in *File) Sealed() bool { return in.sound != nil }

// Name is the path of the file.
func (in *File) Name() string { return in.name }

// Parquet opens what is in the file.
func (in *File) Parquet() (*parquet.File, error) {
	pq, err := parquetrows.Open(in.in, in.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, Damaged(in.name, err)
	}
	return pq, nil
}

// Indexed opens what is in a file with sums for who looks for single rows, with its filters, and does not
// walk through it first: each block that is read is compared with its sum, so that what the file says of
// itself is what was written.
func (in *File) Indexed() (*parquet.File, error) {
	if !in.Sealed() {
		return in.Parquet()
	}
	pq, err := parquet.OpenFile(in.in, in.size, parquet.SkipPageIndex(true))
	if err != nil {
		return nil, Damaged(in.name, err)
	}
	return pq, nil
}

// Verify checks all of the file; one without sums has nothing to be checked by.
func (in *File) Verify(ctx context.Context) error {
	if in.sound == nil {
		return nil
	}
	switch err := in.sound.Verify(ctx); {
	case errors.Is(err, seal.ErrDamaged):
		return Damaged(in.name, err)
	case err != nil:
		return Local(in.name, err)
	}
	return nil
}

// opened finds the sums of f.
func opened(f *os.File) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, Local(f.Name(), err)
	}
	in := &File{name: f.Name(), in: f, size: info.Size()}
	if err := in.find(f); errors.Is(err, seal.ErrDamaged) || errors.Is(err, io.EOF) {
		return nil, Damaged(in.name, err)
	} else if err != nil {
		return nil, Local(in.name, err)
	}
	return in, nil
}

func (in *File) find(f io.ReaderAt) error {
	footer, err := footerOf(f, in.size)
	if err != nil {
		return err
	}
	var tail [gapTail]byte
	if footer < gapTail {
		return nil
	}
	if _, err := f.ReadAt(tail[:], footer-gapTail); err != nil || string(tail[4:]) != gapMagic {
		return err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	const most = 1024 // sums are some 350 bytes
	if length > min(most, footer-gapTail) {
		return fmt.Errorf("%w: its sums are cut short", seal.ErrDamaged)
	}
	text := make([]byte, length)
	from := footer - gapTail - length
	if _, err := f.ReadAt(text, from); err != nil {
		return err
	}
	var sums seal.Sums
	if err := sums.UnmarshalText(text); err != nil {
		return fmt.Errorf("%w: %w", seal.ErrDamaged, err)
	}
	in.size -= footer - from
	in.sound, err = seal.NewReader(&without{f, from, footer - from}, in.size, sums)
	in.in = in.sound
	return err
}

// without leaves out length bytes of a file from the one at from on.
type without struct {
	f            io.ReaderAt
	from, length int64
}

func (w *without) ReadAt(b []byte, off int64) (n int, err error) {
	if off < w.from {
		n, err = w.f.ReadAt(b[:min(int64(len(b)), w.from-off)], off)
		if n == len(b) || err != nil {
			return n, err
		}
	}
	m, err := w.f.ReadAt(b[n:], off+int64(n)+w.length)
	return n + m, err
}

// Rows hands all rows of a file to each, in batches of batch that are good during the call.
func Rows[T any](ctx context.Context, name string, pq *parquet.File, batch int, each func([]T) error) error {
	r := parquet.NewGenericReader[T](pq)
	// The library asks each column anew for each row that a file does not have.
	rows := make([]T, max(1, min(int64(batch), pq.NumRows())))
	for {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, r.Close())
		}
		n, rerr := r.Read(rows)
		if err := each(rows[:n]); err != nil {
			return errors.Join(err, r.Close())
		}
		switch {
		case rerr == io.EOF: //nolint:errorlint // an error that wraps EOF is damage, not the end
			return r.Close()
		case rerr == nil && n == 0:
			rerr = io.ErrUnexpectedEOF
			fallthrough
		case rerr != nil:
			return errors.Join(Damaged(name, rerr), r.Close())
		}
		clear(rows)
	}
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return Local(dir, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return Local(dir, err)
	}
	return nil
}

// Local wraps an error of the file system.
func Local(where string, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &cooper.Error{Kind: cooper.KindFull, Where: where, Message: "no space left", Remedy: "Make room, or choose another --workspace.", Err: err}
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: where, Err: err}
}

// Damaged is about a file that cannot be read.
func Damaged(name string, err error) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Where: name, Message: "the file is damaged", Err: seal.Cause(err),
		Remedy: "Move it out of the ledger to go on without these facts."}
}
