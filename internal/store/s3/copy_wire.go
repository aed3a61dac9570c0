package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"cooper"
	"cooper/internal/store"
	"strconv"
	"time"
)

// maxCopied bounds the answer to a copy, in bytes. S3 sends blanks while it copies,
// so that the connection stays: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
const maxCopied = 1 << 20

// copied is the document that answers a copy, or one of a part.
type copied struct {
	XMLName      xml.Name
	ETag         string
	LastModified string

	ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 string

	ChecksumType string
}

// object is what was said, with the headers h.
func (c *copied) object(key string, h http.Header) (store.Object, error) {
	o, err := objectOf(key, h, store.Untold)
	if err != nil {
		return o, err
	}
	o.Length = 0
	o.ContentType, o.LastModified = "", 0 // those of the answer
	if o.ETag = etagOf(c.ETag); o.ETag == "" {
		return o, malformed("a copy without an ETag")
	}
	if t, err := time.Parse(time.RFC3339Nano, c.LastModified); err == nil {
		o.LastModified = cooper.InstantOf(t)
	}
	for name, sum := range map[string]string{"CRC32": c.ChecksumCRC32, "CRC32C": c.ChecksumCRC32C, crc64NVME: c.ChecksumCRC64NVME, "SHA1": c.ChecksumSHA1, "SHA256": c.ChecksumSHA256} {
		if sum == "" {
			continue
		}
		if o.Checksums == nil {
			o.Checksums = map[string]string{}
		}
		o.Checksums[name] = sum
	}
	if c.ChecksumType != "" {
		o.ChecksumType = c.ChecksumType
	}
	return o, nil
}

// parseCopied reads the answer to a copy, or an error that was sent as a success.
func parseCopied(b []byte) (*copied, error) {
	var c copied
	switch root := rootOf(b); root {
	case "CopyObjectResult", "CopyPartResult":
	case "Error":
		f := &failure{}
		f.read(b)
		f.status = statusOfCode(f.code)
		if f.code == "" {
			f.status = http.StatusInternalServerError
		}
		return nil, f
	default:
		return nil, malformed("no word of a copy, but %q", clip(string(b[:min(len(b), 200)]), 80))
	}
	if err := xml.Unmarshal(b, &c); err != nil {
		return nil, malformed("a word of a copy that cannot be read: %w", err)
	}
	return &c, nil
}

func (c *lean) copy(ctx context.Context, cp copying) (store.Object, error) {
	var q params
	if cp.uploadID != "" {
		q = params{{"partNumber", strconv.Itoa(int(cp.part))}, {"uploadId", cp.uploadID}}
	}
	res, err := c.send(ctx, http.MethodPut, cp.key, q, cp.headers(), http.NoBody, 0, emptyHash)
	if err != nil {
		return store.Object{}, err
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxCopied+1))
	_ = res.Body.Close() // what was read is judged by itself
	switch {
	case err != nil:
		return store.Object{}, noAnswer(ctx, &failure{err: err})
	case len(b) > maxCopied:
		return store.Object{}, malformed("an answer of more than %d bytes", maxCopied)
	}
	said, err := parseCopied(b)
	if err == nil {
		err = cp.of(res.Header)
	}
	if err != nil {
		return store.Object{}, asking(err, res)
	}
	return said.object(cp.key, res.Header)
}

// asking completes an error that was sent as a success.
func asking(err error, res *http.Response) error {
	var f *failure
	if errors.As(err, &f) && f.err == nil {
		f.asked = asked(res.Request)
		if f.requestID == "" {
			f.requestID = clip(res.Header.Get("X-Amz-Request-Id"), 100)
		}
	}
	return err
}

func (c *whole) copy(ctx context.Context, cp copying) (store.Object, error) {
	if cp.uploadID != "" {
		out, err := c.sdk.UploadPartCopy(ctx, &sdk.UploadPartCopyInput{
			Bucket: &c.bucket, Key: &cp.key, CopySource: &cp.source, UploadId: &cp.uploadID, PartNumber: &cp.part,
		}, withHeader(cp.headers()), boundedPage)
		if err != nil {
			return store.Object{}, successful(sdkFailure(ctx, err, c.now()))
		}
		said := copied{}
		if r := out.CopyPartResult; r != nil {
			said = copied{ETag: aws.ToString(r.ETag), ChecksumCRC32: aws.ToString(r.ChecksumCRC32), ChecksumCRC32C: aws.ToString(r.ChecksumCRC32C),
				ChecksumCRC64NVME: aws.ToString(r.ChecksumCRC64NVME), ChecksumSHA1: aws.ToString(r.ChecksumSHA1), ChecksumSHA256: aws.ToString(r.ChecksumSHA256)}
		}
		return c.copied(cp, &said, middleware.GetRawResponse(out.ResultMetadata))
	}
	out, err := c.sdk.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: &c.bucket, Key: &cp.key, CopySource: &cp.source}, withHeader(cp.headers()), boundedPage)
	if err != nil {
		return store.Object{}, successful(sdkFailure(ctx, err, c.now()))
	}
	said := copied{}
	if r := out.CopyObjectResult; r != nil {
		said = copied{ETag: aws.ToString(r.ETag), ChecksumCRC32: aws.ToString(r.ChecksumCRC32), ChecksumCRC32C: aws.ToString(r.ChecksumCRC32C),
			ChecksumCRC64NVME: aws.ToString(r.ChecksumCRC64NVME), ChecksumSHA1: aws.ToString(r.ChecksumSHA1), ChecksumSHA256: aws.ToString(r.ChecksumSHA256),
			ChecksumType: string(r.ChecksumType)}
		if r.LastModified != nil {
			said.LastModified = r.LastModified.Format(time.RFC3339Nano)
		}
	}
	return c.copied(cp, &said, middleware.GetRawResponse(out.ResultMetadata))
}

func (c *whole) copied(cp copying, said *copied, raw any) (store.Object, error) {
	res, ok := raw.(*smithyhttp.Response)
	if !ok {
		return store.Object{}, malformed("no response")
	}
	if err := cp.of(res.Header); err != nil {
		return store.Object{}, err
	}
	return said.object(cp.key, res.Header)
}

// successful gives an error that was sent as a success the status that it would have
// had: to the SDK it is a 500, whatever it says.
func successful(err error) error {
	var f *failure
	if errors.As(err, &f) && f.status == http.StatusInternalServerError && f.code != "" {
		if s := statusOfCode(f.code); s != http.StatusBadRequest {
			f.status = s
		}
	}
	return err
}
