package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/seal"
)

// formerDir holds what a catalog was before: the pointer and the files of the state
// that the last compaction replaced, and what the last merge did. The merge
// after that, or the next compaction, removes them. Nothing reads them but a person.
const formerDir = ".cooper/former"

// ErrOld says that files of a later state than the pointer's lie beside it.
var ErrOld = errors.New("the pointer is old")

// asideDir is where damaged pointers go.
const asideDir = ".cooper/aside/catalog"

// verify reads files to the end, and compares them with their sums.
func (c *Catalog) verify(ctx context.Context, files []File) error {
	for i := range files {
		o, err := c.openFile(&files[i], false)
		if err != nil {
			return err
		}
		if r, ok := o.r.(*seal.Reader); ok {
			err = r.Verify(ctx)
		}
		if errors.Is(err, seal.ErrDamaged) {
			err = corruptFile(files[i].Name, err)
		}
		if err = errors.Join(err, o.f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// VerifyFiles compares every byte of the files of sequences with their sums; those of
// format 1 have none.
func (c *Catalog) VerifyFiles(ctx context.Context, runs []Sorted) error {
	for i := range runs {
		if err := c.verify(ctx, runs[i].Files); err != nil {
			return err
		}
	}
	return nil
}

// Verify reads the whole catalog, and checks every byte and the order of its rows.
func (c *Catalog) Verify(ctx context.Context) (err error) {
	if err := c.Present(); err != nil {
		return err
	}
	if err := c.VerifyFiles(ctx, c.State().Runs); err != nil {
		return err
	}
	it := c.Rows(ctx, "")
	defer func() { err = errors.Join(err, it.Close()) }()
	for {
		if _, err := it.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Present tells whether every file that the pointer names is there with its
// size, and none of a later state.
func (c *Catalog) Present() error {
	state := c.State()
	for _, run := range state.Runs {
		for i := range run.Files {
			f := &run.Files[i]
			info, err := c.fs.Lstat(dir + "/" + f.Name)
			if err == nil && info.IsFile() && info.Size == f.Bytes {
				continue
			}
			if err == nil {
				err = fmt.Errorf("it has %d bytes and should have %d", info.Size, f.Bytes)
			}
			if kind := cooper.KindOf(err); kind == cooper.KindDenied {
				return err
			}
			return &cooper.Error{Kind: cooper.KindCorrupt, Where: dir + "/" + f.Name, Message: "a file of the catalog is missing or damaged", Err: err, Remedy: remedy}
		}
	}
	return c.noneLater(&state)
}

// noneLater is an error if files of a later state than the given one lie beside it.
func (c *Catalog) noneLater(state *State) error {
	infos, err := c.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, i := range infos {
		if g := generationOf(i.Name); g > state.Generation+1 {
			return &cooper.Error{Kind: cooper.KindRefused, Where: currentPath,
				Message: fmt.Sprintf("this is of generation %d, and %s of generation %d lies beside it: an old copy of the pointer was put back", state.Generation, i.Name, g), Err: ErrOld,
				Remedy: "bring back the newest " + currentName + " and " + secondName + " of the tree; or, without them, see `cooper backup rebuild`"}
		}
	}
	return nil
}

// Newest is an error, ErrOld, if the pointer is an old copy that was put back. Somebody
// may be changing the catalog meanwhile.
func (c *Catalog) Newest() error {
	for tries := 1; ; tries++ {
		state := c.State()
		err := c.noneLater(&state)
		if !errors.Is(err, ErrOld) || tries == 3 {
			return err
		}
		if err := c.Refresh(); err != nil {
			return err
		}
	}
}

// retire sets aside the files of sequences that are no longer part of the
// catalog. What was set aside before goes for good; but between two compactions
// what the former pointer names stays. before is the pointer that is replaced.
func (c *Catalog) retire(old []Sorted, before []byte, compacted bool) error {
	if err := c.Present(); err != nil {
		return err // nothing goes as long as that is not settled
	}
	if err := c.fs.MkdirAll(formerDir); err != nil {
		return err
	}
	const path = formerDir + "/" + currentName
	keep := map[string]bool{}
	if !compacted {
		if p := readPointer(c.fs, path); p.err == nil {
			keep[currentName] = true
			for name := range p.state.names() {
				keep[name] = true
			}
		}
	} else if err := writeWhole(c.fs, path, before); err != nil {
		return err
	} else {
		keep[currentName] = true
		for _, run := range old { // of an attempt that was interrupted
			for _, f := range run.Files {
				keep[f.Name] = true
			}
		}
	}
	infos, err := c.fs.ReadDir(formerDir)
	if err != nil {
		return err
	}
	for _, i := range infos {
		if keep[i.Name] || !Owns(i.Name) || !i.IsFile() {
			continue
		}
		if err := c.fs.Remove(formerDir + "/" + i.Name); err != nil {
			return err
		}
	}
	for _, run := range old {
		for _, f := range run.Files {
			if err := c.fs.Replace(dir+"/"+f.Name, formerDir+"/"+f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// names are those of all files of a state.
func (s *State) names() map[string]bool {
	names := map[string]bool{}
	for _, run := range s.Runs {
		for _, f := range run.Files {
			names[f.Name] = true
		}
	}
	return names
}

// Clean sets aside files that are not part of the catalog: leftovers of a crash.
// Nothing is moved unless every file that is part of it is there; and nothing
// whose name no catalog gives. Nobody may be appending meanwhile.
func (c *Catalog) Clean(p permit.Permit) error {
	if !p.Valid() {
		return errPermit
	}
	if err := c.Present(); err != nil {
		return err
	}
	state := c.State()
	known := state.names()
	known[currentName], known[secondName] = true, true
	infos, err := c.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, i := range infos {
		switch {
		case known[i.Name] || !i.IsFile() || !Owns(i.Name):
		case generationOf(i.Name) == 0: // a pointer that was never finished
			if err := c.fs.Remove(dir + "/" + i.Name); err != nil {
				return err
			}
		default:
			if err := c.fs.MkdirAll(formerDir); err != nil {
				return err
			}
			if err := c.fs.Replace(dir+"/"+i.Name, formerDir+"/"+i.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Heal makes both copies of the pointer what the one that counts is. A damaged or old
// one is set aside first.
func (c *Catalog) Heal(p permit.Permit) error {
	if !p.Valid() {
		return errPermit
	}
	l, err := load(c.fs)
	if err != nil || l.equal || l.state.Format < format {
		return err
	}
	for _, path := range l.bad {
		if err := c.setAside(path); err != nil {
			return err
		}
	}
	return writePointers(c.fs, l.raw)
}

// setAside moves a file of the catalog's directory out of the way, to a name that is
// free.
func (c *Catalog) setAside(path string) error {
	return c.aside(path, func(dst string) error { return c.fs.Move(path, dst) })
}

// keepAside writes what a file held to a name that is free there.
func (c *Catalog) keepAside(path string, content []byte) error {
	return c.aside(path, func(dst string) error {
		f, err := c.fs.Create(dst)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		return writeWhole(c.fs, dst, content)
	})
}

func (c *Catalog) aside(path string, put func(dst string) error) error {
	if err := c.fs.MkdirAll(asideDir); err != nil {
		return err
	}
	name := base(path)
	for i := 1; ; i++ {
		dst := asideDir + "/" + name
		if i > 1 {
			dst = fmt.Sprintf("%s/%d-%s", asideDir, i, name)
		}
		err := put(dst)
		if err == nil || !errors.Is(err, fs.ErrExist) || i > 1<<16 {
			return err
		}
	}
}
