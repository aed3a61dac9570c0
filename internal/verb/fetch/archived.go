package fetch

import (
	"context"
	"fmt"

	"cooper"
	"cooper/internal/store"
)

// Deferred is the verb that leaves an archived version for later, so that it
// is listed.
type Deferred struct{}

// Do touches nothing.
func (Deferred) Do(_ context.Context, a *cooper.Action) cooper.Outcome {
	where := a.Version.StorageClass
	if a.Version.Tier != "" {
		where += " " + a.Version.Tier
	}
	return cooper.Outcome{Status: cooper.Deferred, Kind: cooper.KindArchived, Message: "lies in " + where + " and cannot be read until it is restored"}
}

// A restored copy lasts for a week, so that a daily run meets it, and comes by
// the cheapest tier that every archive class has.
const (
	restoredDays = 7
	restoredTier = "Bulk"
)

// Archive is a bucket that can be asked for copies of what is archived.
type Archive interface {
	store.Reader
	store.Archiver
}

// Unarchive is the verb that fetches an archived version if a restored copy can
// be read, and else asks for one.
type Unarchive struct {
	fetch *Verb
	from  store.Archiver
}

// NewUnarchive makes the verb that fetches archived versions from a bucket.
func NewUnarchive(from Archive, to Staging, opt Options) *Unarchive {
	return &Unarchive{fetch: New(from, to, opt), from: from}
}

// Do fetches, or requests a restored copy and defers.
func (u *Unarchive) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	o := u.fetch.Do(ctx, a)
	if o.Status != cooper.Deferred {
		return o
	}
	o.Requests++
	ref := store.Ref{Key: a.Version.Key, VersionID: a.Version.VersionID}
	if err := u.from.Restore(ctx, ref, store.Restoring{Class: a.Version.StorageClass, Days: restoredDays, Tier: restoredTier}); err != nil {
		fail(ctx, &o, err)
		return o
	}
	o.Message = fmt.Sprintf("a restored copy was requested (%s, for %d days)", restoredTier, restoredDays)
	if a.Version.StorageClass == store.IntelligentTiering {
		o.Message = "its return was requested (" + restoredTier + ", for good)"
	}
	return o
}
