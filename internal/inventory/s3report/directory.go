package s3report

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"cooper"
)

// directory is a Location on a local disk. Every access goes through os.Root,
// which follows neither "..", nor symbolic links, out of the directory.
type directory struct {
	root string
	// manifest is the base name of the manifest the person named, if any.
	manifest string
}

// Dir is a directory on a local disk: one with dated folders, a dated folder, or
// a manifest file. Nothing outside of the directory is opened, nor through
// symbolic links that lead out of it; beside a directory that holds a manifest
// itself, its sibling named data is looked into, where S3 puts data files.
func Dir(path string) Location {
	// Where a report was read from must mean the same from other directories.
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return &directory{root: filepath.Dir(path), manifest: filepath.Base(path)}
	}
	return &directory{root: path}
}

func (d *directory) String() string { return filepath.ToSlash(d.root) }

// sibling is the directory named data beside d.
func (d *directory) sibling() *directory {
	return &directory{root: filepath.Join(filepath.Dir(d.root), "data")}
}

func (d *directory) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	root, err := os.OpenRoot(d.root)
	if err != nil {
		return nil, 0, d.fail(name, err)
	}
	defer func() { _ = root.Close() }() // opened files outlive it
	info, err := root.Stat(name)
	if err != nil {
		return nil, 0, d.fail(name, err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for ever
		return nil, 0, d.fail(name, errNotRegular)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, 0, d.fail(name, err)
	}
	return f, info.Size(), nil
}

var errNotRegular = errors.New("not a regular file")

func (d *directory) Stat(_ context.Context, name string) (int64, error) {
	root, err := os.OpenRoot(d.root)
	if err != nil {
		return 0, d.fail(name, err)
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat(name)
	if err != nil {
		return 0, d.fail(name, err)
	}
	if !info.Mode().IsRegular() {
		return 0, d.fail(name, errNotRegular)
	}
	return info.Size(), nil
}

func (d *directory) List(ctx context.Context, prefix string, each func(name string, size int64) error) error {
	top := "."
	if i := strings.LastIndexByte(prefix, '/'); i > 0 {
		top = prefix[:i]
	}
	return d.walk(ctx, top, func(name string, e fs.DirEntry) error {
		if e.IsDir() {
			// Folders that cannot hold anything with this prefix are left alone.
			if name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasPrefix(name, prefix) {
			return nil
		}
		size, err := d.Stat(ctx, name)
		if err != nil {
			return nil //nolint:nilerr // a link that leads out or nowhere, a pipe: not a file of ours
		}
		return each(name, size)
	})
}

func (d *directory) Folders(ctx context.Context, prefix string) ([]string, error) {
	top := strings.TrimSuffix(prefix, "/")
	if top == "" {
		top = "."
	}
	var folders []string
	err := d.walk(ctx, top, func(name string, e fs.DirEntry) error {
		if !e.IsDir() || name == top {
			return nil
		}
		folders = append(folders, name+"/")
		return fs.SkipDir
	})
	return folders, err
}

// walk visits everything under top; what is not there has nothing in it.
func (d *directory) walk(ctx context.Context, top string, visit func(name string, e fs.DirEntry) error) error {
	root, err := os.OpenRoot(d.root)
	if err != nil {
		return d.fail("", err)
	}
	defer func() { _ = root.Close() }()
	var given error // what visit itself said is returned as it is
	err = fs.WalkDir(root.FS(), path.Clean(top), func(name string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			given = context.Cause(ctx)
			return given
		case errors.Is(err, fs.ErrNotExist):
			return nil // not there, or gone since its folder was read
		case errors.Is(err, fs.ErrPermission) && name != top:
			return nil // what lies in there will be reported missing if it is wanted
		case err != nil:
			return err
		}
		err = visit(name, e)
		if err != nil && !errors.Is(err, fs.SkipDir) {
			given = err
		}
		return err
	})
	if given != nil || err == nil {
		return given
	}
	return d.fail(top, err)
}

// fail makes an error of the file system one a person can read.
func (d *directory) fail(name string, err error) error {
	e := &cooper.Error{Kind: cooper.KindInternal, Where: filepath.Join(d.root, filepath.FromSlash(name)), Err: err}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		e.Err = pe.Err // it repeats the path
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Message, e.Err = cooper.KindMissing, "no such file or folder", nil
		e.Remedy = "Give a folder of reports (with YYYY-MM-DDTHH-MMZ/manifest.json in it), one of those, or a manifest.json."
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Message, e.Err = cooper.KindDenied, "not allowed to read it", nil
	case errors.Is(err, errNotRegular):
		e.Kind = cooper.KindInvalid
	case pe != nil && strings.Contains(pe.Err.Error(), "escapes"):
		e.Kind, e.Message, e.Err = cooper.KindInvalid, "it leads out of the directory", nil
		e.Remedy = "Give the directory that the files really are in."
	}
	return e
}
