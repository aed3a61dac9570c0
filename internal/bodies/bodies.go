// Package bodies archives what servers answered, each distinct body once, by the SHA-1 of its bytes.
//
//	DIR/warc/00000001.warc.gz        records (package warc), appended; the next file when one is full
//	DIR/index/00000001-00000008.idx  where the record of each digest is, sorted; made of eight additions
//
// It promises:
//
//   - A digest is known only once its record is in a file that was synced. The record is first, then its
//     row in the index: a crash between the two leaves a record that the next opening finds.
//   - No digest is there twice. What a record's digest says was proven when it was written, and is proven
//     again whenever it is read.
//   - Nothing that can be read is ever taken away: Open cuts off only what is no whole record at the end of
//     the last file, and makes rows for those that have none, also if the whole index is gone.
//   - The same additions make the same files.
//   - Memory: 17 MB for 10^8 digests, that is eight bytes for some fifty of them. A look-up reads about two kilobytes; opening
//     it for writing reads the index once.
//
// One process writes; others may read. Who may, the caller's lock says.
package bodies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cooper"
	"cooper/internal/ledger/sealed"
	"cooper/internal/warc"
)

// Full is how many bytes a file of records has when the next one is begun, if nothing else is said.
const Full = 1 << 30

// Options are what an archive depends on.
type Options struct {
	// Full is how many bytes a file of records has when the next one is begun; Full if 0.
	Full int64
	// Software is written into the first record of each file.
	Software string
	// Read opens for reading alone: nothing is mended, and what was not indexed is not seen.
	Read bool
}

// Archive is one that is open. Known and Get may be called by many at once, also while one adds.
type Archive struct {
	dir string
	// index is the name of the directory of runs.
	index string
	opt   Options
	enc   *warc.Encoder
	mu    sync.RWMutex
	runs  []*run // the oldest first
	last  place  // where the next record goes
}

// place is where a record is.
type place struct {
	file   uint32
	offset int64
	length uint32
}

// Open opens the archive in a directory, which is made if it is not there.
func Open(ctx context.Context, dir string, opt Options) (_ *Archive, err error) {
	if opt.Full <= 0 {
		opt.Full = Full
	}
	enc, err := warc.NewEncoder(6)
	if err != nil {
		return nil, err
	}
	a := &Archive{dir: dir, index: "index", opt: opt, enc: enc}
	if !opt.Read {
		for _, d := range []string{dir, a.path("warc"), a.path(a.index)} {
			if err := os.Mkdir(d, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, err
			}
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := a.openRuns(); err != nil {
		return nil, err
	}
	if !opt.Read {
		err = a.mend(ctx)
	}
	return a, err
}

// Close closes its files.
func (a *Archive) Close() error {
	var errs []error
	for _, r := range a.runs {
		errs = append(errs, r.close())
	}
	a.runs = nil
	return errors.Join(errs...)
}

func (a *Archive) path(parts ...string) string {
	return filepath.Join(append([]string{a.dir}, parts...)...)
}

func fileName(n uint32) string { return fmt.Sprintf("%08d.warc.gz", n) }

// File is the path of a file of records.
func (a *Archive) file(n uint32) string { return a.path("warc", fileName(n)) }

// files are the files of records, in their order.
func (a *Archive) files() (all []uint32, err error) {
	entries, err := os.ReadDir(a.path("warc"))
	if err != nil && (!a.opt.Read || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	for _, e := range entries {
		if bare, ok := strings.CutSuffix(e.Name(), ".warc.gz"); ok && len(bare) == 8 {
			if n, err := strconv.ParseUint(bare, 10, 32); err == nil {
				all = append(all, uint32(n))
			}
		}
	}
	slices.Sort(all)
	return all, nil
}

// Known tells whether the body of a digest is in the archive.
func (a *Archive) Known(d warc.Digest) (bool, error) {
	_, ok, err := a.find(d)
	return ok, err
}

func (a *Archive) find(d warc.Digest) (place, bool, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, r := range slices.Backward(a.runs) {
		p, ok, err := r.find(d)
		if ok || err != nil {
			return p, ok, err
		}
	}
	return place{}, false, nil
}

// Get reads the record of a digest. KindMissing: it is not there. KindCorrupt: it is not what
// it was.
func (a *Archive) Get(d warc.Digest) (*warc.Record, error) {
	p, ok, err := a.find(d)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &cooper.Error{Kind: cooper.KindMissing, Where: "sha1:" + d.String(), Message: "no body has this digest"}
	}
	rec, err := a.read(p)
	if err == nil && rec.Digest != d {
		err = &cooper.Error{Kind: cooper.KindCorrupt, Where: a.file(p.file), Message: fmt.Sprintf("the record at byte %d has the digest %v, not %v", p.offset, rec.Digest, d), Remedy: "Verify the archive, and have its index mended."}
	}
	return rec, err
}

func (a *Archive) read(p place) (rec *warc.Record, err error) {
	f, err := os.Open(a.file(p.file))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	rec, err = warc.NewReader(io.NewSectionReader(f, p.offset, int64(p.length)), p.offset).Next()
	if errors.Is(err, io.EOF) {
		err = &cooper.Error{Kind: cooper.KindCorrupt, Message: fmt.Sprintf("there is no record at byte %d", p.offset)}
	}
	var mine *cooper.Error
	if errors.As(err, &mine) {
		mine.Where = strings.TrimSuffix(a.file(p.file)+": "+mine.Where, ": ")
	}
	return rec, err
}

// Count is how many bodies there are.
func (a *Archive) Count() (n int64) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, r := range a.runs {
		n += r.count
	}
	return n
}

// Staged is a record that is to be added: as warc.Encoder has made it.
type Staged struct {
	Digest warc.Digest
	Record []byte
}

// Add adds those records whose digests are not known, in their order, and returns when they are
// synced and known. at is the time that a new file says it was begun at. One goroutine adds.
func (a *Archive) Add(next func() (Staged, error), at time.Time) (added int64, err error) {
	var rows []row
	here := map[warc.Digest]bool{}
	var out *os.File
	begun := a.last
	defer func() {
		if out != nil {
			err = errors.Join(err, out.Close())
		}
		if err != nil {
			a.last = begun // the next addition cuts off what is behind
		}
	}()
	for {
		s, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if here[s.Digest] {
			continue
		}
		if known, err := a.Known(s.Digest); err != nil {
			return 0, err
		} else if known {
			continue
		}
		if out == nil || a.last.offset >= a.opt.Full {
			if out, err = a.turn(out, at); err != nil {
				return 0, err
			}
		}
		if _, err := out.Write(s.Record); err != nil {
			return 0, err
		}
		here[s.Digest] = true
		rows = append(rows, row{digest: s.Digest, place: place{file: a.last.file, offset: a.last.offset, length: uint32(len(s.Record))}}) //nolint:gosec // a record is bounded by warc.LongestRecord
		a.last.offset += int64(len(s.Record))
	}
	if out == nil {
		return 0, nil
	}
	if err := out.Sync(); err != nil {
		return 0, err
	}
	return int64(len(rows)), a.known(rows)
}

// turn opens the file that the next record goes to; out is the one before, if there is one.
func (a *Archive) turn(out *os.File, at time.Time) (*os.File, error) {
	if out != nil {
		if err := errors.Join(out.Sync(), out.Close()); err != nil {
			return nil, err
		}
	}
	if a.last.file > 0 && a.last.offset < a.opt.Full {
		f, err := os.OpenFile(a.file(a.last.file), os.O_RDWR, 0) //nolint:gosec // a path of ours
		if err != nil {
			return nil, err
		}
		// What an addition that failed has left is behind.
		if err := f.Truncate(a.last.offset); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if _, err := f.Seek(a.last.offset, io.SeekStart); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
	n := a.last.file + 1
	info, err := a.enc.Info(fileName(n), at, warc.Header{Name: "software", Value: a.opt.Software})
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(a.file(n), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640) //nolint:gosec // a path of ours
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(info); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := sealed.SyncDir(a.path("warc")); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	a.last = place{file: n, offset: int64(len(info))}
	return f, nil
}
