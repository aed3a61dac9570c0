package sqlite

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// fileAt tells which file is at a path: by its number, and by when it was made, for numbers are
// given again. A copy has others, wherever it is.
func fileAt(path string) (string, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_SYNC_AS_STAT, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return "", err
	}
	if st.Mask&unix.STATX_BTIME == 0 { // not every file system remembers
		return fmt.Sprintf("%d", st.Ino), nil
	}
	return fmt.Sprintf("%d %d.%09d", st.Ino, st.Btime.Sec, st.Btime.Nsec), nil
}

// mayWrite tells whether we could write to the file.
func mayWrite(path string) bool { return unix.Access(path, unix.W_OK) == nil }
