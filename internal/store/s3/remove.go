package s3

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

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
// again, and what the store said nothing about.
func (b *Bucket) Remove(ctx context.Context, p permit.Permit, rs []store.Removal) []error {
	errs := make([]error, len(rs))
	seen := make(map[[2]string]bool, len(rs))
	var many []int
	for i := range rs {
		r := &rs[i]
		name := [2]string{r.Key, r.VersionID}
		switch err := checkRemoval(p, r, b.where(r.Key, r.VersionID)); {
		case err != nil:
			errs[i] = err
		case seen[name]:
			errs[i] = &cooper.Error{Kind: cooper.KindInternal, Where: b.where(r.Key, r.VersionID), Message: "was to be removed twice at once"}
		case inXML(r.Key) && inXML(r.VersionID):
			many = append(many, i)
		default:
			errs[i] = b.removeOne(ctx, *r)
		}
		seen[name] = true
	}
	for some := range slices.Chunk(many, store.MaxRemovals) {
		b.removeMany(ctx, rs, some, errs)
	}
	return errs
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

// inXML tells whether text arrives in XML as it was sent, also at stores that
// are careless about blanks and control characters.
func inXML(s string) bool {
	if !utf8.ValidString(s) || s != strings.TrimSpace(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 || r&0xfffe == 0xfffe
	})
}

// removeOne removes a version with a request of its own.
func (b *Bucket) removeOne(ctx context.Context, r store.Removal) error {
	where := b.where(r.Key, r.VersionID)
	return b.do(ctx, where, func(ctx context.Context) error {
		got, err := b.client.removeOne(ctx, r)
		var f *failure
		if errors.As(err, &f) && f.err == nil && r.IfMatch == "" && gone(f.code) {
			return nil
		}
		if err != nil {
			return err
		}
		return rightVersion(&r, got.marker)
	})
}

// removeMany removes the versions of rs at some, and puts what came of them
// into errs.
func (b *Bucket) removeMany(ctx context.Context, rs []store.Removal, some []int, errs []error) {
	left := slices.Clone(some)
	err := b.do(ctx, b.where("", ""), func(ctx context.Context) error {
		batch := make([]store.Removal, len(left))
		for n, i := range left {
			batch[n] = rs[i]
		}
		answer, err := b.client.remove(ctx, batch)
		if err != nil {
			return err
		}
		left, err = b.settle(rs, left, answer, errs)
		return err
	})
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

// settle takes in what a store answered about the versions of rs at left. It
// gives those that are worth another attempt, with the reason.
func (b *Bucket) settle(rs []store.Removal, left []int, answer []removed, errs []error) ([]int, error) {
	open := make(map[[2]string]int, len(left))
	keys := make(map[string]int, len(left)) // how many versions of a key were asked for
	only := make(map[string]int, len(left)) // the one version of a key
	for _, i := range left {
		open[[2]string{rs[i].Key, rs[i].VersionID}] = i
		keys[rs[i].Key]++
		only[rs[i].Key] = i
	}
	settled := make(map[int]bool, len(left))
	var again error
	for n := range answer {
		row := &answer[n]
		i, asked := open[[2]string{row.key, row.version}]
		if !asked && row.version == "" && keys[row.key] == 1 { // some stores do not repeat the id
			i, asked = only[row.key], true
		}
		if !asked {
			return left, malformed("word of removing %s, which nobody asked for", clip(row.key, 200))
		}
		passing, err := b.verdict(&rs[i], row)
		switch {
		case passing && !settled[i]:
			if v, _ := judge(err); again == nil || v == retry.Slow {
				again = err
			}
		case !passing:
			errs[i] = errors.Join(errs[i], err)
			settled[i] = true
		}
	}
	left = slices.DeleteFunc(left, func(i int) bool { return settled[i] })
	if len(left) > 0 && again == nil {
		again = malformed("no word of %d of the versions to be removed", len(left))
	}
	return left, again
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
// marker instead of removing the version it was told.
func rightVersion(r *store.Removal, marker string) error {
	if marker == "" || marker == r.VersionID {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(r.Key),
		Message: "the store wrote the delete marker " + clip(marker, 100) + " instead of removing version " + clip(r.VersionID, 100),
		Remedy:  "this store does not remove single versions: do not purge there"}
}

// gone tells of codes that say that a version is not there.
func gone(code string) bool { return code == "NoSuchKey" || code == "NoSuchVersion" }

// statusOfCode is the status that a request of its own would have had.
func statusOfCode(code string) int {
	switch code {
	case "AccessDenied", "AllAccessDisabled", "MethodNotAllowed":
		return http.StatusForbidden
	case "NoSuchKey", "NoSuchVersion":
		return http.StatusNotFound
	case "PreconditionFailed":
		return http.StatusPreconditionFailed
	case "InternalError":
		return http.StatusInternalServerError
	case "SlowDown", "ServiceUnavailable":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}
