package cooper

import (
	"context"
	"errors"
	"strings"
)

// Kind classes errors and failed outcomes by what a person can do about them.
// Exit codes and --ignore are decided by kind.
type Kind string

// The kinds. Object kinds concern one version and let a run go on; the others
// end it.
const (
	// Object kinds.
	KindMissing  Kind = "missing"  // not there any more (404)
	KindDenied   Kind = "denied"   // not allowed (403)
	KindChanged  Kind = "changed"  // not the version that was planned (412, or another identity)
	KindArchived Kind = "archived" // cannot be read until restored
	KindCorrupt  Kind = "corrupt"  // content does not match its checksum, after retries
	KindConflict Kind = "conflict" // something else is in the way
	KindInvalid  Kind = "invalid"  // makes no sense: a malformed row, manifest, file or answer
	KindTimeout  Kind = "timeout"  // deadlines kept passing
	KindStore    Kind = "store"    // the store kept failing (5xx, resets)

	// Kinds that end a run.
	KindUsage       Kind = "usage"       // wrong flags, arguments or configuration
	KindRefused     Kind = "refused"     // refused for safety
	KindLocked      Kind = "locked"      // another run holds the target
	KindFull        Kind = "full"        // no space or no inodes left
	KindInterrupted Kind = "interrupted" // a person or the system asked to stop
	KindInternal    Kind = "internal"    // a bug, or the local system failed
)

// Error is an error a person reads: what happened, where, and what to do next.
type Error struct {
	Kind    Kind
	Message string
	// Where names the place: a path, a key, file and row.
	Where string
	// Remedy is a next step, as a sentence or a command.
	Remedy string
	Err    error
}

// Error gives the place, the message and the cause; the remedy is shown apart.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Where != "" {
		b.WriteString(e.Where)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Err != nil {
		if e.Message != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// RemedyOf is the outermost remedy in err's chain; empty if there is none.
func RemedyOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Remedy != "" {
			return e.Remedy
		}
		err = e.Err
	}
	return ""
}

// EndsRun tells kinds that say something about a run as a whole rather than about one object.
func (k Kind) EndsRun() bool {
	switch k {
	case KindUsage, KindRefused, KindLocked, KindFull, KindInterrupted, KindInternal:
		return true
	}
	return false
}

// KindOf is the kind of the outermost Error in err's tree; a cancelled context
// is KindInterrupted, a passed deadline KindTimeout, and anything else KindInternal. nil has no kind.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	switch {
	case errors.As(err, &e) && e.Kind != "":
		return e.Kind
	case errors.Is(err, context.Canceled):
		return KindInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		return KindTimeout
	}
	return KindInternal
}
