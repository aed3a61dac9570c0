package copyout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/tree/safefs"
)

// scratch is where copies lie until they are whole. No key is ever mapped to
// a path like this: a percent sign before an at sign is escaped.
const (
	scratch  = "%@cooper-restore"
	lockName = scratch + "/lock"
)

// Directory copies versions to a directory. Keys become paths as they do in a
// tree's mirror. The verb copies to a hidden place; the commit brings the bytes
// to the disk and then renames. A crash before the renaming leaves files that
// the next Begin removes; one during it leaves whole files, which the next run
// finds right.
type Directory struct {
	from  Source
	path  string
	fs    safefs.FS
	lock  safefs.File
	inner string // the tree's own path below path, empty if it lies elsewhere

	mu    sync.Mutex
	ready map[int64]prepared // by action, until its shard is committed
}

// prepared is what is left to do for an action: to rename the file copied to
// temp, or, where the bytes at path are right already, to set its time.
type prepared struct{ temp, touch string }

// ToDirectory makes the target of a restore to a directory, which comes into
// being with Begin. KindRefused if that would be inside of the tree.
func ToDirectory(from Source, path string) (*Directory, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: cooper.Quote(path), Message: "is no usable path", Err: err}
	}
	d := &Directory{from: from, path: abs, ready: map[int64]prepared{}}
	tree := resolved(from.Dir())
	dest := resolved(abs)
	if within(dest, tree) {
		return nil, &cooper.Error{
			Kind: cooper.KindRefused, Where: cooper.Quote(abs), Message: "lies in the tree " + cooper.Quote(from.Dir()),
			Remedy: "Restore to a directory outside of the tree.",
		}
	}
	if within(tree, dest) {
		d.inner = strings.TrimPrefix(strings.TrimPrefix(tree, dest), "/")
	}
	return d, nil
}

var (
	_ apply.Target = (*Directory)(nil)
	_ apply.Verb   = (*Directory)(nil)
)

// resolved follows the links in as much of a path as exists.
func resolved(path string) string {
	rest := ""
	for p := path; ; p = filepath.Dir(p) {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(real, rest)
		}
		if p == filepath.Dir(p) {
			return path
		}
		rest = filepath.Join(filepath.Base(p), rest)
	}
}

// within tells whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// Recover finds nothing: see Directory.
func (d *Directory) Recover(context.Context, permit.Permit, bool) ([]apply.Recovered, error) {
	return nil, nil
}

// Check wants a plan for this directory.
func (d *Directory) Check(h plan.Header) error {
	if h.Target.Kind == "directory" && h.Target.Path == d.path {
		return nil
	}
	return wrongTarget(h, "the directory "+cooper.Quote(d.path))
}

// Begin makes the directory, takes its lock (KindLocked: another restore is
// under way there), and removes what a crash left.
func (d *Directory) Begin(_ context.Context, p permit.Permit, _ plan.Header) error {
	if !p.Valid() {
		return &cooper.Error{Kind: cooper.KindInternal, Message: "a restore was begun without a permit"}
	}
	if err := os.MkdirAll(d.path, 0o777); err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: cooper.Quote(d.path), Message: "cannot be made a directory", Err: err}
	}
	fs, err := safefs.Open(d.path)
	if err != nil {
		return err
	}
	d.fs = fs
	if err := d.takeLock(); err != nil {
		return errors.Join(err, d.Close())
	}
	return d.clear()
}

func (d *Directory) takeLock() error {
	if err := d.fs.MkdirAll(scratch); err != nil {
		return err
	}
	f, err := d.fs.OpenWrite(lockName)
	if err != nil {
		return err
	}
	if l, ok := f.(safefs.Locker); ok {
		if free, err := l.TryLock(); err != nil || !free {
			if err == nil {
				err = &cooper.Error{Kind: cooper.KindLocked, Where: cooper.Quote(d.path), Message: "another restore is under way there", Remedy: "Wait for its end."}
			}
			return errors.Join(err, f.Close())
		}
	}
	d.lock = f
	return nil
}

// clear removes copies that were never renamed.
func (d *Directory) clear() error {
	files, err := d.fs.ReadDir(scratch)
	if err != nil {
		return err
	}
	for _, f := range files {
		if path := scratch + "/" + f.Name; path != lockName {
			if err := d.fs.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// Done knows of nothing: looking at the destination is what makes starting
// again cheap.
func (d *Directory) Done(int) bool { return false }

// Settled has nothing to let go.
func (d *Directory) Settled(context.Context, string, int) error { return nil }

// End removes the hidden place.
func (d *Directory) End(context.Context, permit.Permit, apply.Summary) error { return d.Close() }

// Close removes what was not committed, and lets go of directory and lock. It
// may be called again.
func (d *Directory) Close() error {
	if d.fs == nil {
		return nil
	}
	var errs []error
	if d.lock != nil {
		// The lock goes with its file: who opened it before finds it locked
		// until Close, and who comes later makes another.
		errs = append(errs, d.clear(), d.fs.Remove(lockName), d.fs.RemoveDir(scratch), d.lock.Close())
	}
	errs = append(errs, d.fs.Close())
	d.fs, d.lock = nil, nil
	return errors.Join(errs...)
}
