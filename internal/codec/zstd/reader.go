package zstd

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"cooper"
)

// Reader gives the content of Zstandard frames.
type Reader struct {
	src    *source
	dec    *zstd.Decoder
	window int64
	err    error
}

// source tells a failure of the reader below from a fault of its bytes. It
// hides what else that reader can do: given a bytes.Buffer, the decoder would
// take all of it, and what it expands to, into memory.
type source struct {
	r   io.Reader
	n   int64 // read so far
	err error // of r, unless its end
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// idleDecoders keeps decoders of the default window for reuse.
var idleDecoders sync.Pool

// NewReader gives a Reader of the frames in src, one or several, skippable ones
// passed over. window is the largest window it accepts, in bytes, and what it
// may hold; 0 means DefaultWindow. Close frees it.
//
// Read fails with an *cooper.Error of kind invalid where src holds anything but
// whole frames (cut short, followed by something else, made with a dictionary
// or with a larger window), and corrupt where content does not match its
// checksum. An error of src comes as it is.
func NewReader(src io.Reader, window int64) (*Reader, error) {
	r := &Reader{src: &source{r: src}, window: window}
	if window <= 0 {
		r.window = DefaultWindow
	}
	if r.window == DefaultWindow {
		r.dec, _ = idleDecoders.Get().(*zstd.Decoder)
	}
	if r.dec == nil {
		var err error
		r.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(uint64(r.window)), zstd.WithDecodeBuffersBelow(0))
		if err != nil {
			return nil, &cooper.Error{Kind: cooper.KindInternal, Message: "no decoder of zstd", Err: err}
		}
	}
	if err := r.dec.Reset(r.src); err != nil {
		r.err = r.explain(err)
	}
	return r, nil
}

// Read gives bytes of the content. They are known to be whole only when it has
// returned io.EOF.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.dec.Read(p)
	if err != nil {
		r.err = r.explain(err)
		err = r.err
	}
	return n, err
}

// explain tells the end from a failure of the reader below and from a fault of
// its bytes.
func (r *Reader) explain(err error) error {
	switch {
	case r.src.err != nil:
		return r.src.err
	case errors.Is(err, io.EOF) && r.src.n > 0:
		return io.EOF
	case errors.Is(err, io.EOF):
		err = errEmpty
	}
	return explained(err, r.window)
}

// Close frees what the Reader holds; it does not close the reader below.
func (r *Reader) Close() error {
	if r.dec == nil {
		return nil
	}
	if r.err == nil {
		r.err = errors.New("zstd: read after Close")
	}
	if err := r.dec.Reset(nil); r.window == DefaultWindow && (err == nil || errors.Is(err, zstd.ErrDecoderNilInput)) {
		idleDecoders.Put(r.dec)
	} else {
		r.dec.Close()
	}
	r.dec = nil
	return nil
}
