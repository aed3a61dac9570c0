package s3

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"

	"cooper/internal/store"
)

// What Accept-Encoding says. Without one, some stores and proxies compress what
// they send; with one that does not allow gzip, Google's decompress what was
// stored so (https://cloud.google.com/storage/docs/transcoding).
const (
	acceptAsIs = "identity"
	acceptGzip = "gzip"
)

// transfer is what is known of how a store sends bodies.
type transfer struct {
	// untold: it never says how long a body is, though it sends it as it is stored.
	untold atomic.Bool
}

// How much of an answer must be as it is stored.
type strictness int

const (
	strict    strictness = iota
	anyLength            // how long it is need not be said
	anyway               // what comes is read to its end, and judged by size and hash
)

// asStored sends a request for an object as it is stored, and another one that
// allows gzip where the answer differs from that.
func (c *lean) asStored(ctx context.Context, r store.Range, ask func(accept string, s strictness) (differs bool, err error)) error {
	first := strict
	if c.transfer.untold.Load() {
		first = anyLength
	}
	differs, err := ask(acceptAsIs, first)
	if !differs && !misfits(err, r) {
		return err
	}
	if terr := c.turn(ctx); terr != nil {
		return terr
	}
	again, second := ask(acceptGzip, strict)
	switch {
	case second == nil && !again:
		return nil
	case err != nil:
		return err
	}
	if err = c.turn(ctx); err == nil {
		_, err = ask(acceptAsIs, anyway)
	}
	return err
}

// misfits tells of an answer that is not the range that was asked for: the object
// may have been encoded, or decoded, on its way.
func misfits(err error, r store.Range) bool {
	var f *failure
	return errors.As(err, &f) && f.malformed && r != (store.Range{})
}

// asIs tells whether an answer is of an object as it is stored: unless the store says
// that it has another encoding or length, or the length is another than is
// expected, or is not said.
func (s strictness) asIs(res *http.Response, o *store.Object, ref store.Ref) bool {
	stored := res.Header.Get("X-Goog-Stored-Content-Encoding")
	length, err := strconv.ParseInt(res.Header.Get("X-Goog-Stored-Content-Length"), 10, 64)
	switch {
	case s == anyway:
	case stored != "" && stored != acceptAsIs && stored != o.Headers.ContentEncoding,
		err == nil && res.StatusCode == http.StatusOK && length != o.Size,
		o.Size < 0 && s == strict,
		o.Size >= 0 && ref.Size > 0 && o.Size != ref.Size:
		return false
	}
	return true
}
