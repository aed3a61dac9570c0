package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/store"
)

const (
	defaultPartSize = 64 << 20
	maxParts        = 10000 // https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
	// partsAtOnce of one object; there are other objects to fill the line.
	partsAtOnce  = 4
	abortTimeout = 30 * time.Second
)

// multipart is one upload in parts.
type multipart struct {
	b     *Bucket
	p     store.Put
	src   *source
	where string
	id    string
	size  int64 // of a part
	etags []string
	md5s  [][]byte
}

// putParts stores an object in parts. If that fails, the parts are given up:
// the store would charge for them for ever.
func (b *Bucket) putParts(ctx context.Context, p store.Put, src *source, where string) (o store.Object, err error) {
	m := &multipart{b: b, p: p, src: src, where: where, size: partSizeFor(p.Size, b.partSize)}
	n := int((p.Size + m.size - 1) / m.size)
	m.etags, m.md5s = make([]string, n), make([][]byte, n)
	if err := m.create(ctx); err != nil {
		return o, err
	}
	if err = m.send(ctx); err == nil {
		o, err = m.complete(ctx)
	}
	if err != nil {
		return o, m.abort(ctx, err)
	}
	return o, nil
}

// partSizeFor is least or, for the largest objects, more, in whole MiB.
func partSizeFor(size, least int64) int64 {
	const mib = 1 << 20
	if size <= least*maxParts {
		return least
	}
	return (size/maxParts/mib + 1) * mib
}

func (m *multipart) create(ctx context.Context) error {
	return m.b.do(ctx, m.where, func(ctx context.Context) error {
		out, err := m.b.sdk.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: &m.b.name, Key: &m.p.Key},
			withHeader(description(&m.p, m.b.now())))
		if err != nil {
			return sdkFailure(ctx, err, m.b.now())
		}
		if m.id = aws.ToString(out.UploadId); m.id == "" {
			return malformed("an upload without an id")
		}
		return nil
	})
}

// send sends all parts; several at once if the body can be read so.
func (m *multipart) send(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(1)
	if m.src.at != nil {
		g.SetLimit(partsAtOnce)
	}
	for i := range m.etags {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return m.part(ctx, i) })
	}
	return g.Wait()
}

func (m *multipart) part(ctx context.Context, i int) error {
	off := int64(i) * m.size
	u := upload{key: m.p.Key, size: min(m.size, m.p.Size-off), uploadID: m.id, part: int32(i + 1)}
	var err error
	if u.sums, err = m.src.sums(off, u.size, m.where); err != nil {
		return err
	}
	m.md5s[i] = u.sums.md5
	return m.b.do(ctx, m.where, func(ctx context.Context) error {
		s := m.src.section(off, u.size)
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
}

// complete makes an object of the parts. When the answer is lost, asking again
// finds no upload: then the object that is there is compared with what was sent.
func (m *multipart) complete(ctx context.Context) (o store.Object, err error) {
	in := &sdk.CompleteMultipartUploadInput{
		Bucket: &m.b.name, Key: &m.p.Key, UploadId: &m.id, MultipartUpload: &types.CompletedMultipartUpload{},
	}
	for i, etag := range m.etags {
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{
			ETag: quoted(etag), PartNumber: aws.Int32(int32(i + 1)),
		})
	}
	h := http.Header{}
	condition(h, &m.p)
	uncertain := false
	err = m.b.do(ctx, m.where, func(ctx context.Context) error {
		out, err := m.b.sdk.CompleteMultipartUpload(ctx, in, withHeader(h))
		if err == nil {
			o = store.Object{Key: m.p.Key, VersionID: aws.ToString(out.VersionId), ETag: etagOf(aws.ToString(out.ETag)), Size: m.p.Size}
			return nil
		}
		err = sdkFailure(ctx, err, m.b.now())
		if uncertain && statusOf(err)/100 == 4 {
			there, herr := m.b.client.head(ctx, store.Ref{Key: m.p.Key}, 0)
			switch {
			case herr == nil && there.Size == m.p.Size && there.ETag == m.etag() && sameMetadata(there, &m.p):
				o, err = there, nil
			case passes(herr):
				err = herr
			}
		}
		uncertain = uncertain || unanswered(err)
		return err
	})
	if err == nil && m.md5Tags() && o.ETag != m.etag() {
		err = &cooper.Error{Kind: cooper.KindCorrupt, Where: m.where,
			Message: fmt.Sprintf("the store made an object with ETag %s of the parts, not %s", clip(o.ETag, 80), m.etag())}
	}
	return o, err
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

// etag is that of an object of these parts.
func (m *multipart) etag() string {
	h := md5.New()
	for _, sum := range m.md5s {
		h.Write(sum)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(m.md5s))
}

// abort gives the parts up, also when ctx has ended, and returns why. It says
// so if they remain.
func (m *multipart) abort(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	err := m.b.do(ctx, m.where, func(ctx context.Context) error {
		_, err := m.b.sdk.AbortMultipartUpload(ctx, &sdk.AbortMultipartUploadInput{Bucket: &m.b.name, Key: &m.p.Key, UploadId: &m.id})
		var gone *types.NoSuchUpload
		if err == nil || errors.As(err, &gone) {
			return nil
		}
		if err = sdkFailure(ctx, err, m.b.now()); statusOf(err) == 404 {
			return nil
		}
		return err
	})
	if err == nil {
		return why
	}
	kind, remedy := cooper.KindOf(why), "abort multipart upload "+cooper.Quote(m.id)+", or let a lifecycle rule do it"
	return &cooper.Error{Kind: kind, Where: m.where, Message: "parts of an upload remain in the store", Remedy: remedy, Err: why}
}
