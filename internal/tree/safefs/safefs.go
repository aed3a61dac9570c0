// Package safefs touches files below one directory and nowhere else.
//
// Paths are relative and separated by '/'; the root itself is ".". No operation follows a symbolic
// link, in no component, and none leaves the file system of the root: what
// stands in the way is an error, never a detour. What was done is on disk only
// after the matching sync. What the files mean is left to others.
package safefs

import (
	"io"
	"io/fs"

	"cooper"
)

// Info describes a file or directory; it is never that of a link's target.
type Info struct {
	Name  string // its last component
	Size  int64
	Mode  fs.FileMode
	MTime int64 // nanoseconds since 1970
	Dev   uint64
	Inode uint64
}

// IsFile tells whether i is a regular file.
func (i Info) IsFile() bool { return i.Mode.IsRegular() }

// IsDir tells whether i is a directory.
func (i Info) IsDir() bool { return i.Mode.IsDir() }

// ModifiedAt tells whether the file's time is at. File systems that keep whole
// seconds are forgiven; the unknown instant fits any time.
func (i Info) ModifiedAt(at cooper.Instant) bool {
	if at == 0 {
		return true
	}
	ms := int64(at)
	if i.MTime%1e9 == 0 && floorDiv(ms, 1000) == floorDiv(i.MTime, 1e9) {
		return true
	}
	return floorDiv(i.MTime, 1e6) == ms
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// File is an open regular file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Closer
	Truncate(size int64) error
	// Sync brings content and size to the disk, not the name.
	Sync() error
	Stat() (Info, error)
	// SetTime sets the modification time.
	SetTime(at cooper.Instant) error
}

// Locker is a File that can be locked. Those of Open are.
type Locker interface {
	// TryLock takes an exclusive lock that ends with Close; false: another
	// process, or another handle of this one, has it.
	TryLock() (bool, error)
}

// Reader looks. A missing file is fs.ErrNotExist in every method.
type Reader interface {
	// Open opens a regular file for reading; anything else is an error of
	// kind conflict.
	Open(name string) (File, error)
	Lstat(name string) (Info, error)
	// ReadDir lists a directory in no particular order; Info has name and
	// type only.
	ReadDir(name string) ([]Info, error)
}

// Changer changes names and files.
type Changer interface {
	// Create makes a file that must not exist yet.
	Create(name string) (File, error)
	// OpenWrite opens a file for reading and writing, making it if needed.
	OpenWrite(name string) (File, error)
	// MkdirAll makes a directory and those above it; existing ones are fine.
	MkdirAll(name string) error
	// Move renames a file; fs.ErrExist if something has that name already.
	Move(from, to string) error
	// Replace renames a file over another.
	Replace(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// RemoveDir removes a directory; fs.ErrExist if something is in it.
	RemoveDir(name string) error
}

// Syncer brings to the disk what was done.
type Syncer interface {
	// SyncDir makes the names in one directory durable.
	SyncDir(name string) error
	// SyncAll makes everything durable that was done on the file system so
	// far. It also lets go of all directory handles, so that what follows
	// resolves its paths afresh.
	SyncAll() error
}

// Space is what a file system has left.
type Space struct {
	Bytes  int64
	Inodes int64 // math.MaxInt64 where the file system has no limit
}

// FS is everything below one directory.
type FS interface {
	Reader
	Changer
	Syncer
	Space() (Space, error)
	Close() error
}
