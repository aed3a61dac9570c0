package fetch

import (
	"context"
	"fmt"

	"cooper"
	"cooper/internal/store"
)

// Defer is the verb that leaves an archived version for later, so that it is
// listed.
type Defer struct{}

// Do touches nothing.
func (Defer) Do(_ context.Context, a *cooper.Action) cooper.Outcome {
	where := a.Version.StorageClass
	if a.Version.Tier != "" {
		where += " " + a.Version.Tier
	}
	return cooper.Outcome{Status: cooper.Deferred, Kind: cooper.KindArchived, Message: "lies in " + where + " and cannot be read until it is restored"}
}

// Unarchive is the verb that fetches an archived version if a restored copy can
// be read, and else asks for one.
type Unarchive struct {
	Fetch *Verb
	From  store.Archiver
	// Days is how long a restored copy shall last, Tier how fast it shall come:
	// Standard, Bulk or Expedited.
	Days int
	Tier string
}

// Do fetches, or requests a restored copy and defers.
func (u Unarchive) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	o := u.Fetch.Do(ctx, a)
	if o.Status != cooper.Deferred {
		return o
	}
	o.Requests++
	ref := store.Ref{Key: a.Version.Key, VersionID: a.Version.VersionID}
	if err := u.From.Restore(ctx, ref, u.Days, u.Tier); err != nil {
		fail(ctx, &o, err)
		return o
	}
	o.Message = fmt.Sprintf("a restored copy was requested (%s, for %d days)", u.Tier, u.Days)
	return o
}
