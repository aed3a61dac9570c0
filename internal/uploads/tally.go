package uploads

import (
	"fmt"

	"cooper"
	"cooper/internal/plan"
)

// The price classes of requests.
const (
	classAbort = "DELETE"
	classList  = "LIST"
)

// Assumptions about the world; they decide nothing.
const (
	requestsASecond = 100  // of several requests at once
	perPage         = 1000 // uploads in an answer
)

// tally counts everything that goes by.
type tally struct {
	all, aborted     plan.Tally
	reasons, skipped map[string]plan.Tally
	idle             []string // protected prefixes that have covered no key yet
}

// count counts an upload and why it is left alone.
func (t *tally) count(u *Upload, why string) {
	t.all = t.all.Add(u.Bytes)
	switch {
	case why != "":
		t.skipped[why] = t.skipped[why].Add(u.Bytes)
		return
	case u.Parts == 0:
		t.reasons[ReasonEmpty] = t.reasons[ReasonEmpty].Add(0)
	default:
		t.reasons[ReasonParts] = t.reasons[ReasonParts].Add(u.Bytes)
	}
	t.aborted = t.aborted.Add(u.Bytes)
}

// into completes a header.
func (t *tally) into(h *plan.Header, in *Inputs) {
	h.Reasons, h.Skipped, h.Estimate = t.reasons, t.skipped, t.estimate(in)
	for _, s := range []struct{ why, text string }{
		{SkippedActive, "uploads stay, as a part of them has come within a day"},
		{SkippedOurs, "uploads stay, as runs of cooper have begun them: the next run that changes the bucket looks after them"},
		{SkippedUntold, "uploads stay, as it cannot be told when they were begun, or what has come of them (which takes the right s3:ListMultipartUploadParts)"},
		{SkippedUnnamed, "uploads stay, as the store's listing cannot tell what their keys are called"},
	} {
		if n := t.skipped[s.why].Count; n > 0 {
			h.Warnings = append(h.Warnings, fmt.Sprintf("%s: %d", s.text, n))
		}
	}
	for _, x := range t.idle {
		h.Warnings = append(h.Warnings, fmt.Sprintf("--protect %s covers nothing: no upload below %s lies there; it counts from the bucket's top", cooper.Quote(x), cooper.Quote(h.Target.Path)))
	}
	h.Share = plan.Share{Deletes: true, Of: "uploads", Removed: t.aborted.Count, RemovedBytes: t.aborted.Bytes, Scope: t.all.Count, ScopeBytes: t.all.Bytes, Limit: in.Policy.ShareLimit}
	if h.Share.Exceeded() {
		h.Warnings = append(h.Warnings, fmt.Sprintf("uploads that would be aborted: %d of %d, more than the limit of %.3g %%; applying asks for the decision's digest", h.Share.Removed, h.Share.Scope, 100*h.Share.Limit))
	}
}

// estimate counts the listings before and behind, and for each upload a look at its
// parts and an abort.
func (t *tally) estimate(in *Inputs) plan.Estimate {
	e := plan.Estimate{Requests: map[string]int64{}}
	if n := t.aborted.Count; n > 0 {
		e.Requests[classAbort], e.Requests[classList] = n, n+2*((t.all.Count+perPage-1)/perPage) // at least
		e.Seconds = float64(e.Requests[classAbort]+e.Requests[classList]) / requestsASecond
	}
	if in.Prices != nil {
		e.USD, e.Prices = in.Prices.Cost(e.Requests, 0), in.Prices.Name()
	}
	return e
}
