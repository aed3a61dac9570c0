package look

import (
	"context"
	"strings"
	"time"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// begin makes a probe whose object has been noted.
func (s *Probes) begin(ctx context.Context, p permit.Permit, name string) (*probe, error) {
	if s.Note != nil {
		if err := s.Note(s.Prefix + name); err != nil {
			return nil, err
		}
	}
	return s.probe(ctx, p, s.Prefix+name), nil
}

// probe is one on the object key; end, or its done, must follow.
func (s *Probes) probe(ctx context.Context, p permit.Permit, key string) *probe {
	x := &probe{bucket: s.Bucket, permit: p, path: s.Path, key: key, versioning: s.versioning}
	x.late, x.done = patiently(ctx)
	return x
}

// end removes what the probe wrote, of which err came. It stays noted where something
// may be left: what could not be removed, or what an answer that was lost may make yet.
func (s *Probes) end(x *probe, err error) error {
	defer x.done()
	stays := x.clean()
	if stays == nil && s.Over != nil && !x.unsure {
		stays = s.Over(x.key)
	}
	return both(err, stays)
}

// patience is how long a probe goes on after somebody asked for a stop: until the
// answer to what it has sent has come, and what it wrote is removed.
const patience = 20 * time.Second

// patiently gives a context that ends only a while after ctx does, where that is a
// stop that was asked for. Another reason, such as a lost lock, ends it at once.
func patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		switch cooper.KindOf(cause) {
		case cooper.KindInterrupted, cooper.KindTimeout:
			timer := time.NewTimer(patience)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-late.Done():
			}
		}
		cancel(cause)
	})
	return late, func() { unhook(); cancel(nil) }
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
	if !store.IsProbe(key) {
		return &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(key), Message: "is noted as the object of a probe, and has not the name of one"}
	}
	x := s.probe(ctx, p, key)
	defer x.done()
	var err error
	if x.ids, err = x.listed(ctx); err == nil {
		err = x.clean()
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
