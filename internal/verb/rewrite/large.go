package rewrite

import (
	"context"
	"fmt"
	"io"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/checksum"
	"cooper/internal/codec"
	"cooper/internal/codec/cfb8"
	"cooper/internal/reading"
	"cooper/internal/store"
)

const (
	// sampleSize is how many first bytes show whether what is large shrinks.
	sampleSize = 1 << 20
	// firstPart is how much of the new form is gathered before it is sent. What
	// is no longer is stored with one request, and bears its hashes.
	firstPart = 16 << 20
	// codecMemory is what an encoder and a decoder hold, in bytes.
	codecMemory = 32 << 20
	// growing parts are so many, at least: with those before, S3 takes 10,000.
	growing = 9_000
)

// streamMemory is what the buffers for a stream of size bytes take.
func streamMemory(size int64) int64 { return codecMemory + firstPart + max(firstPart, size/growing) }

// large does the work on an object that is not held in memory: after a sample,
// it is read, encoded, proven and sent part by part, and becomes an object when
// all of it is proven.
func (j *job) large(ctx context.Context) (*cooper.Content, checksum.Result, error) {
	var none checksum.Result
	o, reason, err := j.sample(ctx)
	switch {
	case err == nil && reason != "" && o != nil:
		return j.leave(ctx, o, reason)
	case err != nil || reason != "":
		return j.leftOr(reason, err), none, err
	}
	p, reason, err := j.prepare(ctx, o, j.origin(&codec.Sums{PlainSize: j.plainSize()}, false), nil)
	if err != nil || reason != "" {
		return j.leftOr(reason, err), none, err
	}
	if !j.inPlace() {
		// What is there already is found out before anything is sent.
		switch _, err := j.look(ctx); cooper.KindOf(err) {
		case cooper.KindMissing:
		case "":
			return j.compare(ctx, &p)
		default:
			return nil, none, err
		}
	}
	return j.stream(ctx, o, p)
}

// plainSize is that of the content, which follows from that of the object.
func (j *job) plainSize() int64 {
	if j.from.Encrypt != codec.Clear {
		return j.v.Size - cfb8.IVSize
	}
	return j.v.Size
}

// sample judges the first bytes. The object is nil beside a reason that they
// have told.
func (j *job) sample(ctx context.Context) (*store.Object, string, error) {
	opt := j.reading()
	opt.Limit, opt.Moved = sampleSize, nil
	body, err := j.open(ctx, opt)
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	if reason, err := j.described(&body.Object); err != nil || reason != "" {
		return &body.Object, reason, err
	}
	stored := take(sampleSize)
	defer stored.give()
	if _, err := io.ReadFull(body, stored.b); err != nil {
		return nil, "", j.unread(err)
	}
	plain, sums, release, err := j.decode(stored.b)
	if err != nil {
		return nil, "", err
	}
	defer release()
	if reason := j.leaves(sums.Looks); reason != "" {
		return nil, reason, nil
	}
	out := take(j.opt.Rewriting.Codec.Bound(len(plain)))
	defer out.give()
	sized := codec.Chain{Compress: j.opt.Rewriting.Codec.Compress}
	encoded, err := sized.Append(out.b[:0], plain, codec.EncodeOptions{})
	if err != nil {
		return nil, "", err
	}
	if !bucketop.Saves(int64(len(plain)), int64(len(encoded)), j.opt.Rewriting.MinSaving) {
		return nil, bucketop.ReasonSaving, nil
	}
	return &body.Object, "", nil
}

// compare reads the original for its hash, where something stands in the place
// of the replacement.
func (j *job) compare(ctx context.Context, p *store.Put) (*cooper.Content, checksum.Result, error) {
	var none checksum.Result
	body, plain, err := j.openStream(ctx)
	if err != nil {
		return nil, none, err
	}
	defer body.Close()
	defer plain.Close() //nolint:errcheck // it has nothing to tell
	buf := take(64 << 10)
	defer buf.give()
	for err == nil {
		_, err = plain.Read(buf.b)
	}
	if err != io.EOF { //nolint:errorlint // what wraps it is no end
		return nil, none, j.unread(err)
	}
	sums, err := plain.Sums()
	if err != nil {
		return nil, none, err
	}
	res, err := body.Check(ctx, nil)
	if err != nil || res.Check == cooper.Corrupt {
		return nil, res, err
	}
	content, err := j.occupied(ctx, p, &sums, func() []byte { return nil })
	return content, res, err
}

// openStream begins to read the original and to decode it.
func (j *job) openStream(ctx context.Context) (*reading.Body, *codec.Stream, error) {
	opt := j.reading()
	opt.Streamed = true
	body, err := j.open(ctx, opt)
	if err != nil {
		return nil, nil, err
	}
	plain, err := j.from.Decode(body, codec.DecodeOptions{Key: j.secret.Key, Expect: j.secret.Expect})
	if err != nil {
		body.Close()
		return nil, nil, err
	}
	return body, plain, nil
}

// stream sends the new form while it is made.
func (j *job) stream(ctx context.Context, o *store.Object, p store.Put) (_ *cooper.Content, res checksum.Result, err error) {
	body, plain, err := j.openStream(ctx)
	if err != nil {
		return nil, res, err
	}
	defer body.Close()
	defer plain.Close() //nolint:errcheck // it has nothing to tell
	to := j.opt.Rewriting.Codec
	encoded, err := to.Encode(plain, codec.EncodeOptions{Size: j.plainSize(), Key: j.secret.Key, Random: j.opt.Random, Encryptor: &j.encryptor})
	if err != nil {
		return nil, res, err
	}
	defer encoded.Close() //nolint:errcheck // it has nothing to tell
	s, err := j.newSending(p)
	if err != nil {
		return nil, res, err
	}
	defer func() { err = s.end(ctx, err) }()
	last, err := s.all(ctx, encoded)
	switch {
	case err != nil:
		return nil, res, err
	case last == nil:
		return j.left(bucketop.ReasonSaving, nil), res, nil
	}
	sums, err := encoded.Sums()
	if err != nil {
		return nil, res, err
	}
	if err := s.proven(&sums); err != nil {
		return nil, res, err
	}
	if res, err = body.Check(ctx, nil); err != nil || res.Check == cooper.Corrupt {
		return nil, res, err
	}
	if s.parts == nil {
		if m, reason := j.withOrigin(o.Metadata, j.origin(&sums, true), last); reason == "" {
			p.Metadata = m
		}
		content, err := j.whole(ctx, p, last, &sums, s.sha)
		return content, res, err
	}
	content, err := s.complete(ctx, last, &sums)
	return content, res, err
}

// tooLarge bounds what is sent: beyond, nothing would be saved.
func (j *job) tooLarge(stored int64) bool {
	return !bucketop.Saves(j.v.Size, stored, j.opt.Rewriting.MinSaving)
}

func partsRemain(err, why error) error {
	return &cooper.Error{Kind: cooper.KindOf(why), Message: fmt.Sprintf("parts of an upload remain in the store (%v); the next run discards them", err), Err: why}
}
