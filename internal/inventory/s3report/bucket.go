package s3report

import (
	"context"
	"errors"
	"io"
	"net/url"
	"sort"

	"cooper"
	"cooper/internal/store"
)

// bucket is a Location in an object store. Names are keys.
type bucket struct {
	reader store.Reader
	lister store.Lister
	url    string
}

// Bucket is a bucket: r and l are bound to it, bucketURL (s3://BUCKET) is how
// messages name it.
func Bucket(r store.Reader, l store.Lister, bucketURL string) Location {
	if u, err := url.Parse(bucketURL); err == nil && u.Host != "" {
		bucketURL = u.Scheme + "://" + u.Host
	}
	return &bucket{reader: r, lister: l, url: bucketURL}
}

func (b *bucket) String() string { return b.url }

func (b *bucket) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	o, body, err := b.reader.Get(ctx, store.Ref{Key: name}, store.Range{})
	if err != nil {
		return nil, 0, err
	}
	return &resuming{ctx: ctx, reader: b.reader, ref: store.Ref{Key: name, IfMatch: o.ETag}, size: o.Size, body: body}, o.Size, nil
}

func (b *bucket) Stat(ctx context.Context, name string) (int64, error) {
	o, err := b.reader.Head(ctx, store.Ref{Key: name}, 0)
	return o.Size, err
}

func (b *bucket) List(ctx context.Context, prefix string, each func(name string, size int64) error) error {
	return b.lister.List(ctx, store.ListQuery{Prefix: prefix, Current: true}, func(vs []cooper.Version, _ []string) error {
		for i := range vs {
			if err := each(vs[i].Key, vs[i].Size); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bucket) Folders(ctx context.Context, prefix string) ([]string, error) {
	var folders []string
	err := b.lister.List(ctx, store.ListQuery{Prefix: prefix, Delimiter: "/", Current: true}, func(_ []cooper.Version, prefixes []string) error {
		folders = append(folders, prefixes...)
		if len(folders) > maxFolders {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	sort.Strings(folders)
	return folders, err
}

// errEnough ends a listing of which no more is wanted.
var errEnough = errors.New("enough was listed")

// maxResumes is how often in a row a body may break without one byte more.
const maxResumes = 5

// resuming takes a body up again where it broke. The condition on the ETag
// keeps the pieces from being of two different objects.
type resuming struct {
	ctx    context.Context
	reader store.Reader
	ref    store.Ref
	size   int64
	body   io.ReadCloser
	offset int64
	broken int
}

func (r *resuming) Read(p []byte) (int, error) {
	for {
		n, err := r.body.Read(p)
		r.offset += int64(n)
		if n > 0 {
			r.broken = 0
			if err != nil && !errors.Is(err, io.EOF) {
				err = nil // the next call meets it again, or goes on
			}
			return n, err
		}
		if err == nil || errors.Is(err, io.EOF) || r.offset >= r.size {
			return 0, err
		}
		if err := r.again(err); err != nil {
			return 0, err
		}
	}
}

// again opens the rest, after the body broke with cause.
func (r *resuming) again(cause error) error {
	r.broken++
	if r.broken > maxResumes || r.ctx.Err() != nil {
		return cause
	}
	if err := r.body.Close(); err != nil && r.ctx.Err() != nil {
		return cause
	}
	_, body, err := r.reader.Get(r.ctx, r.ref, store.Range{From: r.offset})
	if err != nil {
		r.body = io.NopCloser(errReader{err})
		return err
	}
	r.body = body
	return nil
}

func (r *resuming) Close() error { return r.body.Close() }

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }
