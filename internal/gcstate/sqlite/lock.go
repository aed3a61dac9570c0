package sqlite

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"cooper"
)

// The lock beside the file is held by all who have it open, shared, and alone by who puts another in
// its place: a process that still wrote to the old one would write for nobody.

func lockFile(ctx context.Context, path string, how int, wait time.Duration) (*os.File, error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // as all of the workspace
	if err != nil {
		return nil, local(name, err)
	}
	err = patiently(ctx, wait, func() (again bool, err error) {
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB) //nolint:gosec // it is a file's number
		return errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR), err
	})
	if err == nil {
		return f, nil
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, unix.EWOULDBLOCK):
		err = &cooper.Error{Kind: cooper.KindLocked, Where: path, Message: "another process uses the state of handles", Remedy: "Try again when it has ended."}
	default:
		err = local(name, err)
	}
	return nil, errors.Join(err, f.Close())
}

func share(ctx context.Context, path string, wait time.Duration) (*os.File, error) {
	return lockFile(ctx, path, unix.LOCK_SH, wait)
}

func alone(ctx context.Context, path string, wait time.Duration) (*os.File, error) {
	return lockFile(ctx, path, unix.LOCK_EX, wait)
}

// share lets others in.
func (s *state) share() error {
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_SH); err != nil { //nolint:gosec // it is a file's number
		return local(s.lock.Name(), err)
	}
	return nil
}

// patiently calls try until it wants no more, or the waits in between have come to wait.
func patiently(ctx context.Context, wait time.Duration, try func() (again bool, err error)) error {
	const most = 50 * time.Millisecond
	for pause := time.Millisecond; ; pause = min(2*pause, most) {
		again, err := try()
		if !again || wait <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		wait -= pause
	}
}
