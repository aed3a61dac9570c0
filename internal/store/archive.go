package store

import (
	"context"
	"net/http"
	"regexp"

	"cooper"
)

// Restoring says how an archived version is to be brought back.
type Restoring struct {
	// Class is that of the version, as Head or an inventory tells it.
	Class string
	// Days is for how long a temporary copy is to be there. Out of the archive tiers
	// of Intelligent-Tiering a version comes back for good, and they are left out.
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
	Days int
	// Tier is Standard, Bulk or Expedited, which DEEP_ARCHIVE does not have; the
	// store's default, Standard, if empty.
	Tier string
}

// IntelligentTiering is the class whose versions come back for good.
const IntelligentTiering = "INTELLIGENT_TIERING"

// Archiver brings back what lies in an archive class, or in an archive tier.
type Archiver interface {
	// Restore requests that a version can be read. Asking for what is under way
	// already is no error. A version that is in no archive, or a store that restores
	// nothing, is KindInvalid.
	Restore(ctx context.Context, ref Ref, r Restoring) error
}

// Access is whether the bytes of a version can be read, by what the store tells of
// it. Only a GET that works proves it.
type Access int

const (
	// Readable is what a GET gets.
	Readable Access = iota
	// Restored is what a GET gets as long as the temporary copy is there.
	Restored
	// Underway is what was asked for, and is not there yet.
	Underway
	// Archived is what has to be asked for.
	Archived
)

// restored is the x-amz-restore header of a copy that is there.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
var restored = regexp.MustCompile(`^ *ongoing-request="false", *expiry-date="([^"]+)" *$`)

// Access tells whether the version that Head described can be read at the time now,
// of the store's clock, and, where it is Restored, until when. What makes no sense
// counts as what cannot be read.
func (o *Object) Access(now cooper.Instant) (a Access, until cooper.Instant) {
	if m := restored.FindStringSubmatch(o.Restore); m != nil {
		if t, err := http.ParseTime(m[1]); err == nil && cooper.InstantOf(t) > now {
			return Restored, cooper.InstantOf(t)
		}
	} else if o.Restore != "" {
		return Underway, 0
	}
	if v := (cooper.Version{StorageClass: o.StorageClass}); v.Archived() || o.ArchiveStatus != "" {
		return Archived, 0
	}
	return Readable, 0
}
