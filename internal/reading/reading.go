// Package reading reads versions as a plan has them.
//
// It promises the bytes of the version that was planned or an error: every
// request is conditional, every answer is compared with the identity in the
// plan, a body that is cut short is taken up again where it ended, and Check
// compares all of it with what the store vouches for. It keeps no bytes.
//
// What the bytes mean is left to verbs, waiting out what passes to the store's
// client.
package reading

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"time"

	"cooper"
	"cooper/internal/checksum"
	"cooper/internal/store"
)

// Tally counts what was asked of a store.
type Tally struct{ Requests, Bytes int64 }

// Options are the parameters of reading; the zero value will do.
type Options struct {
	// Limit is how many of the first bytes are wanted; 0 means all.
	Limit int64
	// Current: it is an error, too, if the version is not the current one when
	// reading begins: KindMissing or KindChanged.
	Current bool
	// Streamed: the reader does not keep the bytes, so that they are hashed as
	// they arrive, and Check may have to read them again.
	Streamed bool
	// Secure: what arrives cannot have been changed on the way. Otherwise Check
	// reads twice what nothing vouches for.
	Secure bool
	// Moved is told of bytes as they arrive, but not again; may be nil.
	Moved func(n int64)
	// Pause waits before the n-th time in a row, from 1, that a body is taken up
	// again; nil waits exponentially longer, from 0.1 to 5 seconds.
	Pause func(ctx context.Context, n int) error
	// Tally is counted up; may be nil.
	Tally *Tally
}

// resumes is how often a body that was cut short is taken up again, beside one
// more for each 8 MiB.
const resumes = 5

// Body is the bytes of one version. It is not for concurrent use.
type Body struct {
	// Object is what the store tells of the version.
	Object store.Object
	// Redated: the store tells another time than was planned of the same ETag and size.
	Redated bool

	ctx    context.Context
	from   store.Reader
	v      *cooper.Version
	opt    Options
	rc     io.ReadCloser // nil: to be taken up again
	etag   string        // as planned, or else as first answered
	want   int64         // bytes in all
	got    int64
	left   int // resumes
	inRow  int
	err    error            // why it has to be taken up again
	hasher *checksum.Hasher // if streamed, and all is wanted
	sha    hash.Hash        // if streamed
}

// Open begins to read v. Errors have the kind of the store's; KindChanged: the
// version is another than was planned; another time of the same ETag and size is only
// noted.
func Open(ctx context.Context, from store.Reader, v *cooper.Version, opt Options) (*Body, error) {
	if opt.Moved == nil {
		opt.Moved = func(int64) {}
	}
	if opt.Pause == nil {
		opt.Pause = pause
	}
	if opt.Tally == nil {
		opt.Tally = new(Tally)
	}
	b := &Body{ctx: ctx, from: from, v: v, opt: opt, etag: v.ETag, want: v.Size, left: resumes + int(v.Size>>23)}
	if opt.Limit > 0 && opt.Limit < v.Size {
		b.want = opt.Limit
	}
	if err := b.first(); err != nil {
		return nil, err
	}
	if opt.Streamed {
		b.sha = sha256.New()
		if b.want == v.Size {
			b.hasher = checksum.New(b.claim())
		}
	}
	return b, nil
}

func (b *Body) claim() checksum.Claim {
	c := checksum.Claim{ETag: b.etag, Size: b.v.Size, Encryption: b.Object.Encryption, Checksums: b.Object.Checksums, ChecksumType: b.Object.ChecksumType}
	if c.Encryption == "" {
		c.Encryption = b.v.Encryption
	}
	return c
}

// first opens the body. What is current is asked for by key alone: the answer
// tells which version it is. A store that does not tell has to be asked for the
// version.
func (b *Body) first() error {
	if !b.opt.Current {
		return b.open(b.v.VersionID)
	}
	if err := b.open(""); err != nil {
		return err
	}
	if !ownID(b.v) || b.Object.VersionID != "" {
		return nil
	}
	_ = b.rc.Close() // nothing was read that could be lost
	return b.open(b.v.VersionID)
}

// open asks for the bytes that are missing.
func (b *Body) open(version string) error {
	r := store.Range{From: b.got}
	if b.want < b.v.Size {
		r.Length = b.want - b.got
	}
	b.opt.Tally.Requests++
	ref := b.ref()
	ref.VersionID = version
	o, rc, err := b.from.Get(b.ctx, ref, r)
	switch {
	case cooper.KindOf(err) == cooper.KindMissing && store.Garbled(b.v.Key):
		return store.Unnamed(cooper.Quote(b.v.Key), err)
	case err != nil:
		return err
	}
	v := *b.v
	v.ETag = b.etag
	d, differs := store.Differs(&v, &o)
	redated := differs && d.OtherTime() && v.ETag != "" && o.ETag != ""
	what := ""
	switch {
	case differs && !redated:
		what = d.String()
	case o.Length >= 0 && o.Length != b.want-b.got:
		what = fmt.Sprintf("length of the answer (found %d bytes, planned %d bytes)", o.Length, b.want-b.got)
	}
	if what != "" {
		_ = rc.Close() // nothing was read that could be lost
		return &cooper.Error{Kind: cooper.KindChanged, Where: cooper.Quote(b.v.Key),
			Message: "is not the version that was planned: another " + what, Remedy: "The next inventory will show what is there now."}
	}
	b.Redated = b.Redated || redated
	if b.got == 0 {
		b.Object = o
	}
	if b.etag == "" {
		b.etag = o.ETag // what is read on must be the same
	}
	b.rc = rc
	return nil
}

func (b *Body) ref() store.Ref {
	return store.Ref{Key: b.v.Key, VersionID: b.v.VersionID, IfMatch: b.etag, Size: b.v.Size}
}

// ownID tells whether v has an id that the store gave to it alone.
func ownID(v *cooper.Version) bool { return v.VersionID != "" && v.VersionID != cooper.NullVersion }

// Read gives bytes. Its end is that of what was wanted.
func (b *Body) Read(p []byte) (int, error) {
	for {
		if b.got == b.want {
			return 0, io.EOF
		}
		if b.rc == nil {
			if err := b.resume(); err != nil {
				return 0, err
			}
		}
		n, err := b.rc.Read(p[:min(int64(len(p)), b.want-b.got)])
		if n > 0 {
			b.took(p[:n])
		}
		if b.got < b.want && err != nil {
			b.cut(err)
		}
		switch {
		case b.got == b.want:
			return n, io.EOF
		case n > 0:
			return n, nil
		}
	}
}

func (b *Body) took(p []byte) {
	n := int64(len(p))
	b.got += n
	b.inRow = 0
	b.opt.Tally.Bytes += n
	b.opt.Moved(n)
	if b.hasher != nil {
		b.hasher.Write(p) //nolint:errcheck // a hash never fails
	}
	if b.sha != nil {
		b.sha.Write(p)
	}
}

func (b *Body) cut(err error) {
	_ = b.rc.Close() // it has failed already
	b.rc, b.err = nil, err
}

func (b *Body) resume() error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	if b.left == 0 {
		return &cooper.Error{Kind: cooper.KindStore, Where: cooper.Quote(b.v.Key), Message: "the body was cut short too often", Err: b.err}
	}
	b.left--
	b.inRow++
	if err := b.opt.Pause(b.ctx, b.inRow); err != nil {
		return err
	}
	return b.open(b.v.VersionID)
}

// Close ends reading; what is missing stays so.
func (b *Body) Close() {
	if b.rc != nil {
		_ = b.rc.Close() // what counts has been read and checked
		b.rc = nil
	}
	b.left = 0
}

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

// pause waits half to all of a time that doubles.
func pause(ctx context.Context, n int) error {
	d := min(longestPause, shortestPause<<min(n-1, 10))
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SHA256 reads a version to its end, and hashes it. Where the store broke off without a kind, that is KindStore.
func SHA256(ctx context.Context, from store.Reader, v *cooper.Version, tally *Tally) (sum []byte, err error) {
	body, err := Open(ctx, from, v, Options{Streamed: true, Tally: tally})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if _, err = io.Copy(io.Discard, body); err == nil {
		return body.SHA256(), nil
	}
	var ce *cooper.Error
	if !errors.As(err, &ce) {
		err = &cooper.Error{Kind: cooper.KindStore, Where: cooper.Quote(v.Key), Message: "cannot be read to its end", Err: err}
	}
	return nil, err
}
