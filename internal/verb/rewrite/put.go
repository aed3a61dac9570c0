package rewrite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// store stores the proven form of the content that sums describe.
func (j *job) store(ctx context.Context, o *store.Object, stored []byte, sums *codec.Sums) (*cooper.Content, error) {
	p, reason, err := j.prepare(ctx, o, j.origin(sums, true), stored)
	if err != nil || reason != "" {
		return j.leftOr(reason, err), err
	}
	return j.whole(ctx, p, stored, sums, func() []byte { s := sha256.Sum256(stored); return s[:] })
}

// whole stores the new form with one request.
func (j *job) whole(ctx context.Context, p store.Put, stored []byte, sums *codec.Sums, sent func() []byte) (*cooper.Content, error) {
	for again := false; ; again = true {
		p.Body, p.Size = bytes.NewReader(stored), int64(len(stored))
		j.tally.Requests++
		made, err := j.bucket.Put(ctx, p)
		if err == nil {
			j.sent += p.Size
		}
		content, err := j.written(ctx, &p, made, sums, sent, err)
		// It may have been hidden for an instant: it is said of no store unseen twice.
		if again || !errors.Is(err, errRight) {
			return content, err
		}
	}
}

// written tells what came of the write of a replacement. What stood in the way
// may be the replacement already.
func (j *job) written(ctx context.Context, p *store.Put, made store.Object, sums *codec.Sums, sent func() []byte, err error) (*cooper.Content, error) {
	switch cooper.KindOf(err) {
	case "":
	case cooper.KindConflict, cooper.KindChanged:
		return j.occupied(ctx, p, sums, sent)
	default:
		return nil, err
	}
	id := cooper.Identity{Key: j.target(), VersionID: made.VersionID, ETag: made.ETag, Size: sums.StoredSize}
	if id.VersionID == "" {
		id.VersionID = cooper.NullVersion
	}
	if j.opt.Rewriting.Proof == bucketop.ReadBack {
		if err := j.readBack(ctx, id, sums); err != nil {
			return nil, err
		}
	}
	return reading.Content(cooper.Rewritten, sums, id, j.opt.Rewriting.Codec), nil
}

// prepare gives the replacement without its body: as the original is, but for
// its form. The body is nil where it is not known yet. The reason is why the
// original has to be left.
func (j *job) prepare(ctx context.Context, o *store.Object, origin Origin, body []byte) (p store.Put, reason string, err error) {
	if err := j.nothingBehind(ctx); err != nil {
		return p, "", err
	}
	p = store.Put{
		Key: j.target(), ContentType: o.ContentType, Headers: o.Headers, StorageClass: o.StorageClass,
		Encryption: j.encryption(o), Lock: j.lock(o),
	}
	if p.Metadata, reason = j.withOrigin(o.Metadata, origin, body); reason != "" {
		return p, reason, nil
	}
	if j.inPlace() {
		p.Headers.ContentEncoding, p.IfMatch = string(j.opt.Rewriting.Codec.Compress.Method), j.v.ETag
	} else {
		p.IfNoneMatch = true
		if strings.EqualFold(p.Headers.ContentEncoding, "identity") { // which says nothing, and of KEY.zst the wrong thing
			p.Headers.ContentEncoding = ""
		}
	}
	if o.Tags > 0 || o.Tags == store.Untold && !j.opt.WithoutTags {
		if p.Tags, err = j.tags(ctx, &j.v.Identity); err != nil {
			return p, "", err
		}
		if len(p.Tags) < o.Tags {
			return p, "", fewerTags(o.Tags, len(p.Tags))
		}
	}
	if j.opt.Settings.Grants {
		if p.Grants, err = j.grants(ctx, &j.v.Identity); err != nil {
			return p, "", err
		}
	}
	return p, "", nil
}

// encryption is how the store is to encrypt the replacement.
func (j *job) encryption(o *store.Object) store.Encryption {
	switch sse := j.opt.Rewriting.SSE; {
	case sse == bucketop.SSEAES:
		return store.Encryption{Method: bucketop.SSEAES}
	case sse == bucketop.SSEKeep:
		return store.Encryption{Method: o.Encryption, KMSKey: o.KMSKey, BucketKey: o.BucketKey}
	case strings.HasPrefix(sse, bucketop.SSEKMS):
		return store.Encryption{Method: "aws:kms", KMSKey: strings.TrimPrefix(sse, bucketop.SSEKMS), BucketKey: true}
	}
	return store.Encryption{}
}

// lock is that of the original, without a retention that has ended.
func (j *job) lock(o *store.Object) store.Lock {
	l := o.Lock
	if l.Until <= cooper.InstantOf(j.opt.Clock()) {
		l.Mode, l.Until = "", 0
	}
	return l
}

var errEnough = errors.New("enough")

// nothingBehind makes sure that the write would not overwrite a null version
// that is not current: while versioning is suspended, a write takes the place
// of the null version wherever it is, and no condition sees that one.
func (j *job) nothingBehind(ctx context.Context) error {
	if j.opt.Rewriting.Versioning != suspended {
		return nil
	}
	target, behind := j.target(), false
	j.tally.Requests++
	err := j.bucket.List(ctx, store.ListQuery{Prefix: target}, func(vs []cooper.Version, _ []string) error {
		for i := range vs {
			v := &vs[i]
			if v.Key != target {
				return errEnough
			}
			null := v.VersionID == "" || v.VersionID == cooper.NullVersion
			behind = behind || null && !v.Latest && !v.DeleteMarker
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if behind {
		return &cooper.Error{Kind: cooper.KindConflict, Where: cooper.Quote(target), Message: "a null version that is not current would be overwritten",
			Remedy: "Enable versioning of the bucket, or purge its noncurrent versions first."}
	}
	return nil
}
