package s3

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"

	"cooper/internal/store"
)

// client sends one request and makes one attempt. The lean one and the SDK's
// behave alike; errors are *failure or the context's.
type client interface {
	get(ctx context.Context, ref store.Ref, r store.Range) (store.Object, io.ReadCloser, error)
	head(ctx context.Context, ref store.Ref, part int) (store.Object, error)
	put(ctx context.Context, u upload) (store.Object, error)
	list(ctx context.Context, q listing) (*page, error)
	copy(ctx context.Context, c copying) (store.Object, error)
	tagger
	// remove names many versions in one request; removeOne has its own.
	remove(ctx context.Context, rs []store.Removal) ([]removed, error)
	removeOne(ctx context.Context, r store.Removal) (removed, error)
}

// tagger is the part of a client that is about tags.
type tagger interface {
	tags(ctx context.Context, ref store.Ref) (map[string]string, error)
	setTags(ctx context.Context, ref store.Ref, tags map[string]string) error
}

// upload is one request that carries bytes: an object, or a part of one.
type upload struct {
	key  string
	body io.ReadSeeker
	size int64
	sums sums
	// named: the SHA-256 goes in a header of its own, so that the store keeps it.
	named bool
	// header is what else is said of an object; clients do not change it.
	header http.Header
	// Of a part.
	uploadID string
	part     int32
}

// sums are what the store is to compare the bytes with; md5 is nil where the
// SHA-256 will do.
type sums struct{ md5, sha256 []byte }

func (s sums) hexSHA256() string { return hex.EncodeToString(s.sha256) }
