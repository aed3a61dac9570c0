package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cooper"
)

// targets is the directory of what is kept about buckets that runs change.
const targets = "target"

// TargetDir is where runs keep their journal about a bucket.
func (w *Workspace) TargetDir(bucket string) string {
	return filepath.Join(w.dir, targets, "s3-"+url.PathEscape(bucket))
}

// holder is what the lock file says while the lock is taken.
type holder struct {
	Run     string         `json:"run"`
	Command string         `json:"command"`
	PID     int            `json:"pid"`
	Since   cooper.Instant `json:"since"`
}

// LockTarget takes the lock of a bucket that a run is to change, without
// waiting; the function gives it back. KindLocked names who has it. Runs with
// another workspace, as on other machines, are not seen.
func (w *Workspace) LockTarget(bucket, run, command string) (func() error, error) {
	dir := w.TargetDir(bucket)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, local(dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, local(dir, err)
	}
	switch err := flock(f, unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, errors.Join(lockedBy(f, bucket), f.Close())
	case err != nil: // without a lock nothing is removed
		return nil, errors.Join(local(f.Name(), err), f.Close())
	}
	b, err := json.Marshal(holder{run, command, os.Getpid(), cooper.InstantOf(w.opt.Clock())})
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(b, '\n'), 0)
	}
	if err != nil {
		return nil, errors.Join(local(f.Name(), err), f.Close())
	}
	return func() error { return errors.Join(f.Truncate(0), f.Close()) }, nil
}

func lockedBy(f *os.File, bucket string) error {
	where, what := "s3://"+bucket, "another run changes this bucket"
	if strings.Contains(bucket, ":") { // which no bucket's name has
		where, what = bucket, "another run reads this database, or marks its files"
	}
	e := &cooper.Error{Kind: cooper.KindLocked, Where: where, Message: what, Remedy: "Wait until it has ended, or stop it."}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	var h holder
	if err == nil && json.Unmarshal(b, &h) == nil && h.PID != 0 {
		e.Message = fmt.Sprintf("%s: %s (run %s), process %d since %s", what, h.Command, h.Run, h.PID, h.Since)
	}
	return e
}
