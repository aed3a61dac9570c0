//go:build !linux

package background

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Elsewhere processes cannot be told apart, and no run gets as far as any of this.
const (
	setLock = unix.F_SETLK
	getLock = unix.F_GETLK
)

func tie(from, to int) error { return unix.Dup2(from, to) }

func lowest() error { return errors.New("priorities are those of Linux") }
