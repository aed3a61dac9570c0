package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"cooper/internal/store"
)

// Tags gives the tags of a version.
func (b *Bucket) Tags(ctx context.Context, ref store.Ref) (map[string]string, error) {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return nil, err
	}
	var tags map[string]string
	none, err := b.ask(ctx, where, aboutTags, func(ctx context.Context, _ func(*sdk.Options)) (err error) {
		tags, err = b.client.tags(ctx, ref)
		return err
	})
	if none || err != nil {
		return nil, err
	}
	return tags, nil
}

// maxTagging bounds an answer, in bytes: ten tags of 128 and 256 characters, each
// written as a reference, are 40 kB.
const maxTagging = 64 << 10

// tags asks without the SDK, which takes four times as long: whoever stores objects
// anew asks for each.
func (c *lean) tags(ctx context.Context, ref store.Ref) (map[string]string, error) {
	res, err := c.read(ctx, http.MethodGet, ref, params{{"tagging", ""}}, make(http.Header, 8), acceptAsIs)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxTagging+1))
	_ = res.Body.Close() // what was read is judged by itself
	if err != nil {
		return nil, noAnswer(ctx, &failure{err: err})
	}
	switch root := rootOf(b); {
	case root == "Error":
		f := &failure{status: http.StatusInternalServerError}
		f.read(b)
		return nil, f
	case len(b) == 0:
		return nil, malformed("an empty answer")
	case root != aboutTags.root: // a store that does not know the question answers with the object
		return nil, &failure{foreign: true, err: fmt.Errorf("no %s, but %q", aboutTags.root, clip(string(b[:min(len(b), 200)]), 80))}
	case len(b) > maxTagging:
		return nil, malformed("tags of more than %d bytes", maxTagging)
	}
	return parseTags(b)
}

func (c *whole) tags(ctx context.Context, ref store.Ref) (map[string]string, error) {
	out, err := c.sdk.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: &c.bucket, Key: &ref.Key, VersionId: optional(ref.VersionID)}, expecting(aboutTags.root))
	if err != nil {
		if f, ok := errors.AsType[*failure](err); ok { // it is of what expecting saw
			return nil, f
		}
		return nil, sdkFailure(ctx, err, c.now())
	}
	var tags map[string]string
	for _, t := range out.TagSet {
		if tags == nil {
			tags = map[string]string{}
		}
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if len(tags) != len(out.TagSet) {
		return nil, malformed("a tag twice")
	}
	return tags, nil
}

// parseTags reads a Tagging: a TagSet of Tags, each a Key and a Value.
func parseTags(b []byte) (map[string]string, error) {
	const tag, field = 3, 4 // how deep they are
	var (
		s     = &scanner{b: b}
		tags  map[string]string
		leaf  string
		text  []byte
		parts map[string]string // of the tag being read
	)
	for {
		kind, t, err := s.next()
		if err != nil {
			return nil, err
		}
		switch {
		case kind == tokenEnd:
			return tags, nil
		case kind == tokenOpen && s.depth == tag:
			parts = map[string]string{}
		case kind == tokenOpen && s.depth == field:
			leaf, text = string(local(t)), nil
		case kind == tokenText && s.depth == field:
			text = append(text, t...)
		case kind == tokenClose && s.depth == field-1:
			if parts[leaf], err = unescapeXML(text); err != nil {
				return nil, err
			}
		case kind == tokenClose && s.depth == tag-1:
			key := parts["Key"]
			if _, twice := tags[key]; twice || key == "" {
				return nil, malformed("a tag twice, or one without a key")
			}
			if tags == nil {
				tags = map[string]string{}
			}
			tags[key] = parts["Value"]
		}
	}
}
