package safefs

import (
	"errors"
	"syscall"

	"cooper"
)

// Fail turns a system error into one a person reads. Every implementation of
// FS gives such errors.
func Fail(message, where string, err error) error {
	e := &cooper.Error{Kind: kindOf(err), Message: message, Where: where, Err: err}
	switch {
	case e.Kind == cooper.KindFull:
		e.Remedy = "make room (bytes or inodes), then run the same command again"
	case errors.Is(err, syscall.ELOOP):
		e.Remedy = "a symbolic link is in the way: put the real directory or file in its place"
	case errors.Is(err, syscall.EXDEV):
		e.Remedy = "another file system is mounted there: everything below a root must be on one"
	}
	return e
}

func kindOf(err error) cooper.Kind {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return cooper.KindInternal
	}
	switch errno {
	case syscall.ENOENT:
		return cooper.KindMissing
	case syscall.EEXIST, syscall.ENOTEMPTY, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.EXDEV:
		return cooper.KindConflict
	case syscall.EACCES, syscall.EPERM, syscall.EROFS:
		return cooper.KindDenied
	case syscall.ENOSPC, syscall.EDQUOT, syscall.EMLINK:
		return cooper.KindFull
	}
	return cooper.KindInternal
}
