package s3

import (
	"context"
	"hash/crc64"
	"io"

	"golang.org/x/sync/errgroup"

	"cooper/internal/store"
)

const (
	defaultPartSize = 64 << 20
	// partsAtOnce of one object; there are other objects to fill the line.
	partsAtOnce = 4
)

// putParts stores an object in parts. If that fails, the parts are given up:
// the store would charge for them for ever.
func (b *Bucket) putParts(ctx context.Context, p store.Put, src *source, where string) (o store.Object, err error) {
	size := partSizeFor(p.Size, b.partSize)
	n := int((p.Size + size - 1) / size)
	m := &multipart{b: b, p: p, where: where, size: p.Size, etags: make([]string, n), md5s: make([][]byte, n)}
	m.crc = func() (uint64, error) {
		h := crc64.New(nvme)
		_, err := io.Copy(h, src.section(0, p.Size))
		return h.Sum64(), err
	}
	if err := m.create(ctx); err != nil {
		return o, err
	}
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(1)
	if src.at != nil { // can be read in several places at once
		g.SetLimit(partsAtOnce)
	}
	for i := range n {
		if sending.Err() != nil {
			break
		}
		off := int64(i) * size
		g.Go(func() error { return m.part(sending, i, src, off, min(size, p.Size-off)) })
	}
	if err = g.Wait(); err == nil {
		o, err = m.complete(ctx)
	}
	if err != nil {
		return o, m.aborted(ctx, err)
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
