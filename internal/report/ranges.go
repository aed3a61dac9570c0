package report

import (
	"math/bits"

	"cooper"
)

const day = 24 * 60 * 60 * 1000 // in milliseconds

// ageRanges are the rows of Report.Ages. A year has 365 days.
var ageRanges = []Row{
	{Name: "< 1 d", To: 1},
	{Name: "1-7 d", From: 1, To: 7},
	{Name: "7-30 d", From: 7, To: 30},
	{Name: "30-90 d", From: 30, To: 90},
	{Name: "90-180 d", From: 90, To: 180},
	{Name: "180 d-1 y", From: 180, To: 365},
	{Name: "1-2 y", From: 365, To: 2 * 365},
	{Name: "2-5 y", From: 2 * 365, To: 5 * 365},
	{Name: ">= 5 y", From: 5 * 365},
	{Name: "unknown"},
}

const (
	ages       = 10
	ageUnknown = ages - 1
)

// ageOf gives the range in which t lies, seen from now. What is newer than now
// is in the first.
func ageOf(t, now cooper.Instant) int {
	if t == 0 {
		return ageUnknown
	}
	days := int64(now-t) / day
	i := 0
	for i < ageUnknown-1 && days >= ageRanges[i].To {
		i++
	}
	return i
}

// olderThan tells whether all of a range is at least so many days old, which
// has to be where a range begins.
func olderThan(age, days int) bool {
	return age != ageUnknown && ageRanges[age].From >= int64(days)
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// sizeRanges are the rows of Report.Sizes.
var sizeRanges = []Row{
	{Name: "0 B", To: 1},
	{Name: "1 B-1 KiB", From: 1, To: kib},
	{Name: "1-16 KiB", From: kib, To: 16 * kib},
	{Name: "16-128 KiB", From: 16 * kib, To: 128 * kib},
	{Name: "128 KiB-1 MiB", From: 128 * kib, To: mib},
	{Name: "1-16 MiB", From: mib, To: 16 * mib},
	{Name: "16-128 MiB", From: 16 * mib, To: 128 * mib},
	{Name: "128 MiB-1 GiB", From: 128 * mib, To: gib},
	{Name: "1-5 GiB", From: gib, To: 5 * gib},
	{Name: ">= 5 GiB", From: 5 * gib},
}

const sizes = 10

// sizeByBits gives the range of a size from the number of its bits: all bounds
// but the last are powers of two.
var sizeByBits = func() (t [65]int8) {
	for n := range t {
		for i, r := range sizeRanges[:sizes-1] {
			if n >= bits.Len64(uint64(r.From)) {
				t[n] = int8(i)
			}
		}
	}
	return t
}()

// sizeOf gives the range in which size lies.
func sizeOf(size int64) int {
	if size >= 5*gib {
		return sizes - 1
	}
	return int(sizeByBits[bits.Len64(uint64(size))])
}

// ranged are the rows of a distribution over ranges, with what was counted.
func ranged(ranges []Row, parts []Part) []Row {
	rows := make([]Row, len(ranges))
	for i, r := range ranges {
		r.Part = parts[i]
		rows[i] = r
	}
	return rows
}
