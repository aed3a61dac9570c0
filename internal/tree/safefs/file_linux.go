package safefs

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cooper"
)

// file is an open file. It goes without os.File, which would cost further
// system calls for each of millions of small files.
type file struct {
	fd    int
	where string
	fs    *dirFS
}

func (f *file) fail(message string, err error) error { return f.fs.fail(message, f.where, err) }

// maxIO is how much one call transfers: Linux cuts at 2 GiB.
const maxIO = 1 << 30

func (f *file) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := retry(func() (int, error) { return unix.Read(f.fd, b[:min(len(b), maxIO)]) })
	switch {
	case err != nil:
		return 0, f.fail("cannot read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	done := 0
	for done < len(b) {
		rest := b[done:]
		n, err := retry(func() (int, error) { return unix.Pread(f.fd, rest[:min(len(rest), maxIO)], off+int64(done)) })
		switch {
		case err != nil:
			return done, f.fail("cannot read", err)
		case n == 0:
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

func (f *file) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		rest := b[done:]
		n, err := retry(func() (int, error) { return unix.Write(f.fd, rest[:min(len(rest), maxIO)]) })
		if err != nil {
			return done, f.fail("cannot write", err)
		}
		done += n
	}
	return done, nil
}

// Truncate also puts the write position at the new end.
func (f *file) Truncate(size int64) error {
	if err := unix.Ftruncate(f.fd, size); err != nil {
		return f.fail("cannot truncate", err)
	}
	if _, err := unix.Seek(f.fd, size, io.SeekStart); err != nil {
		return f.fail("cannot truncate", err)
	}
	return nil
}

func (f *file) Sync() error {
	if err := unix.Fsync(f.fd); err != nil {
		return f.fail("cannot sync", err)
	}
	return nil
}

func (f *file) Stat() (Info, error) { return statFD(f.fd, f.where, f.fs) }

func statFD(fd int, name string, d *dirFS) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Info{}, d.fail("cannot look at", name, err)
	}
	return infoOf(name[strings.LastIndexByte(name, '/')+1:], &st), nil
}

func (f *file) SetTime(at cooper.Instant) error {
	mtime, err := unix.TimeToTimespec(time.UnixMilli(int64(at)))
	if err != nil {
		return f.fail("cannot set the time", err)
	}
	times := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}
	// utimensat without a path means the file itself (futimens).
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(f.fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	if errno != 0 {
		return f.fail("cannot set the time", errno)
	}
	return nil
}

func (f *file) TryLock() (bool, error) {
	_, err := retry(func() (int, error) { return 0, unix.Flock(f.fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, f.fail("cannot lock", err)
	}
	return true, nil
}

func (f *file) Close() error {
	if f.fd < 0 {
		return f.fail("cannot close", fs.ErrClosed)
	}
	fd := f.fd
	f.fd = -1 // never close a number twice: it may be somebody else's by then
	if err := unix.Close(fd); err != nil {
		return f.fail("cannot close", err)
	}
	return nil
}

func (d *dirFS) ReadDir(name string) ([]Info, error) {
	infos, err := d.readDir(name)
	if err != nil {
		return nil, d.fail("cannot list the directory", name, err)
	}
	return infos, nil
}

func (d *dirFS) readDir(name string) (infos []Info, err error) {
	if !validPath(name) {
		return nil, unix.EINVAL
	}
	fd, err := d.openDir(name) // its own handle: a listing has a position
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := unix.Close(fd); cerr != nil && err == nil {
			err = cerr
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(fd, buf) })
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return infos, nil
		}
		if infos, err = appendEntries(infos, fd, buf[:n]); err != nil {
			return nil, err
		}
	}
}

// appendEntries parses linux_dirent64 records: inode (8 bytes), offset (8),
// length (2), type (1), name up to a NUL.
func appendEntries(infos []Info, fd int, b []byte) ([]Info, error) {
	const header = 19
	for len(b) > header {
		length := int(binary.NativeEndian.Uint16(b[16:]))
		if length <= header || length > len(b) {
			return nil, unix.EIO
		}
		name, _, _ := strings.Cut(string(b[header:length]), "\x00")
		kind := b[18]
		b = b[length:]
		if name == "." || name == ".." {
			continue
		}
		info := Info{Name: name}
		switch kind {
		case unix.DT_REG:
		case unix.DT_DIR:
			info.Mode = fs.ModeDir
		case unix.DT_LNK:
			info.Mode = fs.ModeSymlink
		case unix.DT_UNKNOWN:
			var st unix.Stat_t
			if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return nil, err
			}
			info.Mode = modeOf(st.Mode).Type()
		default:
			info.Mode = fs.ModeIrregular
		}
		infos = append(infos, info)
	}
	return infos, nil
}
