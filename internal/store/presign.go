package store

import (
	"context"
	"time"
)

// MostPresigned is the longest that a presigned address of Cooper's is good for.
const MostPresigned = 15 * time.Minute

// Presigner makes addresses by which whoever has one can read, without credentials of his own.
type Presigner interface {
	// Presign gives a URL that answers a GET with the bytes of the version that ref names, and nothing else,
	// until a time that is at most as far away as asked for: seconds count, and so does for how long the
	// credentials are good. More than MostPresigned is KindUsage; a condition in ref, which no URL carries,
	// too. Nothing is sent: whether the version is there, and may be read, is not known. KindDenied without
	// credentials, and where the store has no such addresses.
	Presign(ctx context.Context, ref Ref, within time.Duration) (url string, until time.Time, err error)
}
