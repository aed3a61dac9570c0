package tree

import (
	"errors"
	"io/fs"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// TakeOver makes an inline tree of a directory that has the files of versions
// already, without touching one of them: fill adds the rows that speak of them,
// as catalog.CreateFrom wants them. It writes to .cooper alone, and the version file
// last: until that is there, the directory is what it was, and taking it over
// begins again. Errors of fill are given back. KindRefused if there is a tree, or
// something of somebody else's in .cooper; KindLocked if another process is at it.
func TakeOver(dir string, opt Options, fill func(fsys safefs.FS, add func(*catalog.Row) error) error) (err error) {
	t, err := unmade(dir, opt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if err := t.mayBeTakenOver(); err != nil {
		return err
	}
	for _, name := range []string{stagingDir, journalDir, asideDir} {
		if err := t.fs.MkdirAll(name); err != nil {
			return err
		}
	}
	return t.whileMaking(func() error {
		if err := t.mayBeTakenOver(); err != nil { // somebody was faster
			return err
		}
		return t.createLocked(keypath.Inline, func() error {
			return catalog.CreateFrom(t.fs, func(add func(*catalog.Row) error) error { return fill(t.fs, add) })
		})
	})
}

// LookOver does what TakeOver does without writing anything: fill is called, and
// what it adds goes nowhere.
func LookOver(dir string, opt Options, fill func(fsys safefs.FS, add func(*catalog.Row) error) error) (err error) {
	t, err := unmade(dir, opt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if err := t.mayBeTakenOver(); err != nil {
		return err
	}
	return fill(t.fs, func(*catalog.Row) error { return nil })
}

// mayBeTakenOver refuses a tree, and a .cooper that did not come from an attempt
// to take the directory over.
func (t *Tree) mayBeTakenOver() error {
	switch err := t.readVersion(); {
	case err == nil:
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.dir, Message: "this is a backup tree of Cooper's already",
			Remedy: "`cooper backup run` goes on with it"}
	case cooper.KindOf(err) != cooper.KindUsage && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := t.mayMake(); err != nil {
		return err
	}
	c, err := catalog.OpenFS(t.fs)
	if cooper.KindOf(err) == cooper.KindMissing {
		return nil
	} else if err != nil {
		return err // no attempt leaves half a catalog
	}
	_, pointer, err := lstat(t.fs, catalog.Dir+"/"+catalog.Pointer)
	if err != nil {
		return err
	}
	// An attempt leaves the first pointer whole, or none.
	if c.State().Generation > catalog.FirstGeneration || pointer && len(c.Doubts()) > 0 {
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.dir, Message: "there is the catalog of a tree here, whose " + versionPath + " is gone",
			Remedy: `write {"format":1,"layout":"inline"} to that file, if mirror and history are not directories of their own here; the next run seals it`}
	}
	return nil
}
