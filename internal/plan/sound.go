package plan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"cooper/internal/seal"
)

// Verify reads every file of actions and checks it against its SHA-256, which the
// plan's digest covers: so whoever has seen that digest knows what will be done.
func (p *Plan) Verify(ctx context.Context) error {
	for _, file := range p.h.Files {
		name := filepath.Join(p.dir, file.Name)
		f, err := os.Open(name)
		if err != nil {
			return missingFile(name, err)
		}
		sum := sha256.New()
		_, err = io.Copy(sum, readerFunc(func(b []byte) (int, error) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			return f.Read(b)
		}))
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return local(name, err)
		case hex.EncodeToString(sum.Sum(nil)) != file.SHA256:
			return invalid(name, "the file was changed: its digest does not match", nil)
		}
	}
	return nil
}

// Check reads files of actions, those with the names or all, and checks them against their
// sums, as all other methods do with what they read: for those who read the files by other means.
func (p *Plan) Check(ctx context.Context, names ...string) error {
	for _, name := range names {
		if !slices.ContainsFunc(p.h.Files, func(f File) bool { return f.Name == name }) {
			return invalid(filepath.Join(p.dir, name), "the plan has no such file", nil)
		}
	}
	for i := range p.h.Files {
		if len(names) > 0 && !slices.Contains(names, p.h.Files[i].Name) {
			continue
		}
		name := filepath.Join(p.dir, p.h.Files[i].Name)
		f, err := os.Open(name)
		if err != nil {
			return missingFile(name, err)
		}
		sound, _, err := p.sound(ctx, f, &p.h.Files[i])
		if err == nil {
			if err = sound.Verify(ctx); err != nil {
				err = unsound(ctx, name, err)
			}
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// sound reads f, a file of actions of size bytes, and gives nothing unchecked.
func (p *Plan) sound(ctx context.Context, f *os.File, file *File) (r *seal.Reader, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, local(f.Name(), err)
	}
	sums := file.Sums
	if sums.IsZero() {
		sums, err = p.learnt.Of(ctx, f, info.Size(), file.SHA256)
	}
	if err == nil {
		r, err = seal.NewReader(f, info.Size(), sums)
	}
	if err != nil {
		return nil, 0, unsound(ctx, f.Name(), err)
	}
	return r, info.Size(), nil
}

// unsound is about a file that could not be checked, or is not what it was.
func unsound(ctx context.Context, name string, err error) error {
	switch {
	case errors.Is(err, seal.ErrDamaged):
		return invalid(name, "the file is damaged", err)
	case ctx.Err() != nil:
		return err
	}
	return local(name, err)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
