package bucketop

import (
	"fmt"

	"cooper"
	"cooper/internal/plan"
)

// Place is where a bucket is and what it keeps.
type Place struct {
	// Store is the one that has it. A bucket of that name elsewhere is another one.
	Store cooper.Store
	// Versioning is Enabled, Suspended, or empty for never.
	Versioning string
}

// CheckTarget refuses a plan that was not made for path, s3://BUCKET/PREFIX, of
// this store while it was as it is now.
func CheckTarget(h plan.Header, path string, now, planned Place) error {
	e := &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Remedy: "Make a new plan."}
	switch {
	case h.Target.Kind != TargetKind || h.Target.Path != path:
		e.Message = fmt.Sprintf("was made for the %s %s, not for %s", h.Target.Kind, cooper.Quote(h.Target.Path), cooper.Quote(path))
	case planned.Store.Contradicts(&now.Store):
		return cooper.AnotherStore("plan "+h.ID, "was made for the bucket", &planned.Store, &now.Store,
			"Give the --endpoint-url and --profile that it was made with, or make a new plan.")
	case now.Versioning != planned.Versioning:
		e.Message = fmt.Sprintf("was made while versioning of the bucket was %s; it is %s now", planned.versioning(), now.versioning())
	default:
		return nil
	}
	return e
}

// PlannedStore is that of a plan; of plans that do not say so, endpoint, which their
// policy told, is all that is known.
func PlannedStore(h *plan.Header, endpoint string) cooper.Store {
	if h.Store != nil {
		return *h.Store
	}
	return cooper.Store{Endpoint: endpoint}
}

func (p Place) versioning() string {
	if p.Versioning == "" {
		return "never enabled"
	}
	return p.Versioning
}
