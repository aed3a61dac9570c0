package tree

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// File is something in mirror or history that is no directory.
type File struct {
	Path string // relative to Dir
	Info safefs.Info
	// Place and Key are what the path says: Nowhere where it is foreign, as no
	// version could have it.
	Place catalog.Place
	Key   string
}

// Walk calls fn for everything in mirror and history that is no directory. The
// order is that of keys (in history, of days and then keys) as far as names that
// are foreign, or the pieces of too long ones, let it. It keeps the names of one
// directory for each level in memory.
func (t *Tree) Walk(ctx context.Context, fn func(f File) error) error {
	w := walker{t.fs, t.layout, fn}
	mirror, history := t.layout.Roots()
	if err := w.walk(ctx, mirror); err != nil || history == mirror {
		return err
	}
	return w.walk(ctx, history)
}

type walker struct {
	fs     safefs.FS
	layout layout
	fn     func(f File) error
}

func (w *walker) walk(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	infos, err := w.fs.ReadDir(dir)
	if dir == lostFound && errors.Is(err, fs.ErrPermission) {
		return nil
	} else if err != nil {
		return err
	}
	type entry struct {
		order string
		info  safefs.Info
	}
	entries := make([]entry, len(infos))
	for i, info := range infos {
		order := w.layout.Part(info.Name, info.IsDir())
		if info.IsDir() {
			order += "/"
		}
		entries[i] = entry{order, info}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.order, b.order) })
	for _, e := range entries {
		at := path.Join(dir, e.info.Name)
		switch {
		case w.layout.passes(at):
		case e.info.IsDir():
			err = w.walk(ctx, at)
		default:
			err = w.file(at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) file(at string) error {
	info, err := w.fs.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone meanwhile
	} else if err != nil {
		return err
	}
	f := File{Path: at, Info: info}
	if key, _, ok := w.layout.ParseMirror(at); ok {
		f.Place, f.Key = catalog.Mirror, key
	} else if key, ok := w.layout.ParseHistory(at); ok {
		f.Place, f.Key = catalog.History, key
	}
	return w.fn(f)
}

// What s3invsync writes about a directory, and about a tree. Cooper reads it once,
// when it takes over such a tree, and never changes it.
const (
	TheirVersions = ".s3invsync.versions.json"
	TheirState    = ".s3invsync.state.json"
)

// passes tells whether path is none of a version, nor foreign.
func (l layout) passes(at string) bool {
	return l.Layout == keypath.Inline && (at == metaDir || at == TheirState || path.Base(at) == TheirVersions)
}
