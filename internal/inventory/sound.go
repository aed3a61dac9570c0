package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"cooper/internal/seal"
)

// learnt are the sums of files of format 1, which have but a SHA-256: each is read whole
// once in a process, before anything of it is used.
var learnt seal.Learnt

// openSound opens a file of a snapshot for reading: what sound gives was checked.
func openSound(ctx context.Context, path string, meta File) (f *os.File, sound *seal.Reader, err error) {
	if f, err = os.Open(path); err != nil {
		return nil, nil, readError(path, err)
	}
	sums := meta.Sums
	if sums.IsZero() {
		sums, err = learnt.Of(ctx, f, meta.Bytes, meta.SHA256)
	}
	if err == nil {
		sound, err = seal.NewReader(f, meta.Bytes, sums)
	}
	if err == nil {
		err = sizeIs(f, meta.Bytes)
	}
	if err != nil {
		return nil, nil, errors.Join(unsound(ctx, path, err), f.Close())
	}
	return f, sound, nil
}

// sizeIs refuses a file with more bytes than it should have: readers of the workspace
// that are not ours look for the description at its very end.
func sizeIs(f *os.File, want int64) error {
	info, err := f.Stat()
	if err == nil && info.Size() != want {
		err = fmt.Errorf("%w: it has %d bytes instead of %d", seal.ErrDamaged, info.Size(), want)
	}
	return err
}

// unsound gives a kind to an error of checking a file.
func unsound(ctx context.Context, path string, err error) error {
	switch {
	case errors.Is(err, seal.ErrDamaged), errors.Is(err, io.ErrUnexpectedEOF):
		return damaged(path, err)
	case ctx.Err() != nil:
		return err
	}
	return readError(path, err)
}

// Verify checks files against what the snapshot's description says of them: those with the
// names, or all. What differs is a KindCorrupt error, what is gone KindMissing, and what the
// description does not know KindCorrupt; all of them are joined.
func (s *Snapshot) Verify(ctx context.Context, names ...string) error {
	files := s.files()
	if len(names) > 0 {
		known := files
		files = make([]File, len(names))
		for i, name := range names {
			at := slices.IndexFunc(known, func(f File) bool { return f.Name == name })
			if at < 0 {
				return damaged(filepath.Join(s.dir, name), errors.New("the snapshot has no such file"))
			}
			files[i] = known[at]
		}
	}
	errs := make([]error, len(files))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range files {
		g.Go(func() error {
			errs[i] = s.verifyFile(ctx, f)
			return nil
		})
	}
	_ = g.Wait() // they are in errs, in the order of files
	return errors.Join(errs...)
}

func (s *Snapshot) verifyFile(ctx context.Context, want File) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	path := filepath.Join(s.dir, want.Name)
	f, sound, err := openSound(ctx, path, want)
	if err != nil {
		return err
	}
	if err = sound.Verify(ctx); err != nil {
		err = unsound(ctx, path, err)
	}
	return errors.Join(err, f.Close())
}
