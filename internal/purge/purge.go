// Package purge decides which versions of a bucket are removed for good: by
// prefix, by a list of keys or by SQL, all of them, those that are not current,
// or delete markers that hide nothing.
//
// It reads a snapshot in order, in memory that does not depend on its size, and
// writes a plan. It promises that only versions in the snapshot and below the
// prefix are chosen; that nothing protected, ambiguous or unreadable is; and
// that no plan makes an older version the current one: the latest version of a
// key is chosen only together with all others of it, and goes last. It touches
// no object: what has changed since the snapshot is left to the verb, which
// looks again.
package purge

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// Mission is the name of this mission in plans.
const Mission = "purge"

// What of a key is chosen.
const (
	All        = "all"        // every version and delete marker
	Noncurrent = "noncurrent" // all but the latest
	Markers    = "markers"    // the delete markers of keys that have nothing else
)

// Why a version is removed, in Header.Reasons.
const (
	ReasonLatest     = "latest"
	ReasonNoncurrent = "noncurrent"
	ReasonMarker     = "delete marker"
)

// Why versions that were asked for are left alone, in Header.Skipped.
const (
	SkippedProtected    = "protected"    // below a protected prefix
	SkippedAmbiguous    = "ambiguous"    // the key has several latest versions, or an id twice
	SkippedHidden       = "hidden"       // the key has no latest version: which one is by now is not known
	SkippedRejected     = "rejected"     // the snapshot has rows of the key that make no sense
	SkippedExposes      = "exposes"      // an older version would become the current one
	SkippedOverwritable = "overwritable" // a null version that the store cannot keep apart from one written since
	SkippedMany         = "many"         // the latest version of a key with very many: a second purge can have it
)

// Policy holds the parameters of a purge.
type Policy struct {
	// Prefix is what the keys lie below: empty for the whole bucket, or with a
	// slash at its end.
	Prefix   string `json:"prefix,omitempty"`
	Versions string `json:"versions"` // All, Noncurrent or Markers
	// OlderThan is in seconds: since when a version is not current, for
	// Noncurrent; since it was written, for the others. 0: of any age.
	OlderThan float64 `json:"older_than,omitempty"`
	// Chosen says what narrows the purge further: the SQL, or the list of keys
	// with its SHA-256; empty for nothing.
	Chosen string `json:"chosen,omitempty"`
	// Protect are prefixes below which nothing is removed. A folder that is just *
	// stands for any one.
	Protect bucketop.Protection `json:"protect,omitempty"`
	// ShareLimit is the share of the snapshot's versions, or of their bytes, that
	// a plan may remove before a person must confirm it: 0 to 1.
	ShareLimit float64 `json:"share_limit"`
	// Unguarded removes also null versions that could be overwritten in the
	// instant between the look and the removal.
	Unguarded bool `json:"unguarded,omitempty"`
	// Endpoint is the URL of the store that has the bucket; empty for Amazon S3.
	// A bucket of that name elsewhere is another one.
	Endpoint string `json:"endpoint,omitempty"`
	// Versioning is the bucket's when the plan was made: Enabled, Suspended, or
	// empty for never.
	Versioning string `json:"versioning,omitempty"`
}

// Inputs is all that a purge plan follows from.
type Inputs struct {
	Snapshot inventory.View
	Policy   Policy
	Chosen   Choices     // nil: everything below the prefix
	Prices   price.Costs // nil: no cost
	// Store has the bucket; Moved: it may be another than the snapshot's.
	Store *cooper.Store
	Moved bool
	ID    string // of the plan
	Now   cooper.Instant
}

const phaseRemove = "remove"

// clockSkew is by how much the clocks of store and machine may differ without
// one of them being taken for wrong.
const clockSkew = 15 * time.Minute

// Plan writes the plan that removes what the policy says. It refuses, with
// KindRefused, a snapshot that does not tell all there is to know: an
// incomplete one, one with rows whose key cannot be read, one of current
// versions only where there may be others; and a clock that is behind it.
func Plan(ctx context.Context, in Inputs, w plan.Sink) (plan.Header, error) {
	meta := in.Snapshot.Meta()
	if err := in.Policy.Check(); err != nil {
		return plan.Header{}, err
	}
	if err := in.admit(&meta); err != nil {
		return plan.Header{}, err
	}
	if err := w.Phase(phaseRemove); err != nil {
		return plan.Header{}, err
	}
	d := newDecider(&in, &meta, w)
	if err := d.all(ctx); err != nil {
		return plan.Header{}, err
	}
	policy, err := json.Marshal(in.Policy)
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindUsage, Where: "policy", Message: "cannot be written down", Err: err}
	}
	meta.Files = nil
	h := plan.Header{
		ID: in.ID, Mission: Mission, Created: in.Now, Policy: policy, Partial: true, Snapshot: &meta, Store: in.Store,
		Target: plan.Target{Kind: bucketop.TargetKind, Path: "s3://" + meta.Bucket + "/" + in.Policy.Prefix},
	}
	d.into(&h)
	return w.Finish(h)
}

// SamePolicy tells whether a plan was made with the policy p.
func SamePolicy(h *plan.Header, p Policy) bool {
	its, err := PolicyOf(h)
	return err == nil && reflect.DeepEqual(its, p)
}

// PolicyOf reads the policy of a purge plan.
func PolicyOf(h *plan.Header) (p Policy, err error) {
	if err = json.Unmarshal(h.Policy, &p); err != nil || h.Mission != Mission {
		return p, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "it is no plan of a purge", Err: err}
	}
	return p, nil
}

// Check says what is wrong with a policy.
func (p *Policy) Check() error {
	wrong := func(where, message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: message, Remedy: remedy}
	}
	switch {
	case p.Prefix != "" && !strings.HasSuffix(p.Prefix, "/"):
		return wrong("prefix "+cooper.Quote(p.Prefix), "it has no slash at its end, so it could mean its siblings, too",
			fmt.Sprintf("Write %s for what lies below; for the object of that very name give --keys.", cooper.Quote(p.Prefix+"/")))
	case p.Versions != All && p.Versions != Noncurrent && p.Versions != Markers:
		return wrong("--versions "+cooper.Quote(p.Versions), "is not known", "It is all, noncurrent or markers.")
	case !(p.OlderThan >= 0):
		return wrong("--older-than", "an age below nothing", "Give it like 30d.")
	// Written so that a limit which is no number is refused, too.
	case !(p.ShareLimit >= 0 && p.ShareLimit <= 1):
		return wrong(fmt.Sprintf("share limit %g", p.ShareLimit), "not a share", "Give a number from 0 to 1, such as 0.1.")
	}
	return p.Protect.Check()
}

// admit checks that a plan may be made from the snapshot at all.
func (in *Inputs) admit(meta *inventory.Meta) error {
	refused := func(message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: "snapshot " + meta.ID, Message: message, Remedy: remedy}
	}
	again := "Take a new snapshot: cooper purge plan … --list lists the bucket now."
	switch {
	case !meta.Complete:
		return refused("it is incomplete: what it does not list could come to light", again)
	case meta.Torn > 0:
		return refused(fmt.Sprintf("it has %d rows whose key cannot be read: any of them could be another version of a key that would be purged", meta.Torn), again)
	case meta.TakenAt == 0:
		return refused("it does not say when it was taken", again)
	case !cooper.HasPrefix(in.Policy.Prefix, meta.Scope.Prefix):
		return refused(fmt.Sprintf("it speaks of what lies below %s alone", cooper.Quote(meta.Scope.Prefix)), again)
	case meta.Scope.CurrentOnly && in.Policy.Versioning != "":
		return refused("it lists current versions only: behind each there may be older ones, which would become current", "Use an inventory of all versions, or --list.")
	case meta.TakenAt.Time().After(in.Now.Time().Add(clockSkew)):
		return refused(fmt.Sprintf("the clock says %s, but the snapshot was taken at %s", in.Now, meta.TakenAt), "Set the clock: how old a version is cannot be told by a wrong one.")
	case !in.Moved:
		return inventory.CheckStore(meta, in.Store)
	}
	return nil
}
