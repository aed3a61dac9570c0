package remove

import (
	"bytes"
	"context"
	"errors"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// probeName is the key of the probe, below the prefix, less the id of the run.
const probeName = ".cooper-probe-"

// aStranger is the ETag of nothing that the probe writes.
const aStranger = "00000000000000000000000000000000"

// probe sees whether the store refuses to remove a null version whose ETag is
// another. It does so on an object of its own, which it writes and removes
// again, under a key that bears the run's id: nothing else can be hit, whatever
// the store makes of the condition.
func (t *Target) probe(ctx context.Context, p permit.Permit) error {
	return t.probeOn(ctx, p, t.opt.Prefix+probeName+p.Run())
}

// probeOdd is the probe for keys that are removed by a request of their own,
// which a store may take in another way. It is done once, when such a key comes.
func (p *part) probeOdd(ctx context.Context, pm permit.Permit) error {
	for _, k := range p.keys {
		for _, it := range k.items {
			if it.args.Guard == bucketop.ByETag && store.Alone(k.key) {
				return p.probeAlone(ctx, pm)
			}
		}
	}
	return nil
}

func (t *Target) probeAlone(ctx context.Context, p permit.Permit) error {
	t.alone.Lock()
	defer t.alone.Unlock()
	if t.probedAlone {
		return nil
	}
	err := t.probeOn(ctx, p, t.opt.Prefix+probeName+p.Run()+" ") // the blank makes it such a key
	t.probedAlone = err == nil
	return err
}

func (t *Target) probeOn(ctx context.Context, p permit.Permit, key string) (err error) {
	o, err := t.bucket.Put(ctx, store.Put{Key: key, Body: bytes.NewReader(nil)})
	if err != nil {
		return cannotRefuse(t.opt.Path, "a probe cannot be written", err)
	}
	id := o.VersionID
	if id == "" {
		id = cooper.NullVersion
	}
	own := store.Removal{Key: key, VersionID: id}
	defer func() {
		err = errors.Join(err, t.bucket.Remove(ctx, p, []store.Removal{own})[0])
	}()
	wrong := own
	wrong.IfMatch = aStranger
	switch err := t.bucket.Remove(ctx, p, []store.Removal{wrong})[0]; cooper.KindOf(err) {
	case cooper.KindChanged:
	case "":
		return cannotRefuse(t.opt.Path, "the store has removed an object although its ETag was another than it was told", nil)
	default:
		return cannotRefuse(t.opt.Path, "the store did not say that an ETag was another than it was told", err)
	}
	if _, err := t.bucket.Head(ctx, store.Ref{Key: key, VersionID: id}, 0); err != nil {
		return cannotRefuse(t.opt.Path, "the store has refused to remove an object and removed it", err)
	}
	right := own
	right.IfMatch = o.ETag
	// Missing: the answer to an earlier attempt was lost.
	if err := t.bucket.Remove(ctx, p, []store.Removal{right})[0]; err != nil && cooper.KindOf(err) != cooper.KindMissing {
		return cannotRefuse(t.opt.Path, "the store does not remove an object although its ETag is the one it was told", err)
	}
	return nil
}

func cannotRefuse(where, message string, err error) error {
	switch cooper.KindOf(err) {
	case cooper.KindInterrupted, cooper.KindUsage:
		return err
	}
	return &cooper.Error{Kind: cooper.KindRefused, Where: where, Message: message + ": an upload of the same key in the instant of its removal could be lost", Err: err,
		Remedy: "Enable versioning of the bucket; or, if nobody writes there, plan again with --unguarded."}
}
