package gc

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/gcop"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// deletionsASecond is an assumption of an estimate: each is looked at before.
const deletionsASecond = 500

// saved counts what is deleted, and what that saves.
type saved struct {
	prices      *price.Table
	gone, early plan.Tally
	month, once float64
	probes      bool
	unknown     map[string]bool
}

func newSaved(prices *price.Table) saved { return saved{prices: prices, unknown: map[string]bool{}} }

// add counts a version that is deleted.
func (s *saved) add(v *cooper.Version, now cooper.Instant) {
	s.gone = s.gone.Add(v.Size)
	s.probes = s.probes || v.VersionID == "" || v.VersionID == cooper.NullVersion
	if s.prices == nil {
		return
	}
	class := v.StorageClass
	if class == "" {
		class = price.Standard
	}
	rate, known := s.prices.Rate(class, v.Tier)
	if !known {
		s.unknown[class] = true
	}
	usd := rate.Month(v.Size)
	s.month += usd
	rule := s.prices.Rules[price.StorageName(class, v.Tier)]
	if left := time.Duration(rule.MinimumDays)*24*time.Hour - now.Time().Sub(v.LastModified.Time()); rule.MinimumDays > 0 && left > 0 {
		s.early = s.early.Add(v.Size)
		s.once += usd * left.Hours() / (30 * 24)
	}
}

// into completes a header.
func (s *saved) into(h *plan.Header) {
	n := s.gone.Count
	e := plan.Estimate{Requests: map[string]int64{}, Seconds: float64(n) / deletionsASecond}
	if n > 0 {
		steps := (n + gcop.ForgottenAShard - 1) / gcop.ForgottenAShard
		e.Requests[price.Head], e.Requests[price.Delete] = n, steps
		e.Requests[price.List] = 3 * ((n + keysAListing - 1) / keysAListing) // of the archive, twice, and of the places
	}
	if s.probes {
		e.Requests[bucketop.ClassProbe] = 1
	}
	if s.prices != nil {
		e.USD, e.Prices, e.SavedUSD = s.prices.Cost(e.Requests, 0)+s.once, s.prices.Name(), s.month
	}
	h.Estimate = e
	if s.early.Count > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("versions that are charged for longer than they will have been there: %d, with %d bytes; that is part of the estimate", s.early.Count, s.early.Bytes))
	}
	for _, class := range slices.Sorted(maps.Keys(s.unknown)) {
		h.Warnings = append(h.Warnings, "the prices know no class "+cooper.Quote(class)+": it counts as STANDARD")
	}
	if e.SavedUSD > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("saves %.2f USD a month", e.SavedUSD))
	}
}
