package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// copying is one request for a copy: of a version, or of a part of one.
type copying struct {
	key    string
	source string // as the header names it
	match  string // the source's ETag
	id     string // the source's version id, empty if it has none of its own
	header http.Header
	// Of a part.
	uploadID string
	part     int32
	span     string // bytes=FIRST-LAST; empty for all
}

// headers are what both clients send.
func (c *copying) headers() http.Header {
	h := make(http.Header, 8+len(c.header))
	for name, values := range c.header {
		h[name] = values
	}
	h["X-Amz-Copy-Source"] = []string{c.source}
	h["X-Amz-Copy-Source-If-Match"] = []string{`"` + c.match + `"`}
	if c.uploadID == "" {
		h["X-Amz-Metadata-Directive"] = []string{"REPLACE"}
		h["X-Amz-Tagging-Directive"] = []string{"REPLACE"}
	} else if c.span != "" {
		h["X-Amz-Copy-Source-Range"] = []string{c.span}
	}
	return h
}

// of checks that an answer is about the version that was named: some stores copy
// what is current.
func (c *copying) of(h http.Header) error {
	if got := h.Get("X-Amz-Copy-Source-Version-Id"); got != "" && c.id != "" && got != c.id {
		return &failure{foreign: true, err: fmt.Errorf("it copied version %s instead of %s", clip(got, 80), clip(c.id, 80))}
	}
	return nil
}

// copySource names a version as the header wants it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func copySource(bucket, key, version string) string {
	s := bucket + "/"
	if strings.HasPrefix(bucket, "arn:") {
		s += "object/"
	}
	if s = escape(s+key, false); version != "" {
		s += "?versionId=" + escape(version, true)
	}
	return s
}

// duplicate is a copy under way.
type duplicate struct {
	b      *Bucket
	from   store.Source
	src    *store.Object
	p      store.Put
	where  string // the copy
	origin string // what is copied, for messages
	source string // as the header names it
	self   bool   // the copy takes the place of its source, or comes before it
}

// Copy copies a version of another bucket of the store, or of this one. With one
// request up to 5 GiB; above, or if c.AsParts says so, in the parts that the source
// has.
func (b *Bucket) Copy(ctx context.Context, pm permit.Permit, from store.Source, c store.Copy) (store.Object, error) {
	d := &duplicate{b: b, from: from, src: &c.Source, p: c.Put, where: b.where(c.Put.Key, "")}
	if err := d.check(pm); err != nil {
		return store.Object{}, err
	}
	d.source = copySource(from.Name(), d.src.Key, d.src.VersionID)
	d.self = from.Name() == b.name && d.src.Key == d.p.Key
	if err := b.addOwner(ctx, &d.p); err != nil {
		return store.Object{}, err
	}
	if d.src.Size > b.copyMost || c.AsParts && d.src.Size > 0 {
		parts, own, err := d.parts(ctx)
		if err != nil {
			return store.Object{}, err
		}
		if d.src.Size > b.copyMost || own {
			return d.inParts(ctx, parts)
		}
	}
	return d.whole(ctx)
}

// check refuses what must not be sent.
func (d *duplicate) check(pm permit.Permit) error {
	b, src := d.b, d.src
	d.origin = cooper.Quote("s3://" + d.from.Name() + "/" + src.Key)
	bad := func(kind cooper.Kind, where, m string) error {
		return &cooper.Error{Kind: kind, Where: where, Message: m}
	}
	here, there := cooper.Store{Endpoint: b.endpoint}, cooper.Store{Endpoint: d.from.Endpoint()}
	d.p.Size = src.Size
	switch {
	case here.Contradicts(&there):
		return cooper.AnotherStore(d.where, "what is to be copied here lies", &there, &here,
			"A store copies its own objects alone: give a bucket of the same store, or move the bytes through this machine.")
	case !d.p.IfNoneMatch && !pm.Valid():
		return bad(cooper.KindInternal, d.where, "was to be written over without a permit")
	case src.Key == "":
		return bad(cooper.KindInvalid, d.origin, "an empty key")
	case src.ETag == "" || !printable(src.ETag):
		return bad(cooper.KindInvalid, d.origin, "cannot be copied on the condition that it is still the same: its ETag is "+cooper.Quote(src.ETag))
	case src.Size < 0:
		return bad(cooper.KindInvalid, d.origin, "cannot be copied without its size")
	case src.HiddenMetadata > 0:
		return bad(cooper.KindInvalid, d.origin, "has metadata that no header can carry, which the copy would lose")
	case src.Tags > 0 && d.p.Tags == nil:
		return bad(cooper.KindInternal, d.origin, "has tags, and the copy was to have none")
	}
	if err := checkTags(d.p.Tags, d.where); err != nil {
		return err
	}
	return checkPut(d.p, d.where)
}

// whole copies with one request. After an attempt that ended without a word it looks
// whether the copy is there before it repeats.
func (d *duplicate) whole(ctx context.Context) (o store.Object, err error) {
	b := d.b
	c := copying{key: d.p.Key, source: d.source, match: d.src.ETag, id: ownID(d.src.VersionID), header: description(&d.p, b.now())}
	condition(c.header, &d.p)
	uncertain := false
	err = b.do(ctx, d.where, func(ctx context.Context) (err error) {
		if uncertain {
			var made bool
			if o, made, err = d.look(ctx); made || err != nil {
				return err
			}
		}
		o, err = b.client.copy(ctx, c)
		if uncertain && statusOf(err) == http.StatusPreconditionFailed {
			there, made, lerr := d.look(ctx)
			if made || lerr != nil {
				o, err = there, lerr
			}
		}
		uncertain = uncertain || unanswered(err)
		return err
	})
	if err != nil {
		return store.Object{}, d.refused(ctx, err)
	}
	return o, nil
}

// ownID is a version's id if no other version ever has it.
func ownID(id string) string {
	if id == cooper.NullVersion {
		return ""
	}
	return id
}

// look tells, within an attempt, whether the copy is there. What makes the look fail
// in a way that passes makes the attempt fail so.
func (d *duplicate) look(ctx context.Context) (there store.Object, made bool, err error) {
	there, err = d.b.there(ctx, d.p.Key)
	switch {
	case err == nil:
		return there, d.made(&there), nil
	case passes(err) || ctx.Err() != nil:
		return there, false, err
	}
	return there, false, nil
}

// made tells whether what is there is this copy: described as it is, with the same
// bytes by ETag or checksum, and not its own source.
func (d *duplicate) made(there *store.Object) bool {
	if there.Size != d.src.Size || !sameMetadata(*there, &d.p) || d.p.StorageClass != "" && !store.SameClass(there.StorageClass, d.p.StorageClass) {
		return false
	}
	if d.self && there.VersionID == d.src.VersionID && there.LastModified <= d.src.LastModified {
		return false
	}
	if strings.EqualFold(there.ETag, d.src.ETag) && d.p.Encryption.Method != "aws:kms" && d.p.Encryption.Method != "aws:kms:dsse" {
		return true
	}
	equal, contradict := sameSums(there, d.src)
	return equal && !contradict
}

// sameSums compares the checksums of all bytes that two objects have.
func sameSums(a, b *store.Object) (equal, contradict bool) {
	if a.ChecksumType != fullObject || b.ChecksumType != fullObject {
		return false, false
	}
	for name, sum := range a.Checksums {
		if other := b.Checksums[name]; other != "" {
			equal, contradict = equal || other == sum, contradict || other != sum
		}
	}
	return equal, contradict
}

// refused gives the error of a copy the kind that the interface promises. Answers do
// not say which of the conditions did not hold, nor which object is missing.
func (d *duplicate) refused(ctx context.Context, err error) error {
	var f *failure
	if !errors.As(err, &f) || f.err != nil {
		return err
	}
	switch {
	case f.unknown():
		return &cooper.Error{Kind: cooper.KindInvalid, Where: d.where, Message: "this store does not copy by itself", Err: f}
	case f.status == http.StatusPreconditionFailed && d.p.IfNoneMatch:
		_, herr := d.b.Head(ctx, store.Ref{Key: d.p.Key}, 0)
		if herr == nil {
			return &cooper.Error{Kind: cooper.KindConflict, Where: d.where, Message: "something is there already", Err: f}
		}
		if cooper.KindOf(herr) != cooper.KindMissing {
			return herr
		}
		return &cooper.Error{Kind: cooper.KindChanged, Where: d.origin, Message: "is not what was to be copied any more",
			Remedy: "a new plan takes up what is there now", Err: f}
	case f.status == http.StatusNotFound && d.p.IfMatch != "" && f.code != "NoSuchBucket" && f.code != "NoSuchUpload":
		_, herr := d.from.Head(ctx, store.Ref{Key: d.src.Key, VersionID: d.src.VersionID}, 0)
		if herr == nil {
			return &cooper.Error{Kind: cooper.KindChanged, Where: d.where, Message: "nothing is there any more", Err: f}
		}
		return herr
	}
	var ce *cooper.Error
	if k := cooper.KindOf(err); errors.As(err, &ce) && (k == cooper.KindMissing || k == cooper.KindArchived) && f.code != "NoSuchBucket" {
		own := *ce
		own.Where = d.origin
		return &own
	}
	return err
}

// sourceCRC is the CRC-64/NVME of the source, nil where it is not told.
func (d *duplicate) sourceCRC() func() (uint64, error) {
	raw, err := base64.StdEncoding.DecodeString(fullCRC(*d.src))
	if err != nil || len(raw) != 8 {
		return nil
	}
	sum := binary.BigEndian.Uint64(raw)
	return func() (uint64, error) { return sum, nil }
}
