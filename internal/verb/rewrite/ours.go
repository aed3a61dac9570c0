package rewrite

import (
	"context"
	"strings"

	"cooper"
	"cooper/internal/checksum"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// leave is what comes of a version that its description says to leave: Found if
// an earlier run has written it in-place, and it decodes to what its origin says;
// else Left, for the reason.
func (j *job) leave(ctx context.Context, o *store.Object, reason string) (*cooper.Content, checksum.Result, error) {
	var none checksum.Result
	encoded := strings.EqualFold(o.Headers.ContentEncoding, string(j.opt.Rewriting.Codec.Compress.Method))
	if origin, err := ParseOrigin(o.Metadata[OriginName]); err == nil && encoded {
		content, err := j.found(ctx, &origin)
		return content, none, err
	}
	return j.left(reason, nil), none, nil
}

// found is what an earlier run has written, as origin says.
func (j *job) found(ctx context.Context, origin *Origin) (*cooper.Content, error) {
	sums, _, err := j.decodeStored(ctx, j.v, origin.PlainSize, origin.describes)
	if err != nil {
		return nil, j.unread(err)
	}
	if !origin.describes(&sums) {
		return nil, &cooper.Error{Kind: cooper.KindCorrupt, Message: "does not decode to the content it was made of",
			Remedy: "Look for another version of it, or a copy."}
	}
	return reading.Content(cooper.Found, &sums, j.v.Identity, origin.Codec), nil
}
