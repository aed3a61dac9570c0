package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"maps"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/retry"
)

const (
	maxParts     = 10000   // https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
	maxPart      = 5 << 30 // bytes
	abortTimeout = 30 * time.Second
)

// multipart is one upload in parts.
type multipart struct {
	b     *Bucket
	p     store.Put
	where string
	id    string
	size  int64 // in bytes, of all parts
	etags []string
	md5s  [][]byte
	// crc is the CRC-64/NVME of all bytes; nil where nobody knows it.
	crc func() (uint64, error)
	// Of a copy: the checksum that it is to have, and of which kind, empty if the one
	// that all have; and what the store says of its parts.
	algorithm, kind string
	sums            []map[string]string
	instead         string // the version id of its source, where it takes that one's place
}

// nvme is the polynomial of CRC-64/NVME, reflected.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

func (m *multipart) create(ctx context.Context) error {
	return m.b.do(ctx, m.where, func(ctx context.Context) error {
		if m.algorithm == "" {
			return m.createOnce(ctx, nil)
		}
		return m.b.lacks.trying(LacksSums, func(with bool) error {
			if !with {
				return m.createOnce(ctx, nil)
			}
			return m.createOnce(ctx, http.Header{"X-Amz-Checksum-Algorithm": {m.algorithm}, "X-Amz-Checksum-Type": {m.kind}})
		})
	})
}

func (m *multipart) createOnce(ctx context.Context, more http.Header) error {
	h := description(&m.p, m.b.now())
	maps.Copy(h, more)
	out, err := m.b.sdk.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: &m.b.name, Key: &m.p.Key}, withHeader(h))
	if err != nil {
		return sdkFailure(ctx, err, m.b.now())
	}
	if m.id = aws.ToString(out.UploadId); m.id == "" {
		return malformed("an upload without an id")
	}
	return nil
}

// part sends the bytes of src from off on as part i, counted from 0; etags and
// md5s have a place for it.
func (m *multipart) part(ctx context.Context, i int, src *source, off, size int64) error {
	u := upload{key: m.p.Key, size: size, uploadID: m.id, part: int32(i + 1)}
	var err error
	if u.sums, err = src.sums(off, size, true, m.where); err != nil {
		return err
	}
	m.md5s[i] = u.sums.md5
	err = m.b.do(ctx, m.where, func(ctx context.Context) error {
		s := src.section(off, size)
		defer s.end()
		u := u
		u.body = s
		o, err := m.b.client.put(ctx, u)
		if err == nil && o.ETag == "" {
			err = malformed("a part without an ETag")
		}
		m.etags[i] = o.ETag
		return err
	})
	return m.refused(err)
}

// complete makes an object of the parts. When the answer is lost, asking again
// finds no upload, or a condition that the object itself broke: then what is
// there is compared with what was sent.
func (m *multipart) complete(ctx context.Context) (o store.Object, err error) {
	in := &sdk.CompleteMultipartUploadInput{
		Bucket: &m.b.name, Key: &m.p.Key, UploadId: &m.id, MultipartUpload: &types.CompletedMultipartUpload{},
	}
	for i, etag := range m.etags {
		p := types.CompletedPart{ETag: quoted(etag), PartNumber: aws.Int32(int32(i + 1))}
		if m.algorithm != "" {
			sums := m.sums[i]
			p.ChecksumCRC32, p.ChecksumCRC32C, p.ChecksumSHA1, p.ChecksumSHA256 = optional(sums["CRC32"]), optional(sums["CRC32C"]), optional(sums["SHA1"]), optional(sums["SHA256"])
		}
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, p)
	}
	h := http.Header{}
	condition(h, &m.p)
	uncertain := false
	err = m.b.do(ctx, m.where, func(ctx context.Context) (err error) {
		if o, err = m.completeOnce(ctx, in, h); err == nil {
			return m.vouched(o)
		}
		if uncertain && statusOf(err)/100 == 4 {
			o, err = m.look(ctx, err)
		}
		uncertain = uncertain || unanswered(err)
		return err
	})
	return o, m.refused(err)
}

func (m *multipart) completeOnce(ctx context.Context, in *sdk.CompleteMultipartUploadInput, h http.Header) (store.Object, error) {
	out, err := m.b.sdk.CompleteMultipartUpload(ctx, in, withHeader(h), boundedPage)
	if err != nil {
		return store.Object{}, successful(m.b.pageFailure(ctx, err))
	}
	o := store.Object{
		Key: m.p.Key, VersionID: aws.ToString(out.VersionId), ETag: etagOf(aws.ToString(out.ETag)), Size: m.size, Tags: store.Untold,
		Encryption: string(out.ServerSideEncryption), KMSKey: aws.ToString(out.SSEKMSKeyId), BucketKey: aws.ToBool(out.BucketKeyEnabled),
	}
	if o.ETag == "" {
		return o, malformed("an object without an ETag, of parts")
	}
	for name, sum := range map[string]*string{"CRC32": out.ChecksumCRC32, "CRC32C": out.ChecksumCRC32C, crc64NVME: out.ChecksumCRC64NVME,
		"SHA1": out.ChecksumSHA1, "SHA256": out.ChecksumSHA256} {
		if sum := aws.ToString(sum); sum != "" {
			o.Checksums, o.ChecksumType = map[string]string{name: sum}, string(out.ChecksumType)
		}
	}
	return o, nil
}

// look finds out, after an answer that got lost and then the refusal why,
// whether the object that is there is the one of these parts.
func (m *multipart) look(ctx context.Context, why error) (store.Object, error) {
	there, err := m.b.there(ctx, m.p.Key)
	if err != nil {
		if passes(err) {
			return there, err
		}
		return there, why
	}
	mine, err := m.made(there)
	switch {
	case err != nil:
		return there, err
	case mine:
		return there, nil
	case m.p.IfNoneMatch || m.p.IfMatch != "":
		return there, &failure{status: http.StatusPreconditionFailed, message: "another object is there, ETag " + clip(there.ETag, 80)}
	}
	return there, why
}

// made tells whether an object was made of these parts: its ETag follows from
// theirs, or the store's checksum is that of their bytes. What KMS encrypts has
// ETags of which only the second may be said.
func (m *multipart) made(o store.Object) (bool, error) {
	if o.Size != m.size || !sameMetadata(o, &m.p) || m.instead != "" && o.VersionID == m.instead {
		return false, nil
	}
	if o.ETag == compositeTag(m.md5s) || o.ETag == compositeTag(m.answered()) {
		return true, nil
	}
	sum := fullCRC(o)
	if sum == "" || m.crc == nil {
		return false, nil
	}
	want, err := m.crc64()
	return sum == want, err
}

// vouched checks that the store made of the parts what was sent, as far as its
// answer tells.
func (m *multipart) vouched(o store.Object) error {
	corrupt := func(what, got, want string) error {
		return &cooper.Error{Kind: cooper.KindCorrupt, Where: m.where,
			Message: fmt.Sprintf("the store made an object with %s %s of the parts, not %s", what, clip(got, 80), want)}
	}
	if want := compositeTag(m.md5s); m.md5Tags() && o.ETag != want {
		return corrupt("ETag", o.ETag, want)
	}
	sum := fullCRC(o)
	if sum == "" || m.crc == nil {
		return nil
	}
	want, err := m.crc64()
	if err == nil && sum != want {
		err = corrupt(crc64NVME, sum, want)
	}
	return err
}

// crc64 is the checksum of all bytes as stores write it.
func (m *multipart) crc64() (string, error) {
	sum, err := m.crc()
	if err != nil {
		return "", &cooper.Error{Kind: cooper.KindInternal, Where: m.where, Message: "cannot read what was sent", Err: err}
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum)), nil
}

const (
	crc64NVME  = "CRC64NVME"
	fullObject = "FULL_OBJECT"
)

// fullCRC is the CRC-64/NVME of an object, empty if the store does not tell.
func fullCRC(o store.Object) string {
	if o.ChecksumType != fullObject {
		return ""
	}
	return o.Checksums[crc64NVME]
}

// md5Tags tells whether the store's ETags of parts are MD5 sums, so that the
// object's follows from them.
func (m *multipart) md5Tags() bool {
	for i := range m.etags {
		if m.etags[i] != hex.EncodeToString(m.md5s[i]) {
			return false
		}
	}
	return true
}

// answered are the ETags of the parts as the store gave them, nil if they are
// no hashes.
func (m *multipart) answered() [][]byte {
	sums := make([][]byte, len(m.etags))
	for i, etag := range m.etags {
		sum, err := hex.DecodeString(etag)
		if err != nil || len(sum) != md5.Size {
			return nil
		}
		sums[i] = sum
	}
	return sums
}

// compositeTag is the ETag of an object of parts with these sums.
func compositeTag(sums [][]byte) string {
	h := md5.New()
	for _, sum := range sums {
		h.Write(sum)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(sums))
}

// refused gives an error of the upload the kind that it has for the object: an
// upload that is missing says nothing of what is stored. Nor do parts that are
// not the ones that were answered for: what KMS encrypts gets another ETag each
// time, also when a request is delivered twice.
func (m *multipart) refused(err error) error {
	var f *failure
	if errors.As(err, &f) {
		switch f.code {
		case "NoSuchUpload":
			return &cooper.Error{Kind: cooper.KindStore, Where: m.where, Message: "the upload was ended by somebody else",
				Remedy: "look for a lifecycle rule that aborts uploads, then run the same command", Err: f}
		case "InvalidPart":
			return &cooper.Error{Kind: cooper.KindStore, Where: m.where, Message: "a part was stored again meanwhile", Err: f}
		}
	}
	return refusedBy(&m.p, err, m.where)
}

// abort gives the parts up, also when ctx has ended. What was never begun, or
// has ended, is no error.
func (m *multipart) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	return m.b.discard(ctx, m.p.Key, m.id, m.where)
}

// aborted aborts and gives the reason why; it says so if parts remain.
func (m *multipart) aborted(ctx context.Context, why error) error {
	if m.abort(ctx) == nil {
		return why
	}
	return &cooper.Error{Kind: cooper.KindOf(why), Where: m.where, Message: "parts of an upload remain in the store", Remedy: remains(m.id), Err: why}
}

func remains(id string) string {
	return "abort multipart upload " + cooper.Quote(id) + ", or let a lifecycle rule do it"
}

func (b *Bucket) discard(ctx context.Context, key, id, where string) error {
	err := b.do(ctx, where, func(ctx context.Context) error {
		_, err := b.sdk.AbortMultipartUpload(ctx, &sdk.AbortMultipartUploadInput{Bucket: &b.name, Key: &key, UploadId: &id})
		if err != nil {
			err = sdkFailure(ctx, err, b.now())
		}
		var f *failure
		if errors.As(err, &f) && f.err == nil && f.code != "NoSuchBucket" {
			if v, _ := judge(f); v == retry.Stop && f.status == http.StatusNotFound {
				return nil
			}
		}
		return err
	})
	var ce *cooper.Error
	if errors.As(err, &ce) && ce.Remedy == "" {
		ce.Remedy = remains(id)
	}
	return err
}
