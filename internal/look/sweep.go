package look

import (
	"context"
	"errors"
	"strings"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// begin makes a probe whose object has been noted.
func (s *Probes) begin(p permit.Permit, name string) (*probe, error) {
	x := &probe{bucket: s.Bucket, permit: p, path: s.Path, key: s.Prefix + name, versioning: s.versioning}
	if s.Note == nil {
		return x, nil
	}
	return x, s.Note(x.key)
}

// end removes what the probe wrote, of which err came. It stays noted where something
// may be left: what could not be removed, or what an answer that was lost may have made.
func (s *Probes) end(ctx context.Context, x *probe, err error) error {
	stays := x.clean(ctx)
	if kind := cooper.KindOf(err); stays == nil && s.Over != nil && (kind == "" || kind == cooper.KindRefused && len(x.ids) > 0) {
		stays = s.Over(x.key)
	}
	return both(err, stays)
}

// Discarder aborts uploads in parts; a store.Streamer does.
type Discarder interface {
	Discard(ctx context.Context, key, uploadID string) error
}

// Discard aborts an upload in parts that an earlier run left.
func Discard(ctx context.Context, b Discarder, key, uploadID string) error {
	err := b.Discard(ctx, key, uploadID)
	if kind := cooper.KindOf(err); err == nil || kind == cooper.KindInterrupted {
		return err
	}
	return &cooper.Error{Kind: cooper.KindOf(err), Where: cooper.Quote(key), Message: "an upload in parts, which an earlier run left and which costs money, cannot be discarded", Err: err,
		Remedy: "Ask for the right to abort multipart uploads, and carry the plan out again."}
}

// Sweeper is what sweeping needs of a store beside a Bucket.
type Sweeper interface {
	store.Uploads
	Discarder
}

// Sweep removes what a probe has left that a crash has ended: all versions of its key,
// which no other run has, and its uploads in parts. A key that is no probe's is
// KindInternal. It comes after Open.
func (s *Probes) Sweep(ctx context.Context, p permit.Permit, from Sweeper, key string) error {
	if !strings.Contains(key, ProbeName) {
		return &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(key), Message: "is noted as the object of a probe, and has not the name of one"}
	}
	var rs []store.Removal
	_, err := Keys(ctx, s.Bucket, key, []string{key}, func(_ int, v *cooper.Version) {
		rs = append(rs, store.Removal{Key: key, VersionID: v.VersionID})
	})
	if err == nil && len(rs) > 0 {
		err = errors.Join(s.Bucket.Remove(ctx, p, rs)...)
	}
	if err == nil && strings.HasSuffix(key, inParts) {
		err = from.Uploads(ctx, key, func(us []store.Upload) error {
			for _, u := range us {
				if u.Key != key {
					continue
				}
				if err := from.Discard(ctx, key, u.UploadID); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil || cooper.KindOf(err) == cooper.KindInterrupted {
		return err
	}
	return &cooper.Error{Kind: cooper.KindOf(err), Where: cooper.Quote(key), Message: "what an earlier run tried the store out on, and left, cannot be removed", Err: err,
		Remedy: "Ask for the rights to list and to remove versions and uploads, and carry the plan out again."}
}
