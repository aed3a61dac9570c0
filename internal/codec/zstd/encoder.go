package zstd

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"cooper"
)

// chunk is how much content is gathered for libzstd at once, in bytes. It is a
// constant of the format of our output: frames depend on it. Content shorter
// than this is compressed in one call and always bears its size.
const chunk = 256 << 10

// buffers are what an Encoder works in.
type buffers struct{ in, out []byte }

var idleBuffers = sync.Pool{New: func() any {
	return &buffers{in: make([]byte, chunk), out: make([]byte, bound(chunk))}
}}

// Encoder reads content and gives one Zstandard frame.
type Encoder struct {
	src   io.Reader
	size  int64 // declared, or -1
	taken int64 // of src so far

	c   *compressor
	b   *buffers
	in  []byte // gathered and not yet compressed
	out []byte // compressed and not yet given

	begun bool  // the frame
	ended bool  // src
	last  bool  // in is the last chunk
	err   error // ends the stream once out is given
}

// NewEncoder gives an Encoder of what src holds. size is the length of it in
// bytes, which goes into the frame and is checked, or -1 if it is not known.
// Close frees it; reading to the end does as well.
func NewEncoder(src io.Reader, level int, size int64) (*Encoder, error) {
	if err := CheckLevel(level); err != nil {
		return nil, err
	}
	c, err := getCompressor(level)
	if err != nil {
		return nil, err
	}
	return &Encoder{src: src, size: max(size, -1), c: c, b: idleBuffers.Get().(*buffers)}, nil
}

// Read gives bytes of the frame. An error of src comes as it is.
func (e *Encoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(e.out) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		if e.err = e.fill(); e.err != nil && e.err != io.EOF { //nolint:errorlint // an error that merely wraps the end is not the end
			e.out = nil
		}
		if e.err != nil && len(e.out) == 0 {
			e.release()
		}
	}
	n := copy(p, e.out)
	e.out = e.out[n:]
	if len(e.out) == 0 && e.err != nil {
		e.release()
	}
	return n, nil
}

// fill gathers a chunk if there is none, and compresses it as far as there is
// room. It returns io.EOF when the frame is complete.
func (e *Encoder) fill() error {
	if len(e.in) == 0 && !e.last {
		if err := e.gather(); err != nil {
			return err
		}
	}
	wrote, took, done, err := e.c.step(e.b.out, e.in, e.last)
	if err != nil {
		return err
	}
	e.out, e.in = e.b.out[:wrote], e.in[took:]
	if done {
		return io.EOF
	}
	return nil
}

// gather reads the next chunk, to its full length unless src ends, and begins
// the frame with the first.
func (e *Encoder) gather() error {
	n := 0
	for n < len(e.b.in) && !e.ended {
		m, err := e.src.Read(e.b.in[n:])
		n += m
		// Only the bare io.EOF is an end. io.ReadFull will not do: what it makes of an end is what a
		// body that was cut short returns by itself.
		if e.ended = err == io.EOF; err != nil && !e.ended {
			return err
		}
	}
	// A full chunk is never the last, whether or not src told its end along with it: the frame must not depend on that.
	e.last = n < len(e.b.in)
	e.taken += int64(n)
	e.in = e.b.in[:n]
	if e.size >= 0 && (e.taken > e.size || e.last && e.taken < e.size) {
		return &cooper.Error{Kind: cooper.KindInvalid,
			Message: fmt.Sprintf("content of another size than was announced: %+d bytes, or more", e.taken-e.size)}
	}
	if e.begun {
		return nil
	}
	e.begun = true
	size := e.size
	if e.last {
		size = e.taken
	}
	return e.c.begin(size)
}

// Close frees what the Encoder holds; it does not close src.
func (e *Encoder) Close() error {
	if e.err == nil {
		e.err = errors.New("zstd: read after Close")
	}
	e.out = nil
	e.release()
	return nil
}

func (e *Encoder) release() {
	if e.c == nil {
		return
	}
	e.c.release()
	idleBuffers.Put(e.b)
	e.c, e.b, e.in = nil, nil, nil
}
