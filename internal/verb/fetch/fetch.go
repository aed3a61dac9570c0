// Package fetch brings the bytes of a version from a store to the staging of
// a tree, checked.
//
// It promises that what it calls done is staged whole, is the version that was
// planned, and was compared with what the store vouches for as far as that is
// possible; that what is staged already and can be checked costs no request
// for its bytes; and that a corrupt version is fetched again before it is
// given up. Staging is invisible to readers of the tree; making it visible and
// durable is left to the commit, waiting out what passes to the store's client.
package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"time"

	"cooper"
	"cooper/internal/checksum"
	"cooper/internal/store"
	"cooper/internal/tree"
)

// Staging is where bytes go: tree.Staging, by way of Into.
type Staging interface {
	Find(id cooper.Identity) (tree.StagedInfo, bool)
	Open(id cooper.Identity) (File, error)
	Create(id cooper.Identity) (Staged, error)
	Discard(id cooper.Identity) error
}

// File is staged bytes.
type File interface {
	io.Reader
	io.ReaderAt
	io.Closer
}

// Staged is a file being staged, as tree.Staged.
type Staged interface {
	io.Writer
	io.ReaderAt
	Done(mtime cooper.Instant) error
	Abort() error
}

// Options are the parameters of fetching. The zero value is the default.
type Options struct {
	// Again is how often a version that came corrupt is fetched again; 2 if 0.
	Again int
	// Resumes is how often a body that was cut short is taken up again, beside
	// one more for each 8 MiB; 5 if 0.
	Resumes int
	// Pause waits before the n-th resume in a row, from 1; nil waits
	// exponentially longer, from 0.1 to 5 seconds.
	Pause func(ctx context.Context, n int) error
	// Moved is told of bytes as they arrive; may be nil.
	Moved func(n int64)
	// Redated is told of versions of which the store tells another time than was
	// planned, though the content is the same; may be nil.
	Redated func()
	// Against is told of versions that are kept against the word of their ETag; may
	// be nil.
	Against func()
}

// Verb is the verb fetch. Its outcomes have the kinds of the store's errors;
// archived versions are deferred.
type Verb struct {
	from store.Reader
	to   Staging
	opt  Options
}

// New makes the verb that fetches from a bucket.
func New(from store.Reader, to Staging, opt Options) *Verb {
	if opt.Again == 0 {
		opt.Again = 2
	}
	if opt.Resumes == 0 {
		opt.Resumes = 5
	}
	if opt.Pause == nil {
		opt.Pause = pause
	}
	if opt.Redated == nil {
		opt.Redated = func() {}
	}
	if opt.Against == nil {
		opt.Against = func() {}
	}
	if opt.Moved == nil {
		opt.Moved = func(int64) {}
	}
	return &Verb{from: from, to: to, opt: opt}
}

// Do stages the bytes of a's version.
func (f *Verb) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	t := transfer{Verb: f, v: &a.Version, etag: a.Version.ETag}
	res, err := t.run(ctx)
	o := cooper.Outcome{Status: cooper.Done, Bytes: t.bytes, Requests: t.requests, Check: res.Check, Method: res.Method, Hash: res.Hash}
	if err != nil {
		fail(ctx, &o, err)
		return o
	}
	if t.redated {
		f.opt.Redated()
	}
	if res.Method == checksum.MethodAlike {
		f.opt.Against()
	}
	return o
}

// fail turns an error into an outcome.
func fail(ctx context.Context, o *cooper.Outcome, err error) {
	o.Status, o.Kind, o.Message, o.Remedy = cooper.Failed, cooper.KindOf(err), err.Error(), cooper.RemedyOf(err)
	switch {
	case ctx.Err() != nil:
		// Whatever the error says, it came from being stopped.
		o.Kind = cooper.KindInterrupted
	case o.Kind == cooper.KindArchived:
		o.Status = cooper.Deferred
	}
}

// transfer is the work on one version.
type transfer struct {
	*Verb
	v               *cooper.Version
	bytes, requests int64
	etag            string // as planned, or else as first answered
	unlike          bool   // the bytes came otherwise another time
	redated         bool   // the store tells another time of the same content
}

func (t *transfer) run(ctx context.Context) (checksum.Result, error) {
	if res, ok, err := t.reuse(ctx); ok || err != nil {
		return res, err
	}
	var res checksum.Result
	for n := range 1 + t.opt.Again {
		var err error
		before := res
		if res, err = t.once(ctx, func(r checksum.Result) checksum.Result {
			if n > 0 && !bytes.Equal(r.Came, before.Came) {
				t.unlike = true
			}
			if n+1 < checksum.AlikeTimes || t.unlike {
				return r
			}
			return checksum.Alike(r)
		}); err != nil {
			return checksum.Result{}, err
		}
		if res.Check != cooper.Corrupt {
			return res, nil
		}
	}
	return res, &cooper.Error{Kind: cooper.KindCorrupt, Where: cooper.Quote(t.v.Key), Message: "came corrupt every time: " + res.Method}
}

// reuse looks for bytes that were staged before. Only what proves right is
// used: a machine that crashed may have left zeros.
func (t *transfer) reuse(ctx context.Context) (checksum.Result, bool, error) {
	info, ok := t.to.Find(t.v.Identity)
	if !ok {
		return checksum.Result{}, false, nil
	}
	if info.Size == t.v.Size {
		res, err := t.checkStaged(ctx)
		// What the disk cannot read again is fetched again.
		if err == nil && res.Check == cooper.Verified || err != nil && !errors.Is(err, syscall.EIO) {
			return res, err == nil, err
		}
	}
	return checksum.Result{}, false, ours(t.to.Discard(t.v.Identity))
}

// ours marks an error of this side's disk as one that ends the run, so that it
// never passes for an object the store refused or does not have, and is never
// ignored as one.
func ours(err error) error {
	switch cooper.KindOf(err) {
	case "", cooper.KindFull, cooper.KindInternal, cooper.KindInterrupted:
		return err
	}
	return &cooper.Error{Kind: cooper.KindInternal, Message: "staging", Err: err}
}

func (t *transfer) checkStaged(ctx context.Context) (checksum.Result, error) {
	file, err := t.to.Open(t.v.Identity)
	if err != nil {
		return checksum.Result{}, ours(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	h := checksum.New(checksum.Claim{ETag: t.v.ETag, Size: t.v.Size, Encryption: t.v.Encryption})
	if _, err := t.pump(ctx, h, file, func(int64) {}); err != nil {
		return checksum.Result{}, ours(err)
	}
	return h.Result(ctx, checksum.Evidence{Bytes: file, PartSize: t.partSize})
}

// once asks for the bytes, stages and checks them; judge has the last word on what
// that came to. What came corrupt is not left behind.
func (t *transfer) once(ctx context.Context, judge func(checksum.Result) checksum.Result) (checksum.Result, error) {
	object, body, err := t.open(ctx, 0)
	if err != nil {
		return checksum.Result{}, err
	}
	staged, err := t.to.Create(t.v.Identity)
	if err != nil {
		body.Close()
		return checksum.Result{}, ours(err)
	}
	res, err := t.stage(ctx, object, body, staged)
	res = judge(res)
	if err == nil && res.Check != cooper.Corrupt {
		err = ours(staged.Done(t.v.LastModified))
		if err == nil {
			return res, nil
		}
	}
	if aborted := staged.Abort(); err == nil {
		err = ours(aborted)
	}
	return res, err
}

func (t *transfer) stage(ctx context.Context, object store.Object, body io.ReadCloser, to Staged) (checksum.Result, error) {
	claim := checksum.Claim{
		ETag: t.etag, Size: t.v.Size, Encryption: object.Encryption,
		Checksums: object.Checksums, ChecksumType: object.ChecksumType, Hashed: t.v.ETag == "",
	}
	if claim.Encryption == "" {
		claim.Encryption = t.v.Encryption
	}
	h := checksum.New(claim)
	if err := t.stream(ctx, body, both{h, to}); err != nil {
		return checksum.Result{}, err
	}
	return h.Result(ctx, checksum.Evidence{Bytes: to, PartSize: t.partSize})
}

// both is io.MultiWriter for a hash, which never fails, and a file.
type both struct {
	hash *checksum.Hasher
	file Staged
}

func (w both) Write(b []byte) (int, error) {
	n, err := w.file.Write(b)
	w.hash.Write(b[:n]) //nolint:errcheck // a hash never fails
	return n, err
}

// stream copies the body, and takes it up again where it was cut short. It
// closes body. More bytes than planned are left to the check.
func (t *transfer) stream(ctx context.Context, body io.ReadCloser, to io.Writer) error {
	var got int64
	left := t.opt.Resumes + int(t.v.Size>>23)
	for inRow := 1; ; inRow++ {
		n, err := t.pump(ctx, to, body, t.opt.Moved)
		body.Close()
		t.bytes += n
		if got += n; n > 0 {
			inRow = 1
		}
		var local *writeError
		switch {
		case asWriteError(err, &local):
			return ours(local.err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case got >= t.v.Size:
			return nil
		case left == 0:
			return &cooper.Error{Kind: cooper.KindStore, Where: cooper.Quote(t.v.Key), Message: "the body was cut short too often", Err: err}
		}
		left--
		if err := t.opt.Pause(ctx, inRow); err != nil {
			return err
		}
		var object store.Object
		if object, body, err = t.open(ctx, got); err != nil {
			return err
		}
		if object.Length >= 0 && object.Length != t.v.Size-got {
			body.Close()
			return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(t.v.Key), Message: "the store does not answer a request for the rest of an object with the rest"}
		}
	}
}

// open asks for the bytes from one on, and makes sure that they are those of
// the version that was planned.
func (t *transfer) open(ctx context.Context, from int64) (store.Object, io.ReadCloser, error) {
	t.requests++
	if from == 0 {
		t.etag = t.v.ETag
	}
	object, body, err := t.from.Get(ctx, t.ref(), store.Range{From: from})
	switch {
	case cooper.KindOf(err) == cooper.KindMissing && store.Garbled(t.v.Key):
		return object, nil, store.Unnamed(cooper.Quote(t.v.Key), err)
	case err != nil:
		return object, nil, err
	}
	v := *t.v
	if from > 0 {
		v.ETag = t.etag
	}
	d, differs := store.Differs(&v, &object)
	redated := differs && d.OtherTime() && v.ETag != "" && object.ETag != ""
	if differs && !redated {
		body.Close()
		return object, nil, &cooper.Error{
			Kind: cooper.KindChanged, Where: cooper.Quote(t.v.Key),
			Message: "is not the version that was planned: another " + d.String(),
			Remedy:  "The next inventory will show what is there now.",
		}
	}
	if v.ETag == "" {
		t.etag = object.ETag // what is read on must be the same
	}
	t.redated = t.redated || redated
	return object, body, nil
}

func (t *transfer) ref() store.Ref {
	return store.Ref{Key: t.v.Key, VersionID: t.v.VersionID, IfMatch: t.etag, Size: t.v.Size}
}

// partSize asks for the size of a part. A store that says no has nothing to
// tell; what passes is an error.
func (t *transfer) partSize(ctx context.Context, part int) (int64, error) {
	t.requests++
	object, err := t.from.Head(ctx, t.ref(), part)
	switch cooper.KindOf(err) {
	case "":
		if object.Parts == 0 {
			return 0, nil
		}
		return object.Length, nil
	case cooper.KindMissing, cooper.KindDenied, cooper.KindChanged, cooper.KindArchived, cooper.KindInvalid:
		return 0, nil
	}
	return 0, err
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
