package tree

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"
	"sync"

	"cooper"
	"cooper/internal/tree/safefs"
)

// Staging holds fetched bytes by identity, across runs and plans.
//
// A file that is whole has the size of its version and, set last, its time of
// modification. That saves a name for files being written, and with it a
// renaming of each, which costs a disk as much as making the file.
type Staging struct {
	fs safefs.FS

	look sync.Once
	// before are the names that were there when Find was first called, nil if
	// they could not be listed: looking for each of 10^8 files would cost more
	// than the few that are found save.
	before map[string]bool
}

// StagedInfo describes staged bytes.
type StagedInfo struct {
	Path string // relative to the tree
	Size int64  // that of the identity
}

// stagedPath follows from the identity alone, so that any plan finds what
// another one fetched. All are in one directory: it never holds more than the
// few shards under way, and file systems that spread directories over the disk
// (ext4) would spread the files with them.
func stagedPath(id *cooper.Identity) string { return stagingDir + "/" + hashOf(id) }

const hashBytes = 20

// hashOf makes a name of an identity.
func hashOf(id *cooper.Identity) string {
	b := make([]byte, 0, len(id.Key)+len(id.VersionID)+len(id.ETag)+40)
	for _, s := range [...]string{id.Key, id.VersionID, id.ETag} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	b = binary.AppendVarint(binary.AppendVarint(b, id.Size), int64(id.LastModified))
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:hashBytes])
}

// isHash tells whether a name is of the form that hashOf gives.
func isHash(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == hashBytes && hex.EncodeToString(b) == name
}

// Find tells whether all bytes of id were staged when it was first called. After
// a machine crashed they need not be what they were: check them before use, and
// fetch again what cannot be checked. A version whose time is not known is not found:
// nothing would tell whether it is whole.
func (s *Staging) Find(id cooper.Identity) (StagedInfo, bool) {
	s.look.Do(s.list)
	path := stagedPath(&id)
	if s.before != nil && !s.before[strings.TrimPrefix(path, stagingDir+"/")] {
		return StagedInfo{}, false
	}
	info, err := s.fs.Lstat(path)
	if err != nil || !info.IsFile() || info.Size != id.Size || id.LastModified == 0 || !info.ModifiedAt(id.LastModified) {
		return StagedInfo{}, false
	}
	return StagedInfo{Path: path, Size: info.Size}, true
}

func (s *Staging) list() {
	files, err := s.fs.ReadDir(stagingDir)
	if err != nil {
		return // then each is looked for
	}
	s.before = make(map[string]bool, len(files))
	for _, f := range files {
		s.before[f.Name] = true
	}
}

// Open opens staged bytes.
func (s *Staging) Open(id cooper.Identity) (safefs.File, error) { return s.fs.Open(stagedPath(&id)) }

// Create begins to stage id, in place of what may be staged of it.
func (s *Staging) Create(id cooper.Identity) (*Staged, error) {
	path := stagedPath(&id)
	f, err := s.fs.Create(path)
	if errors.Is(err, fs.ErrExist) { // of an attempt before
		if f, err = s.fs.OpenWrite(path); err == nil {
			if err = f.Truncate(0); err != nil {
				err = errors.Join(err, f.Close())
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return &Staged{fs: s.fs, file: f, path: path}, nil
}

// Discard removes what is staged of id; nothing is no error.
func (s *Staging) Discard(id cooper.Identity) error {
	err := s.fs.Remove(stagedPath(&id))
	if cooper.KindOf(err) == cooper.KindMissing {
		return nil
	}
	return err
}

// formerPart ended the names of files being staged in earlier versions.
const formerPart = ".part"

// clear removes what is staged, and nothing else that may lie there.
func (s *Staging) clear() error {
	files, err := s.fs.ReadDir(stagingDir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !f.IsFile() || !isHash(strings.TrimSuffix(f.Name, formerPart)) {
			continue
		}
		if err := harmless(s.fs.Remove(stagingDir + "/" + f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// Staged is a file being staged. It must end with Done or Abort. Errors are
// KindFull if there is no room.
type Staged struct {
	fs   safefs.FS
	file safefs.File // nil after the end
	path string
	size int64
}

func (s *Staged) Write(b []byte) (int, error) {
	n, err := s.file.Write(b)
	s.size += int64(n)
	return n, err
}

// ReadAt reads what was written.
func (s *Staged) ReadAt(b []byte, off int64) (int, error) { return s.file.ReadAt(b, off) }

// Truncate cuts off all but the first size bytes; writing goes on there.
func (s *Staged) Truncate(size int64) error {
	if err := s.file.Truncate(size); err != nil {
		return err
	}
	s.size = size
	return nil
}

// Size is how many bytes were written.
func (s *Staged) Size() int64 { return s.size }

// Done gives the file its time, by which it is known to be whole; it is not
// synced: Commit does that for a whole shard.
func (s *Staged) Done(mtime cooper.Instant) error {
	if mtime != 0 {
		if err := s.file.SetTime(mtime); err != nil {
			return errors.Join(err, s.Abort())
		}
	}
	err := s.file.Close()
	s.file = nil
	if err != nil {
		return errors.Join(err, s.fs.Remove(s.path))
	}
	return nil
}

// Abort removes the file. After Done it does nothing.
func (s *Staged) Abort() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.file.Close(), s.fs.Remove(s.path))
	s.file = nil
	return err
}
