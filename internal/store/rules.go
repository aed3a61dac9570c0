package store

import (
	"context"
	"strings"

	"cooper"
)

// Rules tells what a store does to the versions of a bucket by itself.
//
// known is false where the store cannot be asked: it may have rules. A bucket
// without any has none, which is known.
type Rules interface {
	// Lifecycle are the rules of the bucket's lifecycle.
	Lifecycle(ctx context.Context) (rules []LifecycleRule, known bool, err error)
	// Tiering are the configurations by which Intelligent-Tiering archives.
	Tiering(ctx context.Context) (rules []TieringRule, known bool, err error)
}

// Filter says which versions a rule is for. The zero Filter is for all.
type Filter struct {
	Prefix string // bytewise, without boundaries
	// Tags must all be there; others may be.
	Tags map[string]string
	// Above and Below bound the size in bytes, without the bound itself; 0 for Below is
	// none.
	Above, Below int64
}

// Matches tells whether a version is meant.
func (f *Filter) Matches(key string, size int64, tags map[string]string) bool {
	if !strings.HasPrefix(key, f.Prefix) || f.Above > 0 && size <= f.Above || f.Below > 0 && size >= f.Below {
		return false
	}
	for k, v := range f.Tags {
		if got, there := tags[k]; !there || got != v {
			return false
		}
	}
	return true
}

// LifecycleRule is what happens to versions as they age.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
type LifecycleRule struct {
	ID      string
	Enabled bool
	Filter  Filter
	// Transitions move current versions to another class, Expire ends them: by a delete
	// marker where the bucket has versions, else for good.
	Transitions []Transition
	Expire      *Expiry
	// Those of versions that are not current any more, whose days count from when they
	// ceased to be; these end for good.
	NoncurrentTransitions []Transition
	NoncurrentExpire      *Expiry
	// Markers: delete markers go that hide nothing any more.
	Markers bool
	// AbortUploads is after how many days an unfinished upload is aborted; 0: never.
	AbortUploads int
}

// Expiry is when versions end.
type Expiry struct {
	Days int            // after which; without a Date
	Date cooper.Instant // from which on; 0: Days count
	Keep int            // so many noncurrent versions stay
}

// Transition is when versions go to another class.
type Transition struct {
	Expiry
	Class string
}

// TieringRule says which versions in the class INTELLIGENT_TIERING are archived.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intelligent-tiering-overview.html
type TieringRule struct {
	ID      string
	Enabled bool
	Filter  Filter // without sizes
	Tiers   []ArchiveTier
}

// ArchiveTier is a tier to which a version goes that nobody has read for so many days.
type ArchiveTier struct {
	Access string // ARCHIVE_ACCESS or DEEP_ARCHIVE_ACCESS
	Days   int
}
