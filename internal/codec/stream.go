package codec

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the hash of other people's tables, not a protection
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"cooper"
	"cooper/internal/codec/cfb8"
	"cooper/internal/codec/sniff"
	"cooper/internal/codec/zstd"
)

// Key is a key of an application's encryption.
type Key = cfb8.Key

// Sums describe the two forms of one content. Hashes are of the plain one;
// sizes are in bytes.
type Sums struct {
	PlainSize  int64
	StoredSize int64
	SHA256     [sha256.Size]byte
	SHA1       [sha1.Size]byte
	// Looks is what the plain content looks like. If it is compressed, the
	// object is so twice.
	Looks sniff.Format
}

// SamePlain tells whether two are of one plain content, by size and SHA-256.
func (s Sums) SamePlain(o Sums) bool { return s.PlainSize == o.PlainSize && s.SHA256 == o.SHA256 }

// Stream is one form of a content, made of the other as it is read. Reading to
// the end or Close frees what it holds; neither closes the reader below.
type Stream struct {
	top    io.Reader
	parts  []io.Closer
	plain  *plainCounter
	stored *counter
	err    error
}

// EncodeOptions are what Encode needs beside the content.
type EncodeOptions struct {
	// Size of the plain content in bytes, which is checked, or -1 if it is not
	// known.
	Size int64
	// Key, Random and Encryptor are for encryption. 16 bytes of Random make the
	// IV; the Encryptor is shared by all streams (nil will do for a single one).
	Key       *Key
	Random    io.Reader
	Encryptor *cfb8.Encryptor
}

// Encode gives the stored form of plain. Errors of plain come as they are.
func (c Chain) Encode(plain io.Reader, o EncodeOptions) (*Stream, error) {
	s := &Stream{plain: newPlainCounter(plain), stored: &counter{}}
	s.top = s.plain
	switch c.Compress.Method {
	case Stored:
		if o.Size >= 0 {
			s.top = &exactly{r: s.top, left: o.Size}
		}
	case Zstd:
		e, err := zstd.NewEncoder(s.top, c.Compress.Level, o.Size)
		if err != nil {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "cannot compress", Err: err}
		}
		s.push(e)
	default:
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: c.String(), Message: string(c.Compress.Method) + " is read, and not written",
			Remedy: "Compress with zstd."}
	}
	if c.Encrypt != Clear {
		if err := c.encrypt(s, o); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.stored.r = s.top
	s.top = s.stored
	return s, nil
}

func (c Chain) encrypt(s *Stream, o EncodeOptions) error {
	if err := c.checkKey(o.Key); err != nil {
		return err
	}
	var iv [cfb8.IVSize]byte
	if _, err := io.ReadFull(o.Random, iv[:]); err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Message: "no random bytes for an IV", Err: err}
	}
	e := o.Encryptor
	if e == nil {
		e = new(cfb8.Encryptor)
	}
	s.top = e.Reader(s.top, o.Key, iv)
	return nil
}

func (c Chain) checkKey(key *Key) error {
	switch {
	case c.Encrypt != AES256CFB8:
		return unknown(string(c.Encrypt))
	case key == nil:
		return &cooper.Error{Kind: cooper.KindUsage, Message: "no key for " + string(c.Encrypt)}
	}
	return nil
}

// DecodeOptions are what Decode needs beside the content.
type DecodeOptions struct {
	// Key is for decryption.
	Key *Key
	// Expect is how a wrong key is told; nil believes any. What it does not
	// match, or is too short for, is an error before the first byte.
	Expect *sniff.Expectations
	// Window is the largest window of zstd that is accepted, in bytes; 0 means
	// zstd.DefaultWindow. It bounds the memory of the stream.
	Window int64
}

// Decode gives the plain form of stored. Errors of stored come as they are;
// those of its format are *cooper.Error of kinds invalid and corrupt.
func (c Chain) Decode(stored io.Reader, o DecodeOptions) (*Stream, error) {
	s := &Stream{stored: &counter{r: stored}}
	s.top = s.stored
	var raw *peeker
	if c.Encrypt != Clear {
		if err := c.checkKey(o.Key); err != nil {
			return nil, err
		}
		if o.Expect != nil {
			raw = &peeker{r: s.top, want: max(o.Expect.Need(), sniff.HeadSize)}
			s.top = raw
		}
		s.push(cfb8.NewReader(s.top, o.Key))
	}
	switch c.Compress.Method {
	case Stored:
	case Zstd:
		r, err := zstd.NewReader(s.top, o.Window)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.push(r)
	case Gzip:
		s.push(newGunzip(s.top))
	default:
		return nil, errors.Join(unknown(c.String()), s.Close())
	}
	if o.Expect != nil {
		s.top = &guard{peeker: peeker{r: s.top, want: o.Expect.Need()}, expect: o.Expect, raw: raw}
	}
	s.plain = newPlainCounter(s.top)
	s.top = s.plain
	return s, nil
}

func (s *Stream) push(r io.ReadCloser) {
	s.top = r
	s.parts = append(s.parts, r)
}

// Read gives bytes of the other form.
func (s *Stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.top.Read(p)
	if err != nil {
		s.err = err
		s.free()
	}
	return n, err
}

// free lets the parts go, which have nothing to tell by failing.
func (s *Stream) free() {
	for _, c := range s.parts {
		_ = c.Close()
	}
	s.parts = nil
}

// Close frees what the Stream holds. It may be called at any time, and again.
func (s *Stream) Close() error {
	if s.err == nil {
		s.err = errors.New("codec: read after Close")
	}
	s.free()
	return nil
}

// Sums describe what has passed, once Read has returned io.EOF; before, or
// after a failure, they are an error.
func (s *Stream) Sums() (Sums, error) {
	if s.err != io.EOF { //nolint:errorlint // an error that merely wraps the end is not the end
		return Sums{}, &cooper.Error{Kind: cooper.KindInternal, Message: "sums of a content that was not read to its end", Err: s.err}
	}
	sums := Sums{PlainSize: s.plain.n, StoredSize: s.stored.n, Looks: sniff.Sniff(s.plain.head)}
	s.plain.sha256.Sum(sums.SHA256[:0])
	s.plain.sha1.Sum(sums.SHA1[:0])
	return sums, nil
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// plainCounter hashes as well, and keeps the first bytes.
type plainCounter struct {
	counter
	head         []byte
	sha256, sha1 hash.Hash
}

func newPlainCounter(r io.Reader) *plainCounter {
	return &plainCounter{counter: counter{r: r}, sha256: sha256.New(), sha1: sha1.New()} //nolint:gosec // see the import
}

func (c *plainCounter) Read(p []byte) (int, error) {
	n, err := c.counter.Read(p)
	c.sha256.Write(p[:n])
	c.sha1.Write(p[:n])
	if room := sniff.HeadSize - len(c.head); room > 0 {
		c.head = append(c.head, p[:min(n, room)]...)
	}
	return n, err
}

// exactly passes a content on that has the size that was announced.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if e.left < 0 || err == io.EOF && e.left != 0 { //nolint:errorlint // an error that merely wraps the end is not the end
		return 0, fmt.Errorf("content of another size than was announced: %+d bytes", -e.left)
	}
	return n, err
}

// peeker can show its first bytes before they are read.
type peeker struct {
	r    io.Reader
	want int
	head []byte // the first bytes, at most want
	rest *bytes.Reader
	err  error // that ended the head
}

// peek reads the head, which is shorter than want only if the content is, or
// if err tells of a failure.
func (p *peeker) peek() {
	if p.rest != nil {
		return
	}
	p.head = make([]byte, p.want)
	n := 0
	for n < p.want && p.err == nil {
		var m int
		m, p.err = p.r.Read(p.head[n:])
		n += m
	}
	p.head = p.head[:n]
	p.rest = bytes.NewReader(p.head)
}

func (p *peeker) Read(b []byte) (int, error) {
	p.peek()
	if p.rest.Len() > 0 {
		return p.rest.Read(b)
	}
	if p.err != nil {
		return 0, p.err
	}
	return p.r.Read(b)
}

// guard lets a content pass that is as expected.
type guard struct {
	peeker
	expect *sniff.Expectations
	raw    *peeker // what is stored, if it is encrypted
	judged bool
}

func (g *guard) Read(b []byte) (int, error) {
	if !g.judged {
		if g.peek(); g.err != nil && g.err != io.EOF { //nolint:errorlint // an error that merely wraps the end is not the end
			return 0, g.explain(g.err)
		}
		if v := g.expect.Check(g.head); v != sniff.Matches {
			return 0, g.unexpected(v)
		}
		g.judged = true
	}
	return g.peeker.Read(b)
}

// explain adds to an error of the format that a wrong key may be the cause.
func (g *guard) explain(err error) error {
	var e *cooper.Error
	if g.raw == nil || !errors.As(err, &e) || e.Kind != cooper.KindInvalid && e.Kind != cooper.KindCorrupt {
		return err
	}
	return &cooper.Error{Kind: cooper.KindInvalid, Message: "a wrong key, or not encrypted as was declared", Err: err}
}

// unexpected says as well as can be why a content is not as expected.
func (g *guard) unexpected(v sniff.Verdict) error {
	e := &cooper.Error{Kind: cooper.KindInvalid, Remedy: "Check the key of this prefix, and what its contents are declared to be."}
	switch {
	case v == sniff.Short:
		e.Message = fmt.Sprintf("too short to tell a right key from a wrong one: %d bytes", len(g.head))
		e.Remedy = "Leave it, or look at it by hand."
	case g.raw == nil:
		e.Message = fmt.Sprintf("not what was declared (%s): looks like %s", g.expect, sniff.Sniff(g.head).Name)
	case g.expect.Check(g.raw.head) == sniff.Matches:
		e.Message = "not encrypted, where encryption was declared"
	case sniff.Sniff(g.raw.head) != sniff.Noise && sniff.Sniff(g.raw.head) != sniff.Unknown:
		e.Message = "not encrypted as was declared: looks like " + sniff.Sniff(g.raw.head).Name
	default:
		e.Message = fmt.Sprintf("a wrong key, or not what was declared (%s)", g.expect)
	}
	return e
}
