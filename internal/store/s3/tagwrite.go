package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// SetTags gives a version these tags and no others.
func (b *Bucket) SetTags(ctx context.Context, p permit.Permit, ref store.Ref, tags map[string]string) error {
	where := b.where(ref.Key, ref.VersionID)
	switch {
	case !p.Valid():
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "was to be tagged without a permit"}
	case ref.IfMatch != "":
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "tags cannot be written on a condition"}
	}
	err := checkRef(ref, where)
	if err == nil {
		err = checkTags(tags, where)
	}
	if err != nil {
		return err
	}
	err = b.do(ctx, where, func(ctx context.Context) error { return b.client.setTags(ctx, ref, tags) })
	var f *failure
	if errors.As(err, &f) && f.err == nil && f.unknown() {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "this store has no tags", Err: f}
	}
	return err
}

// What tags can be, in characters.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
const (
	maxTagKey   = 128
	maxTagValue = 256
)

// checkTags refuses tags that no store takes, or that would not arrive as they are.
func checkTags(tags map[string]string, where string) error {
	bad := func(m string) error { return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: m} }
	if len(tags) > store.MaxTags {
		return bad(fmt.Sprintf("%d tags; a version has at most %d", len(tags), store.MaxTags))
	}
	for k, v := range tags {
		if k == "" || utf8.RuneCountInString(k) > maxTagKey || utf8.RuneCountInString(v) > maxTagValue || !utf8.ValidString(k+v) ||
			strings.ContainsFunc(k+v, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError || r&0xfffe == 0xfffe }) {
			return bad("a tag that cannot be sent: " + cooper.Quote(k) + "=" + cooper.Quote(v))
		}
	}
	return nil
}

type tagSet struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
	TagSet  struct {
		Tag []struct{ Key, Value string }
	}
}

// setTags asks without the SDK: whoever archives by tag asks for each object.
func (c *lean) setTags(ctx context.Context, ref store.Ref, tags map[string]string) error {
	var set tagSet
	for k, v := range tags {
		set.TagSet.Tag = append(set.TagSet.Tag, struct{ Key, Value string }{k, v})
	}
	doc, err := xml.Marshal(set)
	if err != nil {
		return err
	}
	md, sha := md5.Sum(doc), sha256.Sum256(doc)
	h := http.Header{"Content-Md5": {base64.StdEncoding.EncodeToString(md[:])}, "Content-Type": {"application/xml"}}
	q := params{{"tagging", ""}}
	if ref.VersionID != "" {
		q = append(q, [2]string{"versionId", ref.VersionID})
	}
	res, err := c.send(ctx, http.MethodPut, ref.Key, q, h, bytes.NewReader(doc), int64(len(doc)), hex.EncodeToString(sha[:]))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxErrorBody))
	_ = res.Body.Close()
	if err != nil {
		return noAnswer(ctx, &failure{err: err})
	}
	return nil
}

func (c *whole) setTags(ctx context.Context, ref store.Ref, tags map[string]string) error {
	set := &types.Tagging{TagSet: []types.Tag{}}
	for k, v := range tags {
		set.TagSet = append(set.TagSet, types.Tag{Key: &k, Value: &v})
	}
	_, err := c.sdk.PutObjectTagging(ctx, &sdk.PutObjectTaggingInput{Bucket: &c.bucket, Key: &ref.Key, VersionId: optional(ref.VersionID), Tagging: set})
	if err != nil {
		return sdkFailure(ctx, err, c.now())
	}
	return nil
}
