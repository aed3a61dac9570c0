package background

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"cooper"
)

// Process names one process for ever: numbers are given again, but not with the
// same beginning since the same start of the machine.
type Process struct {
	PID int `json:"pid"`
	// Start is when it began, in ticks since the machine started.
	Start uint64 `json:"start"`
	// Boot is the id of that start of the machine.
	Boot string `json:"boot"`
}

const proc = "/proc"

// myself is the process that calls.
func myself() (Process, error) {
	p := Process{PID: os.Getpid()}
	var err error
	if p.Boot, err = bootID(); err != nil {
		return p, err
	}
	start, _, err := stat(p.PID)
	p.Start = start
	return p, err
}

func bootID() (string, error) {
	b, err := os.ReadFile(filepath.Join(proc, "sys/kernel/random/boot_id"))
	if err != nil {
		return "", noProc(err)
	}
	return strings.TrimSpace(string(b)), nil
}

func noProc(err error) error {
	return &cooper.Error{Kind: cooper.KindUsage, Where: proc, Message: "processes cannot be told apart here", Err: err,
		Remedy: "Runs in the background need Linux, with /proc mounted. Elsewhere use the system's own means, such as nohup."}
}

// stat reads when a process began, and whether it lives: one that has ended and was
// not waited for does not. Without such a process start is 0.
func stat(pid int) (start uint64, lives bool, err error) {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH):
		return 0, false, nil
	case err != nil:
		return 0, false, noProc(err)
	}
	// The name of the program, in brackets, may hold anything.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const state, began = 0, 19 // fields 3 and 22 of proc(5)
	if len(fields) <= began {
		return 0, false, noProc(errors.New("a stat file that is cut short"))
	}
	start, err = strconv.ParseUint(fields[began], 10, 64)
	if err != nil {
		return 0, false, noProc(err)
	}
	return start, fields[state] != "Z" && fields[state] != "X", nil
}

// Alive tells whether this very process lives.
func (p Process) Alive() (bool, error) {
	if p.PID <= 0 {
		return false, nil
	}
	boot, err := bootID()
	if err != nil || boot != p.Boot {
		return false, err
	}
	start, lives, err := stat(p.PID)
	return lives && start == p.Start, err
}

// terminate sends SIGTERM to this very process, if it lives. The handle comes
// first: if the process is the right one after that, so is what the handle holds.
func (p Process) terminate() error {
	if p.PID <= 0 {
		return nil
	}
	h, err := os.FindProcess(p.PID)
	if err != nil {
		return err
	}
	defer func() { _ = h.Release() }() // nothing is left of it
	if alive, err := p.Alive(); err != nil || !alive {
		return err
	}
	if err := h.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return &cooper.Error{Kind: cooper.KindDenied, Where: "process " + strconv.Itoa(p.PID), Message: "it cannot be signalled", Err: err,
			Remedy: "Stop it as the user who started it."}
	}
	return nil
}

// errHeld says that another process has a lock.
var errHeld = errors.New("another process has the lock")

// lock takes the lock of a run for as long as the file is open.
func lock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(f.Fd(), setLock, &l)
	switch {
	case err == nil || noLocks(err):
		return f, nil
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES):
		err = errHeld
	}
	return nil, errors.Join(err, f.Close())
}

// held tells whether a process has the lock.
func held(name string) (bool, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
			return false, nil
		}
		return false, local(name, err)
	}
	defer f.Close()
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), getLock, &l); err != nil {
		if noLocks(err) {
			return false, nil
		}
		return false, local(name, err)
	}
	return l.Type != unix.F_UNLCK, nil
}

// noLocks: the file system has none; then the process alone tells.
func noLocks(err error) bool {
	return errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOSYS)
}
