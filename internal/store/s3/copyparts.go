package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/store"
)

const (
	// ownCopyPart is how large parts are where the source has none, in bytes.
	ownCopyPart = 1 << 30
	// headsAtOnce is how many parts are asked about at once.
	headsAtOnce = 8
)

// extent is a part of the source.
type extent struct{ from, size int64 }

// parts cuts the source as its upload did, and tells whether that is known: else,
// or where a part is more than one request copies, the parts are our own.
func (d *duplicate) parts(ctx context.Context) (parts []extent, own bool, err error) {
	sizes, err := d.partSizes(ctx)
	if err != nil {
		return nil, false, err
	}
	from := int64(0)
	for _, size := range sizes {
		if own = size <= d.b.copyMost; !own {
			break
		}
		parts = append(parts, extent{from, size})
		from += size
	}
	if own && from == d.src.Size {
		return parts, true, nil
	}
	parts = nil
	size := partSizeFor(d.src.Size, min(ownCopyPart, d.b.copyMost))
	for from = 0; from < d.src.Size; from += size {
		parts = append(parts, extent{from, min(size, d.src.Size-from)})
	}
	return parts, false, nil
}

// partSizes asks how large each part of the source is; none if it was not uploaded
// in parts, or the store does not tell. GetObjectAttributes knows sizes of those
// parts alone that have checksums; HEAD knows all.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
func (d *duplicate) partSizes(ctx context.Context) ([]int64, error) {
	ref := store.Ref{Key: d.src.Key, VersionID: d.src.VersionID, IfMatch: d.src.ETag}
	first, err := d.from.Head(ctx, ref, 1)
	switch {
	case err != nil && cooper.KindOf(err) == cooper.KindInvalid: // it knows no parts
		return nil, nil
	case err != nil:
		return nil, err
	case first.Parts < 1 || first.Parts > maxParts:
		return nil, nil
	}
	sizes := make([]int64, first.Parts)
	sizes[0] = first.Length
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(headsAtOnce)
	for n := 2; n <= len(sizes) && asking.Err() == nil; n++ {
		g.Go(func() error {
			o, err := d.from.Head(asking, ref, n)
			sizes[n-1] = o.Length
			return err
		})
	}
	return sizes, g.Wait()
}

// inParts copies part by part. If that fails, the parts are given up.
func (d *duplicate) inParts(ctx context.Context, parts []extent) (o store.Object, err error) {
	if d.p.IfNoneMatch { // before hours are spent
		if err := d.vacant(ctx); err != nil {
			return o, err
		}
	}
	n := len(parts)
	m := &multipart{b: d.b, p: d.p, where: d.where, size: d.src.Size, etags: make([]string, n), md5s: make([][]byte, n), crc: d.sourceCRC(),
		algorithm: d.algorithm(), sums: make([]map[string]string, n)}
	if d.self {
		m.instead = ownID(d.src.VersionID)
	}
	if m.algorithm != "" {
		m.kind = d.src.ChecksumType
	}
	if err := m.create(ctx); err != nil {
		return o, d.refused(ctx, err)
	}
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for i := range parts {
		if sending.Err() != nil {
			break
		}
		g.Go(func() error { return d.part(sending, m, i, parts[i]) })
	}
	if err = g.Wait(); err == nil {
		o, err = m.complete(ctx)
	}
	if err != nil {
		return store.Object{}, m.aborted(ctx, err)
	}
	return o, nil
}

func (d *duplicate) vacant(ctx context.Context) error {
	_, err := d.b.Head(ctx, store.Ref{Key: d.p.Key}, 0)
	switch {
	case err == nil:
		return &cooper.Error{Kind: cooper.KindConflict, Where: d.where, Message: "something is there already"}
	case cooper.KindOf(err) == cooper.KindMissing:
		return nil
	}
	return err
}

// algorithm is the checksum that the copy is to have beside what the store gives to
// all, so that it can be compared with the source's: none where that is a
// CRC-64/NVME of all bytes, or there is none.
func (d *duplicate) algorithm() string {
	if fullCRC(*d.src) != "" || len(d.src.Checksums) != 1 {
		return ""
	}
	for name := range d.src.Checksums {
		return name
	}
	return ""
}

// part copies one part. An empty one, which only the last can be, is sent.
func (d *duplicate) part(ctx context.Context, m *multipart, i int, e extent) error {
	if e.size == 0 {
		return m.part(ctx, i, newSource(bytes.NewReader(nil)), 0, 0)
	}
	c := copying{key: d.p.Key, source: d.source, match: d.src.ETag, id: ownID(d.src.VersionID), uploadID: m.id, part: int32(i + 1)}
	if e.size < d.src.Size { // S3 takes no range of what is small
		c.span = fmt.Sprintf("bytes=%d-%d", e.from, e.from+e.size-1)
	}
	err := d.b.do(ctx, d.where, func(ctx context.Context) error {
		o, err := d.b.client.copy(ctx, c)
		if err != nil {
			return err
		}
		m.etags[i], m.sums[i] = o.ETag, o.Checksums
		return nil
	})
	var f *failure
	switch {
	case !errors.As(err, &f) || f.err != nil:
		return err
	case f.code == "NoSuchUpload":
		return m.refused(err)
	case f.status == http.StatusPreconditionFailed:
		return &cooper.Error{Kind: cooper.KindChanged, Where: d.origin, Message: "is not what was to be copied any more",
			Remedy: "a new plan takes up what is there now", Err: f}
	}
	return d.refused(ctx, err)
}
