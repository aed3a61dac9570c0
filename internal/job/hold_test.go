package job

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestShellWord(t *testing.T) {
	for s, want := range map[string]string{"images/": "images/", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'"} {
		if got := ShellWord(s); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
}

// A lock that cannot be given back as it was taken is an error, of a bucket as of a tree.
func TestLockOfABucketIsGivenBackOrThatIsSaid(t *testing.T) {
	w := newWorld(t)
	err := w.begin(func(x *work) error {
		return x.hold(t.Context(), place{lock: "lab", command: "purge run"}, &Options{}, func(_ context.Context, h *held) error {
			return loseFile(filepath.Join(h.ws.TargetDir("lab"), "lock"))
		})
	})
	if !errors.Is(err, unix.EINVAL) {
		t.Errorf("the lock's file was taken away under the run: %v", err)
	}
}

// loseFile puts another file, which cannot be emptied, where this process has one open.
func loseFile(name string) error {
	const open = "/proc/self/fd"
	fds, err := os.ReadDir(open)
	if err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join(open, fd.Name())); err != nil || to != name {
			continue
		}
		n, err := strconv.Atoi(fd.Name())
		if err == nil {
			err = unix.Dup3(int(null.Fd()), n, unix.O_CLOEXEC)
		}
		return errors.Join(err, null.Close())
	}
	return errors.Join(fs.ErrNotExist, null.Close())
}
