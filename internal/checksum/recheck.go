package checksum

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"cooper"
)

// Known is what is remembered of bytes that were fetched once: the catalog's
// words on them.
type Known struct {
	ETag   string
	Size   int64
	Check  cooper.Check
	Method string
	Hash   []byte
	// Uncompared: nobody ever compared these bytes, as a fetch does. An ETag that
	// looks like the MD5 of the whole is then taken for it. It may be that of a bucket
	// with keys of its own, which is no MD5; but to believe so of all would leave
	// real damage undiscovered.
	Uncompared bool
}

// Rechecker compares bytes with what is known of them, as they stream by. It
// is not for concurrent use.
type Rechecker struct {
	known  Known
	sha    hash.Hash // nil without a Hash
	trials []trial   // else these, one of which must match
	form   form
	n      int64
}

// NewRecheck makes a Rechecker for all bytes of a version, from the first.
func NewRecheck(k Known) *Rechecker {
	r := &Rechecker{known: k}
	if len(k.Hash) == sha256.Size {
		r.sha = sha256.New()
		return r
	}
	sum, parts, form := parseETag(k.ETag)
	r.form = form
	byParts := func(size int64) {
		r.trials = append(r.trials, &partTrial{parted: newParted(size, md5.New), want: sum[:], parts: parts, name: methodParts, etag: true})
	}
	switch form {
	case plain:
		r.trials = []trial{&wholeTrial{Hash: md5.New(), want: sum[:], name: methodMD5, etag: true}}
	case multipart:
		if size, ok := r.partSize(); ok {
			byParts(size)
			break
		}
		for _, size := range candidates(k.Size, parts) {
			byParts(size)
		}
	}
	return r
}

// partSize is the part size with which the ETag was matched, if it was.
func (r *Rechecker) partSize() (int64, bool) {
	text, ok := strings.CutPrefix(r.known.Method, methodParts+" ")
	size, err := strconv.ParseInt(text, 10, 64)
	return size, ok && err == nil && size > 0
}

// Write takes the next bytes; it never fails.
func (r *Rechecker) Write(b []byte) (int, error) {
	r.n += int64(len(b))
	if r.sha != nil {
		r.sha.Write(b)
	}
	for _, t := range r.trials {
		t.Write(b) //nolint:errcheck // a hash never fails
	}
	return len(b), nil
}

// Result compares. Bytes that equal those once fetched are as good as these
// were: verified, or still unverifiable. Where it is not known how the ETag
// vouches for the bytes, a match makes them verified, and a difference means
// nothing, unless nobody compared them ever, or they are known to be corrupt: then
// an ETag that looks like an MD5 is taken for one.
func (r *Rechecker) Result() Result {
	k := &r.known
	if r.n != k.Size {
		return Result{Check: cooper.Corrupt, Method: fmt.Sprintf("%d bytes instead of %d", r.n, k.Size)}
	}
	if r.sha != nil {
		if !bytes.Equal(r.sha.Sum(nil), k.Hash) {
			return Result{Check: cooper.Corrupt, Method: "does not match sha256", Hash: k.Hash}
		}
		if k.Check == cooper.Corrupt {
			return Result{Check: cooper.Unverifiable, Method: "again what was fetched", Hash: k.Hash}
		}
		return Result{Check: k.Check, Method: k.Method, Hash: k.Hash}
	}
	for _, t := range r.trials {
		if t.matches() {
			return Result{Check: cooper.Verified, Method: t.method()}
		}
	}
	switch {
	case len(r.trials) == 0:
	case k.Check == cooper.Verified:
		return Result{Check: cooper.Corrupt, Method: "does not match " + k.Method}
	case r.form == plain && (k.Uncompared || k.Check == cooper.Corrupt):
		return Result{Check: cooper.Corrupt, Method: "does not match its ETag as an MD5"}
	}
	return Result{Check: cooper.Unverifiable, Method: "nothing to compare with"}
}

// Recheck reads bytes to their end and compares them with what is known.
// Errors are those of reading and of ctx; damage is a result.
func Recheck(ctx context.Context, bytes io.Reader, k Known) (Result, error) {
	r := NewRecheck(k)
	if _, err := copyAll(ctx, r, bytes); err != nil {
		return Result{}, err
	}
	return r.Result(), nil
}
