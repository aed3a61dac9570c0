package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"cooper"
)

// source is the body of a Put, from which sections are hashed and sent, again
// and again if need be.
type source struct {
	body io.ReadSeeker
	at   io.ReaderAt // the same, where it can be read from several places at once
	mu   sync.Mutex  // held while body is moved and read
	own  []byte      // all of it, where it is small
}

// ownMost is up to what size a body is copied before it is sent, in bytes. What
// net/http knows to be in memory it sends together with the headers: one system
// call and one packet less.
const ownMost = 64 << 10

func newSource(body io.ReadSeeker) *source {
	s := &source{body: body}
	s.at, _ = body.(io.ReaderAt)
	return s
}

// section is a part of a source for one attempt. A transport may go on reading
// after an attempt has ended; end makes that harmless, so that the next attempt
// can have the same bytes.
type section struct {
	src       *source
	off, size int64
	pos       int64
	mu        sync.Mutex
	ended     bool
}

// copy takes all size bytes of a small body over; later changes to it do not
// matter.
func (s *source) copy(size int64, where string) error {
	if size == 0 || size > ownMost {
		return nil
	}
	own := make([]byte, size)
	if _, err := io.ReadFull(s.section(0, size), own); err != nil {
		return cannotRead(err, where)
	}
	s.own = own
	return nil
}

// attempt gives the bytes of a section for one attempt, and what ends it.
func (s *source) attempt(off, size int64) (body io.ReadSeeker, end func()) {
	if s.own != nil {
		return bytes.NewReader(s.own[off : off+size]), func() {}
	}
	c := s.section(off, size)
	return c, c.end
}

func cannotRead(err error, where string) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "cannot read what is to be sent", Err: err}
}

func (s *source) section(off, size int64) *section { return &section{src: s, off: off, size: size} }

var errEnded = errors.New("the attempt has ended")

func (c *section) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return 0, errEnded
	}
	if c.pos >= c.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), c.size-c.pos)]
	n, err := c.src.readAt(p, c.off+c.pos)
	c.pos += int64(n)
	if errors.Is(err, io.EOF) && c.pos < c.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *section) Seek(offset int64, whence int) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += c.pos
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d", offset)
	}
	c.pos = offset
	return offset, nil
}

func (c *section) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

func (s *source) readAt(p []byte, off int64) (int, error) {
	if s.at != nil {
		return s.at.ReadAt(p, off)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.body.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return s.body.Read(p)
}

// check says whether the body has the size that was said.
func (s *source) check(size int64, where string) error {
	n, err := s.body.Seek(0, io.SeekEnd)
	if err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "cannot find the size of what is to be sent", Err: err}
	}
	if n != size {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: fmt.Sprintf("%d bytes to be sent, not %d", n, size)}
	}
	return nil
}

// buffers are what sums reads into.
var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// sums hashes a section, with or without MD5; errors are the body's own.
func (s *source) sums(off, size int64, withMD5 bool, where string) (sums, error) {
	if s.own != nil && !withMD5 {
		sum := sha256.Sum256(s.own[off : off+size])
		return sums{sha256: sum[:]}, nil
	}
	m, h := md5.New(), sha256.New()
	var to io.Writer = h
	if withMD5 {
		to = io.MultiWriter(m, h)
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if _, err := io.CopyBuffer(to, s.section(off, size), *buf); err != nil {
		return sums{}, cannotRead(err, where)
	}
	if !withMD5 {
		return sums{sha256: h.Sum(nil)}, nil
	}
	return sums{md5: m.Sum(nil), sha256: h.Sum(nil)}, nil
}
