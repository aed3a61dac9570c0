package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/safefs"
)

// Salvage reads the rows of whatever files of a catalog still lie in a tree, those of
// former states too, the newest file first, and gives them with their
// generation. Nothing says whether they count, and of files that no pointer vouches for,
// only the checksums of their pages that they are what was written: a hint, no more.
// A file that cannot be read, or not to its end, is passed over from there on; how many
// there are is told.
func Salvage(ctx context.Context, fsys safefs.FS, each func(generation int64, r *Row) error) (read, broken int, err error) {
	var names []string
	sums := map[string]File{}
	for _, d := range []string{dir, formerDir} {
		infos, err := fsys.ReadDir(d)
		if cooper.KindOf(err) == cooper.KindMissing {
			continue
		} else if err != nil {
			return 0, 0, err
		}
		for _, i := range infos {
			if i.IsFile() && generationOf(i.Name) > 0 {
				names = append(names, d+"/"+i.Name)
			}
		}
		for _, p := range []string{currentName, secondName} {
			if p := readPointer(fsys, d+"/"+p); p.err == nil {
				for _, run := range p.state.Runs {
					for _, f := range run.Files {
						sums[f.Name] = f
					}
				}
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int { return int(generationOf(base(b)) - generationOf(base(a))) })
	for _, name := range names {
		if ctx.Err() != nil {
			return read, broken, context.Cause(ctx)
		}
		stop := error(nil)
		err := salvageFile(ctx, fsys, name, sums[base(name)], func(r *Row) error {
			stop = each(generationOf(base(name)), r)
			return stop
		})
		switch {
		case stop != nil:
			return read, broken, stop
		case err != nil:
			broken++
		default:
			read++
		}
	}
	return read, broken, nil
}

func base(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

func salvageFile(ctx context.Context, fsys safefs.FS, path string, meta File, each func(r *Row) error) (err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	o := openFile{meta: meta, f: f, r: f}
	if meta.Sums.IsZero() || meta.Bytes != info.Size {
		o.meta, o.salvaged = File{Name: base(path), Bytes: info.Size}, true
	} else {
		c := &Catalog{fs: fsys}
		if o.r, err = c.checkedBefore(&meta, f, false); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	sc := &scan{files: []openFile{o}, buffer: smallBuffer}
	defer func() { err = errors.Join(err, sc.close()) }()
	buf := make([]Row, 0, pageRows)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rows, err := sc.next(buf[:0])
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for i := range rows {
			if err := each(&rows[i]); err != nil {
				return err
			}
		}
	}
}

// rebuildDir is where the files of a catalog that is made again are, until it is whole.
const rebuildDir = ".cooper/rebuild"

// Again is a catalog that is made again, in a tree whose own cannot be read.
type Again struct {
	fs    safefs.FS
	next  int64
	files []File
	// was is what the newest pointer that can be read says, also one of a former state.
	was State
}

// MakeAgain writes the rows that fill adds, as CreateFrom wants them. Nothing of what
// the tree has is touched before Install. least is a generation that the new one
// has to exceed, beside those of all files that lie there.
func MakeAgain(fsys safefs.FS, least int64, fill func(add func(*Row) error) error) (*Again, error) {
	a := &Again{fs: fsys}
	for _, d := range []string{dir, formerDir} {
		infos, err := fsys.ReadDir(d)
		if cooper.KindOf(err) == cooper.KindMissing {
			continue
		} else if err != nil {
			return nil, err
		}
		for _, i := range infos {
			least = max(least, generationOf(i.Name))
		}
		for _, p := range []string{currentName, secondName} {
			if p := readPointer(fsys, d+"/"+p); p.err == nil {
				least = max(least, p.state.Generation)
				if p.state.Generation > a.was.Generation {
					a.was = p.state
				}
			}
		}
	}
	a.next = least + 2 // a file may be of the generation after the pointer's
	if err := fsys.MkdirAll(rebuildDir); err != nil {
		return nil, err
	}
	left, err := fsys.ReadDir(rebuildDir) // of an attempt that was interrupted
	if err != nil {
		return nil, err
	}
	for _, i := range left {
		if Owns(i.Name) {
			if err := fsys.Remove(rebuildDir + "/" + i.Name); err != nil {
				return nil, err
			}
		}
	}
	a.files, err = writeBase(fsys, rebuildDir, a.next, fill)
	return a, err
}

// Abandon removes what was written.
func (a *Again) Abandon() error {
	var err error
	for _, f := range a.files {
		err = errors.Join(err, a.fs.Remove(rebuildDir+"/"+f.Name))
	}
	return errors.Join(err, a.fs.RemoveDir(rebuildDir))
}

// Install makes it the tree's catalog, and moves the pointers and files of the former
// one to .cooper/aside/catalog. A crash before the new pointer is there leaves the tree
// without a readable catalog, as it was, and with all that there was to read; after it,
// what is left over is set aside by the next recovery.
func (a *Again) Install(p permit.Permit) error {
	if !p.Valid() {
		return errPermit
	}
	if err := a.fs.MkdirAll(dir); err != nil {
		return err
	}
	for _, f := range a.files {
		if err := a.fs.Move(rebuildDir+"/"+f.Name, dir+"/"+f.Name); err != nil {
			return err
		}
	}
	if err := a.fs.SyncAll(); err != nil {
		return err
	}
	c := &Catalog{fs: a.fs, state: a.was}
	fresh := newState(a.next, a.files)
	c.state.Format, c.state.Generation, c.state.Runs, c.state.Run = fresh.Format, fresh.Generation, fresh.Runs, nil
	if c.state.Observed == nil {
		c.state.Observed = fresh.Observed
	}
	raw, err := encodeState(&c.state)
	if err != nil {
		return err
	}
	for _, path := range []string{currentPath, secondPath} {
		if p := readPointer(a.fs, path); len(p.raw) > 0 {
			if err := c.keepAside(path, p.raw); err != nil {
				return err
			}
		}
	}
	if err := writePointers(a.fs, raw); err != nil {
		return err
	}
	infos, err := a.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	known := c.state.names()
	for _, i := range infos {
		if generationOf(i.Name) == 0 || known[i.Name] {
			continue
		}
		if err := c.setAside(dir + "/" + i.Name); err != nil {
			return err
		}
	}
	err = a.fs.RemoveDir(rebuildDir)
	if cooper.KindOf(err) == cooper.KindMissing {
		err = nil
	}
	return errors.Join(err, a.fs.SyncAll())
}

// Was is what the newest pointer that can be read says of snapshots that were followed;
// none if there is no such pointer.
func (a *Again) Was() []Observed { return a.was.Observed }

// Sound is an error unless the tree has a catalog that is whole: pointer and files, to
// the last byte, and none of a later state.
func Sound(ctx context.Context, fsys safefs.FS) error {
	c, err := OpenFS(fsys)
	if err != nil {
		return err
	}
	if len(c.doubts) > 0 && c.state.Format < format {
		return fmt.Errorf("%s", c.doubts[0])
	}
	return c.Verify(ctx)
}
