package cfb8

import (
	"crypto/aes"
	"errors"
	"io"
	"sync"

	"cooper"
)

// bufferSize is how much ciphertext a Reader takes at once, in bytes.
const bufferSize = 32 << 10

// windows are buffers of a Reader: 16 bytes from before, and new ones.
var windows = sync.Pool{New: func() any { return new([aes.BlockSize + bufferSize]byte) }}

// Reader decrypts a stored stream.
type Reader struct {
	src    io.Reader
	s      *schedule
	window *[aes.BlockSize + bufferSize]byte
	ready  bool // the IV was read
	err    error
}

// NewReader gives a Reader of what stored holds: an IV, and ciphertext. Close
// frees its buffer.
//
// Read fails with an *cooper.Error of kind invalid if stored is shorter than
// an IV. An error of stored comes as it is.
func NewReader(stored io.Reader, key *Key) *Reader { return newReader(stored, key, best()) }

func newReader(stored io.Reader, key *Key, p path) *Reader {
	return &Reader{src: stored, s: newSchedule(key, p), window: windows.Get().(*[aes.BlockSize + bufferSize]byte)}
}

// Read gives plain bytes.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	if !r.ready {
		if r.err = r.readIV(); r.err != nil {
			return 0, r.err
		}
		r.ready = true
	}
	n, err := r.src.Read(r.window[aes.BlockSize:][:min(len(p), bufferSize)])
	r.s.decrypt(p[:n], r.window[:])
	copy(r.window[:aes.BlockSize], r.window[n:])
	r.err = err
	return n, err
}

func (r *Reader) readIV() error {
	for n := 0; n < IVSize; {
		m, err := r.src.Read(r.window[n:IVSize])
		n += m
		if err == io.EOF && n < IVSize {
			return short(n)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func short(n int) error {
	e := &cooper.Error{Kind: cooper.KindInvalid, Message: "shorter than the 16 bytes of IV that begin an encrypted object"}
	if n == 0 {
		e.Message = "empty, where an encrypted object was expected"
	}
	return e
}

// Close frees the buffer; it does not close the reader below.
func (r *Reader) Close() error {
	if r.window != nil {
		windows.Put(r.window)
		r.window = nil
	}
	if r.err == nil {
		r.err = errors.New("cfb8: read after Close")
	}
	return nil
}
