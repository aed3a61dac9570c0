package rewrite

import (
	"context"
	"io"
	"math/bits"
	"sync"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/checksum"
	"cooper/internal/codec"
	"cooper/internal/codec/sniff"
	"cooper/internal/reading"
	"cooper/internal/store"
)

const (
	// wholeMost is up to what size objects are held in memory, in bytes.
	wholeMost = 16 << 20
	// headSize is how many first bytes are judged before the rest is read.
	headSize = 256 << 10
)

// smallMemory is what the buffers of small take, in bytes.
func (j *job) smallMemory() int64 {
	n := int(min(j.v.Size, wholeMost))
	bound := j.opt.Rewriting.Codec.Bound(n)
	need := roomFor(n) + roomFor(bound) + roomFor(n+bound)
	if j.from.Encrypt != codec.Clear {
		need += roomFor(n)
	}
	return int64(need)
}

// small does the work on an object in memory: one GET, one PUT, no goroutine.
func (j *job) small(ctx context.Context) (*cooper.Content, checksum.Result, error) {
	var none checksum.Result
	body, err := j.open(ctx, j.reading())
	if err != nil {
		return nil, none, err
	}
	defer body.Close()
	if reason, err := j.described(&body.Object); err != nil {
		return nil, none, err
	} else if reason != "" {
		body.Close()
		return j.leave(ctx, &body.Object, reason)
	}
	source := take(int(j.v.Size))
	defer source.give()
	if reason, err := j.readWhole(body, source.b); err != nil || reason != "" {
		return j.leftOr(reason, err), none, err
	}
	res, err := body.Check(ctx, source.b)
	if err != nil || res.Check == cooper.Corrupt {
		return nil, res, err
	}
	plain, sums, release, err := j.decode(source.b)
	if err != nil {
		return nil, res, err
	}
	defer release()
	sums.StoredSize = j.v.Size
	if reason := j.leaves(sums.Looks); reason != "" {
		return j.left(reason, &sums), res, nil
	}
	content, err := j.encode(ctx, &body.Object, plain, sums)
	return content, res, err
}

// leftOr is nothing beside an error.
func (j *job) leftOr(reason string, err error) *cooper.Content {
	if err != nil {
		return nil
	}
	return j.left(reason, nil)
}

// described tells what follows from the description of the original.
func (j *job) described(o *store.Object) (reason string, err error) {
	if reason, err := reading.Described(o); err != nil || reason != "" {
		return reason, err
	}
	if o.Lock.Holds(cooper.InstantOf(j.opt.Clock())) && (j.inPlace() || j.opt.Rewriting.Originals == bucketop.RemoveOriginals) {
		return bucketop.ReasonLocked, nil
	}
	return "", nil
}

func (j *job) inPlace() bool { return j.opt.Rewriting.Mode == bucketop.InPlace }

// readWhole fills b. It stops early where the first bytes say that it is not
// worth it, or that the key is wrong.
func (j *job) readWhole(body *reading.Body, b []byte) (reason string, err error) {
	head := min(len(b), headSize)
	if _, err := io.ReadFull(body, b[:head]); err != nil {
		return "", j.unread(err)
	}
	if head == len(b) {
		return "", nil
	}
	_, sums, release, err := j.decode(b[:head])
	if err != nil {
		return "", err
	}
	release()
	if reason := j.leaves(sums.Looks); reason != "" {
		return reason, nil
	}
	_, err = io.ReadFull(body, b[head:])
	return "", j.unread(err)
}

// decode gives the plain content of what is in memory, or of the beginning of
// it. What it gives is good until release. A content that is compressed already
// inside the encryption has only Looks, and a PlainSize of -1.
func (j *job) decode(stored []byte) (plain []byte, sums codec.Sums, release func(), err error) {
	if j.from.Encrypt == codec.Clear || len(stored) == 0 {
		return stored, codec.SumsOf(stored), func() {}, nil
	}
	buf := take(len(stored))
	opt := codec.DecodeOptions{Key: j.secret.Key, Expect: j.secret.Expect}
	n, sums, err := j.from.DecodeInto(buf.b, stored, opt)
	if err == nil {
		return buf.b[:n], sums, buf.give, nil
	}
	buf.give()
	if m := j.from.Encrypt.Nested(stored, opt); m != codec.Uncompressed {
		return nil, codec.Sums{PlainSize: -1, Looks: sniff.Format{Name: string(m), Shrinks: sniff.Unlikely}}, func() {}, nil
	}
	return nil, sums, nil, err
}

// encode makes the new form of plain, proves it and stores it.
func (j *job) encode(ctx context.Context, o *store.Object, plain []byte, sums codec.Sums) (*cooper.Content, error) {
	to := j.opt.Rewriting.Codec
	out := take(to.Bound(len(plain)))
	defer out.give()
	stored, err := to.Append(out.b[:0], plain, codec.EncodeOptions{Key: j.secret.Key, Random: j.opt.Random, Encryptor: &j.encryptor})
	if err != nil {
		return nil, err
	}
	sums.StoredSize = int64(len(stored))
	if !bucketop.Saves(j.v.Size, sums.StoredSize, j.opt.Rewriting.MinSaving) {
		return j.left(bucketop.ReasonSaving, &sums), nil
	}
	scratch := take(len(plain) + to.Bound(len(plain)))
	defer scratch.give()
	if _, err := to.ProveSame(stored, plain, scratch.b, j.secret.Key); err != nil {
		return nil, err
	}
	return j.store(ctx, o, stored, &sums)
}

// buffer is a piece of memory to be given back.
type buffer struct{ b []byte }

// pools hold buffers of 2^n bytes each, from 4 KiB on.
var pools [40]sync.Pool

const leastBuffer = 12

func classOf(n int) int { return max(leastBuffer, bits.Len(uint(max(n, 1)-1))) }

// roomFor is how large a buffer of n bytes really is.
func roomFor(n int) int { return 1 << classOf(n) }

// take gives a buffer of n bytes, of any content.
func take(n int) *buffer {
	class := classOf(n)
	b, ok := pools[class].Get().(*buffer)
	if !ok {
		b = &buffer{make([]byte, 1<<class)}
	}
	b.b = b.b[:n]
	return b
}

func (b *buffer) give() {
	b.b = b.b[:cap(b.b)]
	pools[classOf(len(b.b))].Put(b)
}
