package reading

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"cooper"
	"cooper/internal/checksum"
)

// Check compares the bytes, all of which have been read, with what the store
// vouches for. held are the bytes; nil if they are Streamed: then they are read
// again should that be necessary.
//
// Unverifiable bytes have come the same twice, unless reading is Secure. Bytes
// that came otherwise the second time are Corrupt.
func (b *Body) Check(ctx context.Context, held []byte) (checksum.Result, error) {
	if b.want != b.v.Size || b.got != b.want || !b.opt.Streamed && int64(len(held)) != b.want {
		return checksum.Result{}, &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(b.v.Key), Message: "a check of bytes that were not read"}
	}
	again := &again{b: b, ctx: ctx}
	defer again.close()
	var res checksum.Result
	var err error
	if b.opt.Streamed {
		res, err = b.hasher.Result(ctx, checksum.Evidence{Bytes: again, PartSize: b.partSize})
	} else {
		res, err = checksum.Whole(ctx, b.claim(), held, b.partSize)
	}
	if err != nil {
		return res, err
	}
	if res.Check == cooper.Unverifiable && !b.opt.Secure && !again.whole() {
		if _, err := io.Copy(io.Discard, io.NewSectionReader(again, 0, b.want)); err != nil {
			return res, err
		}
	}
	if again.whole() && !bytes.Equal(again.sum.Sum(nil), b.sum(held)) {
		return checksum.Result{Check: cooper.Corrupt, Method: "came otherwise the second time"}, nil
	}
	return res, nil
}

// SHA256 is of the bytes that were read so far, if they are Streamed.
func (b *Body) SHA256() []byte { return b.sha.Sum(nil) }

// sum is the SHA-256 of what was read first.
func (b *Body) sum(held []byte) []byte {
	if b.sha != nil {
		return b.sha.Sum(nil)
	}
	s := sha256.Sum256(held)
	return s[:]
}

// partSize asks for the size of a part. A store that says no has nothing to
// tell; what passes is an error.
func (b *Body) partSize(ctx context.Context, part int) (int64, error) {
	b.opt.Tally.Requests++
	o, err := b.from.Head(ctx, b.ref(), part)
	switch cooper.KindOf(err) {
	case "":
		if o.Parts == 0 {
			return 0, nil
		}
		return o.Length, nil
	case cooper.KindMissing, cooper.KindDenied, cooper.KindChanged, cooper.KindArchived, cooper.KindInvalid:
		return 0, nil
	}
	return 0, err
}

// again reads the same version once more: in order, from the beginning, as
// often as it is asked to. It hashes the last time.
type again struct {
	b    *Body
	ctx  context.Context
	body *Body
	sum  hash.Hash
}

// ReadAt gives the bytes behind the last ones, or the first.
func (a *again) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 {
		a.close()
		opt := a.b.opt
		opt.Moved, opt.Streamed, opt.Current, opt.Limit = nil, false, false, 0
		body, err := Open(a.ctx, a.b.from, a.b.v, opt)
		if err != nil {
			return 0, err
		}
		a.body, a.sum = body, sha256.New()
	}
	if a.body == nil || off != a.body.got {
		return 0, errors.New("reading: bytes out of order")
	}
	n, err := io.ReadFull(a.body, p)
	a.sum.Write(p[:n])
	return n, err
}

// whole tells whether it has read everything, once or more.
func (a *again) whole() bool { return a.body != nil && a.body.got == a.body.want }

func (a *again) close() {
	if a.body != nil {
		a.body.Close()
	}
}
