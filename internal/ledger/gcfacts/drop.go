package gcfacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"cooper"
	"cooper/internal/ledger/sealed"
)

// Hold keeps all scans from being dropped until release is called, whatever process wants to: who joins
// handles with links must not find some of them gone meanwhile, and take it for an answer. Many may hold
// at once.
func (s *Store) Hold(ctx context.Context) (release func() error, err error) {
	name := filepath.Join(s.dir, lockName)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		// The lock is older than the facts, unless somebody has removed it.
		if has, err := there(filepath.Join(s.dir, scansDir)); err != nil || !has {
			return func() error { return nil }, err
		}
		if err := s.makeLock(); err != nil {
			return nil, err
		}
		f, err = os.Open(name)
	}
	if err != nil {
		return nil, sealed.Local(name, err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) //nolint:gosec // it is a file's number
		switch {
		case err == nil:
			return f.Close, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, errors.Join(sealed.Local(name, err), f.Close())
		}
		// A drop renames one directory under the lock.
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// makeLock makes the file that Hold and Drop lock.
func (s *Store) makeLock() error {
	name := filepath.Join(s.dir, lockName)
	if has, err := there(name); err != nil || has {
		return err
	}
	if err := s.before("create", name); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return sealed.Local(name, err)
	}
	return nil
}

// Drop removes all facts of a scan. While somebody holds them it is refused, as KindLocked. A scan
// that is not there is fine. What Acknowledge wrote about it stays.
//
// The order, and why a crash between any two steps is harmless:
//
//  1. Remove what an earlier Drop has left in gc-dropped. Nobody reads there.
//  2. With the lock held, rename the scan's directory into gc-dropped; sync both directories. This is
//     one step: before it all facts of the scan are there, after it none, nor what tells that it was
//     complete. A crash before the syncs leaves one or the other.
//  3. Remove what is in gc-dropped. A crash leaves it for the next Drop.
func (s *Store) Drop(ctx context.Context, scan string) error {
	if err := checkScan(scan); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	dropped := filepath.Join(s.dir, droppedDir)
	if err := s.sweep(); err != nil {
		return err
	}
	if has, err := there(s.scanDir(scan)); err != nil || !has {
		return err
	}
	if err := s.mkdir(dropped); err != nil {
		return err
	}
	err := s.alone(func() error {
		if err := s.rename(s.scanDir(scan), filepath.Join(dropped, scan)); err != nil {
			return err
		}
		if err := s.syncDir(dropped); err != nil {
			return err
		}
		return s.syncDir(filepath.Join(s.dir, scansDir))
	})
	if err != nil {
		return err
	}
	return s.sweep()
}

// sweep removes what is left of scans that were dropped.
func (s *Store) sweep() error {
	dropped := filepath.Join(s.dir, droppedDir)
	entries, err := os.ReadDir(dropped)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return sealed.Local(dropped, err)
	}
	for _, e := range entries {
		if err := s.removeAll(filepath.Join(dropped, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// alone calls f while nobody holds.
func (s *Store) alone(f func() error) (err error) {
	if err := s.makeLock(); err != nil {
		return err
	}
	name := filepath.Join(s.dir, lockName)
	lock, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return sealed.Local(name, err)
	}
	defer func() {
		if cerr := lock.Close(); err == nil && cerr != nil {
			err = sealed.Local(name, cerr)
		}
	}()
	switch err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); { //nolint:gosec // it is a file's number
	case errors.Is(err, unix.EWOULDBLOCK):
		return &cooper.Error{Kind: cooper.KindLocked, Where: s.dir, Message: "somebody reads the facts of scans", Remedy: fmt.Sprintf("Try again later; %s is locked meanwhile.", name)}
	case err != nil:
		return sealed.Local(name, err)
	}
	return f()
}
