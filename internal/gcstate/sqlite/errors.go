package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"cooper"
)

// code is what SQLite has answered, without what is more exact; 0 if it was not SQLite.
func code(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// failed says what an error means to others.
func (s *state) failed(ctx context.Context, err error) error {
	var ours *cooper.Error
	switch c := code(err); {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case c == lib.SQLITE_BUSY || c == lib.SQLITE_LOCKED:
		return s.locked(err)
	case c == lib.SQLITE_FULL:
		return &cooper.Error{Kind: cooper.KindFull, Where: s.path, Message: "no space left", Remedy: "Make room, or choose another --workspace.", Err: err}
	case c == lib.SQLITE_READONLY && unix.Access(s.path, unix.W_OK) == nil:
		return s.damaged(err) // it says of itself that it is of a later version
	case c == lib.SQLITE_IOERR, c == lib.SQLITE_CANTOPEN, c == lib.SQLITE_PERM, c == lib.SQLITE_READONLY, c == lib.SQLITE_NOMEM, c == lib.SQLITE_AUTH, c == lib.SQLITE_INTERRUPT, c == lib.SQLITE_MISUSE:
		return local(s.path, err)
	case c != 0:
		// What we ask is always the same: what else is wrong with it is the file.
		return s.damaged(err)
	}
	return err
}

func (s *state) locked(err error) error {
	return &cooper.Error{Kind: cooper.KindLocked, Where: s.path, Message: fmt.Sprintf("another process has used the state of handles for more than %s", s.wait), Remedy: "Try again later.", Err: err}
}

// damaged is about a file of which something cannot be believed.
func (s *state) damaged(err error) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Where: s.path, Message: "the state of handles is damaged", Err: err,
		Remedy: "Make it anew with \"cooper gc rebuild\". Until then nothing is marked and nothing removed."}
}

// local wraps an error of the file system.
func local(where string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &cooper.Error{Kind: cooper.KindFull, Where: where, Message: "no space left", Remedy: "Make room, or choose another --workspace.", Err: err}
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: where, Err: err}
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return local(dir, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return local(dir, err)
	}
	return nil
}
