package look

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// Bucket is what a probe needs of a store.
type Bucket interface {
	store.Remover
	store.Reader
	store.Writer
}

// ProbeName is what keys of probes end in, less the id of a run.
const ProbeName = ".cooper-probe-"

// aStranger is the ETag of nothing that a probe writes.
const aStranger = "00000000000000000000000000000000"

// Conditions are what a store is to be seen refusing.
type Conditions struct {
	// Removal: the removal of a null version whose ETag is another.
	Removal bool
	// New: a write under If-None-Match where something is.
	New bool
	// Overwriting: a write under If-Match where something else is.
	Overwriting bool
}

// Probes are those of one run on a bucket. Path is the target, for messages;
// what they write lies below Prefix.
type Probes struct {
	Bucket       Bucket
	Path, Prefix string

	mu    sync.Mutex // held during the probe for keys that go alone
	alone bool       // it has been made

	parted  sync.Mutex // held during the probe of uploads in parts
	inParts bool       // it has been made, and what came of it
	partErr error
}

// See finds out whether the store refuses what c names. It does so on an object
// of its own, under a key that bears the run's id, and removes by id whatever it
// wrote: nothing else can be hit, whatever the store makes of the conditions. A
// store that does not refuse, or refuses what it should not, is KindRefused.
func (s *Probes) See(ctx context.Context, p permit.Permit, c Conditions) error {
	if c == (Conditions{}) {
		return nil
	}
	return s.on(ctx, p, ProbeName+p.Run(), c)
}

// SeeAlone finds out, once, whether the store refuses the removal of a null
// version whose ETag is another also where the request is for that version
// alone: it may take such a request in another way.
func (s *Probes) SeeAlone(ctx context.Context, p permit.Permit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alone {
		return nil
	}
	err := s.on(ctx, p, ProbeName+p.Run()+" ", Conditions{Removal: true}) // the blank makes it such a key
	s.alone = err == nil
	return err
}

func (s *Probes) on(ctx context.Context, p permit.Permit, name string, c Conditions) (err error) {
	x := &probe{bucket: s.Bucket, permit: p, path: s.Path, key: s.Prefix + name}
	defer func() { err = errors.Join(err, x.clean(ctx)) }()
	if err := x.put(ctx, store.Put{}); err != nil {
		return x.refused("the object that Cooper tries the store out on, "+cooper.Quote(x.key)+", cannot be written", "Ask for the right to write there.", err)
	}
	if c.New {
		if err := x.neverOver(ctx); err != nil {
			return err
		}
	}
	if c.Overwriting {
		if err := x.onlyOver(ctx); err != nil {
			return err
		}
	}
	if c.Removal {
		return x.removal(ctx)
	}
	return nil
}

// probe is one under way.
type probe struct {
	bucket    Bucket
	permit    permit.Permit
	path, key string
	last      store.Object // what was written last
	n         int          // how many were, each a byte longer
	ids       []string     // of the versions that were written
}

// put writes under the conditions of o; each time something else.
func (x *probe) put(ctx context.Context, o store.Put) error {
	o.Key, o.Size, o.Body = x.key, int64(x.n), bytes.NewReader(make([]byte, x.n))
	x.n++
	now, err := x.bucket.Put(ctx, o)
	if err != nil {
		return err
	}
	x.wrote(now)
	return nil
}

// wrote remembers a version, so that it is removed in the end.
func (x *probe) wrote(now store.Object) {
	if now.VersionID == "" {
		now.VersionID = cooper.NullVersion
	}
	x.last = now
	if len(x.ids) == 0 || x.ids[len(x.ids)-1] != now.VersionID {
		x.ids = append(x.ids, now.VersionID)
	}
}

// clean removes whatever was written.
func (x *probe) clean(ctx context.Context) error {
	rs := make([]store.Removal, len(x.ids))
	for i, id := range x.ids {
		rs[i] = store.Removal{Key: x.key, VersionID: id}
	}
	if len(rs) == 0 {
		return nil
	}
	return errors.Join(x.bucket.Remove(ctx, x.permit, rs)...)
}

func (x *probe) neverOver(ctx context.Context) error {
	const (
		risk   = "what others store under a new key in that instant could be lost"
		remedy = "Use --mode in-place, where the bucket's versioning is enabled; or a store that heeds If-None-Match."
	)
	switch err := x.put(ctx, store.Put{IfNoneMatch: true}); cooper.KindOf(err) {
	case cooper.KindConflict:
		return nil
	case "":
		return x.tried("the store has overwritten it although it was told to write only where nothing is", risk, remedy, nil)
	default:
		return x.tried("the store did not say that something is there already", risk, remedy, err)
	}
}

func (x *probe) onlyOver(ctx context.Context) error {
	const (
		risk   = "an upload of the same key in that instant could be lost"
		remedy = "Enable versioning of the bucket, or use --mode suffix."
	)
	etag := x.last.ETag
	switch err := x.put(ctx, store.Put{IfMatch: aStranger}); cooper.KindOf(err) {
	case cooper.KindChanged:
	case "":
		return x.tried("the store has overwritten it although its ETag was another than it was told", risk, remedy, nil)
	default:
		return x.tried("the store did not say that its ETag was another than it was told", risk, remedy, err)
	}
	if err := x.put(ctx, store.Put{IfMatch: etag}); err != nil {
		return x.tried("the store does not overwrite it although its ETag is the one it was told", "", remedy, err)
	}
	return nil
}

func (x *probe) removal(ctx context.Context) error {
	const (
		risk   = "an upload of the same key in the instant of its removal could be lost"
		remedy = "Enable versioning of the bucket; or, if nobody writes there, plan again with --unguarded."
	)
	own := store.Removal{Key: x.key, VersionID: x.last.VersionID, IfMatch: aStranger}
	switch err := x.remove(ctx, own); cooper.KindOf(err) {
	case cooper.KindChanged:
	case "":
		return x.tried("the store has removed it although its ETag was another than it was told", risk, remedy, nil)
	default:
		return x.tried("the store did not say that its ETag was another than it was told", risk, remedy, err)
	}
	if _, err := x.bucket.Head(ctx, store.Ref{Key: x.key, VersionID: x.last.VersionID}, 0); err != nil {
		return x.tried("the store has refused to remove it and removed it all the same", risk, remedy, err)
	}
	own.IfMatch = x.last.ETag
	// Missing: the answer to an earlier attempt was lost.
	if err := x.remove(ctx, own); err != nil && cooper.KindOf(err) != cooper.KindMissing {
		return x.tried("the store does not remove it although its ETag is the one it was told", risk, remedy, err)
	}
	return nil
}

func (x *probe) remove(ctx context.Context, r store.Removal) error {
	return x.bucket.Remove(ctx, x.permit, []store.Removal{r})[0]
}

// tried is a refusal for what the store made of the probe. It begins with what
// it was about: who reads of objects that were removed thinks of their own.
func (x *probe) tried(message, risk, remedy string, err error) error {
	message = "tried on an object of Cooper's own, and on no other: " + message
	if risk != "" {
		message += "; of yours, " + risk
	}
	return x.refused(message, remedy, err)
}

func (x *probe) refused(message, remedy string, err error) error {
	switch cooper.KindOf(err) {
	case cooper.KindInterrupted, cooper.KindUsage:
		return err
	}
	return &cooper.Error{Kind: cooper.KindRefused, Where: x.path, Message: message, Err: err, Remedy: remedy}
}
