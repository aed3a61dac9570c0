package guard

import (
	"context"
	"sync"
	"time"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/store"
)

// versions knows for a moment which version of an object is the current one. A handle whose status has
// changed since is another entry, so that what went to the archive and came back is asked for anew.
type versions struct {
	mu      sync.Mutex
	buckets map[string]versioned
	objects map[object]version
}

type versioned struct {
	has   bool // versions
	until time.Time
}

type object struct {
	bucket, key string
	since       cooper.Instant
}

type version struct {
	id    string
	until time.Time
}

// moment is how long that is, and mostKnown how many objects.
const (
	moment    = time.Minute
	mostKnown = 100_000
)

func newVersions() *versions {
	return &versions{buckets: map[string]versioned{}, objects: map[object]version{}}
}

// current is the id of the current version; empty in a bucket that has none: there is but one object then,
// and whether it is there shows when it is read.
func (v *versions) current(ctx context.Context, b Bucket, bucket, key string, since cooper.Instant, now time.Time) (string, error) {
	has, err := v.versioned(ctx, b, bucket, now)
	if err != nil || !has {
		return "", err
	}
	o := object{bucket, key, since}
	v.mu.Lock()
	known, ok := v.objects[o]
	v.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.id, nil
	}
	h, err := b.Head(ctx, store.Ref{Key: key}, 0)
	if err != nil {
		return "", err
	}
	switch a, _ := h.Access(cooper.InstantOf(now)); a {
	case store.Archived:
		return "", &cooper.Error{Kind: cooper.KindArchived, Where: key, Message: "the object is in a storage class that has to be restored before it can be read", Remedy: "Have it restored there."}
	case store.Underway:
		return "", &cooper.Error{Kind: cooper.KindArchived, Where: key, Message: "the object is being restored from its storage class", Remedy: "Try again later.", Err: &Gone{Status: gcstate.Restoring}}
	}
	id := h.VersionID
	if id == "" {
		id = cooper.NullVersion
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.objects) >= mostKnown {
		clear(v.objects)
	}
	v.objects[o] = version{id, now.Add(moment)}
	return id, nil
}

func (v *versions) versioned(ctx context.Context, b Bucket, bucket string, now time.Time) (bool, error) {
	v.mu.Lock()
	known, ok := v.buckets[bucket]
	v.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.has, nil
	}
	status, err := b.Versioning(ctx)
	has := status != ""
	if cooper.KindOf(err) == cooper.KindDenied { // who may not know is told with the object
		has, err = true, nil
	}
	if err != nil {
		return false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.buckets[bucket] = versioned{has, now.Add(moment)}
	return has, nil
}
