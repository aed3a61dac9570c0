// Package uploads decides which unfinished multipart uploads of a bucket are aborted:
// those below a prefix that were begun long enough ago and of which no part has come
// for a day.
//
// It promises that it takes none of which that cannot be told, none that is protected,
// and none of Cooper's own; that it holds no more than one upload in memory; and that a
// listing which fails makes no plan, rather than one of less. Uploads are handed in as
// they were listed, with what has come of them; what has changed since is left to the
// verb, which looks again.
package uploads

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// Mission is the name of this mission in plans.
const Mission = "purge-uploads"

// Why uploads are aborted, in Header.Reasons.
const (
	ReasonParts = "with parts"
	ReasonEmpty = "without a part"
)

// Why uploads are left alone, in Header.Skipped.
const (
	SkippedYoung     = "young"     // begun too lately
	SkippedActive    = "active"    // a part has come within a day
	SkippedProtected = "protected" // below a protected prefix
	SkippedOurs      = "ours"      // a run of Cooper's has it under way, or will discard it
	SkippedUntold    = "untold"    // the store does not tell when it was begun, or what has come of it
	SkippedUnnamed   = "unnamed"   // the listing cannot tell its key or id
)

// LeastAge is how old an upload must be at least.
const LeastAge = 24 * time.Hour

// Upload is an unfinished one.
type Upload struct {
	Key, ID   string
	Initiated cooper.Instant // by the store's clock; 0: not told
	Class     string         // of the object that it would become
	// Told: Parts, Bytes and Newest are known. Newest is when the newest part came; 0
	// where there is none, or the store does not say.
	Told   bool
	Parts  int
	Bytes  int64
	Newest cooper.Instant
	// Ours: a journal of Cooper's has noted it. Unnamed: its key is not what it is
	// called in the store.
	Ours, Unnamed bool
}

// Policy holds the parameters.
type Policy struct {
	// Prefix is what the keys lie below: empty for the whole bucket, or with a slash at
	// its end.
	Prefix string `json:"prefix,omitempty"`
	// OlderThan is in seconds, since an upload was begun.
	OlderThan float64 `json:"older_than"`
	// Protect are prefixes below which nothing is aborted. A folder that is just *
	// stands for any one.
	Protect bucketop.Protection `json:"protect,omitempty"`
	// ShareLimit is the share of the uploads below the prefix, or of their bytes, that a
	// plan may abort before a person must confirm it: 0 to 1.
	ShareLimit float64 `json:"share_limit"`
}

// Inputs is all that a plan follows from.
type Inputs struct {
	Bucket string
	Policy Policy
	// Each calls f with every upload of the bucket below the prefix; its order is that of
	// the plan.
	Each func(ctx context.Context, f func(u *Upload) error) error
	// Judged is told of every upload, and why it is left alone; empty where it is to be
	// aborted.
	Judged func(u *Upload, why string)
	Prices price.Costs
	Store  *cooper.Store
	ID     string         // of the plan
	Now    cooper.Instant // by this machine's clock
	Clock  cooper.Instant // by the store's
}

// Plan writes the plan that aborts what the policy says.
func Plan(ctx context.Context, in Inputs, w plan.Sink) (none plan.Header, err error) {
	if err := in.Policy.Check(); err != nil {
		return none, err
	}
	if err := w.Phase(bucketop.Abort); err != nil {
		return none, err
	}
	t := tally{reasons: map[string]plan.Tally{}, skipped: map[string]plan.Tally{}, idle: slices.Clone(in.Policy.Protect)}
	err = in.Each(ctx, func(u *Upload) error {
		if !cooper.HasPrefix(u.Key, in.Policy.Prefix) {
			return nil
		}
		t.idle = slices.DeleteFunc(t.idle, func(x string) bool { return bucketop.Protection{x}.Covers(u.Key) })
		why := in.Policy.leaves(u, in.Clock)
		in.Judged(u, why)
		if t.count(u, why); why != "" {
			return nil
		}
		return w.Add(cooper.Action{Verb: bucketop.Abort, Args: bucketop.AbortArgs{Parts: u.Parts}.Encode(), Version: cooper.Version{
			Identity: cooper.Identity{Key: u.Key, VersionID: u.ID, Size: u.Bytes, LastModified: u.Initiated}, StorageClass: u.Class,
		}}, true)
	})
	if err != nil {
		return none, err
	}
	policy, err := json.Marshal(in.Policy)
	if err != nil {
		return none, &cooper.Error{Kind: cooper.KindUsage, Where: "policy", Message: "cannot be written down", Err: err}
	}
	h := plan.Header{
		ID: in.ID, Mission: Mission, Created: in.Now, Policy: policy, Partial: true, Store: in.Store,
		Target: plan.Target{Kind: bucketop.TargetKind, Path: "s3://" + in.Bucket + "/" + in.Policy.Prefix},
	}
	t.into(&h, &in)
	return w.Finish(h)
}

// leaves tells why an upload is left alone; nothing if it is not. What cannot be told
// counts against aborting it.
func (p *Policy) leaves(u *Upload, now cooper.Instant) string {
	switch {
	case u.Ours:
		return SkippedOurs
	case p.Protect.Covers(u.Key):
		return SkippedProtected
	case u.Unnamed || u.ID == "" || !utf8.ValidString(u.Key) || !utf8.ValidString(u.ID):
		return SkippedUnnamed
	case u.Initiated == 0:
		return SkippedUntold
	case !Since(u.Initiated, now, p.Age()):
		return SkippedYoung
	case !u.Told || u.Parts > 0 && u.Newest == 0:
		return SkippedUntold
	case u.Parts > 0 && !Since(u.Newest, now, bucketop.QuietUpload):
		return SkippedActive
	}
	return ""
}

// Age is how old an upload must be.
func (p *Policy) Age() time.Duration { return time.Duration(p.OlderThan * float64(time.Second)) }

// Since tells whether something is longer ago than d.
func Since(at, now cooper.Instant, d time.Duration) bool { return now.Time().Sub(at.Time()) > d }

// SamePolicy tells whether a plan was made with the policy p.
func SamePolicy(h *plan.Header, p Policy) bool {
	its, err := PolicyOf(h)
	return err == nil && reflect.DeepEqual(its, p)
}

// PolicyOf reads the policy of a plan.
func PolicyOf(h *plan.Header) (p Policy, err error) {
	if err = json.Unmarshal(h.Policy, &p); err != nil || h.Mission != Mission {
		return p, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "it is no plan to abort uploads", Err: err}
	}
	return p, p.Check()
}

// Check says what is wrong with a policy.
func (p *Policy) Check() error {
	wrong := func(where, message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: message, Remedy: remedy}
	}
	switch {
	case p.Prefix != "" && !strings.HasSuffix(p.Prefix, "/"):
		return wrong("prefix "+cooper.Quote(p.Prefix), "it has no slash at its end, so it could mean its siblings, too", fmt.Sprintf("Write %s for what lies below.", cooper.Quote(p.Prefix+"/")))
	// Written so that what is no number is refused, too.
	case !(p.OlderThan >= LeastAge.Seconds() && p.OlderThan <= math.MaxInt64/1e9):
		return wrong("--older-than", "an upload that was begun less than a day ago may well be under way", "Give a day at least, such as 30d.")
	case !(p.ShareLimit >= 0 && p.ShareLimit <= 1):
		return wrong(fmt.Sprintf("share limit %g", p.ShareLimit), "not a share", "Give a number from 0 to 1, such as 0.1.")
	}
	return p.Protect.Check()
}
