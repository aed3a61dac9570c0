package inventory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cooper"
)

// Snapshot is a snapshot on disk. It holds no resources and may be used by
// several goroutines.
type Snapshot struct {
	dir  string
	meta Meta
}

// Open reads a snapshot's description. A directory without one is
// KindMissing, one that this program is too old for KindUsage, one that makes no
// sense KindCorrupt.
func Open(dir string) (*Snapshot, error) {
	path := filepath.Join(dir, metaName)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &cooper.Error{
			Kind: cooper.KindMissing, Where: dir, Message: "there is no snapshot", Err: err,
			Remedy: "See `cooper snapshot ls` for those there are.",
		}
	}
	if err != nil {
		return nil, readError(path, err)
	}
	s := &Snapshot{dir: dir}
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, damaged(path, err)
	}
	if version.Format > format {
		return nil, &cooper.Error{
			Kind: cooper.KindUsage, Where: path,
			Message: fmt.Sprintf("the snapshot has format %d, this program knows up to %d", version.Format, format),
			Remedy:  "Use a newer cooper.",
		}
	}
	if err := json.Unmarshal(text, &s.meta); err != nil {
		return nil, damaged(path, err)
	}
	if err := s.check(); err != nil {
		return nil, damaged(path, err)
	}
	return s, nil
}

// check refuses a description that leads elsewhere.
func (s *Snapshot) check() error {
	if s.meta.Format < 1 {
		return fmt.Errorf("format %d", s.meta.Format)
	}
	for _, f := range s.files() {
		if f.Name == "" || filepath.Base(f.Name) != f.Name {
			return fmt.Errorf("file name %s", cooper.Quote(f.Name))
		}
	}
	return nil
}

// files are all files but the description.
func (s *Snapshot) files() []File {
	files := s.meta.Files
	if r := s.meta.RejectedFile; r != nil {
		files = append(files[:len(files):len(files)], *r)
	}
	return files
}

// Meta describes the snapshot.
func (s *Snapshot) Meta() Meta { return s.meta }

// Dir is where the snapshot lies.
func (s *Snapshot) Dir() string { return s.dir }

// IterOptions narrow what Versions gives.
type IterOptions struct {
	// Prefix selects keys as cooper.HasPrefix does.
	Prefix string
	// From and To narrow the keys further, bytewise: To is excluded, and empty
	// for no end. Split gives keys to cut at.
	From, To string
	// Omit leaves fields empty that the caller does not need.
	Omit Fields
}

// Fields are fields of a version that take time to read: digests are most of a
// snapshot's bytes.
type Fields uint8

// The Fields, to be combined with |.
const (
	FieldVersionID Fields = 1 << iota
	FieldETag
)

// Verify compares all files with the sizes and digests in the snapshot's
// description. What differs is a KindCorrupt error, what is gone KindMissing;
// all of them are joined.
func (s *Snapshot) Verify(ctx context.Context) error {
	var errs []error
	for _, f := range s.files() {
		if ctx.Err() != nil {
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		errs = append(errs, s.verifyFile(ctx, f))
	}
	return errors.Join(errs...)
}

func (s *Snapshot) verifyFile(ctx context.Context, want File) (err error) {
	path := filepath.Join(s.dir, want.Name)
	f, err := os.Open(path)
	if err != nil {
		return readError(path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	n, err := io.Copy(sum, &cancelable{ctx, f})
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return readError(path, err)
	}
	if n != want.Bytes {
		return damaged(path, fmt.Errorf("it has %d bytes instead of %d", n, want.Bytes))
	}
	if digest, err := hex.DecodeString(want.SHA256); err != nil || !bytes.Equal(digest, sum.Sum(nil)) {
		return damaged(path, errors.New("its digest differs"))
	}
	return nil
}

// cancelable is a reader that ends with its context.
type cancelable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelable) Read(b []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(b)
}
