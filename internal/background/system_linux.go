package background

import (
	"os"

	"golang.org/x/sys/unix"
)

// Locks of the open file, which can be asked about without being taken.
const (
	setLock = unix.F_OFD_SETLK
	getLock = unix.F_OFD_GETLK
)

// tie makes the number to stand for the file that from stands for.
func tie(from, to int) error { return unix.Dup3(from, to, 0) }

// lowest gives the calling thread the least of the processor, and of disks only what
// nobody else wants.
func lowest() error {
	const (
		leastCPU     = 19
		whoProcess   = 1 // IOPRIO_WHO_PROCESS; a thread
		classIdle    = 3 // IOPRIO_CLASS_IDLE
		classShifted = classIdle << 13
	)
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, leastCPU); err != nil {
		return os.NewSyscallError("setpriority", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, 0, classShifted); errno != 0 && errno != unix.ENOSYS {
		return os.NewSyscallError("ioprio_set", errno)
	}
	return nil
}
