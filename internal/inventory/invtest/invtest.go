// Package invtest makes inventories for tests and benchmarks: synthetic
// buckets of any size, the same for the same seed, in any order and split in
// any way.
package invtest

import (
	"cooper"
	"cooper/internal/inventory"
)

// Options shape a synthetic inventory. The zero value gives all versions in
// key order in one part.
type Options struct {
	// Parts is how many parts the rows are split over; 1 if 0.
	Parts int
	// Shuffle delivers the rows in another order for each value; 0 keeps them
	// nearly sorted, as inventories come.
	Shuffle uint64
	// Change replaces this share of the objects by newer ones.
	Change float64
	// TakenAt is when the inventory was taken; some time in 2026 if 0.
	TakenAt cooper.Instant
	// CurrentOnly leaves out older versions and delete markers.
	CurrentOnly bool
}

// Synthetic is an inventory of about n versions with the keys of chunked
// arrays.
func Synthetic(n int64, seed uint64, opt Options) inventory.Source { return nil }
