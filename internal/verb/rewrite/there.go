package rewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"cooper"
	"cooper/internal/checksum"
	"cooper/internal/codec"
	"cooper/internal/look"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// there is what is current under the replacement's key.
type there struct {
	object  store.Object
	version cooper.Version
	origin  *Origin // of j's version, if it bears one
	other   bool    // it bears that of another version
}

// look finds what is there: KindMissing if nothing is.
func (j *job) look(ctx context.Context) (*there, error) {
	j.tally.Requests++
	o, err := j.bucket.Head(ctx, store.Ref{Key: j.target()}, 0)
	if err != nil {
		return nil, err
	}
	t := &there{object: o, version: cooper.Version{
		Identity:     cooper.Identity{Key: j.target(), VersionID: o.VersionID, ETag: o.ETag, Size: o.Size, LastModified: o.LastModified},
		StorageClass: o.StorageClass,
	}}
	if origin, err := ParseOrigin(o.Metadata[OriginName]); err == nil { // otherwise it is another program's
		if t.other = !origin.Of(j.v.Identity); !t.other {
			t.origin = &origin
		}
	}
	return t, nil
}

// content is that of a replacement that was there already.
func (t *there) content(j *job, sums *codec.Sums) *cooper.Content {
	id := t.version.Identity
	if id.VersionID == "" {
		id.VersionID = cooper.NullVersion
	}
	by := j.opt.Rewriting.Codec
	by.Compress.Level = 0
	if t.origin != nil {
		by = t.origin.Codec
	}
	return reading.Content(cooper.Rewritten, sums, id, by)
}

// encoded tells whether what is there says of itself that it is the new form,
// where the key does not.
func (t *there) encoded(j *job) bool {
	return !j.inPlace() || strings.EqualFold(t.object.Headers.ContentEncoding, string(j.opt.Rewriting.Codec.Compress.Method))
}

// errRight is that of a write that was refused although its condition held.
var errRight = errors.New("412 to a right If-Match")

// is tells whether what is there is the very version v.
func (t *there) is(v *cooper.Version) bool {
	now := t.version.Identity
	if look.Own(v.VersionID) && now.VersionID != "" {
		return now.VersionID == v.VersionID
	}
	return !look.Own(now.VersionID) && strings.EqualFold(now.ETag, v.ETag) && now.Size == v.Size
}

// occupied is where a write was refused. What is there is the replacement if it
// decodes to the content that sums describe: written by an earlier run, by an
// attempt whose answer was lost, or, beside the original, by whatever other
// program. In-place it must be known to come from this version, or be the very
// bytes that were sent: an upload of the same content is still an upload. Where
// the original is to go, it must have what p has beside the content, too.
func (j *job) occupied(ctx context.Context, p *store.Put, sums *codec.Sums, sent func() []byte) (*cooper.Content, error) {
	t, err := j.look(ctx)
	if cooper.KindOf(err) == cooper.KindMissing {
		return nil, j.inTheWay("was there, and is gone", err)
	} else if err != nil {
		return nil, err
	}
	if j.inPlace() && t.is(j.v) {
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: cooper.Quote(j.target()), Err: errRight,
			Message: fmt.Sprintf("the store refuses to write over it, twice, although version %s with the ETag %s, which it is told to write over, is what is there", cooper.Quote(t.version.VersionID), t.version.ETag),
			Remedy:  "This is the store's doing, and none of the object's: in place nothing can be compressed there. Nothing was changed."}
	}
	if !t.encoded(j) {
		return nil, j.inTheWay("a newer upload came first", nil)
	}
	found, sha, err := j.decodeStored(ctx, &t.version, sums.PlainSize, func(found *codec.Sums) bool { return found.SamePlain(*sums) })
	switch cooper.KindOf(err) {
	case "":
	case cooper.KindInvalid, cooper.KindCorrupt:
		return nil, j.inTheWay("something else is there", err)
	default:
		return nil, err
	}
	switch same := found.SamePlain(*sums); {
	case !same && t.other:
		return nil, j.inTheWay("the replacement of another version is there", nil)
	case !same:
		return nil, j.inTheWay("something else is there: it decodes to another content", nil)
	}
	if j.inPlace() && t.origin == nil && !bytes.Equal(sha, sent()) {
		return nil, j.inTheWay("a newer upload of the same content came first", nil)
	}
	what, err := j.lacks(ctx, t, p)
	if err != nil {
		return nil, err
	}
	if what != "" {
		return nil, &cooper.Error{Kind: cooper.KindConflict, Where: cooper.Quote(j.target()),
			Message: "holds the same content, but without what the original has beside it: " + what,
			Remedy:  "Add it there, or remove that object so that it is made anew; or use --originals keep."}
	}
	found.Looks = sums.Looks
	return t.content(j, &found), nil
}

// inTheWay is the error where a write was refused, and rightly so.
func (j *job) inTheWay(what string, err error) error {
	e := &cooper.Error{Kind: cooper.KindConflict, Where: cooper.Quote(j.target()), Message: what, Err: err,
		Remedy: "Look at both objects; remove or rename the one that is not wanted."}
	if j.inPlace() {
		e.Kind, e.Remedy = cooper.KindChanged, "The next inventory will show what is there now."
	}
	return e
}

// vanished is where the original is not there any more: an earlier run may have
// stored the replacement, and something else removed or overwritten the
// original, as in-place the write itself does. The replacement must name this
// version as its origin and decode to what it says; it was proven before it was
// stored. Otherwise cause stands.
func (j *job) vanished(ctx context.Context, cause error) (*cooper.Content, error) {
	t, err := j.look(ctx)
	switch {
	case cooper.KindOf(err) == cooper.KindMissing:
		return nil, cause
	case err != nil:
		return nil, err
	case t.origin == nil || !t.encoded(j):
		return nil, cause
	}
	found, _, err := j.decodeStored(ctx, &t.version, t.origin.PlainSize, t.origin.describes)
	if err == nil && !t.origin.describes(&found) {
		err = &cooper.Error{Kind: cooper.KindCorrupt, Message: "does not decode to the content it was made of"}
	}
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindOf(err), Where: cooper.Quote(j.target()), Message: "the original is gone, and its replacement cannot be read", Err: err}
	}
	return t.content(j, &found), nil
}

// readBack proves the replacement once more, by what the store gives.
func (j *job) readBack(ctx context.Context, id cooper.Identity, sums *codec.Sums) error {
	found, _, err := j.decodeStored(ctx, &cooper.Version{Identity: id}, sums.PlainSize, func(found *codec.Sums) bool { return found.SamePlain(*sums) })
	if err == nil && !found.SamePlain(*sums) {
		err = &cooper.Error{Kind: cooper.KindCorrupt, Message: "another content"}
	}
	if err == nil {
		return nil
	}
	what := "reads back otherwise than it was sent; its original is as it was"
	if j.inPlace() {
		what = "reads back otherwise than it was sent; its original is behind it where versions are kept"
	}
	kind := cooper.KindOf(err)
	if errors.Is(err, errDamaged) { // it was well when it was sent
		kind = cooper.KindCorrupt
	}
	return &cooper.Error{Kind: kind, Where: cooper.Quote(j.target()), Message: what, Err: err}
}

// tooMuch bounds what is decoded of something that claims to be a content of
// most bytes.
func tooMuch(most int64) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Message: fmt.Sprintf("decodes to more than %d bytes", most)}
}

var errDamaged = errors.New("came damaged every time it was read")

// decodeStored reads a replacement and decodes it, at most as many bytes as
// given; sha is of its stored form. That it does not decode is KindInvalid or
// KindCorrupt. Where it does not, or is not as wanted, it counts only if what came
// is what is stored: what was damaged on the way is read again, and KindStore in
// the end.
func (j *job) decodeStored(ctx context.Context, v *cooper.Version, most int64, wanted func(*codec.Sums) bool) (sums codec.Sums, sha []byte, err error) {
	var comings checksum.Comings
	for n := 0; ; n++ {
		var res checksum.Result
		sums, sha, res, err = j.decodeOnce(ctx, v, most, wanted)
		switch {
		case res.Check != cooper.Corrupt, comings.See(res).Check != cooper.Corrupt: // or what is stored, whatever its ETag
			return sums, sha, err
		case n == again:
			return sums, nil, &cooper.Error{Kind: cooper.KindStore, Where: cooper.Quote(v.Key), Err: errDamaged,
				Remedy: "See whether the store and the network are well, and try again."}
		}
	}
}

// decodeOnce does it once. What is larger than the original cannot be a
// replacement, damaged or not.
func (j *job) decodeOnce(ctx context.Context, v *cooper.Version, most int64, wanted func(*codec.Sums) bool) (sums codec.Sums, sha []byte, res checksum.Result, err error) {
	opt := j.reading()
	opt.Moved, opt.Streamed = nil, true
	body, err := reading.Open(ctx, j.bucket, v, opt)
	if err != nil {
		return sums, nil, res, err
	}
	defer body.Close()
	sums, err = j.decodeBody(body, most)
	switch kind := cooper.KindOf(err); {
	case err == nil && wanted(&sums), err != nil && kind != cooper.KindInvalid && kind != cooper.KindCorrupt, v.Size > max(j.v.Size, most):
		return sums, body.SHA256(), res, err
	}
	if _, rest := io.Copy(io.Discard, struct{ io.Reader }{body}); rest != nil {
		return sums, nil, res, rest
	}
	res, unchecked := body.Check(ctx, nil)
	if unchecked != nil {
		return sums, nil, checksum.Result{}, unchecked
	}
	return sums, body.SHA256(), res, err
}

// decodeBody decodes what is read.
func (j *job) decodeBody(body io.Reader, most int64) (sums codec.Sums, err error) {
	s, err := j.opt.Rewriting.Codec.Decode(body, codec.DecodeOptions{Key: j.secret.Key})
	if err != nil {
		return sums, err
	}
	defer s.Close() //nolint:errcheck // it has nothing to tell
	buf := take(64 << 10)
	defer buf.give()
	for n := int64(0); ; {
		m, err := s.Read(buf.b)
		if n += int64(m); n > most {
			return sums, tooMuch(most)
		}
		if err == io.EOF { //nolint:errorlint // what wraps it is no end
			return s.Sums()
		} else if err != nil {
			return sums, err
		}
	}
}
