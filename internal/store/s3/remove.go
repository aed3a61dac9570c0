package s3

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/retry"
)

// removed is what a store says of one removal.
type removed struct {
	key, version string
	marker       string // the delete marker that was removed, or written
	code         string // of an error; empty if it was done
	message      string
}

// Remove removes versions, up to store.MaxRemovals with one request. Keys that
// XML cannot carry go one by one. Only what failed in a way that passes is sent
// again, and what the store said nothing about; nothing that is to be sent once.
func (b *Bucket) Remove(ctx context.Context, p permit.Permit, rs []store.Removal) []error {
	errs := make([]error, len(rs))
	seen := make(map[[2]string]bool, len(rs))
	var onceMany, once, alone, many []int
	for i := range rs {
		r := &rs[i]
		name := [2]string{r.Key, r.VersionID}
		single := store.Alone(r.Key) || store.Alone(r.VersionID)
		switch err := checkRemoval(p, r, b.where(r.Key, r.VersionID)); {
		case err != nil:
			errs[i] = err
		case seen[name]:
			errs[i] = &cooper.Error{Kind: cooper.KindInternal, Where: b.where(r.Key, r.VersionID), Message: "was to be removed twice at once"}
		case single && r.Once:
			once = append(once, i)
		case single:
			alone = append(alone, i)
		case r.Once:
			onceMany = append(onceMany, i)
		default:
			many = append(many, i)
		}
		seen[name] = true
	}
	// What is to be sent once does not wait for what is repeated.
	for some := range slices.Chunk(onceMany, store.MaxRemovals) {
		b.removeMany(ctx, rs, some, errs)
	}
	for _, i := range slices.Concat(once, alone) {
		errs[i] = b.removeOne(ctx, rs[i])
	}
	for some := range slices.Chunk(many, store.MaxRemovals) {
		b.removeMany(ctx, rs, some, errs)
	}
	return errs
}

// RemoveProbe removes an object of a probe, by a request for it alone.
func (b *Bucket) RemoveProbe(ctx context.Context, p permit.Permit, key, versionID string) error {
	where := b.where(key, versionID)
	switch {
	case !p.Valid():
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "was to be removed without a permit"}
	case !store.IsProbe(key):
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "was to be removed by its key, and is no object of a probe"}
	}
	if err := checkRef(store.Ref{Key: key}, where); err != nil {
		return err
	}
	r := store.Removal{Key: key, VersionID: versionID}
	if versionID != "" {
		return b.removeOne(ctx, r)
	}
	return b.doAs(ctx, b.policy, where, func(ctx context.Context) error {
		_, err := b.client.removeOne(ctx, r)
		var f *failure
		if errors.As(err, &f) && f.err == nil && gone(f.code) {
			return nil
		}
		return err
	})
}

// checkRemoval refuses what must never be sent: without a version id a store
// would remove, or hide, whatever is current.
func checkRemoval(p permit.Permit, r *store.Removal, where string) error {
	switch {
	case !p.Valid():
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "was to be removed without a permit"}
	case r.VersionID == "":
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "was to be removed without a version id"}
	}
	return checkRef(store.Ref{Key: r.Key, IfMatch: r.IfMatch}, where)
}

// policyOf says how a removal is repeated. A token that had expired got it
// nowhere: that may be tried again in any case.
func (b *Bucket) policyOf(r *store.Removal) retry.Policy {
	p := b.policy
	if r.Once {
		p.Judge = func(err error) (retry.Verdict, time.Duration) {
			var f *failure
			if errors.As(err, &f) && f.renewed {
				return retry.Again, 0
			}
			return retry.Stop, 0
		}
	}
	return p
}

// removeOne removes a version with a request of its own.
func (b *Bucket) removeOne(ctx context.Context, r store.Removal) error {
	where := b.where(r.Key, r.VersionID)
	if err := b.named(ctx, &r, where); err != nil {
		return err
	}
	return b.doAs(ctx, b.policyOf(&r), where, func(ctx context.Context) error {
		got, err := b.client.removeOne(ctx, r)
		var f *failure
		if errors.As(err, &f) && f.err == nil && r.IfMatch == "" {
			if gone(f.code) {
				return nil
			}
			if f.code == codeInvalid {
				if ids, lerr := b.versionsOf(ctx, r.Key); lerr == nil && !ids[r.VersionID] {
					return nil
				}
			}
		}
		if err != nil {
			return err
		}
		return rightVersion(&r, got.marker)
	})
}

// named is an error where a key may not be what the store calls the object: one
// with U+FFFD, which stores write for what XML has no word for. Removing it would
// succeed, as it does of all that is not there, and the object would stay.
func (b *Bucket) named(ctx context.Context, r *store.Removal, where string) error {
	if !store.Garbled(r.Key) {
		return nil
	}
	_, err := b.Head(ctx, store.Ref{Key: r.Key, VersionID: r.VersionID}, 0)
	var f *failure
	switch {
	case errors.As(err, &f) && f.marker: // which HEAD does not describe
		return nil
	case cooper.KindOf(err) == cooper.KindMissing:
		return store.Unnamed(where, err)
	}
	return err
}

// removeMany removes the versions of rs at some, and puts what came of them
// into errs. All of them are to be sent once, or none.
func (b *Bucket) removeMany(ctx context.Context, rs []store.Removal, some []int, errs []error) {
	if b.lacks.lacks(LacksDeleteMany) {
		b.removeEach(ctx, rs, some, errs)
		return
	}
	left := slices.Clone(some)
	err := b.doAs(ctx, b.policyOf(&rs[some[0]]), b.where("", ""), func(ctx context.Context) error {
		batch := make([]store.Removal, len(left))
		for n, i := range left {
			batch[n] = rs[i]
		}
		answer, err := b.client.remove(ctx, batch)
		if err != nil {
			return err
		}
		b.lacks.found(LacksDeleteMany)
		left, err = b.settle(ctx, rs, left, answer, errs)
		return err
	})
	var f *failure
	if errors.As(err, &f) && (f.unknown() || f.status == http.StatusMethodNotAllowed) && b.lacks.open(LacksDeleteMany) {
		b.lacks.missing(LacksDeleteMany)
		b.removeEach(ctx, rs, left, errs)
		return
	}
	var ce *cooper.Error
	for _, i := range left {
		errs[i] = err
		if errors.As(err, &ce) && ce.Err != nil {
			own := *ce
			own.Where = b.where(rs[i].Key, rs[i].VersionID)
			errs[i] = &own
		}
	}
}

// removalsAtOnce is how many requests are under way where each version has its own.
const removalsAtOnce = 16

// removeEach removes versions with a request for each.
func (b *Bucket) removeEach(ctx context.Context, rs []store.Removal, some []int, errs []error) {
	var g errgroup.Group
	g.SetLimit(removalsAtOnce)
	for _, i := range some {
		g.Go(func() error {
			errs[i] = b.removeOne(ctx, rs[i])
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
}

// verdict is what a store's word on one removal means; passing tells that
// another attempt may say otherwise.
func (b *Bucket) verdict(r *store.Removal, row *removed) (passing bool, err error) {
	where := b.where(r.Key, r.VersionID)
	if row.code == "" {
		if err := rightVersion(r, row.marker); err != nil {
			return false, final(err, where)
		}
		return false, nil
	}
	if r.IfMatch == "" && gone(row.code) {
		return false, nil
	}
	f := &failure{status: statusOfCode(row.code), code: row.code, message: row.message}
	if v, _ := judge(f); v != retry.Stop {
		return true, f
	}
	return false, final(f, where)
}

// rightVersion is an error if a store hid the current version behind a delete
// marker instead of removing the version it was told: one that ends a run, as it
// would do so to every key.
func rightVersion(r *store.Removal, marker string) error {
	if marker == "" || marker == r.VersionID {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindRefused, Where: cooper.Quote(r.Key),
		Message: "the store wrote the delete marker " + clip(marker, 100) + " instead of removing version " + clip(r.VersionID, 100),
		Remedy:  "This store does not remove single versions: do not purge there. Removing the delete marker brings the object back."}
}

// gone tells of codes that say that a version is not there.
func gone(code string) bool { return code == "NoSuchKey" || code == "NoSuchVersion" }

// statusOfCode is the status that a request of its own would have had.
func statusOfCode(code string) int {
	switch code {
	case "AccessDenied", "AllAccessDisabled", "MethodNotAllowed", "InvalidObjectState", "ObjectNotInActiveTierError":
		return http.StatusForbidden
	case "NoSuchKey", "NoSuchVersion", "NoSuchUpload", "NoSuchBucket":
		return http.StatusNotFound
	case "PreconditionFailed":
		return http.StatusPreconditionFailed
	case "InternalError":
		return http.StatusInternalServerError
	case "OperationAborted", "ConditionalRequestConflict":
		return http.StatusConflict
	case "NotImplemented":
		return http.StatusNotImplemented
	case "SlowDown", "ServiceUnavailable":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}
