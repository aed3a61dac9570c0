package safefs

import (
	"errors"
	"math"
	"strings"

	"golang.org/x/sys/unix"

	"cooper"
)

// cachedDirs is how many directory handles are kept open.
const cachedDirs = 512

const (
	dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	resolve  = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV
)

// dirFS is the FS of a directory on Linux.
type dirFS struct {
	name  string // for messages
	root  int
	dev   uint64 // the root's file system
	walk  bool   // the kernel has no openat2: walk component by component
	cache *handleCache
}

// Open opens the directory dir, which must exist. Links on the way to dir
// itself are followed, once.
func Open(dir string) (FS, error) { return open(dir, false) }

func open(dir string, walk bool) (*dirFS, error) {
	root, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, Fail("cannot open the directory", dir, err)
	}
	d := &dirFS{name: dir, root: root, walk: walk}
	var st unix.Stat_t
	if err := unix.Fstat(root, &st); err != nil {
		return nil, errors.Join(Fail("cannot look at the directory", dir, err), unix.Close(root))
	}
	d.dev = st.Dev
	d.cache = newHandleCache(cachedDirs, d.openDir)
	if !walk {
		fd, err := unix.Openat2(root, ".", &unix.OpenHow{Flags: dirFlags, Resolve: resolve})
		if err == nil {
			err = unix.Close(fd)
		}
		// Old kernels do not know the call, some sandboxes refuse it.
		d.walk = err != nil
	}
	return d, nil
}

func (d *dirFS) Close() error {
	err := d.cache.clear()
	if cerr := unix.Close(d.root); cerr != nil && err == nil {
		err = cerr
	}
	if err != nil {
		return Fail("cannot close the directory", d.name, err)
	}
	return nil
}

// openDir opens the directory at a valid path.
func (d *dirFS) openDir(name string) (int, error) {
	if d.walk {
		return d.walkTo(name)
	}
	for {
		fd, err := unix.Openat2(d.root, name, &unix.OpenHow{Flags: dirFlags, Resolve: resolve})
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) { // again: something was renamed meanwhile
			return fd, err
		}
	}
}

// walkTo does what openat2 would do, one component at a time.
func (d *dirFS) walkTo(name string) (int, error) {
	at := d.root
	for component := range strings.SplitSeq(name, "/") {
		next, err := retry(func() (int, error) { return unix.Openat(at, component, dirFlags, 0) })
		if at != d.root {
			err = errors.Join(err, unix.Close(at))
		}
		if err != nil {
			return -1, firstErrno(err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(next, &st); err != nil || st.Dev != d.dev {
			if err == nil {
				err = unix.EXDEV
			}
			return -1, firstErrno(errors.Join(err, unix.Close(next)))
		}
		at = next
	}
	return at, nil
}

func firstErrno(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// retry repeats a call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// parent gives a handle of the directory name lies in, and name's last
// component. The caller releases the handle.
func (d *dirFS) parent(name string) (*handle, string, error) {
	if !validPath(name) || name == "." {
		return nil, "", unix.EINVAL
	}
	dir, base := ".", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i], name[i+1:]
	}
	h, err := d.cache.get(dir)
	return h, base, err
}

// validPath tells whether a path is of the kind this package takes.
func validPath(name string) bool {
	if name == "." {
		return true
	}
	for component := range strings.SplitSeq(name, "/") {
		if component == "" || component == "." || component == ".." {
			return false
		}
	}
	return strings.IndexByte(name, 0) < 0
}

func (d *dirFS) where(name string) string {
	if name == "." {
		return d.name
	}
	return d.name + "/" + name
}

func (d *dirFS) fail(message, name string, err error) error {
	return Fail(message, cooper.Quote(d.where(name)), err)
}

func (d *dirFS) Space() (Space, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(d.root, &st); err != nil {
		return Space{}, d.fail("cannot tell the space left", ".", err)
	}
	s := Space{Bytes: clampInt64(st.Bavail), Inodes: clampInt64(st.Ffree)}
	if st.Frsize > 0 && s.Bytes > math.MaxInt64/st.Frsize {
		s.Bytes = math.MaxInt64
	} else {
		s.Bytes *= max(st.Frsize, 1)
	}
	if st.Files == 0 { // a file system that makes inodes as it needs them
		s.Inodes = math.MaxInt64
	}
	return s, nil
}

func clampInt64(u uint64) int64 { return int64(min(u, math.MaxInt64)) }

func (d *dirFS) SyncDir(name string) error {
	if !validPath(name) {
		return d.fail("cannot sync the directory", name, unix.EINVAL)
	}
	h, err := d.cache.get(name)
	if err != nil {
		return d.fail("cannot sync the directory", name, err)
	}
	defer d.cache.release(h)
	if err := unix.Fsync(h.fd); err != nil {
		return d.fail("cannot sync the directory", name, err)
	}
	return nil
}

func (d *dirFS) SyncAll() error {
	if err := d.cache.clear(); err != nil {
		return d.fail("cannot sync", ".", err)
	}
	if err := unix.Syncfs(d.root); err != nil {
		return d.fail("cannot sync", ".", err)
	}
	return nil
}
