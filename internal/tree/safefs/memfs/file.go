package memfs

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"

	"cooper"
	"cooper/internal/tree/safefs"
)

// file is an open file.
type file struct {
	fs       *FS
	name     string
	node     *node
	at       int
	writable bool
	locked   bool
	closed   bool
}

func (f *file) check() error {
	if f.closed {
		return safefs.Fail("cannot use", f.name, fs.ErrClosed)
	}
	return nil
}

func (f *file) Read(b []byte) (int, error) {
	n, err := f.ReadAt(b, int64(f.at))
	f.at += n
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	if err := f.fs.read("read", f.name); err != nil {
		return 0, err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check(); err != nil {
		return 0, err
	}
	n := copy(b, f.node.data[min(int(off), len(f.node.data)):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Write(b []byte) (int, error) {
	if err := f.fs.before("write", f.name); err != nil {
		return 0, err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check(); err != nil {
		return 0, err
	}
	if !f.writable {
		return 0, safefs.Fail("cannot write", f.name, syscall.EBADF)
	}
	data := slices.Clone(f.node.data)
	if need := f.at + len(b); need > len(data) {
		data = append(data, make([]byte, need-len(data))...)
	}
	copy(data[f.at:], b)
	f.at += len(b)
	f.fs.now++
	f.node.data, f.node.mtime = data, f.fs.now
	return len(b), nil
}

func (f *file) Truncate(size int64) error {
	if err := f.fs.before("truncate", f.name); err != nil {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check(); err != nil {
		return err
	}
	data := make([]byte, size)
	copy(data, f.node.data)
	f.node.data, f.at = data, int(size)
	return nil
}

func (f *file) Sync() error {
	if err := f.fs.before("sync", f.name); err != nil {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check(); err != nil {
		return err
	}
	f.node.sync()
	return nil
}

func (f *file) Stat() (safefs.Info, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.fs.info(f.name, f.node), f.check()
}

func (f *file) SetTime(at cooper.Instant) error {
	if err := f.fs.before("set-time", f.name); err != nil {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check(); err != nil {
		return err
	}
	f.node.mtime = int64(at) * 1e6
	return nil
}

func (f *file) TryLock() (bool, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.node.locked && !f.locked {
		return false, nil
	}
	f.node.locked, f.locked = true, true
	return true, nil
}

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check(); err != nil {
		return err
	}
	f.closed = true
	if f.locked {
		f.node.locked = false
	}
	return nil
}
