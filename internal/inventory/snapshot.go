package inventory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"cooper"
	"cooper/internal/seal"
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
	var newer *seal.Newer
	if err := seal.Decode(text, sealed, format, &s.meta); errors.As(err, &newer) {
		return nil, &cooper.Error{
			Kind: cooper.KindUsage, Where: path,
			Message: fmt.Sprintf("the snapshot has format %d, this program knows up to %d", newer.Format, newer.Known),
			Remedy:  "Use a newer cooper.",
		}
	} else if err != nil {
		return nil, damaged(path, err)
	}
	err = s.check()
	if seal.Misplaced(dir, s.meta.ID) {
		err = fmt.Errorf("it is the snapshot %s, in the place of another", s.meta.ID)
	}
	if err != nil {
		return nil, damaged(path, err)
	}
	return s, nil
}

// check refuses a description that leads elsewhere.
func (s *Snapshot) check() error {
	for _, f := range s.files() {
		if s.meta.Format >= sealed && f.Sums.IsZero() {
			return fmt.Errorf("file %s has no checksums", cooper.Quote(f.Name))
		}
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
