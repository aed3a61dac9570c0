package rewrite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cooper"
	"cooper/internal/store"
)

// tags are those of the version v.
func (j *job) tags(ctx context.Context, v *cooper.Identity) (tags map[string]string, err error) {
	err = j.beside(ctx, v, "tags", func(ref store.Ref) (err error) {
		tags, err = j.bucket.Tags(ctx, ref)
		return err
	})
	return tags, err
}

// fewerTags is where a store contradicts itself, as one that was taken for a store
// without tags, for an answer that something on the way gave.
func fewerTags(told, given int) error {
	return &cooper.Error{Kind: cooper.KindStore, Message: fmt.Sprintf("the store says how many tags it has, %d, and gives %d", told, given),
		Remedy: "Nothing was changed. Carry the plan out again; if it stays so, look at its tags by another program."}
}

// grants are the ACL of the version v.
func (j *job) grants(ctx context.Context, v *cooper.Identity) (grants []store.Grant, err error) {
	err = j.beside(ctx, v, "ACL", func(ref store.Ref) (err error) {
		grants, err = j.bucket.Grants(ctx, ref)
		return err
	})
	return grants, err
}

// beside asks for what a version has beside it. Some stores know no version
// "null" there, while they serve its content: it is asked for as the current one,
// and counts if it still is that afterwards. It was when it was read, and what is
// overwritten does not come back.
func (j *job) beside(ctx context.Context, v *cooper.Identity, what string, ask func(store.Ref) error) error {
	j.tally.Requests++
	err := ask(store.Ref{Key: v.Key, VersionID: v.VersionID})
	if cooper.KindOf(err) == cooper.KindMissing && v.VersionID == cooper.NullVersion {
		j.tally.Requests += 2
		if current := ask(store.Ref{Key: v.Key}); current == nil && j.isCurrent(ctx, v) {
			return nil
		}
	}
	var ce *cooper.Error
	if !errors.As(err, &ce) {
		return err
	}
	return &cooper.Error{Kind: ce.Kind, Where: cooper.Quote(v.Key), Message: "its " + what + " cannot be read", Err: err, Remedy: ce.Remedy}
}

// isCurrent tells whether the current version of a key without versions is v.
func (j *job) isCurrent(ctx context.Context, v *cooper.Identity) bool {
	o, err := j.bucket.Head(ctx, store.Ref{Key: v.Key, IfMatch: v.ETag}, 0)
	return err == nil && strings.EqualFold(o.ETag, v.ETag) && o.Size == v.Size &&
		(store.SameSecond(o.LastModified, v.LastModified) || j.dated != 0 && store.SameSecond(o.LastModified, j.dated)) &&
		(o.VersionID == "" || o.VersionID == cooper.NullVersion)
}
