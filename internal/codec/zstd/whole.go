package zstd

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"cooper"
)

// Bound is the most bytes that a frame of n bytes of content takes.
func Bound(n int) int { return bound(n) + bound(0) }

// Append appends the frame of src to dst: the very bytes that an Encoder gives
// which was told the size.
func Append(dst, src []byte, level int) ([]byte, error) {
	if err := CheckLevel(level); err != nil {
		return nil, err
	}
	c, err := getCompressor(level)
	if err != nil {
		return nil, err
	}
	defer c.release()
	if err := c.begin(int64(len(src))); err != nil {
		return nil, err
	}
	dst = slices.Grow(dst, Bound(len(src)))
	for rest, done := src, false; !done; {
		in := rest[:min(len(rest), chunk)]
		last := len(in) < chunk
		wrote, took, ended, err := c.step(dst[len(dst):cap(dst)], in, last)
		if err != nil {
			return nil, err
		}
		dst, rest, done = dst[:len(dst)+wrote], rest[took:], ended
		if wrote == 0 && took == 0 && !ended {
			return nil, errors.New("libzstd: does not get on")
		}
	}
	return dst, nil
}

// whole decodes frames in memory; it has no state between two calls, and may
// be shared.
var whole = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(DefaultWindow), zstd.WithDecodeAllCapLimit(true))
})

// AppendContent appends the content of frames to dst, which must have room for
// it: more than its capacity is an error. Errors are otherwise those of a Reader.
func AppendContent(dst, frames []byte) ([]byte, error) {
	d, err := whole()
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Message: "no decoder of zstd", Err: err}
	}
	if len(frames) == 0 {
		return nil, explained(errEmpty, DefaultWindow)
	}
	out, err := d.DecodeAll(frames, dst)
	if err != nil {
		return nil, explained(err, DefaultWindow)
	}
	return out, nil
}

var errEmpty = errors.New("nothing")

// explained turns what the decoder says into what a person needs.
func explained(err error, window int64) error {
	e := &cooper.Error{Kind: cooper.KindInvalid, Err: err}
	switch {
	case errors.Is(err, errEmpty):
		e.Message, e.Err = "empty, where a zstd frame was expected", nil
	case errors.Is(err, zstd.ErrCRCMismatch):
		e.Kind, e.Message = cooper.KindCorrupt, "the zstd frame does not match its checksum"
	case errors.Is(err, zstd.ErrMagicMismatch):
		e.Message = "not a zstd frame, or followed by something that is none"
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		e.Message = fmt.Sprintf("the zstd frame needs a window of more than %d MiB", window>>20)
	case errors.Is(err, zstd.ErrUnknownDictionary):
		e.Message = "the zstd frame was made with a dictionary"
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		e.Message = "the zstd frame holds more than was expected"
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = "the zstd frame is cut short"
	default:
		e.Message = "a broken zstd frame"
	}
	return e
}
