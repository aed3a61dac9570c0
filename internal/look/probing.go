package look

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
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
	late       context.Context // outlives that of the run, for writes and what removes them
	done       context.CancelFunc
	last       store.Object // what was written last
	n          int          // how many were, each a byte longer
	ids        []string     // of the versions that were written
	unsure     bool         // a write may come to something yet: it had no answer
	alone      bool         // removals of many have failed
}

// put writes under the conditions of o; each time something else.
func (x *probe) put(ctx context.Context, o store.Put) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	o.Key, o.Size, o.Body = x.key, int64(x.n), bytes.NewReader(make([]byte, x.n))
	x.n++
	now, err := x.bucket.Put(x.late, o)
	if err != nil {
		x.unsure = x.unsure || !settled(err)
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
	now, unseen := x.bucket.Head(x.late, store.Ref{Key: x.key}, 0)
	if unseen == nil && now.Size == int64(x.n-1) { // no other has that size
		x.wrote(now)
		return nil
	}
	x.unsure = x.unsure || unseen != nil && cooper.KindOf(unseen) != cooper.KindMissing
	return err
}

// settled tells whether an error of a write says that nothing was written, and
// nothing will be.
func settled(err error) bool {
	switch cooper.KindOf(err) {
	case "", cooper.KindDenied, cooper.KindConflict, cooper.KindChanged, cooper.KindInvalid, cooper.KindUsage, cooper.KindRefused:
		return true
	}
	return false
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
func (x *probe) clean() error {
	var failed error
	switch {
	case len(x.ids) == 0 && !x.unsure:
		return nil
	case len(x.ids) > 0 && !x.alone:
		failed = x.removeAll(x.late, x.ids)
	}
	left, err := x.listed(x.late)
	if err != nil {
		return errors.Join(failed, err)
	}
	// What is left goes by requests for it alone: S3Proxy fails where many are to be
	// removed and one is null. Markers go, too, which a store leaves that takes a
	// removal for one of the key.
	for _, id := range left {
		failed = errors.Join(failed, x.bucket.RemoveProbe(x.late, x.permit, x.key, id))
	}
	if len(left) > 0 {
		if left, err = x.listed(x.late); err != nil {
			return errors.Join(failed, err)
		}
	}
	if x.versioning == "" && slices.Equal(left, []string{cooper.NullVersion}) && x.own() {
		failed = errors.Join(failed, x.bucket.RemoveProbe(x.late, x.permit, x.key, ""))
		if left, err = x.listed(x.late); err != nil {
			return errors.Join(failed, err)
		}
	}
	if len(left) == 0 {
		return nil // also if an answer was lost
	}
	how := "by its version id, "
	if x.versioning == "" {
		how = "by its key, nor by its version id, "
	}
	return x.refused("the object that Cooper tries the store out on stays: "+cooper.Quote(x.key)+"; the store does not remove it "+how+cooper.Quote(left[0]),
		"Remove it by other means.", failed)
}

// mostWritten is more than any probe writes into its object, in bytes.
const mostWritten = 64

// own tells whether what the key has now is what a probe of this run or of another
// has written: some zeros.
func (x *probe) own() bool {
	o, body, err := x.bucket.Get(x.late, store.Ref{Key: x.key}, store.Range{})
	if err != nil {
		return false
	}
	b, err := io.ReadAll(io.LimitReader(body, mostWritten+1))
	return errors.Join(err, body.Close()) == nil && !Own(o.VersionID) && len(b) <= mostWritten && len(bytes.Trim(b, "\x00")) == 0
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
		// Some stores know no HEAD of version "null", though it is there.
		switch left, failed := x.listed(ctx); {
		case failed != nil:
			return x.refused("the object that Cooper tries the store out on, "+cooper.Quote(x.key)+", cannot be looked at", "See whether the store is well, and ask for the right to list the bucket.", errors.Join(failed, err))
		case !slices.Contains(left, x.last.VersionID):
			return x.tried("the store has refused to remove it and removed it all the same: it is not listed any more", risk, remedy, err)
		}
	}
	own.IfMatch = x.last.ETag
	// Missing: the answer to an earlier attempt was lost.
	if err := x.remove(ctx, own); err != nil && cooper.KindOf(err) != cooper.KindMissing {
		return x.tried("the store does not remove it although its ETag is the one it was told", risk, remedy, answer(err))
	}
	return nil
}

func (x *probe) remove(ctx context.Context, r store.Removal) error {
	err := x.bucket.Remove(ctx, x.permit, []store.Removal{r})[0]
	switch cooper.KindOf(err) {
	case cooper.KindStore, cooper.KindTimeout:
		x.alone = true
	}
	return err
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
