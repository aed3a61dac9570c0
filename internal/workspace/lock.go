package workspace

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// hold takes a shared lock on the file at name until that is closed: it says
// that a process uses the workspace. If no other does, alone is called first,
// under an exclusive lock.
//
// Between the exclusive lock and the shared one another process may get the
// exclusive one. That is harmless: this one has left nothing yet that could be
// cleared.
//
// A workspace that can be read but not written is used without a lock: nothing
// can be left or cleared there. Neither is anything cleared where the file
// system has no locks.
func hold(name string, alone func() error) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(err, unix.EROFS) || errors.Is(err, os.ErrPermission) {
		return nil, nil
	} else if err != nil {
		return nil, local(name, err)
	}
	err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = alone()
	} else if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOLCK) {
		err = nil
	}
	if err == nil {
		if err = flock(f, unix.LOCK_SH); errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOLCK) {
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(local(name, err), f.Close())
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
