package extsort

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"cooper"
)

// A run is a sequence of records in order. Each is three uvarints (how many
// bytes its key shares with the one before, how many more it has, how many its
// data has), those bytes of the key, and the data. Runs never outlive the
// process that wrote them, so they have no version and no checksum.

// runFile is a finished run. Its file has no name any more.
type runFile struct {
	f    *os.File
	dir  string
	size int64 // in bytes
}

func (r *runFile) close() error {
	if err := r.f.Close(); err != nil {
		return ioError(r.dir, err)
	}
	return nil
}

// runWriter writes a run.
type runWriter struct {
	f    *os.File
	dir  string
	w    *bufio.Writer
	last []byte
	head [3 * binary.MaxVarintLen64]byte
	size int64
}

func newRunWriter(dir string) (*runWriter, error) {
	f, err := os.CreateTemp(dir, "run-*.tmp")
	if err != nil {
		return nil, ioError(dir, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(ioError(dir, err), f.Close())
	}
	return &runWriter{f: f, dir: dir, w: bufio.NewWriterSize(f, 1<<20)}, nil
}

func (w *runWriter) write(key, data []byte) error {
	same := shared(w.last, key)
	h := binary.AppendUvarint(w.head[:0], uint64(same))
	h = binary.AppendUvarint(h, uint64(len(key)-same))
	h = binary.AppendUvarint(h, uint64(len(data)))
	w.size += int64(len(h) + len(key) - same + len(data))
	// A bufio.Writer keeps its first error: the last of these tells of all.
	_, _ = w.w.Write(h)
	_, _ = w.w.Write(key[same:])
	if _, err := w.w.Write(data); err != nil {
		return ioError(w.dir, err)
	}
	w.last = append(w.last[:same], key[same:]...)
	return nil
}

func (w *runWriter) finish() (*runFile, error) {
	if err := w.w.Flush(); err != nil {
		return nil, errors.Join(ioError(w.dir, err), w.abandon())
	}
	return &runFile{f: w.f, dir: w.dir, size: w.size}, nil
}

// abandon frees a run that will not be finished.
func (w *runWriter) abandon() error { return w.f.Close() }

// runReader reads a run.
type runReader struct {
	run *runFile
	r   *io.SectionReader
	buf []byte // buf[at:end] has been read from the file and not been used
	at  int
	end int
	key []byte
	dat []byte
}

const readSize = 256 << 10

func newRunReader(run *runFile) *runReader {
	return &runReader{run: run, r: io.NewSectionReader(run.f, 0, run.size), buf: make([]byte, readSize)}
}

// next reads a record. Its data is good until the following call.
func (r *runReader) next() (bool, error) {
	same, ok, err := r.uvarint()
	if err != nil || !ok {
		return false, err
	}
	more, _, err := r.uvarint()
	if err != nil {
		return false, err
	}
	size, _, err := r.uvarint()
	if err != nil {
		return false, err
	}
	if same > len(r.key) || more > MaxRecord || size > MaxRecord {
		return false, r.broken(nil)
	}
	if err := r.need(more + size); err != nil {
		return false, err
	}
	r.key = append(r.key[:same], r.buf[r.at:r.at+more]...)
	r.at += more
	r.dat = r.buf[r.at : r.at+size]
	r.at += size
	return true, nil
}

// uvarint is not ok at the end of the run.
func (r *runReader) uvarint() (v int, ok bool, err error) {
	if r.end-r.at < binary.MaxVarintLen32 {
		if err := r.fill(binary.MaxVarintLen32); err != nil {
			return 0, false, err
		}
		if r.at == r.end {
			return 0, false, nil
		}
	}
	if b := r.buf[r.at]; b < 0x80 {
		r.at++
		return int(b), true, nil
	}
	u, n := binary.Uvarint(r.buf[r.at:r.end])
	if n <= 0 || u > MaxRecord {
		return 0, false, r.broken(nil)
	}
	r.at += n
	return int(u), true, nil
}

func (r *runReader) need(n int) error {
	if r.end-r.at >= n {
		return nil
	}
	if err := r.fill(n); err != nil {
		return err
	}
	if r.end-r.at < n {
		return r.broken(io.ErrUnexpectedEOF)
	}
	return nil
}

// fill tries to have n bytes in the buffer; fewer mean the end of the run.
func (r *runReader) fill(n int) error {
	r.end = copy(r.buf, r.buf[r.at:r.end])
	r.at = 0
	if n > len(r.buf) {
		r.buf = append(r.buf, make([]byte, n-len(r.buf))...)
	}
	for r.end < n {
		m, err := r.r.Read(r.buf[r.end:])
		r.end += m
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return r.broken(err)
		}
	}
	return nil
}

func (r *runReader) broken(err error) error {
	return &cooper.Error{
		Kind: cooper.KindInternal, Where: r.run.dir, Message: "a sorted run cannot be read back", Err: err,
		Remedy: "Check the disk, then run it again.",
	}
}
