// Package compress decides which objects of a bucket are stored anew in a
// compressed form, which are only looked at for what they hold, and what all of
// that would cost and save.
//
// It reads a snapshot in order, beside what the ledger has learnt of contents,
// in memory that does not depend on the size of either, and writes a plan: of
// everything (Plan), or of a sample that is tried out (Sample), whose facts tell
// what the whole would come to (Evaluate). It promises that only current
// versions in the snapshot and below the prefix are chosen; that nothing
// protected, ambiguous, archived or without a key is; that an original goes only
// where no older version would become current and where an upload in the same
// instant would survive; and that each version it does not choose is counted,
// with the reason. It touches no object: what does not shrink, or has changed
// since, shows when it is read, and is left to the verbs.
package compress

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// The names of this mission in plans.
const (
	Mission         = "compress"
	MissionEstimate = "estimate" // its plans only read
)

// Why an object is chosen, in Header.Reasons.
const (
	ReasonPlain      = "to be compressed"
	ReasonCompressed = "compressed already" // by its name: it is read for what it holds
)

// Why versions are left alone, in Header.Skipped.
const (
	SkippedNoncurrent   = "not current"
	SkippedMarker       = "delete marker"
	SkippedAmbiguous    = "ambiguous"      // the key has several latest versions, or its id twice
	SkippedRejected     = "rejected"       // the snapshot has rows of the key that make no sense
	SkippedProtected    = "protected"      // below a protected prefix, or its replacement would be
	SkippedFiltered     = "filtered"       // does not match
	SkippedEmpty        = "empty"          // of 0 bytes
	SkippedSmall        = "small"          // below the least size
	SkippedProbe        = "probe"          // written by a run of Cooper to try the store
	SkippedArchived     = "archived"       // cannot be read until it is restored
	SkippedSSEC         = "SSE-C"          // encrypted at rest with a key that the store does not have
	SkippedLongKey      = "long key"       // with the suffix it would be too long
	SkippedNoKey        = "no key"         // no key is known that the application encrypted it with
	SkippedUndeclared   = "undeclared"     // nothing is declared that a wrong key would show by
	SkippedRemembered   = "remembered"     // an earlier run found that it is not worth it
	SkippedOlder        = "older behind"   // an older version would become the current one
	SkippedOverwritable = "overwritable"   // a version that cannot be kept apart from another, as no ETag is known
	SkippedOverwrites   = "overwrites"     // the write would destroy an older null version
	SkippedCompressed   = ReasonCompressed // of an estimate
)

// maxKey is the longest key S3 takes, in bytes.
const maxKey = 1024

// probeName begins the last part of the keys that probes have.
const probeName = ".cooper-probe-"

// KeyFolders are where applications that encrypt commonly keep their keys: one
// below each first folder. They are worth protecting, and need not be there.
const KeyFolders = "*/keys/"

// Policy holds the parameters of a plan.
type Policy struct {
	// Prefix is what the keys lie below: empty for the whole bucket, or with a
	// slash at its end.
	Prefix string `json:"prefix,omitempty"`
	// Match is a regular expression (RE2) that keys must match somewhere; empty
	// for all.
	Match string `json:"match,omitempty"`
	// MinSize, in bytes: smaller objects are left.
	MinSize int64               `json:"min_size"`
	Protect bucketop.Protection `json:"protect,omitempty"`
	// Expect declares what plain contents look like where the application
	// encrypts, as given: PATTERN=DECLARATION. What else is declared stands with
	// the keys.
	Expect []string `json:"expect,omitempty"`
	// Again chooses also what an earlier run left as not worth it.
	Again bool `json:"again,omitempty"`
	// WithoutTags: no object has tags, or they may be lost.
	WithoutTags bool `json:"without_tags,omitempty"`
	// Endpoint is the URL of the store that has the bucket; empty for Amazon S3.
	Endpoint  string             `json:"endpoint,omitempty"`
	Rewriting bucketop.Rewriting `json:"rewriting"`
	// Sampling is of plans that estimate.
	Sampling *Sampling `json:"sampling,omitempty"`
}

// Bucket is what a bucket is set to, as far as it matters here.
type Bucket struct {
	// Lock: object lock is enabled.
	Lock bool
	// Grants: each object may have an ACL of its own, which is asked for.
	Grants bool
	// KMS: what is written without other words is encrypted with KMS; BucketKey:
	// by a bucket key, which spares requests to it.
	KMS, BucketKey bool
}

// Inputs is all that a plan follows from.
type Inputs struct {
	Snapshot inventory.View
	Policy   Policy
	Bucket   Bucket
	// Known is what the ledger knows of contents; nil for nothing. The plan
	// reads it to its end and does not close it.
	Known Known
	// Store has the bucket; Moved: it may be another than the snapshot's.
	Store *cooper.Store
	Moved bool
	// Covered tells whether there is a key for an object, and how a wrong one
	// would be found out: KindMissing, KindInvalid. Needed where the codec
	// encrypts.
	Covered func(key string) error
	// Share is what stored objects are expected to come to, of their size; 0 if
	// nobody knows.
	Share  float64
	Prices *price.Table
	ID     string // of the plan
	Now    cooper.Instant
}

// clockSkew is by how much the clocks of store and machine may differ without
// one of them being taken for wrong.
const clockSkew = 15 * time.Minute

// phaseRewrite and phaseSample are the only phases of their plans.
const (
	phaseRewrite = "rewrite"
	phaseSample  = "sample"
)

// Plan writes the plan that compresses what the policy says. It refuses, with
// KindRefused, a snapshot that does not tell all there is to know, a clock that
// is behind it, and what would take the safety from the bucket's settings: an
// object lock that is to be written over.
func Plan(ctx context.Context, in Inputs, w plan.Sink) (plan.Header, error) {
	if err := in.check(); err != nil {
		return plan.Header{}, err
	}
	if err := w.Phase(phaseRewrite); err != nil {
		return plan.Header{}, err
	}
	meta := in.Snapshot.Meta()
	d, err := newDecider(&in, &meta, func(a cooper.Action) error { return w.Add(a, true) })
	if err != nil {
		return plan.Header{}, err
	}
	if err := d.all(ctx); err != nil {
		return plan.Header{}, err
	}
	h, err := in.header(Mission)
	if err != nil {
		return plan.Header{}, err
	}
	d.into(&h)
	h.Estimate = d.estimate()
	h.Warnings = d.warnings()
	for _, x := range d.idle {
		if x != KeyFolders {
			h.Warnings = append(h.Warnings, fmt.Sprintf("--protect %s covers nothing: no key of the snapshot below %s lies there; it counts from the bucket's top", cooper.Quote(x), cooper.Quote(h.Target.Path)))
		}
	}
	return w.Finish(h)
}

// header begins one.
func (in *Inputs) header(mission string) (plan.Header, error) {
	policy, err := in.Policy.written()
	if err != nil {
		return plan.Header{}, err
	}
	meta := in.Snapshot.Meta()
	meta.Files = nil
	return plan.Header{
		Store: in.Store,
		ID:    in.ID, Mission: mission, Created: in.Now, Policy: policy, Partial: true, Snapshot: &meta,
		Target: plan.Target{Kind: bucketop.TargetKind, Path: "s3://" + meta.Bucket + "/" + in.Policy.Prefix},
	}, nil
}

func (p *Policy) written() (json.RawMessage, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: "policy", Message: "cannot be written down", Err: err}
	}
	return b, nil
}

// decided is the policy without the figures that are filled in, which depend on the
// time.
func (p *Policy) decided() (json.RawMessage, error) {
	asked := *p
	asked.Sampling = &Sampling{Objects: p.Sampling.Objects, Bytes: p.Sampling.Bytes, Try: p.Sampling.Try}
	return asked.written()
}

// PolicyOf reads the policy of a plan of this mission.
func PolicyOf(h *plan.Header) (p Policy, err error) {
	if err = json.Unmarshal(h.Policy, &p); err != nil || h.Mission != Mission && h.Mission != MissionEstimate {
		return p, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "it is no plan that compresses", Err: err}
	}
	return p, nil
}

// Encrypted tells whether the application encrypts the objects.
func (p *Policy) Encrypted() bool { return p.Rewriting.Codec.Encrypt != codec.Clear }

// Check says what is wrong with a policy.
func (p *Policy) Check() error {
	wrong := func(where, message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: message, Remedy: remedy}
	}
	r := &p.Rewriting
	switch {
	case p.Prefix != "" && !strings.HasSuffix(p.Prefix, "/"):
		return wrong("prefix "+cooper.Quote(p.Prefix), "it has no slash at its end, so it could mean its siblings, too",
			fmt.Sprintf("Write %s for what lies below; single objects are named with --match.", cooper.Quote(p.Prefix+"/")))
	case p.MinSize < 0:
		return wrong("--min-size", "a size below nothing", "Give it like 512 or 4KiB.")
	case r.Codec.Compress.Method != codec.Zstd:
		return wrong("--codec "+r.Codec.Compress.String(), "what runs store is compressed by zstd", "Give one of "+codec.Levels()+"; the higher, the smaller and the slower.")
	case r.Mode != bucketop.Suffix && r.Mode != bucketop.InPlace:
		return wrong("--mode "+cooper.Quote(string(r.Mode)), "is not known", "It is suffix or in-place.")
	case r.Originals != bucketop.RemoveOriginals && r.Originals != bucketop.KeepOriginals:
		return wrong("--originals "+cooper.Quote(string(r.Originals)), "is not known", "It is remove or keep.")
	case r.Proof != bucketop.AsSent && r.Proof != bucketop.ReadBack:
		return wrong("--verify "+cooper.Quote(string(r.Proof)), "is not known", "It is sent or readback.")
	case !knownSSE(r.SSE):
		return wrong("--sse "+cooper.Quote(r.SSE), "is not known", "It is keep, bucket-default, AES256, or kms:KEY with the id, alias or ARN of a key.")
	// Written so that a share which is no number is refused, too.
	case !(r.MinSaving >= 0 && r.MinSaving < 1):
		return wrong(fmt.Sprintf("least saving %g", r.MinSaving), "not a share", "Give a number from 0 to below 1, such as 0.05.")
	case r.Mode == bucketop.InPlace && p.Encrypted():
		return wrong("--mode in-place", "objects that their application encrypts cannot be compressed in place: whoever decrypts them would take the compressed bytes for the content",
			"Use --mode suffix: KEY.zst says what it is.")
	case r.Mode == bucketop.InPlace && r.Originals == bucketop.KeepOriginals && r.Versioning != "Enabled":
		return wrong("--originals keep", "where versioning is not enabled, what is written in place takes the place of the original", "Use --mode suffix, or enable the bucket's versioning.")
	}
	if _, err := regexp.Compile(p.Match); err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: "--match", Message: "is no regular expression", Err: err,
			Remedy: `Write it as RE2 has it (https://github.com/google/re2/wiki/Syntax), such as '\.csv$'; what stands for itself takes a backslash: \( \. \[`}
	}
	return p.Protect.Check()
}

func knownSSE(s string) bool {
	key, kms := strings.CutPrefix(s, bucketop.SSEKMS)
	return kms && key != "" || s == bucketop.SSEDefault || s == bucketop.SSEKeep || s == bucketop.SSEAES
}

// check refuses inputs that no plan may be made from.
func (in *Inputs) check() error {
	if err := in.Policy.Check(); err != nil {
		return err
	}
	meta := in.Snapshot.Meta()
	refused := func(message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: "snapshot " + meta.ID, Message: message, Remedy: remedy}
	}
	r := &in.Policy.Rewriting
	estimates := in.Policy.Sampling != nil
	again := "Take a new snapshot: --list lists the bucket now."
	switch {
	case !meta.Complete:
		return refused("it is incomplete: what it does not list could come to light", again)
	case meta.Torn > 0 && !estimates:
		return refused(fmt.Sprintf("it has %d rows whose key cannot be read: any of them could be another version of a key that would be replaced", meta.Torn), again)
	case meta.TakenAt == 0:
		return refused("it does not say when it was taken", again)
	case !cooper.HasPrefix(in.Policy.Prefix, meta.Scope.Prefix):
		return refused(fmt.Sprintf("it speaks of what lies below %s alone", cooper.Quote(meta.Scope.Prefix)), again)
	case meta.Scope.CurrentOnly && r.Versioning != "" && !estimates:
		return refused("it lists current versions only: behind each there may be older ones, which would become current or be overwritten", "Use an inventory of all versions, or --list.")
	case meta.TakenAt.Time().After(in.Now.Time().Add(clockSkew)):
		return refused(fmt.Sprintf("the clock says %s, but the snapshot was taken at %s", in.Now, meta.TakenAt), "Set the clock.")
	case r.Mode == bucketop.InPlace && in.Bucket.Lock:
		return &cooper.Error{Kind: cooper.KindRefused, Where: "s3://" + meta.Bucket, Message: "object lock is enabled: what is compressed in place would leave the original behind it, locked, and save nothing",
			Remedy: "Use --mode suffix: it leaves locked originals alone."}
	case !in.Moved:
		return inventory.CheckStore(&meta, in.Store)
	}
	return nil
}
