package bodies

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/ledger/sealed"
	"cooper/internal/warc"
)

// A run is a file of rows, sorted by digest:
//
//	"cooper bodies 1\n"
//	rows: digest (20 bytes), file (4), offset (8), length (4), all numbers big endian
//	starts: 2^b+1 numbers of 8 bytes, the first row whose digest begins with at least those b bits
//	b (1 byte), the number of rows (8)
//
// b is such that a start speaks of some 64 rows, so that a look-up reads about two kilobytes.
const (
	magic   = "cooper bodies 1\n"
	rowSize = 36
	tail    = 9
)

type row struct {
	digest warc.Digest
	place
}

func (r *row) append(b []byte) []byte {
	b = append(b, r.digest[:]...)
	b = binary.BigEndian.AppendUint32(b, r.file)
	b = binary.BigEndian.AppendUint64(b, uint64(r.offset)) //nolint:gosec // no offset is negative
	return binary.BigEndian.AppendUint32(b, r.length)
}

func rowOf(b []byte) (r row) {
	copy(r.digest[:], b)
	r.file = binary.BigEndian.Uint32(b[20:])
	r.offset = int64(binary.BigEndian.Uint64(b[24:]) & (1<<62 - 1)) //nolint:gosec // 62 bits
	r.length = binary.BigEndian.Uint32(b[32:])
	return r
}

func order(a, b row) int { return bytes.Compare(a.digest[:], b.digest[:]) }

// run is one that is open.
type run struct {
	first, last uint64 // the additions that it is made of
	f           *os.File
	count       int64
	bits        int
	starts      []uint64
}

func runName(first, last uint64) string { return fmt.Sprintf("%08d-%08d.idx", first, last) }

func (r *run) close() error { return r.f.Close() }

func damaged(path, format string, args ...any) error {
	return &cooper.Error{Kind: cooper.KindCorrupt, Where: path, Message: "the index of bodies is damaged: " + fmt.Sprintf(format, args...), Remedy: "Remove the directory index: it is made again from the records."}
}

// openRun opens a file of rows and believes what it can check.
func openRun(path string, first, last uint64) (_ *run, err error) {
	f, err := os.Open(path) //nolint:gosec // a path of ours
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	end := make([]byte, tail)
	if info.Size() < int64(len(magic)+tail) {
		return nil, damaged(path, "it has %d bytes", info.Size())
	}
	if _, err := f.ReadAt(end, info.Size()-tail); err != nil {
		return nil, err
	}
	r := &run{first: first, last: last, f: f, bits: int(end[0]), count: int64(binary.BigEndian.Uint64(end[1:]) & (1<<40 - 1))} //nolint:gosec // 40 bits
	if r.bits > 40 || info.Size() != int64(len(magic))+r.count*rowSize+(1<<r.bits+1)*8+tail {
		return nil, damaged(path, "its size is not that of %d rows", r.count)
	}
	b := make([]byte, (1<<r.bits+1)*8)
	if _, err := f.ReadAt(b, info.Size()-tail-int64(len(b))); err != nil {
		return nil, err
	}
	r.starts = make([]uint64, 1<<r.bits+1)
	for i := range r.starts {
		r.starts[i] = binary.BigEndian.Uint64(b[8*i:])
		if i > 0 && r.starts[i] < r.starts[i-1] {
			return nil, damaged(path, "its starts are not in order")
		}
	}
	if r.starts[0] != 0 || r.starts[len(r.starts)-1] != uint64(r.count) { //nolint:gosec // not negative
		return nil, damaged(path, "its starts are not those of %d rows", r.count)
	}
	return r, nil
}

// find looks a digest up.
func (r *run) find(d warc.Digest) (place, bool, error) {
	prefix := binary.BigEndian.Uint64(d[:]) >> (64 - r.bits)
	if r.bits == 0 {
		prefix = 0
	}
	lo, hi := r.starts[prefix], r.starts[prefix+1]
	if lo == hi {
		return place{}, false, nil
	}
	b := make([]byte, (hi-lo)*rowSize)
	if _, err := r.f.ReadAt(b, int64(len(magic))+int64(lo)*rowSize); err != nil { //nolint:gosec // bounded by the file
		return place{}, false, err
	}
	n := len(b) / rowSize
	i := sort.Search(n, func(i int) bool { return bytes.Compare(b[i*rowSize:i*rowSize+len(d)], d[:]) >= 0 })
	if i == n || !bytes.Equal(b[i*rowSize:i*rowSize+len(d)], d[:]) {
		return place{}, false, nil
	}
	return rowOf(b[i*rowSize:]).place, true, nil
}

// rows reads all rows in their order.
func (r *run) rows() func() (row, error) {
	in := bufio.NewReaderSize(io.NewSectionReader(r.f, int64(len(magic)), r.count*rowSize), 1<<18)
	b := make([]byte, rowSize)
	return func() (row, error) {
		if _, err := io.ReadFull(in, b); err != nil {
			return row{}, err
		}
		return rowOf(b), nil
	}
}

// writeRun writes a file of count rows, in order, and opens it. It appears whole or not at all.
func (a *Archive) writeRun(first, last uint64, count int64, next func() (row, error)) (_ *run, err error) {
	dir := a.path(a.index)
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	shift := max(0, bits.Len64(uint64(count)/64)) //nolint:gosec // a count
	starts := make([]uint64, 1<<shift+1)
	out := bufio.NewWriterSize(f, 1<<18)
	out.WriteString(magic) //nolint:errcheck,gosec // Flush tells
	var b []byte
	n, filled := uint64(0), 0
	for ; ; n++ {
		r, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		prefix := int(binary.BigEndian.Uint64(r.digest[:]) >> 1 >> (63 - shift)) //nolint:gosec // shift bits
		for ; filled <= prefix; filled++ {
			starts[filled] = n
		}
		b = r.append(b[:0])
		out.Write(b) //nolint:errcheck,gosec // Flush tells
	}
	if n != uint64(count) { //nolint:gosec // a count
		return nil, damaged(dir, "%d rows are %d", count, n)
	}
	for ; filled < len(starts); filled++ {
		starts[filled] = n
	}
	for _, s := range starts {
		b = binary.BigEndian.AppendUint64(b[:0], s)
		out.Write(b) //nolint:errcheck,gosec // Flush tells
	}
	b = binary.BigEndian.AppendUint64(append(b[:0], byte(shift)), n)
	out.Write(b) //nolint:errcheck,gosec // Flush tells
	if err := errors.Join(out.Flush(), f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	path := a.path(a.index, runName(first, last))
	if err := os.Rename(f.Name(), path); err != nil {
		return nil, err
	}
	if err := sealed.SyncDir(dir); err != nil {
		return nil, err
	}
	return openRun(path, first, last)
}

// known makes rows known, as a run of their own, and joins runs until each has twice as many rows
// as the next, so that there are few and each row is written few times.
func (a *Archive) known(rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, order)
	n := uint64(1)
	if len(a.runs) > 0 {
		n = a.runs[len(a.runs)-1].last + 1
	}
	i := 0
	r, err := a.writeRun(n, n, int64(len(rows)), func() (row, error) {
		if i == len(rows) {
			return row{}, io.EOF
		}
		i++
		return rows[i-1], nil
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.runs = append(a.runs, r)
	a.mu.Unlock()
	for n := len(a.runs); n > 1 && a.runs[n-2].count < 2*a.runs[n-1].count; n = len(a.runs) {
		if err := a.join(a.runs[n-2], a.runs[n-1]); err != nil {
			return err
		}
	}
	return nil
}

// join makes one run of the last two. A crash before the name of the new one changes nothing; after it,
// the old ones are those that it has, and go when the archive is opened.
func (a *Archive) join(old, young *run) error {
	x, y := old.rows(), young.rows()
	left, lerr := x()
	right, rerr := y()
	r, err := a.writeRun(old.first, young.last, old.count+young.count, func() (r row, err error) {
		switch {
		case lerr != nil && !errors.Is(lerr, io.EOF):
			return r, lerr
		case rerr != nil && !errors.Is(rerr, io.EOF):
			return r, rerr
		case lerr != nil && rerr != nil:
			return r, io.EOF
		case rerr != nil || lerr == nil && order(left, right) <= 0:
			r = left
			left, lerr = x()
		default:
			r = right
			right, rerr = y()
		}
		return r, nil
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.runs = append(a.runs[:len(a.runs)-2], r)
	a.mu.Unlock()
	return a.drop(old, young)
}

func (a *Archive) drop(runs ...*run) error {
	var errs []error
	for _, r := range runs {
		errs = append(errs, r.close(), os.Remove(a.path(a.index, runName(r.first, r.last))))
	}
	return errors.Join(errs...)
}

// openRuns opens the index, without runs that others are made of.
func (a *Archive) openRuns() error {
	entries, err := os.ReadDir(a.path(a.index))
	if err != nil && (!a.opt.Read || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	type span struct{ first, last uint64 }
	var spans []span
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "new-") && !a.opt.Read { // of a run that did not come to its end
			if err := os.Remove(a.path(a.index, e.Name())); err != nil {
				return err
			}
			continue
		}
		bare, ok := strings.CutSuffix(e.Name(), ".idx")
		from, to, dash := strings.Cut(bare, "-")
		first, err1 := strconv.ParseUint(from, 10, 64)
		last, err2 := strconv.ParseUint(to, 10, 64)
		if ok && dash && err1 == nil && err2 == nil && first <= last {
			spans = append(spans, span{first, last})
		}
	}
	// Of those that begin alike the widest is first.
	slices.SortFunc(spans, func(x, y span) int { return cmp.Or(cmp.Compare(x.first, y.first), cmp.Compare(y.last, x.last)) })
	for i, s := range spans {
		if i > 0 && len(a.runs) > 0 && s.last <= a.runs[len(a.runs)-1].last {
			if !a.opt.Read {
				if err := os.Remove(a.path(a.index, runName(s.first, s.last))); err != nil {
					return err
				}
			}
			continue
		}
		r, err := openRun(a.path(a.index, runName(s.first, s.last)), s.first, s.last)
		if err != nil {
			return err
		}
		a.runs = append(a.runs, r)
	}
	return nil
}
