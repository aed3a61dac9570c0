package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cooper/internal/inventory"
	"cooper/internal/price"
)

const (
	// compressFrom is the least size in bytes of what is worth compressing.
	compressFrom = 4 * kib
	// compressRatio is how many bytes of text are assumed to become one.
	compressRatio = 4
)

// ranks order the storage classes as lifecycle rules may go through them: only
// to a higher rank.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
var ranks = map[string]int{
	"": 1, price.Standard: 1, "REDUCED_REDUNDANCY": 1, "STANDARD_IA": 2, tiering: 3, "ONEZONE_IA": 4, "GLACIER_IR": 4, "GLACIER": 5, "DEEP_ARCHIVE": 6,
}

const tiering = "INTELLIGENT_TIERING"

// savings are what common rules would bring, the most first. What would bring
// nothing is left out.
func savings(a *aggregate, opt *Options, meta *inventory.Meta, dups *Duplicates) []Saving {
	var list []Saving
	if !meta.Scope.CurrentOnly {
		list = append(list, a.expire(30), a.expire(90), a.expire(365))
	}
	for _, to := range []string{"STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"} {
		for _, days := range []int{30, 90, 180} {
			list = append(list, a.transition(&opt.Prices, to, days))
		}
	}
	list = append(list, a.tiering(&opt.Prices), a.shrink(&opt.Prices))
	if dups != nil {
		list = append(list, Saving{
			ID: "duplicates", Title: "Remove duplicates among latest versions", Affects: dups.Current, PerMonth: dups.Current.Cost, Loses: true,
			Basis: "Counted exactly: all but one of those with the same ETag and size. Something may rely on each of their keys.",
		})
	}
	list = slices.DeleteFunc(list, func(s Saving) bool { return s.Affects.Count == 0 || s.PerMonth <= 0 })
	if n := a.soleMarkers; n > 0 {
		list = append(list, Saving{
			ID: "expired-delete-markers", Title: "Remove delete markers that hide nothing", Affects: Amount{Count: n},
			Basis: "Counted exactly. They cost nothing to keep, but slow listings down.",
		})
	}
	sortSavings(list)
	return list
}

func sortSavings(list []Saving) {
	slices.SortStableFunc(list, func(a, b Saving) int {
		return cmp.Or(cmp.Compare(b.PerMonth, a.PerMonth), cmp.Compare(a.ID, b.ID))
	})
}

// expire drops noncurrent versions some days after they were superseded.
func (a *aggregate) expire(days int) Saving {
	s := Saving{
		ID: fmt.Sprintf("noncurrent-%dd", days), Title: fmt.Sprintf("Expire noncurrent versions after %d days", days),
		Loses: true, Basis: "Counted exactly, by when each version was superseded.",
	}
	markers := a.soleMarkers
	for age := range ages {
		if olderThan(age, days) {
			s.Affects.add(a.stale[age])
			markers += a.markers[age]
		}
	}
	if markers > 0 {
		s.Basis += fmt.Sprintf(" Delete markers that hide nothing then: %d; they can expire, too.", markers)
	}
	s.PerMonth = s.Affects.Cost
	return s
}

// transition moves large latest versions of some age to a cheaper class.
func (a *aggregate) transition(prices *price.Table, to string, days int) Saving {
	rate, known := prices.Rate(to, "")
	s := Saving{
		ID:    fmt.Sprintf("%s-%dd", strings.ReplaceAll(strings.ToLower(to), "_", "-"), days),
		Title: fmt.Sprintf("Move latest versions to %s after %d days (from 128 KiB)", to, days),
	}
	if !known {
		return s
	}
	for _, c := range a.classes.list {
		if from := ranks[c.class]; from == 0 || from >= ranks[to] {
			continue
		}
		var old Amount
		for age := range ages {
			if olderThan(age, days) {
				old.add(c.big[age])
			}
		}
		if saved := old.Cost - rate.Months(old.Count, old.Bytes); saved > 0 {
			s.Affects.add(old)
			s.PerMonth += saved
		}
	}
	rule := prices.Rules[to]
	s.Once = float64(s.Affects.Count) / 1000 * rule.Transition
	s.Basis = "Counted exactly, by age; what is in a class as cheap is left alone."
	if rule.Retrieval > 0 {
		s.Basis += fmt.Sprintf(" Reading costs $%g a GB", rule.Retrieval)
		if ranks[to] >= ranks["GLACIER"] {
			s.Basis += " and takes a restore of hours"
		}
		s.Basis += "."
	}
	if rule.MinimumDays > 0 {
		s.Basis += fmt.Sprintf(" What goes within %d days is charged for all of them.", rule.MinimumDays)
	}
	return s
}

// tiering moves what is in STANDARD to Intelligent-Tiering.
func (a *aggregate) tiering(prices *price.Table) Saving {
	s := Saving{ID: "intelligent-tiering", Title: "Move latest versions to " + tiering + " (from 128 KiB)"}
	frequent, known := prices.Rate(tiering, "FREQUENT")
	if !known {
		return s
	}
	infrequent, _ := prices.Rate(tiering, "INFREQUENT")
	archive, _ := prices.Rate(tiering, "ARCHIVE_INSTANT_ACCESS")
	for _, c := range a.classes.list {
		if ranks[c.class] != 1 {
			continue
		}
		for age, old := range c.big {
			rate := frequent
			if olderThan(age, 90) {
				rate = archive
			} else if olderThan(age, 30) {
				rate = infrequent
			}
			s.Affects.add(old)
			s.PerMonth += old.Cost - rate.Months(old.Count, old.Bytes)
		}
	}
	rule := prices.Rules[tiering]
	s.Once = float64(s.Affects.Count) / 1000 * rule.Transition
	s.Basis = fmt.Sprintf("At best: if nothing older than 30 days is read, and some months from now. Monitoring is taken off ($%g for 1,000 objects a month).", rule.Monitoring)
	return s
}

// shrink compresses what compresses.
func (a *aggregate) shrink(prices *price.Table) Saving {
	return Saving{
		ID: "compress", Title: "Compress .csv, .json, .log, .nii and the like", Affects: a.compress, PerMonth: a.saved,
		Once: prices.Cost(map[string]int64{price.Get: a.compress.Count, price.Put: a.compress.Count}, 0),
		Basis: fmt.Sprintf("Assumed: %d:1 for latest versions of 4 KiB and more whose suffix says so; nothing was read. "+
			"In a versioned bucket the originals cost until they expire.", compressRatio),
	}
}
