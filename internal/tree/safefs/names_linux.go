package safefs

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	fileMode = 0o644
	dirMode  = 0o755
)

func (d *dirFS) Open(name string) (File, error) {
	// O_NONBLOCK: opening a pipe must not hang; it is refused below.
	f, err := d.openFile(name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, d.fail("cannot open", name, err)
	}
	if info, err := f.Stat(); err != nil || !info.IsFile() {
		if err == nil {
			err = d.fail("is no regular file", name, unix.EISDIR)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d *dirFS) Create(name string) (File, error) {
	f, err := d.openFile(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return nil, d.fail("cannot create", name, err)
	}
	return f, nil
}

func (d *dirFS) OpenWrite(name string) (File, error) {
	f, err := d.openFile(name, unix.O_RDWR|unix.O_CREAT|unix.O_NONBLOCK)
	if err != nil {
		return nil, d.fail("cannot open for writing", name, err)
	}
	return f, nil
}

func (d *dirFS) openFile(name string, flags int) (*file, error) {
	h, base, err := d.parent(name)
	if err != nil {
		return nil, err
	}
	defer d.cache.release(h)
	fd, err := retry(func() (int, error) {
		return unix.Openat(h.fd, base, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, fileMode)
	})
	if err != nil {
		return nil, err
	}
	return &file{fd: fd, where: name, fs: d}, nil
}

func (d *dirFS) Lstat(name string) (Info, error) {
	if name == "." {
		return statFD(d.root, name, d)
	}
	h, base, err := d.parent(name)
	if err != nil {
		return Info{}, d.fail("cannot look at", name, err)
	}
	defer d.cache.release(h)
	var st unix.Stat_t
	if err := unix.Fstatat(h.fd, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Info{}, d.fail("cannot look at", name, err)
	}
	return infoOf(base, &st), nil
}

func infoOf(base string, st *unix.Stat_t) Info {
	return Info{Name: base, Size: st.Size, Mode: modeOf(st.Mode), MTime: st.Mtim.Nano(), Dev: st.Dev, Inode: st.Ino}
}

func modeOf(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	default:
		mode |= fs.ModeIrregular
	}
	return mode
}

func (d *dirFS) MkdirAll(name string) error {
	if name == "." {
		return nil
	}
	if err := d.mkdirAll(name); err != nil {
		return d.fail("cannot make the directory", name, err)
	}
	return nil
}

func (d *dirFS) mkdirAll(name string) error {
	h, base, err := d.parent(name)
	if errors.Is(err, unix.ENOENT) {
		if err := d.mkdirAll(name[:strings.LastIndexByte(name, '/')]); err != nil {
			return err
		}
		h, base, err = d.parent(name)
	}
	if err != nil {
		return err
	}
	err = unix.Mkdirat(h.fd, base, dirMode)
	d.cache.release(h)
	if err == nil || !errors.Is(err, unix.EEXIST) {
		return err
	}
	there, err := d.cache.get(name) // a directory, or something in the way?
	if err == nil {
		d.cache.release(there)
	}
	return err
}

func (d *dirFS) Move(from, to string) error {
	err := d.twoNames(from, to, func(fromDir int, fromBase string, toDir int, toBase string) error {
		err := unix.Renameat2(fromDir, fromBase, toDir, toBase, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			// The file system cannot. A crash between the two leaves one file
			// under both names, which loses nothing and can be told by its inode.
			if err := unix.Linkat(fromDir, fromBase, toDir, toBase, 0); err != nil {
				return err
			}
			if err := unix.Unlinkat(fromDir, fromBase, 0); err != nil {
				return firstErrno(errors.Join(err, unix.Unlinkat(toDir, toBase, 0)))
			}
			return nil
		}
		return err
	})
	if err != nil {
		return d.fail("cannot rename "+from, to, err)
	}
	return nil
}

func (d *dirFS) Replace(from, to string) error {
	err := d.twoNames(from, to, unix.Renameat)
	if err != nil {
		return d.fail("cannot rename "+from, to, err)
	}
	return nil
}

func (d *dirFS) twoNames(from, to string, call func(int, string, int, string) error) error {
	h1, base1, err := d.parent(from)
	if err != nil {
		return err
	}
	defer d.cache.release(h1)
	h2, base2, err := d.parent(to)
	if err != nil {
		return err
	}
	defer d.cache.release(h2)
	_, err = retry(func() (int, error) { return 0, call(h1.fd, base1, h2.fd, base2) })
	return err
}

func (d *dirFS) Remove(name string) error {
	if err := d.unlink(name, 0); err != nil {
		return d.fail("cannot remove", name, err)
	}
	return nil
}

func (d *dirFS) RemoveDir(name string) error {
	if err := d.unlink(name, unix.AT_REMOVEDIR); err != nil {
		return d.fail("cannot remove the directory", name, err)
	}
	d.cache.drop(name)
	return nil
}

func (d *dirFS) unlink(name string, flags int) error {
	h, base, err := d.parent(name)
	if err != nil {
		return err
	}
	defer d.cache.release(h)
	return unix.Unlinkat(h.fd, base, flags)
}
