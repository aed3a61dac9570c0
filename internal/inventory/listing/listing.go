// Package listing takes stock of a bucket by listing it now.
//
// It is an inventory.Source for stores that write no inventory reports. Many
// ranges of keys are listed side by side without knowing the keys before: a
// range that turns out large is divided while it is being listed. Ranges never
// overlap and leave no gap, so every key is delivered once, however they were
// divided. A bucket that changes meanwhile is seen as the store's answers showed
// it, some keys earlier than others; the moment a listing speaks of is its
// beginning.
//
// Sorting and keeping the rows is left to package inventory.
package listing

import (
	"context"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/store"
)

// Options say what to list and how.
type Options struct {
	// Prefix limits the listing, with the boundaries of cooper.HasPrefix.
	Prefix string
	// Workers is how many requests are in flight at most; 0: 16.
	Workers int
	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
	// Current lists current objects only, without version ids.
	Current bool
	// Progress, if any, is told now and then how many versions were listed so
	// far, from one goroutine at a time.
	Progress func(versions int64)
}

// Listing is a live listing of one bucket.
type Listing struct {
	lister store.Lister
	bucket string
	opt    Options
	taken  cooper.Instant
}

// New begins a listing, and asks for one page, so that a wrong bucket or a
// missing right shows before anything else is done. Errors are the store's.
func New(ctx context.Context, l store.Lister, bucket string, opt Options) (*Listing, error) {
	return nil, nil
}

// Meta gives Source, Bucket, TakenAt and Scope.
func (l *Listing) Meta() inventory.Meta { return inventory.Meta{} }

// Parts is one part, which lists many ranges at once by itself.
func (l *Listing) Parts() []inventory.Part { return nil }
