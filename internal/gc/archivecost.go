package gc

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// The assumptions of an estimate: answers a second, of several requests at once, and bytes a second that are read.
const (
	copiesASecond = 300
	bytesASecond  = 100 << 20
	keysAListing  = 1000
)

// mostInOneCopy is up to how many bytes one request copies, partOfACopy how many a part of more has at least.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
const (
	mostInOneCopy = 5 << 30
	partOfACopy   = 512 << 20
)

// sums count what is moved, what that costs, and what it saves.
type sums struct {
	prices *price.Table
	class  string
	after  price.Rate
	sure   bool // the class is in the table

	moved, noncurrent, read, early, dearer plan.Tally
	requests                               map[string]int64
	written                                int64 // requests that write into the class
	before, later                          float64
	once                                   float64 // beside requests
	unknown                                map[string]bool
}

func newSums(prices *price.Table, class string) sums {
	s := sums{prices: prices, class: class, requests: map[string]int64{}, unknown: map[string]bool{}}
	if prices != nil {
		s.after, s.sure = prices.Rate(class, "")
	}
	return s
}

// month is what a version costs a month where it is. A noncurrent one costs what a current one does.
func (s *sums) month(v *cooper.Version) (usd float64, known bool) {
	if v.DeleteMarker || s.prices == nil {
		return 0, s.prices != nil
	}
	class := v.StorageClass
	if class == "" {
		class = price.Standard
	}
	rate, known := s.prices.Rate(class, v.Tier)
	return rate.Month(v.Size), known
}

// add counts a version that is moved.
func (s *sums) add(v *cooper.Version, proof gcop.Proof, now cooper.Instant) {
	s.moved = s.moved.Add(v.Size)
	if !v.Latest {
		s.noncurrent = s.noncurrent.Add(v.Size)
	}
	if v.DeleteMarker {
		return
	}
	s.requests[price.Head] += 2 // of the original, and of the copy
	s.requests[price.Get]++     // its tags
	copies := int64(1)
	if v.Size > mostInOneCopy {
		copies = (v.Size+partOfACopy-1)/partOfACopy + 2
	}
	s.written += copies
	if proof == gcop.ByReading {
		s.read = s.read.Add(v.Size)
		s.requests[price.Get] += 2
	}
	if s.prices == nil {
		return
	}
	usd, known := s.month(v)
	if !known {
		s.unknown[v.StorageClass] = true
	}
	after := s.after.Month(v.Size)
	s.before += usd
	s.later += after
	if known && s.sure && after > usd {
		s.dearer = s.dearer.Add(v.Size)
	}
	rule := s.prices.Rules[price.StorageName(v.StorageClass, v.Tier)]
	s.once += float64(v.Size) / price.GB * rule.Retrieval
	if proof == gcop.ByReading { // once more, and out of the archive
		s.once += float64(v.Size) / price.GB * (rule.Retrieval + s.prices.Rules[s.class].Retrieval)
	}
	if left := time.Duration(rule.MinimumDays)*24*time.Hour - now.Time().Sub(v.LastModified.Time()); rule.MinimumDays > 0 && left > 0 {
		s.early = s.early.Add(v.Size)
		s.once += usd * left.Hours() / (30 * 24)
	}
}

// into completes a header.
func (s *sums) into(h *plan.Header) {
	steps := (s.moved.Count + gcop.HandlesAShard - 1) / gcop.HandlesAShard
	listings := 2 * ((s.moved.Count + keysAListing - 1) / keysAListing)
	e := plan.Estimate{Requests: s.requests, Bytes: cooper.AddBytes(s.read.Bytes, s.read.Bytes)}
	if s.moved.Count > 0 {
		e.Requests[price.Put], e.Requests[price.List], e.Requests[price.Delete] = s.written+steps, listings, steps
	}
	e.Seconds = float64(s.written)/copiesASecond + float64(e.Bytes)/bytesASecond
	if s.prices != nil {
		e.USD, e.Prices = s.prices.Cost(e.Requests, e.Bytes)+s.once, s.prices.Name()
		// To write into a class costs what a lifecycle rule asks for that.
		if each := s.prices.Rules[s.class].Transition - s.prices.Requests[price.Put]; each > 0 {
			e.USD += float64(s.written) / 1000 * each
		}
		e.SavedUSD = s.before - s.later
	}
	h.Estimate = e
	if n := s.noncurrent; n.Count > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("older versions that go with their objects, and are charged as these are: %d, with %d bytes", n.Count, n.Bytes))
	}
	if n := s.read; n.Count > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("copies that nothing but reading both sides proves: %d, of %d bytes", n.Count, n.Bytes))
	}
	if n := s.dearer; n.Count > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("versions that cost more in the archive than where they are: %d, with %d bytes; archive.smallest and archive.class decide", n.Count, n.Bytes))
	}
	if n := s.early; n.Count > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("versions that are charged for longer than they will have been there: %d, with %d bytes; that is part of the estimate", n.Count, n.Bytes))
	}
	for _, class := range slices.Sorted(maps.Keys(s.unknown)) {
		h.Warnings = append(h.Warnings, "the prices know no class "+cooper.Quote(class)+": it counts as STANDARD")
	}
	if s.prices != nil && !s.sure {
		h.Warnings = append(h.Warnings, "the prices know no class "+cooper.Quote(s.class)+": what is saved is not known")
		h.Estimate.SavedUSD = 0
	}
	if e := &h.Estimate; e.SavedUSD > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("saves %.2f USD a month, which pays for the move after %.1f months", e.SavedUSD, e.USD/e.SavedUSD))
	}
}
