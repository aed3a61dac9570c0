package bucketop

import (
	"fmt"

	"cooper"
	"cooper/internal/plan"
)

// Place is where a bucket is and what it keeps.
type Place struct {
	// Endpoint is the URL of the store that has it; empty for Amazon S3. A bucket
	// of that name elsewhere is another one.
	Endpoint string
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
	case now.Endpoint != planned.Endpoint:
		e.Message = fmt.Sprintf("was made for the bucket at %s, not for the one at %s", planned.store(), now.store())
		e.Remedy = "Give the --endpoint-url that it was made with, or make a new plan."
	case now.Versioning != planned.Versioning:
		e.Message = fmt.Sprintf("was made while versioning of the bucket was %s; it is %s now", planned.versioning(), now.versioning())
	default:
		return nil
	}
	return e
}

func (p Place) store() string {
	if p.Endpoint == "" {
		return "Amazon S3"
	}
	return cooper.Quote(p.Endpoint)
}

func (p Place) versioning() string {
	if p.Versioning == "" {
		return "never enabled"
	}
	return p.Versioning
}
