// Package extsort sorts more records than fit in memory.
//
// A record is a key, compared bytewise, and data that goes with it. Feeders
// copy records into slabs that hold no pointers, so that millions of them cost
// the garbage collector nothing; full slabs are sorted and spilled as runs, and
// Merge gives everything back in order. Memory is bounded by Options.Memory
// and a quarter of a megabyte for each run. Runs lie in files that were
// unlinked when they were made: however the process ends, none stays behind.
// What records mean is left to the caller.
package extsort

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"

	"cooper"
)

// MaxRecord is how many bytes the key and data of a record may have together.
const MaxRecord = 1 << 20

// maxRuns is how many runs are merged at once; more are merged in two steps.
const maxRuns = 256

// Options are the settings of a Sorter.
type Options struct {
	// Memory is the budget in bytes for records, over all feeders.
	Memory int64
	// Feeders is how many feeders share Memory; at least 1.
	Feeders int
	// Dir is an existing directory for the runs.
	Dir string
	// Compare orders the data of records with the same key; bytes.Compare if
	// nil. Several goroutines call it.
	Compare func(a, b []byte) int
}

// Sorter collects sorted runs. Its methods may be called by any goroutine.
//
// No key may be a proper prefix of another: end them with a terminator.
type Sorter struct {
	opt Options

	mu    sync.Mutex
	files []*runFile
	slabs []*slab
}

// New makes a Sorter. Close it when done.
func New(opt Options) *Sorter {
	opt.Feeders = max(opt.Feeders, 1)
	if opt.Compare == nil {
		opt.Compare = bytes.Compare
	}
	return &Sorter{opt: opt}
}

// Feeder makes a feeder, to be used by one goroutine at a time.
func (s *Sorter) Feeder() *Feeder {
	return &Feeder{s: s, limit: s.opt.Memory / int64(s.opt.Feeders), slab: &slab{}}
}

// Feeder takes records.
type Feeder struct {
	s     *Sorter
	limit int64
	slab  *slab
}

// Add copies a record. Errors are those of spilling: KindFull when the disk
// has no room left.
func (f *Feeder) Add(ctx context.Context, key, data []byte) error {
	if len(key)+len(data) > MaxRecord {
		return &cooper.Error{Kind: cooper.KindInvalid, Message: "record is too large to be sorted"}
	}
	if f.slab.len() > 0 && f.slab.size()+recordSize(key, data) > f.limit {
		if err := f.spill(ctx); err != nil {
			return err
		}
	}
	f.slab.add(key, data, f.s.opt.Compare)
	return nil
}

func (f *Feeder) spill(ctx context.Context) error {
	f.slab.sort(f.s.opt.Compare)
	w, err := f.s.create(f.slab.size())
	if err != nil {
		return err
	}
	n := 0
	err = f.slab.walk(func(key, data []byte) error {
		if n++; n%4096 == 1 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return w.write(key, data)
	})
	if err != nil {
		return errors.Join(err, w.abandon())
	}
	run, err := w.finish()
	if err != nil {
		return err
	}
	f.s.mu.Lock()
	f.s.files = append(f.s.files, run)
	f.s.mu.Unlock()
	f.slab.reset()
	return nil
}

// Close sorts what has not been spilled and hands it to the sorter, in memory.
func (f *Feeder) Close() {
	if f.slab.len() == 0 {
		return
	}
	f.slab.sort(f.s.opt.Compare)
	f.slab.trim()
	f.s.mu.Lock()
	f.s.slabs = append(f.s.slabs, f.slab)
	f.s.mu.Unlock()
	f.slab = &slab{}
}

// create begins a run of about size bytes.
func (s *Sorter) create(size int64) (*runWriter, error) {
	if err := CheckSpace(s.opt.Dir, size); err != nil {
		return nil, err
	}
	return newRunWriter(s.opt.Dir)
}

// Merge gives all records in order, once every feeder is closed. It uses ctx
// only to merge runs beforehand where there are too many to open at once.
func (s *Sorter) Merge(ctx context.Context) (*Merge, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := len(s.files) + len(s.slabs)
	for len(s.files) > maxRuns {
		merged, err := s.combine(ctx, s.files[:maxRuns])
		if err != nil {
			return nil, err
		}
		rest := s.files[maxRuns:]
		if err := closeAll(s.files[:maxRuns]); err != nil {
			s.files = rest
			return nil, errors.Join(err, merged.close())
		}
		s.files = append(append([]*runFile{}, rest...), merged)
	}
	return s.open(s.files, s.slabs, runs)
}

// combine merges runs into a longer one.
func (s *Sorter) combine(ctx context.Context, runs []*runFile) (*runFile, error) {
	m, err := s.open(runs, nil, len(runs))
	if err != nil {
		return nil, err
	}
	var size int64
	for _, r := range runs {
		size += r.size
	}
	w, err := s.create(size)
	if err != nil {
		return nil, err
	}
	for i := 0; m.Next(); i++ {
		if i%4096 == 0 && ctx.Err() != nil {
			return nil, errors.Join(context.Cause(ctx), w.abandon())
		}
		if err := w.write(m.Key(), m.Data()); err != nil {
			return nil, errors.Join(err, w.abandon())
		}
	}
	if m.Err() != nil {
		return nil, errors.Join(m.Err(), w.abandon())
	}
	return w.finish()
}

// Close frees memory and files. A Merge cannot be used any more.
func (s *Sorter) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := closeAll(s.files)
	s.files, s.slabs = nil, nil
	return err
}

func closeAll(runs []*runFile) error {
	var errs []error
	for _, r := range runs {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

// CheckSpace refuses with KindFull if the file system of dir has not bytes
// and a reserve of 64 MiB left.
func CheckSpace(dir string, bytes int64) error {
	const reserve = 64 << 20
	free, err := freeSpace(dir)
	if err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Where: dir, Message: "cannot tell the free space", Err: err}
	}
	if free < bytes+reserve {
		return full(dir, nil)
	}
	return nil
}

// full is the error of a disk without room.
func full(dir string, err error) error {
	return &cooper.Error{
		Kind: cooper.KindFull, Where: dir, Message: "no space left to sort the inventory", Err: err,
		Remedy: "Free some space, allow more memory, or name a temporary directory on a larger disk.",
	}
}

// ioError gives err a kind.
func ioError(dir string, err error) error {
	if isFull(err) {
		return full(dir, err)
	}
	var path *os.PathError
	if errors.As(err, &path) {
		dir, err = path.Path, path.Err
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: dir, Message: "cannot keep a sorted run", Err: err}
}
