package report

import (
	"cmp"
	"slices"

	"cooper"
	"cooper/internal/price"
)

// oldUpload is how many days an unfinished upload may take before it is taken
// for forgotten.
const oldUpload = 7

// shownUploads is how many uploads a report lists.
const shownUploads = 20

// UploadCounter counts unfinished uploads as they are found in the bucket.
type UploadCounter struct {
	prices *price.Table
	now    cooper.Instant
	sum    Uploads
}

// NewUploadCounter begins to count; now is when the bucket is asked.
func NewUploadCounter(prices *price.Table, now cooper.Instant) *UploadCounter {
	return &UploadCounter{prices: prices, now: now, sum: Uploads{Seen: true}}
}

// Add counts an upload. It is sized if its parts and bytes are known. Class is
// the storage class of the object it would become.
func (c *UploadCounter) Add(u Upload, class string, sized bool) {
	s := &c.sum
	s.Count++
	if u.Initiated != 0 && (s.Oldest == 0 || u.Initiated < s.Oldest) {
		s.Oldest = u.Initiated
	}
	old := u.Initiated != 0 && c.now-u.Initiated >= oldUpload*day
	if !sized {
		if old {
			s.Old.Count++
		}
		return
	}
	// Parts wait for their object at the price of STANDARD where it would be
	// archived.
	if ranks[class] >= ranks["GLACIER"] {
		class = price.Standard
	}
	rate, _ := c.prices.Rate(class, "")
	cost := rate.Months(0, u.Bytes)
	s.Sized++
	s.Bytes = cooper.AddBytes(s.Bytes, u.Bytes)
	s.Cost += cost
	if old {
		s.Old.one(u.Bytes, cost)
	}
	s.Largest = append(s.Largest, u)
	if len(s.Largest) >= 2*shownUploads {
		c.trim()
	}
}

func (c *UploadCounter) trim() {
	slices.SortFunc(c.sum.Largest, func(a, b Upload) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Key, b.Key), cmp.Compare(a.UploadID, b.UploadID))
	})
	c.sum.Largest = c.sum.Largest[:min(shownUploads, len(c.sum.Largest))]
}

// Uploads gives what was counted. The reason why is empty if all were seen.
func (c *UploadCounter) Uploads(why string) Uploads {
	c.trim()
	u := c.sum
	u.Why = why
	u.Seen = why == "" || u.Count > 0
	return u
}

// SetUploads enters unfinished uploads into a report, and what aborting the old ones
// would save.
func (r *Report) SetUploads(u Uploads) {
	r.Uploads = u
	if u.Old.Count == 0 {
		return
	}
	basis := "Counted in the bucket just now."
	if u.Sized < u.Count {
		basis = "At least: the bytes of some uploads are not known."
	}
	r.Savings = append(r.Savings, Saving{
		ID: "abort-uploads-7d", Title: "Abort unfinished uploads after 7 days", Affects: u.Old, PerMonth: u.Old.Cost, Basis: basis,
	})
	sortSavings(r.Savings)
}
