package e2etest

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	shared = "/dev/shm"
	roomy  = 1 << 30
)

// Memory gives a directory for the length of the test, in a file system that keeps its
// files in memory if the machine has one with room.
func Memory(t *testing.T) string {
	t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(shared, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC || fs.Bavail*uint64(fs.Bsize) < roomy {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shared, "cooper-")
	if err != nil {
		return t.TempDir() // it may be another user's
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
