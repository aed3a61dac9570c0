package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	signerv4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithymiddleware "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/retry"
)

// whole is the client over the SDK, for buckets that want another signature
// than the lean one's: multi-region access points, directory buckets.
type whole struct {
	sdk    *sdk.Client
	bucket string
	now    func() time.Time
}

func (c *whole) get(ctx context.Context, ref store.Ref, r store.Range) (store.Object, io.ReadCloser, error) {
	out, err := c.sdk.GetObject(ctx, &sdk.GetObjectInput{
		Bucket: &c.bucket, Key: &ref.Key, VersionId: optional(ref.VersionID), IfMatch: quoted(ref.IfMatch),
		Range: optional(rangeHeader(r)), ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		return store.Object{}, nil, sdkFailure(ctx, err, c.now())
	}
	o, err := describeSDK(out.ResultMetadata, out.ContentLength, ref, r)
	if err != nil {
		_ = out.Body.Close() // nothing was read that could be lost
		return o, nil, err
	}
	return o, out.Body, nil
}

func (c *whole) head(ctx context.Context, ref store.Ref, part int) (store.Object, error) {
	in := &sdk.HeadObjectInput{
		Bucket: &c.bucket, Key: &ref.Key, VersionId: optional(ref.VersionID), IfMatch: quoted(ref.IfMatch),
		ChecksumMode: types.ChecksumModeEnabled,
	}
	if part > 0 {
		in.PartNumber = aws.Int32(int32(min(part, 1<<30)))
	}
	out, err := c.sdk.HeadObject(ctx, in)
	if err != nil {
		return store.Object{}, sdkFailure(ctx, err, c.now())
	}
	return describeSDK(out.ResultMetadata, out.ContentLength, ref, store.Range{})
}

// describeSDK reads the headers that the SDK's answer came from: it keeps all
// of them, and so both clients tell the same.
func describeSDK(m smithymiddleware.Metadata, length *int64, ref store.Ref, r store.Range) (store.Object, error) {
	res, ok := middleware.GetRawResponse(m).(*smithyhttp.Response)
	if !ok {
		return store.Object{}, malformed("no response")
	}
	n := int64(-1)
	if length != nil {
		n = *length
	}
	return describe(res.StatusCode, res.Header, n, ref, r)
}

func (c *whole) put(ctx context.Context, u upload) (store.Object, error) {
	var md5 *string
	if u.sums.md5 != nil {
		md5 = aws.String(base64.StdEncoding.EncodeToString(u.sums.md5))
	}
	var (
		m   smithymiddleware.Metadata
		err error
	)
	if u.uploadID != "" {
		var out *sdk.UploadPartOutput
		out, err = c.sdk.UploadPart(ctx, &sdk.UploadPartInput{
			Bucket: &c.bucket, Key: &u.key, UploadId: &u.uploadID, PartNumber: &u.part,
			Body: u.body, ContentLength: &u.size, ContentMD5: md5,
		})
		if err == nil {
			m = out.ResultMetadata
		}
	} else {
		in := &sdk.PutObjectInput{
			Bucket: &c.bucket, Key: &u.key, Body: u.body, ContentLength: &u.size, ContentMD5: md5,
		}
		if u.named {
			in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(u.sums.sha256))
		}
		var out *sdk.PutObjectOutput
		out, err = c.sdk.PutObject(ctx, in, withHeader(u.header))
		if err == nil {
			m = out.ResultMetadata
		}
	}
	if err != nil {
		return store.Object{}, sdkFailure(ctx, err, c.now())
	}
	res, ok := middleware.GetRawResponse(m).(*smithyhttp.Response)
	if !ok {
		return store.Object{}, malformed("no response")
	}
	o, err := objectOf(u.key, res.Header, u.size)
	if err == nil {
		err = vouched(o, u.sums)
	}
	return o, err
}

// withHeader adds headers to a request before it is signed, so that both
// clients say the same of an object.
func withHeader(h http.Header) func(*sdk.Options) {
	return func(o *sdk.Options) {
		for name, values := range h {
			o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue(name, values[0]))
		}
	}
}

func (c *whole) list(ctx context.Context, q listing) (*page, error) {
	if q.current {
		return c.listCurrent(ctx, q)
	}
	out, err := c.sdk.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{
		Bucket: &c.bucket, Prefix: &q.prefix, Delimiter: optional(q.delimiter), EncodingType: types.EncodingTypeUrl,
		KeyMarker: optional(q.after), VersionIdMarker: optional(q.versionMarker),
	})
	if err != nil {
		return nil, sdkFailure(ctx, err, c.now())
	}
	p := &page{truncated: aws.ToBool(out.IsTruncated), marker: aws.ToString(out.NextKeyMarker), nextVersion: aws.ToString(out.NextVersionIdMarker)}
	for _, x := range out.Versions {
		v := cooper.Version{Latest: aws.ToBool(x.IsLatest), StorageClass: string(x.StorageClass)}
		v.Identity = cooper.Identity{Key: aws.ToString(x.Key), VersionID: aws.ToString(x.VersionId), ETag: etagOf(aws.ToString(x.ETag)),
			Size: aws.ToInt64(x.Size), LastModified: cooper.InstantOf(aws.ToTime(x.LastModified))}
		if len(x.ChecksumAlgorithm) > 0 {
			v.Checksum = string(x.ChecksumAlgorithm[0])
		}
		p.versions = append(p.versions, v)
	}
	for _, x := range out.DeleteMarkers {
		v := cooper.Version{Latest: aws.ToBool(x.IsLatest), DeleteMarker: true}
		v.Identity = cooper.Identity{Key: aws.ToString(x.Key), VersionID: aws.ToString(x.VersionId), LastModified: cooper.InstantOf(aws.ToTime(x.LastModified))}
		p.versions = append(p.versions, v)
	}
	return p.fromSDK(out.CommonPrefixes, out.EncodingType, false)
}

func (c *whole) listCurrent(ctx context.Context, q listing) (*page, error) {
	in := &sdk.ListObjectsV2Input{
		Bucket: &c.bucket, Prefix: &q.prefix, Delimiter: optional(q.delimiter), EncodingType: types.EncodingTypeUrl,
		ContinuationToken: optional(q.token),
	}
	if q.token == "" {
		in.StartAfter = optional(q.after)
	}
	out, err := c.sdk.ListObjectsV2(ctx, in)
	if err != nil {
		return nil, sdkFailure(ctx, err, c.now())
	}
	p := &page{truncated: aws.ToBool(out.IsTruncated), token: aws.ToString(out.NextContinuationToken)}
	for _, x := range out.Contents {
		v := cooper.Version{Latest: true, StorageClass: string(x.StorageClass)}
		v.Identity = cooper.Identity{Key: aws.ToString(x.Key), ETag: etagOf(aws.ToString(x.ETag)),
			Size: aws.ToInt64(x.Size), LastModified: cooper.InstantOf(aws.ToTime(x.LastModified))}
		if len(x.ChecksumAlgorithm) > 0 {
			v.Checksum = string(x.ChecksumAlgorithm[0])
		}
		p.versions = append(p.versions, v)
	}
	return p.fromSDK(out.CommonPrefixes, out.EncodingType, true)
}

// fromSDK completes a page as parsePage would have left it. The SDK makes two
// lists of versions and delete markers; here they are merged again.
func (p *page) fromSDK(prefixes []types.CommonPrefix, encoding types.EncodingType, current bool) (*page, error) {
	for _, x := range prefixes {
		p.prefixes = append(p.prefixes, aws.ToString(x.Prefix))
	}
	for i := range p.versions {
		if err := complete(&p.versions[i], current); err != nil {
			return nil, err
		}
	}
	if p.encoded = encoding == types.EncodingTypeUrl; p.encoded {
		if err := p.decode(); err != nil {
			return nil, err
		}
	}
	sortPage(p.versions)
	return p, nil
}

// sdkFailure takes an SDK error apart.
func sdkFailure(ctx context.Context, err error, now time.Time) error {
	if cerr := ctx.Err(); cerr != nil {
		return cerr
	}
	var (
		signing *signerv4.SigningError
		res     *smithyhttp.ResponseError
		api     smithy.APIError
	)
	switch {
	case errors.As(err, &signing):
		return &failure{credentials: true, err: err}
	case !errors.As(err, &res) || res.HTTPStatusCode() == 0:
		return &failure{err: err}
	case !errors.As(err, &api) && res.HTTPStatusCode() < 300:
		// The answer began well and ended badly.
		return &failure{err: err}
	}
	f := &failure{status: res.HTTPStatusCode()}
	if res.Response != nil {
		h := res.Response.Header
		f.asked = asked(res.Response.Request)
		f.requestID = clip(h.Get("X-Amz-Request-Id"), 100)
		f.region = clip(h.Get("X-Amz-Bucket-Region"), 100)
		f.after = retry.After(h.Get("Retry-After"), now)
		f.marker = h.Get("X-Amz-Delete-Marker") == "true"
	}
	if api != nil {
		// Without a body the SDK makes a code of the status; S3 has none then.
		if code := api.ErrorCode(); code != "UnknownError" && code != http.StatusText(f.status) && code != "NotFound" {
			f.code = clip(code, 100)
		}
		f.message = clip(api.ErrorMessage(), 500)
	}
	var id interface{ ServiceRequestID() string }
	if f.requestID == "" && errors.As(err, &id) {
		f.requestID = clip(id.ServiceRequestID(), 100)
	}
	return f
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func quoted(etag string) *string {
	if etag == "" {
		return nil
	}
	return aws.String(`"` + etag + `"`)
}
