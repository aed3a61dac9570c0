package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// Uploads lists the multipart uploads that are unfinished. Rows that a store
// repeats where two pages meet come once; a listing that goes backwards, leaves
// the prefix, or goes on without end, is KindInvalid.
func (b *Bucket) Uploads(ctx context.Context, prefix string, fn func([]store.Upload) error) error {
	where := b.where(prefix, "")
	w := uploadWalk{prefix: prefix, unordered: strings.HasSuffix(b.name, "--x-s3"), markers: map[string]bool{}}
	for {
		var p uploadPage
		err := b.do(ctx, where, func(ctx context.Context) (err error) {
			p, err = b.uploadPage(ctx, prefix, w.key, w.id)
			return err
		})
		if err == nil {
			err = w.accept(&p)
		}
		if err != nil {
			return final(err, where)
		}
		if len(p.uploads) > 0 {
			if err := fn(p.uploads); err != nil {
				return err
			}
		}
		if !p.truncated {
			return nil
		}
	}
}

// uploadPage is one answer to a listing of uploads.
type uploadPage struct {
	uploads            []store.Upload
	truncated, encoded bool
	// Where to go on, as it was written.
	marker, id string
}

// uploadPage asks for what follows an upload of a key.
func (b *Bucket) uploadPage(ctx context.Context, prefix, key, id string) (p uploadPage, err error) {
	out, err := b.sdk.ListMultipartUploads(ctx, &sdk.ListMultipartUploadsInput{
		Bucket: &b.name, Prefix: optional(prefix), EncodingType: types.EncodingTypeUrl,
		KeyMarker: optional(key), UploadIdMarker: optional(id),
	}, boundedPage)
	if err != nil {
		return p, b.pageFailure(ctx, err)
	}
	if key == "" && out.Bucket == nil && out.MaxUploads == nil && out.KeyMarker == nil && len(out.Uploads) == 0 {
		// A store that does not know the question answers another, such as the listing
		// of its objects: that there are no uploads it does not say.
		return p, &failure{foreign: true, err: errors.New("no ListMultipartUploadsResult")}
	}
	decode := func(s *string) string { return aws.ToString(s) }
	if p.encoded = out.EncodingType == types.EncodingTypeUrl; p.encoded {
		decode = func(s *string) string {
			text, uerr := url.QueryUnescape(aws.ToString(s))
			if uerr != nil {
				err = malformed("key %q, which is not percent-encoded as was said", clip(aws.ToString(s), 80))
			}
			return text
		}
	}
	p.truncated = aws.ToBool(out.IsTruncated)
	p.marker, p.id = aws.ToString(out.NextKeyMarker), aws.ToString(out.NextUploadIdMarker)
	for _, x := range out.Uploads {
		u := store.Upload{Key: decode(x.Key), UploadID: aws.ToString(x.UploadId),
			Initiated: cooper.InstantOf(aws.ToTime(x.Initiated)), StorageClass: string(x.StorageClass)}
		if u.Key == "" || u.UploadID == "" {
			return p, malformed("an upload without a key or an id")
		}
		p.uploads = append(p.uploads, u)
	}
	return p, err
}

// uploadWalk is what must be remembered of a listing of uploads to see that it
// gets on.
type uploadWalk struct {
	prefix    string
	unordered bool   // directory buckets list in no order
	key, id   string // where the next page begins
	// tail is the last key's uploads on the page before, and those whose keys
	// cannot be believed.
	tail    []store.Upload
	lastKey string
	barren  int
	// markers are the upload markers seen under one key, which have no order.
	markers map[string]bool
	raw     bool // see onward
}

// accept checks a page, takes out of it what came before, and moves on.
func (w *uploadWalk) accept(p *uploadPage) error {
	var last store.Upload
	rows, apart, repeated := p.uploads[:0], []store.Upload(nil), false
	for _, u := range p.uploads {
		unsure := !p.encoded && store.Garbled(u.Key)
		if !unsure && u.Key >= last.Key {
			last = u
		}
		switch {
		case !strings.HasPrefix(u.Key, w.prefix):
			return malformed("key %s in a listing of %s", cooper.Quote(clip(u.Key, 200)), cooper.Quote(w.prefix))
		case (unsure || u.Key == w.lastKey) && slices.Contains(w.tail, u):
			repeated = true
		case unsure:
			apart = append(apart, u)
		case u.Key < w.lastKey && !w.unordered:
			return backwards(w.lastKey, u.Key)
		default:
			rows = append(rows, u)
		}
	}
	byKey := func(a, b store.Upload) int { return strings.Compare(a.Key, b.Key) }
	if !w.unordered {
		slices.SortStableFunc(rows, byKey)
	}
	if n := len(rows) - 1; n >= 0 {
		w.lastKey = rows[n].Key
		for n > 0 && rows[n-1].Key == w.lastKey {
			n--
		}
		w.tail = slices.Clone(rows[n:])
	}
	w.tail = append(w.tail, apart...)
	if p.uploads = append(rows, apart...); !w.unordered {
		slices.SortStableFunc(p.uploads, byKey)
	}
	if len(p.uploads) > 0 {
		w.barren = 0
	} else if w.barren++; w.barren > maxBarren {
		return malformed("a listing of %d empty pages", w.barren)
	}
	switch {
	case !p.truncated:
		return nil
	case repeated && len(p.uploads) == 0:
		return malformed("a listing that brings again what came before, up to %s", cooper.Quote(clip(last.Key, 200)))
	}
	return w.follow(p, last, len(apart) > 0)
}

// follow takes over where the next page begins. last is the last upload of this
// one, as it came.
func (w *uploadWalk) follow(p *uploadPage, last store.Upload, apart bool) error {
	if p.marker == "" && (last.Key == "" || w.unordered) || last.Key == "" && apart {
		return malformed("a listing that does not say how to go on")
	}
	if w.unordered {
		last = store.Upload{} // no key is the last
	}
	key, own, err := onward(p.marker, p.encoded, w.key, last.Key, &w.raw)
	id := p.id
	switch {
	case err != nil:
		return err
	case own && apart && store.Garbled(p.marker):
		id = "" // the page went beyond all uploads of that key
	case own:
		id = last.UploadID
	}
	switch {
	case key < w.key && !w.unordered:
		return backwards(w.key, key)
	case key != w.key && !w.unordered:
		clear(w.markers)
	}
	mark := key + "\x00" + id
	if w.markers[mark] || key == w.key && id == "" {
		return malformed("a listing that goes round in circles at %s", cooper.Quote(clip(key, 200)))
	}
	w.markers[mark] = true
	w.key, w.id = key, id
	return nil
}

// Uploaded counts the parts of an upload and their bytes.
func (b *Bucket) Uploaded(ctx context.Context, u store.Upload) (sum store.Uploaded, err error) {
	where, dated := b.where(u.Key, ""), true
	if err := checkRef(store.Ref{Key: u.Key}, where); err != nil {
		return sum, err
	}
	for last, more := int64(0), true; more; {
		var out *sdk.ListPartsOutput
		err := b.do(ctx, where, func(ctx context.Context) (err error) {
			in := &sdk.ListPartsInput{Bucket: &b.name, Key: &u.Key, UploadId: &u.UploadID}
			if last > 0 {
				in.PartNumberMarker = aws.String(strconv.FormatInt(last, 10))
			}
			if out, err = b.sdk.ListParts(ctx, in, keylessPage); err != nil {
				return b.pageFailure(ctx, err)
			}
			return nil
		})
		before := last
		for _, p := range partsOf(out, err) {
			n, size := int64(aws.ToInt32(p.PartNumber)), aws.ToInt64(p.Size)
			if n <= last || n > maxParts || p.Size == nil || size < 0 || size > math.MaxInt64-sum.Bytes {
				err = malformed("part %d of %d bytes after part %d", n, size, last)
				break
			}
			last, sum.Parts, sum.Bytes = n, sum.Parts+1, sum.Bytes+size
			sum.Newest = max(sum.Newest, cooper.InstantOf(aws.ToTime(p.LastModified)))
			dated = dated && p.LastModified != nil
		}
		if err == nil {
			if more = aws.ToBool(out.IsTruncated); more && last == before {
				err = malformed("a listing of parts that does not get on after part %d", last)
			}
		}
		if err != nil {
			return store.Uploaded{}, final(err, where)
		}
	}
	if !dated {
		sum.Newest = 0
	}
	return sum, nil
}

// AbortUpload ends an upload.
func (b *Bucket) AbortUpload(ctx context.Context, p permit.Permit, u store.Upload) error {
	where := b.where(u.Key, "")
	if !p.Valid() {
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "was to be aborted without a permit"}
	}
	if u.UploadID == "" {
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "an upload without an id was to be aborted"}
	}
	if err := checkRef(store.Ref{Key: u.Key}, where); err != nil {
		return err
	}
	return b.discard(ctx, u.Key, u.UploadID, where)
}

// partsOf is nothing where there was no answer.
func partsOf(out *sdk.ListPartsOutput, err error) []types.Part {
	if err != nil {
		return nil
	}
	return out.Parts
}

// boundedPage makes the SDK read no more of an answer than a page can have.
func boundedPage(o *sdk.Options) { o.HTTPClient = boundedClient{o.HTTPClient} }

type boundedClient struct{ sdk.HTTPClient }

// Do sends one request.
func (c boundedClient) Do(r *http.Request) (*http.Response, error) {
	res, err := c.HTTPClient.Do(r)
	if err == nil {
		res.Body = &boundedBody{res.Body, maxPage}
	}
	return res, err
}

// boundedBody fails when more comes than a page can have.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, malformed("a page of more than %d bytes", maxPage)
	}
	return n, err
}

// keylessPage is a boundedPage without the key in it: ListParts cannot be asked to
// encode that, and what XML has no word for would make the whole answer none.
func keylessPage(o *sdk.Options) { o.HTTPClient = keylessClient{o.HTTPClient} }

type keylessClient struct{ sdk.HTTPClient }

var keyElement = regexp.MustCompile(`<Key>[^<]*</Key>`)

// Do sends one request.
func (c keylessClient) Do(r *http.Request) (*http.Response, error) {
	res, err := c.HTTPClient.Do(r)
	if err != nil {
		return res, err
	}
	b, err := io.ReadAll(&boundedBody{res.Body, maxPage})
	if err != nil {
		return nil, errors.Join(err, res.Body.Close())
	}
	if err := res.Body.Close(); err != nil {
		return nil, err
	}
	b = keyElement.ReplaceAllLiteral(b, nil)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return res, nil
}

// pageFailure is sdkFailure, where a body that was too long is told from one
// that was cut short.
func (b *Bucket) pageFailure(ctx context.Context, err error) error {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return sdkFailure(ctx, err, b.now())
}
