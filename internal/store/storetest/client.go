package storetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
)

// Client arranges what a bucket holds, with the vendor's own client and past
// everything that is under test. What fails ends the test.
type Client struct {
	bucket string
	s3     *s3.Client
}

// NewClient makes a client for one bucket of a server, which need not exist
// yet.
func NewClient(endpoint, accessKey, secretKey, bucket string) *Client {
	return &Client{bucket: bucket, s3: s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})}
}

// CreateBucket makes the bucket, without versioning.
func (c *Client) CreateBucket(t *testing.T) {
	t.Helper()
	_, err := c.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &c.bucket})
	c.check(t, "create bucket", err)
}

// SetVersioning switches versioning to Enabled or Suspended.
func (c *Client) SetVersioning(t *testing.T, status string) {
	t.Helper()
	_, err := c.s3.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket:                  &c.bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatus(status)},
	})
	c.check(t, "set versioning", err)
}

// Put writes an object and gives its version id, cooper.NullVersion if it got
// none.
func (c *Client) Put(t *testing.T, key string, body []byte) string {
	t.Helper()
	return c.PutClass(t, key, body, "")
}

// PutClass is Put with a storage class, STANDARD if empty.
func (c *Client) PutClass(t *testing.T, key string, body []byte, class string) string {
	t.Helper()
	id, err := c.put(t.Context(), key, body, class)
	c.check(t, fmt.Sprintf("put %q", key), err)
	return id
}

func (c *Client) put(ctx context.Context, key string, body []byte, class string) (string, error) {
	out, err := c.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &c.bucket, Key: &key, Body: bytes.NewReader(body), StorageClass: types.StorageClass(class),
	})
	if err != nil {
		return "", err
	}
	return orNull(out.VersionId), nil
}

// PutParts writes an object as a multipart upload of the given parts and gives
// its version id.
func (c *Client) PutParts(t *testing.T, key string, parts ...[]byte) string {
	t.Helper()
	id, done := c.begin(t, key, parts)
	out, err := c.s3.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &c.bucket, Key: &key, UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	c.check(t, fmt.Sprintf("complete upload of %q", key), err)
	return orNull(out.VersionId)
}

// BeginUpload begins a multipart upload, stores the given parts, and leaves it
// unfinished; it gives the upload's id.
func (c *Client) BeginUpload(t *testing.T, key string, parts ...[]byte) string {
	t.Helper()
	id, _ := c.begin(t, key, parts)
	return id
}

func (c *Client) begin(t *testing.T, key string, parts [][]byte) (id string, done []types.CompletedPart) {
	t.Helper()
	up, err := c.s3.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &c.bucket, Key: &key})
	c.check(t, fmt.Sprintf("begin upload of %q", key), err)
	for i, body := range parts {
		n := aws.Int32(int32(i + 1))
		out, err := c.s3.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &c.bucket, Key: &key, UploadId: up.UploadId, PartNumber: n, Body: bytes.NewReader(body),
		})
		c.check(t, fmt.Sprintf("upload part %d of %q", i+1, key), err)
		done = append(done, types.CompletedPart{PartNumber: n, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	}
	return *up.UploadId, done
}

// AbortUpload gives up an unfinished upload.
func (c *Client) AbortUpload(t *testing.T, key, id string) {
	t.Helper()
	_, err := c.s3.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: &c.bucket, Key: &key, UploadId: &id})
	c.check(t, fmt.Sprintf("abort upload of %q", key), err)
}

// PutTags gives the current version of a key these tags and no others.
func (c *Client) PutTags(t *testing.T, key string, tags map[string]string) {
	t.Helper()
	set := &types.Tagging{}
	for k, v := range tags {
		set.TagSet = append(set.TagSet, types.Tag{Key: &k, Value: &v})
	}
	_, err := c.s3.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: &c.bucket, Key: &key, Tagging: set})
	c.check(t, fmt.Sprintf("tag %q", key), err)
}

// Grants gives the whole ACL of a key's current version, as "WHO RIGHT".
func (c *Client) Grants(t *testing.T, key string) map[string]bool {
	t.Helper()
	out, err := c.s3.GetObjectAcl(t.Context(), &s3.GetObjectAclInput{Bucket: &c.bucket, Key: &key})
	c.check(t, fmt.Sprintf("ACL of %q", key), err)
	all := map[string]bool{}
	for _, g := range out.Grants {
		all[aws.ToString(g.Grantee.ID)+aws.ToString(g.Grantee.URI)+" "+string(g.Permission)] = true
	}
	return all
}

// Delete deletes a key without naming a version and gives the delete marker's
// id, cooper.NullVersion if there is none.
func (c *Client) Delete(t *testing.T, key string) string {
	t.Helper()
	id, err := c.delete(t.Context(), key)
	c.check(t, fmt.Sprintf("delete %q", key), err)
	return id
}

func (c *Client) delete(ctx context.Context, key string) (string, error) {
	out, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.bucket, Key: &key})
	if err != nil {
		return "", err
	}
	return orNull(out.VersionId), nil
}

// DeleteVersion removes one version for good.
func (c *Client) DeleteVersion(t *testing.T, key, version string) {
	t.Helper()
	_, err := c.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &c.bucket, Key: &key, VersionId: &version})
	c.check(t, fmt.Sprintf("delete version %s of %q", version, key), err)
}

func (c *Client) check(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("arranging the bucket: %s: %v", what, err)
	}
}

func orNull(id *string) string {
	if aws.ToString(id) == "" {
		return cooper.NullVersion
	}
	return *id
}
