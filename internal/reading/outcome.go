package reading

import (
	"context"
	"strings"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/store"
)

// Failure is the outcome of an action on the object named key that err ended:
// Deferred if it is archived.
func Failure(ctx context.Context, key string, err error) cooper.Outcome {
	if ce, ok := err.(*cooper.Error); ok && ce.Where == "" { //nolint:errorlint // an error that wraps one has a place of its own
		e := *ce
		e.Where = cooper.Quote(key)
		err = &e
	}
	o := cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindOf(err), Message: err.Error(), Remedy: cooper.RemedyOf(err)}
	switch {
	case ctx.Err() != nil:
		// Whatever the error says, it came from being stopped.
		o.Kind = cooper.KindInterrupted
	case o.Kind == cooper.KindArchived:
		o.Status = cooper.Deferred
	}
	return o
}

// Content is what was learnt of a content. sums are nil, or of a PlainSize of -1,
// unless all of it was read. stored holds it, encoded by by.
func Content(state cooper.ContentState, sums *codec.Sums, stored cooper.Identity, by codec.Chain) *cooper.Content {
	c := &cooper.Content{State: state, PlainSize: -1, StoredSize: stored.Size, Stored: stored, Codec: by.String()}
	if sums != nil {
		c.Format = sums.Looks.Name
	}
	if sums != nil && sums.PlainSize >= 0 {
		c.PlainSize, c.SHA256, c.SHA1 = sums.PlainSize, sums.SHA256[:], sums.SHA1[:]
	}
	return c
}

// Beforehand tells what follows from the plan alone: the reason to leave v, or
// an error of why it cannot be read.
func Beforehand(v *cooper.Version) (reason string, err error) {
	switch {
	case v.DeleteMarker:
		return "", &cooper.Error{Kind: cooper.KindInvalid, Message: "a delete marker has no content"}
	case v.Archived():
		return "", archived()
	case v.Encryption == "SSE-C":
		return "encrypted with a key of the client", nil
	}
	return "", nil
}

func archived() error {
	return &cooper.Error{Kind: cooper.KindArchived, Message: "is in an archive class"}
}

// Described tells the same of what the store says: the class of a copy that was
// restored for a while, whether the content is encoded in another way than keys
// and magics tell, whether its owner asks that it stay as it is, and whether all
// is told that would have to be kept.
func Described(o *store.Object) (reason string, err error) {
	class := cooper.Version{StorageClass: o.StorageClass}
	encoding := o.Headers.ContentEncoding
	switch {
	case class.Archived():
		return "", archived()
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return "has a Content-Encoding: " + encoding, nil
	case noTransform(o.Headers.CacheControl):
		return "Cache-Control: no-transform", nil
	case o.HiddenMetadata > 0:
		return "has metadata that the store cannot tell", nil
	}
	return "", nil
}

// noTransform tells whether a Cache-Control asks that the content stay as it is.
func noTransform(cacheControl string) bool {
	for one := range strings.SplitSeq(cacheControl, ",") {
		if strings.EqualFold(strings.TrimSpace(one), "no-transform") {
			return true
		}
	}
	return false
}
