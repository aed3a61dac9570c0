package look

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// probe is one under way.
type probe struct {
	bucket     Bucket
	permit     permit.Permit
	path, key  string
	versioning string
	last       store.Object // what was written last
	n          int          // how many were, each a byte longer
	ids        []string     // of the versions that were written
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

// putRight writes under a condition that holds. A refusal may come of a request that
// was delivered twice, of which the second finds the first: then it was taken.
func (x *probe) putRight(ctx context.Context, o store.Put) error {
	err := x.put(ctx, o)
	if kind := cooper.KindOf(err); kind != cooper.KindConflict && kind != cooper.KindChanged {
		return err
	}
	if now, unseen := x.bucket.Head(ctx, store.Ref{Key: x.key}, 0); unseen == nil && now.Size == int64(x.n-1) { // no other has that size
		x.wrote(now)
		return nil
	}
	return err
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

// listed gives the ids of what the bucket has under the probe's key.
func (x *probe) listed(ctx context.Context) (ids []string, err error) {
	_, err = Keys(ctx, x.bucket, x.key, []string{x.key}, func(_ int, v *cooper.Version) { ids = append(ids, v.VersionID) })
	return ids, err
}

// clean removes whatever was written, and looks whether anything stays.
func (x *probe) clean(ctx context.Context) error {
	if len(x.ids) == 0 {
		return nil
	}
	failed := x.removeAll(ctx, x.ids)
	left, err := x.listed(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	if len(left) == 0 {
		return nil // also if an answer was lost
	}
	// Markers, too, which a store leaves that takes a removal for one of the key.
	failed = x.removeAll(ctx, left)
	if left, err = x.listed(ctx); err != nil || len(left) == 0 {
		return err
	}
	return x.refused("the object that Cooper tries the store out on stays: "+cooper.Quote(x.key)+"; the store does not remove it by its version id, "+cooper.Quote(left[0]),
		"Remove it by its key.", failed)
}

func (x *probe) removeAll(ctx context.Context, ids []string) error {
	rs := make([]store.Removal, len(ids))
	for i, id := range ids {
		rs[i] = store.Removal{Key: x.key, VersionID: id}
	}
	return errors.Join(x.bucket.Remove(ctx, x.permit, rs)...)
}

// first writes the object, under the condition that nothing is there if new is
// to be relied on.
func (x *probe) first(ctx context.Context, new bool) error {
	err := x.putRight(ctx, store.Put{IfNoneMatch: new})
	if err == nil {
		return nil
	}
	if plain := x.put(ctx, store.Put{}); new && plain == nil {
		return x.tried("the store does not write it where nothing is, if it is told to write only there", "", noCondition, answer(err))
	}
	return x.refused("the object that Cooper tries the store out on, "+cooper.Quote(x.key)+", cannot be written", "Ask for the right to write there.", err)
}

// Remedies name what was tried.
const (
	noCondition = "Use a store that heeds conditions of writes; what is here stays as it is."
	useInPlace  = "Use --mode in-place: the store was seen to do what that needs."
	useSuffix   = "Use --mode suffix --originals keep: the store was seen to do what that needs."
)

func (x *probe) neverOver(ctx context.Context) error {
	const risk = "what others store under a new key in that instant could be lost"
	message := "the store has overwritten it although it was told to write only where nothing is"
	err := x.put(ctx, store.Put{IfNoneMatch: true})
	switch cooper.KindOf(err) {
	case cooper.KindConflict:
		return nil
	case "":
	default:
		message = "the store did not say that something is there already"
	}
	remedy := noCondition
	if x.onlyOver(ctx, x.versioning != "Enabled") == nil {
		remedy = useInPlace
	}
	return x.tried(message, risk, remedy, answer(err))
}

// onlyOver sees that a write under If-Match is taken where it is right, and, if
// that is to be relied on, refused where it is not.
func (x *probe) onlyOver(ctx context.Context, refusing bool) error {
	const risk = "an upload of the same key in that instant could be lost"
	remedy := func() string {
		if cooper.KindOf(x.put(ctx, store.Put{IfNoneMatch: true})) == cooper.KindConflict {
			return useSuffix
		}
		return noCondition
	}
	etag := x.last.ETag
	if refusing {
		switch err := x.put(ctx, store.Put{IfMatch: aStranger}); cooper.KindOf(err) {
		case cooper.KindChanged:
		case "":
			return x.tried("the store has overwritten it although its ETag was another than it was told", risk, remedy(), nil)
		default:
			return x.tried("the store did not say that its ETag was another than it was told", risk, remedy(), answer(err))
		}
	}
	if err := x.putRight(ctx, store.Put{IfMatch: etag}); err != nil {
		return x.tried("the store does not overwrite it although its ETag is the one that it was told", "", remedy(), answer(err))
	}
	return nil
}

// exact sees that a removal by id takes the version that it names, and no other.
// A bucket that keeps one version of a key is asked to remove one that it does
// not have.
func (x *probe) exact(ctx context.Context) error {
	const (
		risk   = "versions that nobody named could be lost"
		remedy = "Remove nothing by version ids at this store; compressed objects can stay beside their originals: --originals keep."
	)
	older := x.last.VersionID
	if err := x.put(ctx, store.Put{}); err != nil {
		return x.refused("the object that Cooper tries the store out on, "+cooper.Quote(x.key)+", cannot be written", "Ask for the right to write there.", err)
	}
	newer, gone := x.last.VersionID, older
	if older == newer {
		gone = aStrangerID
	}
	// What it answers to an id that it does not know is of no interest.
	if err := x.remove(ctx, store.Removal{Key: x.key, VersionID: gone}); err != nil && (gone == older || !answered(err)) {
		return x.tried("the store does not remove a version of it", "", remedy, err)
	}
	left, err := x.listed(ctx)
	switch {
	case err != nil:
		return err
	case !slices.Contains(left, newer) && gone == older:
		return x.tried("asked to remove an older version of it by its id, the store has removed the newer one, too", risk, remedy, nil)
	case !slices.Contains(left, newer):
		return x.tried("asked to remove a version of it that it does not have, the store has removed the one that it had", risk, remedy, nil)
	case slices.Contains(left, gone):
		return x.tried("the store says that it has removed a version of it, and lists it still", "what is told to be gone would stay", remedy, nil)
	}
	if err := x.remove(ctx, store.Removal{Key: x.key, VersionID: newer}); err != nil {
		return x.tried("the store does not remove it by its version id", "", remedy, err)
	}
	if left, err = x.listed(ctx); err != nil {
		return err
	}
	if slices.Contains(left, newer) {
		return x.tried("the store says that it has removed it by its version id, "+cooper.Quote(newer)+", and lists it still", "what is told to be gone would stay", remedy, nil)
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
		return x.tried("the store does not remove it although its ETag is the one it was told", risk, remedy, answer(err))
	}
	return nil
}

func (x *probe) remove(ctx context.Context, r store.Removal) error {
	return x.bucket.Remove(ctx, x.permit, []store.Removal{r})[0]
}

// answer is an error without what it makes of a condition that failed: that
// somebody has written there since, which on an object of Cooper's own nobody has.
func answer(err error) error {
	switch cooper.KindOf(err) {
	case cooper.KindChanged, cooper.KindConflict:
		return nil
	}
	return err
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

// both says two things in one error: why, and what stays for it.
func both(err, stays error) error {
	var first, second *cooper.Error
	if err == nil || stays == nil {
		return cmp.Or(err, stays)
	}
	if !errors.As(err, &first) || !errors.As(stays, &second) {
		return errors.Join(err, stays)
	}
	e := *first
	e.Message += "; and " + second.Message
	e.Remedy = strings.TrimSpace(second.Remedy + " " + e.Remedy)
	return &e
}
