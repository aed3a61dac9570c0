package mem_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper/internal/store"
	"cooper/internal/store/mem"
)

func TestCopiesOfParts(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{MinPartSize: 4, MaxCopy: 8}, "Enabled")
	body := []byte("0123456789ab")
	id := srv.Put(bucket, "k", body, mem.PutOptions{PartSize: 5})
	srv.Put(bucket, "k", []byte("other"), mem.PutOptions{})
	source := str(bucket + "/k?versionId=" + id)
	_, err := c.CopyObject(ctx(), &s3.CopyObjectInput{Bucket: str(bucket), Key: str("l"), CopySource: source})
	if code(err) != "InvalidRequest" {
		t.Errorf("copy of more than one request copies: %v", err)
	}
	up, err := c.CreateMultipartUpload(ctx(), &s3.CreateMultipartUploadInput{Bucket: str(bucket), Key: str("l")})
	if err != nil {
		t.Fatal(err)
	}
	part := func(n int32, span *string) (*s3.UploadPartCopyOutput, error) {
		return c.UploadPartCopy(ctx(), &s3.UploadPartCopyInput{Bucket: str(bucket), Key: str("l"), UploadId: up.UploadId, PartNumber: &n, CopySource: source, CopySourceRange: span})
	}
	for span, want := range map[string]string{"bytes=0-12": "InvalidArgument", "bytes=3-": "InvalidArgument", "0-3": "InvalidArgument", "bytes=0-8": "InvalidRequest"} {
		if _, err := part(1, &span); code(err) != want {
			t.Errorf("range %s: %v, want %s", span, err, want)
		}
	}
	if _, err := part(1, nil); code(err) != "InvalidRequest" {
		t.Errorf("a part of more than one request copies: %v", err)
	}
	done := &types.CompletedMultipartUpload{}
	for i, span := range []string{"bytes=0-4", "bytes=5-9", "bytes=10-11"} {
		out, err := part(int32(i+1), &span)
		if err != nil {
			t.Fatal(err)
		}
		if aws.ToString(out.CopySourceVersionId) != id {
			t.Errorf("copied from version %q", aws.ToString(out.CopySourceVersionId))
		}
		done.Parts = append(done.Parts, types.CompletedPart{ETag: out.CopyPartResult.ETag, PartNumber: aws.Int32(int32(i + 1))})
	}
	out, err := c.CompleteMultipartUpload(ctx(), &s3.CompleteMultipartUploadInput{Bucket: str(bucket), Key: str("l"), UploadId: up.UploadId, MultipartUpload: done})
	if err != nil {
		t.Fatal(err)
	}
	var sums []byte
	for _, p := range [][]byte{body[:5], body[5:10], body[10:]} {
		sum := md5.Sum(p)
		sums = append(sums, sum[:]...)
	}
	sum := md5.Sum(sums)
	if want := fmt.Sprintf("%q", hex.EncodeToString(sum[:])+"-3"); aws.ToString(out.ETag) != want {
		t.Errorf("ETag %s, want %s", aws.ToString(out.ETag), want)
	}
	if got, _ := srv.Body(bucket, "l", ""); !bytes.Equal(got, body) {
		t.Errorf("the copy holds %q", got)
	}
}

func TestLocksOfVersions(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{}, "Enabled")
	id := put(t, c, "k", "x")
	retention := func() (*types.ObjectLockRetention, error) {
		out, err := c.GetObjectRetention(ctx(), &s3.GetObjectRetentionInput{Bucket: str(bucket), Key: str("k"), VersionId: &id})
		if err != nil {
			return nil, err
		}
		return out.Retention, nil
	}
	if _, err := retention(); code(err) != "InvalidRequest" {
		t.Errorf("no lock: %v", err)
	}
	srv.EnableLock(bucket)
	if _, err := retention(); code(err) != "NoSuchObjectLockConfiguration" {
		t.Errorf("not retained: %v", err)
	}
	srv.Protect(bucket, "k", id, store.Lock{Mode: "GOVERNANCE", Until: 4e12})
	if r, err := retention(); err != nil || r.Mode != "GOVERNANCE" || r.RetainUntilDate.UnixMilli() != 4e12 {
		t.Errorf("%+v, %v", r, err)
	}
	hold := &s3.GetObjectLegalHoldInput{Bucket: str(bucket), Key: str("k"), VersionId: &id}
	if _, err := c.GetObjectLegalHold(ctx(), hold); code(err) != "NoSuchObjectLockConfiguration" {
		t.Errorf("not held: %v", err)
	}
	srv.Protect(bucket, "k", id, store.Lock{LegalHold: true})
	if out, err := c.GetObjectLegalHold(ctx(), hold); err != nil || out.LegalHold.Status != "ON" {
		t.Errorf("%+v, %v", out, err)
	}
}
