package codec

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"slices"

	"cooper"
	"cooper/internal/codec/cfb8"
	"cooper/internal/codec/sniff"
	"cooper/internal/codec/zstd"
)

// SumsOf describes a plain content that is in memory; StoredSize is left 0.
func SumsOf(plain []byte) Sums {
	return Sums{PlainSize: int64(len(plain)), SHA256: sha256.Sum256(plain), SHA1: sha1.Sum(plain), Looks: sniff.Sniff(plain)}
}

// Bound is the most bytes that n bytes of plain content take when stored.
func (c Chain) Bound(n int) int {
	if c.Compress.Method == Zstd {
		n = zstd.Bound(n)
	}
	if c.Encrypt != Clear {
		n += cfb8.IVSize
	}
	return n
}

// Append appends the stored form of a content in memory to dst: the bytes that
// Encode gives, for one IV. It is for what is small; o.Size does not matter.
func (c Chain) Append(dst, plain []byte, o EncodeOptions) ([]byte, error) {
	var iv [cfb8.IVSize]byte
	if c.Encrypt != Clear {
		var err error
		if iv, err = c.newIV(o); err != nil {
			return nil, err
		}
		dst = append(dst, iv[:]...)
	}
	from := len(dst)
	switch c.Compress.Method {
	case Uncompressed:
		dst = append(dst, plain...)
	case Zstd:
		var err error
		if dst, err = zstd.Append(dst, plain, c.Compress.Level); err != nil {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "cannot compress", Err: err}
		}
	default:
		return nil, c.unwritable()
	}
	if c.Encrypt != Clear {
		e := o.Encryptor
		if e == nil {
			e = new(cfb8.Encryptor)
		}
		e.Seal(dst[from:], o.Key, iv)
	}
	return dst, nil
}

// slack is room behind a content, in bytes, without which decoding takes a
// slower path.
const slack = 64

// ProveSame decodes stored, all in memory, and is an error unless it is exactly
// plain. scratch is what it may write to, and is given back, grown perhaps.
func (c Chain) ProveSame(stored, plain, scratch []byte, key *Key) ([]byte, error) {
	frame := stored
	need := len(plain) + slack
	if c.Encrypt != Clear {
		need += len(stored)
	}
	scratch = slices.Grow(scratch[:0], need)
	room := scratch[:cap(scratch)]
	if c.Encrypt != Clear {
		if err := c.checkKey(key); err != nil {
			return scratch, err
		}
		var err error
		if frame, err = cfb8.Open(room, stored, key); err != nil {
			return scratch, err
		}
		room = room[len(frame):]
	}
	back := frame
	switch c.Compress.Method {
	case Uncompressed:
	case Zstd:
		var err error
		if back, err = zstd.AppendContent(room[:0:len(plain)+slack], frame); err != nil {
			return scratch, err
		}
	default:
		return scratch, c.unwritable()
	}
	if !bytes.Equal(back, plain) {
		return scratch, &cooper.Error{Kind: cooper.KindCorrupt, Message: "what was encoded decodes to another content"}
	}
	return scratch, nil
}

// DecodeInto decodes stored, all in memory, into dst and tells how many bytes
// that made; more than dst holds are KindInvalid. Of a chain that only
// decrypts, stored may be the beginning of an object.
func (c Chain) DecodeInto(dst, stored []byte, o DecodeOptions) (n int, sums Sums, err error) {
	s, err := c.Decode(bytes.NewReader(stored), o)
	if err != nil {
		return 0, sums, err
	}
	defer s.Close() //nolint:errcheck // it has nothing to tell
	for err == nil && n < len(dst) {
		var m int
		m, err = s.Read(dst[n:])
		n += m
	}
	if err == nil {
		var more [1]byte
		var m int
		if m, err = s.Read(more[:]); m > 0 {
			return 0, sums, &cooper.Error{Kind: cooper.KindInvalid, Message: "decodes to more than was expected"}
		}
	}
	if !ended(err) {
		return 0, sums, err
	}
	sums, err = s.Sums()
	return n, sums, err
}

// Nested tells how a content was compressed before c encrypted it, where it
// should not have been: by the beginning of what is stored, which decodes to
// what o expects. Uncompressed says that nothing of the kind was found.
func (c Cipher) Nested(stored []byte, o DecodeOptions) Method {
	for _, m := range []Method{Zstd, Gzip} {
		s, err := Chain{Compression{Method: m}, c}.Decode(bytes.NewReader(stored), o)
		if err != nil {
			continue
		}
		var first [1]byte
		n, _ := s.Read(first[:])
		_ = s.Close() // it has nothing to tell
		if n > 0 {
			return m
		}
	}
	return Uncompressed
}
