package purge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// minimumDays are for how long storage is charged even if an object goes
// before.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
var minimumDays = map[string]int{"STANDARD_IA": 30, "ONEZONE_IA": 30, "GLACIER_IR": 90, "GLACIER": 90, "DEEP_ARCHIVE": 180}

// The price classes of requests.
const (
	classDelete = "DELETE"
	classList   = "LIST"
)

// rates are assumptions about the world: answers a second, of several requests
// at once. They decide nothing.
const (
	requestsASecond = 10
	perRequest      = 1000 // versions in one request
)

// tally counts everything that goes by.
type tally struct {
	removed, unchanged plan.Tally
	reasons, skipped   map[string]plan.Tally
	guards             map[bucketop.Guard]int64
	early              map[string]plan.Tally // by storage class, what is charged for longer than it was there
}

func newTally() tally {
	return tally{reasons: map[string]plan.Tally{}, skipped: map[string]plan.Tally{}, guards: map[bucketop.Guard]int64{}, early: map[string]plan.Tally{}}
}

func (t *tally) skip(why string, v *cooper.Version) { t.skipped[why] = t.skipped[why].Add(v.Size) }

func (t *tally) count(c *candidate, args *bucketop.Args, now time.Time) {
	v := c.row
	t.removed = t.removed.Add(v.Size)
	t.reasons[args.Reason] = t.reasons[args.Reason].Add(v.Size)
	t.guards[c.guard]++
	if days := minimumDays[v.StorageClass]; days > 0 && now.Sub(v.LastModified.Time()) < time.Duration(days)*24*time.Hour {
		t.early[v.StorageClass] = t.early[v.StorageClass].Add(v.Size)
	}
}

// into completes a header.
func (t *tally) into(h *plan.Header, in *Inputs) {
	h.Unchanged, h.Reasons, h.Skipped = t.unchanged, t.reasons, t.skipped
	h.Estimate = t.estimate(in.Prices)
	p := &in.Policy
	for _, class := range slices.Sorted(maps.Keys(t.early)) {
		h.Warnings = append(h.Warnings, fmt.Sprintf("%d versions (%d bytes) in the class %s are charged for %d days although they go before", t.early[class].Count, t.early[class].Bytes, class, minimumDays[class]))
	}
	if n := t.guards[bucketop.ByETag]; n > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("null versions, which an upload can overwrite at any time: %d; a probe must see the store refuse to remove what was overwritten, or nothing is removed", n))
	}
	if n := t.guards[bucketop.ByLook]; n > 0 && p.Versioning != "Enabled" {
		h.Warnings = append(h.Warnings, fmt.Sprintf("not airtight: %d null versions are removed after a look alone (--unguarded); an upload of the same key in the instant between would be lost", n))
	}
	for _, s := range []struct{ why, text string }{
		{SkippedExposes, "latest versions stay, as older ones that are not to go would become current"},
		{SkippedOverwritable, "null versions stay, as the store cannot tell them from one written since; --unguarded removes them after a look alone"},
		{SkippedMany, "latest versions stay, as their keys have too many others for one plan; purge again afterwards"},
		{SkippedAmbiguous, "versions stay, as their keys have several latest versions, or an id twice"},
		{SkippedHidden, "versions stay, as the snapshot shows no latest version of their keys, and so not which is current by now"},
		{SkippedRejected, "versions stay, as the snapshot has rows of their keys that make no sense"},
	} {
		if n := t.skipped[s.why].Count; n > 0 {
			h.Warnings = append(h.Warnings, fmt.Sprintf("%s: %d", s.text, n))
		}
	}
}

// estimate counts a look and a removal for each thousand versions.
func (t *tally) estimate(prices price.Costs) plan.Estimate {
	e := plan.Estimate{Requests: map[string]int64{}}
	if n := (t.removed.Count + perRequest - 1) / perRequest; n > 0 {
		e.Requests[classDelete], e.Requests[classList] = n, n // at least
		e.Seconds = float64(2*n) / requestsASecond
	}
	if t.guards[bucketop.ByETag] > 0 { // the probe
		e.Requests[bucketop.ClassProbe]++
	}
	if prices != nil {
		e.USD, e.Prices = prices.Cost(e.Requests, 0), prices.Name()
	}
	return e
}

func join(names []string) string { return strings.Join(names, ", ") }
