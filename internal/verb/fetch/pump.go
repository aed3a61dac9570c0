package fetch

import (
	"context"
	"errors"
	"io"
	"sync"
)

// writeError is a fault on this side, which asking again cannot mend.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }

func (e *writeError) Unwrap() error { return e.err }

func asWriteError(err error, to **writeError) bool { return errors.As(err, to) }

var buffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// pump copies until from ends or is more than planned by a buffer, and tells
// moved of every piece. An error of from comes as it is, one of to as
// *writeError.
func (t *transfer) pump(ctx context.Context, to io.Writer, from io.Reader, moved func(int64)) (n int64, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		k, err := from.Read(*buf)
		if k > 0 {
			n += int64(k)
			moved(int64(k))
			if _, err := to.Write((*buf)[:k]); err != nil {
				return n, &writeError{err}
			}
		}
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		case n > t.v.Size:
			return n, nil
		case ctx.Err() != nil:
			return n, context.Cause(ctx)
		}
	}
}
