package codec

import (
	"crypto/rand"
	"crypto/sha1"
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
	// Key, Random and Encryptor are for encryption. 16 bytes of Random (nil means
	// crypto/rand's) make the IV; the Encryptor is shared by all streams (nil will
	// do for a single one).
	Key       *Key
	Random    io.Reader
	Encryptor *cfb8.Encryptor
}

// Encode gives the stored form of plain. Errors of plain come as they are.
func (c Chain) Encode(plain io.Reader, o EncodeOptions) (*Stream, error) {
	s := &Stream{plain: newPlainCounter(plain), stored: &counter{}}
	s.top = s.plain
	switch c.Compress.Method {
	case Uncompressed:
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
		return nil, c.unwritable()
	}
	if c.Encrypt != Clear {
		if err := c.encrypt(s, o); err != nil {
			s.free()
			return nil, err
		}
	}
	s.stored.r = s.top
	s.top = s.stored
	return s, nil
}

func (c Chain) unwritable() error {
	if c.Compress.Method == Gzip {
		return &cooper.Error{Kind: cooper.KindUsage, Where: c.String(), Message: "gzip is read, and not written", Remedy: "Compress with zstd."}
	}
	return unknown(c.String())
}

func (c Chain) encrypt(s *Stream, o EncodeOptions) error {
	iv, err := c.newIV(o)
	if err != nil {
		return err
	}
	e := o.Encryptor
	if e == nil {
		e = new(cfb8.Encryptor)
	}
	s.top = e.Reader(s.top, o.Key, iv)
	return nil
}

// newIV checks the key and takes random bytes.
func (c Chain) newIV(o EncodeOptions) (iv [cfb8.IVSize]byte, err error) {
	if err := c.checkKey(o.Key); err != nil {
		return iv, err
	}
	random := o.Random
	if random == nil {
		random = rand.Reader
	}
	if _, err := io.ReadFull(random, iv[:]); err != nil {
		return iv, &cooper.Error{Kind: cooper.KindInternal, Message: "no random bytes for an IV", Err: err}
	}
	return iv, nil
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
	// match, or is too short for, is an error before the first byte. A match
	// proves the key where the chain only decrypts. With compression inside it
	// is a strong hint: there, compare hashes before anything depends on it.
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
			raw = newPeeker(s.top, o.Expect)
			s.top = raw
		}
		s.push(cfb8.NewReader(s.top, o.Key))
	}
	switch c.Compress.Method {
	case Uncompressed:
	case Zstd:
		r, err := zstd.NewReader(s.top, o.Window)
		if err != nil {
			s.free()
			return nil, err
		}
		s.push(r)
	case Gzip:
		s.push(newGunzip(s.top))
	default:
		s.free()
		return nil, unknown(c.String())
	}
	if o.Expect != nil {
		s.top = &guard{peeker: newPeeker(s.top, o.Expect), expect: o.Expect, raw: raw, stored: s.stored}
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
	if !ended(s.err) {
		return Sums{}, &cooper.Error{Kind: cooper.KindInternal, Message: "sums of a content that was not read to its end", Err: s.err}
	}
	sums := Sums{PlainSize: s.plain.n, StoredSize: s.stored.n, Looks: sniff.Sniff(s.plain.head)}
	s.plain.sha256.Sum(sums.SHA256[:0])
	s.plain.sha1.Sum(sums.SHA1[:0])
	return sums, nil
}

// ended tells the end of a content from failures, of which some wrap io.EOF: a
// body cut short is no end.
func ended(err error) bool {
	return err == io.EOF //nolint:errorlint // see above
}

// counter counts what is read through it, and remembers how it failed.
type counter struct {
	r   io.Reader
	n   int64
	err error // of r, unless its end
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !ended(err) {
		c.err = err
	}
	return n, err
}

// plainCounter hashes as well, and keeps the first bytes.
type plainCounter struct {
	counter
	head         []byte
	sha256, sha1 hash.Hash
}

func newPlainCounter(r io.Reader) *plainCounter {
	return &plainCounter{counter: counter{r: r}, sha256: sha256.New(), sha1: sha1.New()}
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
	if e.left < 0 || ended(err) && e.left != 0 {
		return 0, &cooper.Error{Kind: cooper.KindInvalid, Message: fmt.Sprintf("content of another size than was announced: %+d bytes", -e.left)}
	}
	return n, err
}
