package checksum

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"

	"cooper"
)

// The methods of Recheck that stand in the catalog.
const (
	methodMD5   = "md5"
	methodParts = "multipart"
)

// Hasher checks the bytes of one version. It is not for concurrent use.
type Hasher struct {
	claim Claim
	sum   [16]byte
	parts int
	form  form
	keyed string
	store *vouched // nil: no checksum from the store

	// Computed as the bytes stream by: the likeliest trial; and where the ETag
	// will not do, the store's checksum and the SHA-256, either may be nil.
	first trial
	along trial
	sha   hash.Hash
	n     int64
}

// New makes a Hasher for all bytes of an object, from the first.
func New(c Claim) *Hasher {
	h := &Hasher{claim: c, keyed: keyed(c.Encryption), store: vouchedBy(&c)}
	h.sum, h.parts, h.form = parseETag(c.ETag)
	switch h.form {
	case plain:
		h.first = h.byMD5()
	case multipart:
		if sizes := candidates(c.Size, h.parts); len(sizes) > 0 {
			h.first = h.byParts(sizes[0])
		}
	}
	if h.form == opaque || h.keyed != "" || c.Hashed {
		h.sha = sha256.New()
	}
	if h.form == opaque || h.keyed != "" {
		if h.store != nil && h.store.parts == 0 {
			h.along = h.byStore()
		}
	}
	return h
}

func (h *Hasher) byMD5() trial {
	return &wholeTrial{Hash: md5.New(), want: h.sum[:], name: methodMD5, etag: true}
}

func (h *Hasher) byParts(size int64) trial {
	return &partTrial{parted: newParted(size, md5.New), want: h.sum[:], parts: h.parts, name: methodParts, etag: true}
}

func (h *Hasher) byStore() trial {
	return &wholeTrial{Hash: h.store.new(), want: h.store.sum, name: h.store.name}
}

func (h *Hasher) byStoreParts(size int64) trial {
	return &partTrial{parted: newParted(size, h.store.new), want: h.store.sum, parts: h.store.parts, name: "composite " + h.store.name}
}

// Write takes the next bytes; it never fails.
func (h *Hasher) Write(b []byte) (int, error) {
	h.n += int64(len(b))
	for _, w := range []io.Writer{h.first, h.along, h.sha} {
		if w != nil {
			w.Write(b) //nolint:errcheck // a hash never fails
		}
	}
	return len(b), nil
}

// Evidence is where a Hasher turns when what it computed along the way does
// not settle the matter.
type Evidence struct {
	// Bytes are those that were written, to be read again.
	Bytes io.ReaderAt
	// PartSize asks the store for the size in bytes of a part of the upload; 1
	// is the first. Its errors end the check.
	PartSize func(ctx context.Context, part int) (int64, error)
}

// Result compares. It reads the bytes again only where the likeliest trial
// failed, and asks for part sizes only where no other trial did better.
//
// Errors are those of Evidence and of ctx; that bytes are corrupt is a result.
func (h *Hasher) Result(ctx context.Context, e Evidence) (Result, error) {
	switch {
	case h.n != h.claim.Size:
		return Result{Check: cooper.Corrupt, Method: fmt.Sprintf("%d bytes instead of %d", h.n, h.claim.Size)}, nil
	case h.first != nil && h.first.matches():
		r := Result{Check: cooper.Verified, Method: h.first.method()}
		if h.claim.Hashed {
			r.Hash = h.sha.Sum(nil)
		}
		return r, nil
	case h.along != nil:
		if !h.along.matches() {
			return h.corrupt(h.along.method()), nil
		}
		return Result{Check: cooper.Verified, Method: h.along.method(), Hash: h.sha.Sum(nil)}, nil
	}
	s := second{h: h, ctx: ctx, e: e, tried: map[int64]bool{}}
	return s.look()
}

func (h *Hasher) corrupt(method string) Result {
	return Result{Check: cooper.Corrupt, Method: "does not match " + method}
}

// second is a second look at the bytes.
type second struct {
	h     *Hasher
	ctx   context.Context
	e     Evidence
	tried map[int64]bool // part sizes
	hash  []byte         // SHA-256, once read again
}

// look tries all that can be tried without asking, in one pass; then asks.
func (s *second) look() (Result, error) {
	h := s.h
	var trials []trial
	if h.form == multipart && h.keyed == "" {
		sizes := candidates(h.claim.Size, h.parts)
		for _, size := range sizes[min(1, len(sizes)):] {
			trials = append(trials, h.byParts(size))
		}
		for _, size := range sizes {
			s.tried[size] = true
		}
	}
	if h.store != nil && h.store.parts == 0 {
		trials = append(trials, h.byStore())
	} else if h.store != nil {
		for _, size := range candidates(h.claim.Size, h.store.parts) {
			trials = append(trials, h.byStoreParts(size))
		}
	}
	found, err := s.try(trials)
	if err != nil || found.Check == cooper.Verified {
		return found, err
	}
	if h.store != nil && h.store.parts == 0 {
		return h.corrupt(h.store.name), nil
	}
	parts := h.parts
	if h.store != nil {
		parts = h.store.parts
	}
	switch {
	case h.form == plain && h.keyed == "" && h.store == nil:
		r := h.corrupt(methodMD5)
		r.Came = s.hash
		return r, nil
	case parts == 1 && (h.keyed == "" || h.store != nil):
		return h.corrupt("the checksum of its one part"), nil
	case h.store != nil || h.form == multipart && h.keyed == "":
		return s.ask(parts)
	}
	return s.unverifiable(h.reason()), nil
}

// ask learns the part size from the store. Only if the first and the last
// part are what equal parts would be does a difference mean corrupt bytes:
// parts may have any sizes.
func (s *second) ask(parts int) (Result, error) {
	h := s.h
	if s.e.PartSize == nil {
		return s.unverifiable("the size of its parts is not known"), nil
	}
	size, err := s.e.PartSize(s.ctx, 1)
	switch {
	case err != nil:
		return Result{}, err
	case size <= 0:
		return s.unverifiable("the store does not tell the size of its parts"), nil
	case count(h.claim.Size, size) != int64(parts):
		return s.unverifiable("multipart with parts of unlike sizes"), nil
	}
	var trials []trial
	if h.form == multipart && !s.tried[size] {
		trials = append(trials, h.byParts(size))
	}
	if h.store != nil {
		trials = append(trials, h.byStoreParts(size))
	}
	if len(trials) > 0 {
		found, err := s.try(trials)
		if err != nil || found.Check == cooper.Verified {
			return found, err
		}
	}
	if parts > 2 {
		last, err := s.e.PartSize(s.ctx, parts)
		if err != nil {
			return Result{}, err
		}
		if last != h.claim.Size-int64(parts-1)*size {
			return s.unverifiable("multipart with parts of unlike sizes"), nil
		}
	}
	return h.corrupt(fmt.Sprintf("%s %d", methodParts, size)), nil
}

// try reads the bytes once for all trials. The zero Result means that none
// matched.
func (s *second) try(trials []trial) (Result, error) {
	sha := sha256.New()
	writers := []io.Writer{sha}
	for _, t := range trials {
		writers = append(writers, t)
	}
	if len(trials) == 0 && s.h.sha != nil {
		s.hash = s.h.sha.Sum(nil)
		return Result{}, nil
	}
	n, err := copyAll(s.ctx, io.MultiWriter(writers...), io.NewSectionReader(s.e.Bytes, 0, s.h.claim.Size))
	if err != nil {
		return Result{}, err
	}
	if n != s.h.claim.Size {
		return Result{}, &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("read %d bytes where %d were written", n, s.h.claim.Size)}
	}
	s.hash = sha.Sum(nil)
	for _, t := range trials {
		if !t.matches() {
			continue
		}
		found := Result{Check: cooper.Verified, Method: t.method()}
		if !t.byETag() || s.h.claim.Hashed {
			found.Hash = s.hash
		}
		return found, nil
	}
	return Result{}, nil
}

func (s *second) unverifiable(why string) Result {
	return Result{Check: cooper.Unverifiable, Method: why, Hash: s.hash}
}

// reason says why there is nothing to compare with.
func (h *Hasher) reason() string {
	if h.keyed != "" {
		return strings.ToLower(h.keyed) + ": the ETag is no MD5"
	}
	return "the ETag is no MD5, and there is no checksum"
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// copyAll is io.Copy with a pooled buffer, minding ctx.
func copyAll(ctx context.Context, w io.Writer, r io.Reader) (n int64, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, err := r.Read(*buf)
		n += int64(k)
		if _, werr := w.Write((*buf)[:k]); werr != nil {
			return n, werr
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
