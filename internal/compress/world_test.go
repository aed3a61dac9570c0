package compress

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/codec"
	"cooper/internal/inventory/invtest"
	"cooper/internal/price"
)

// recorder takes a plan down in which every object may begin a shard.
type recorder struct{ bucketoptest.Plan }

func (r *recorder) Add(a cooper.Action, cut bool) error {
	if !cut {
		return fmt.Errorf("%s must not be torn from the object before", a.Version.Key)
	}
	return r.Plan.Add(a, cut)
}

// names gives the actions in order: key@version, what is only measured in
// brackets, and the guard, if any.
func (r *recorder) names() string {
	var parts []string
	for _, a := range r.Actions {
		name := a.Version.Key + "@" + a.Version.VersionID
		if a.Verb == bucketop.Measure {
			name = "(" + name + ")"
		} else if args, err := bucketop.DecodeRewrite(a.Args); err != nil {
			name = err.Error()
		} else if args.Guard != bucketop.ByID {
			name += " by " + string(args.Guard)
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}

var now = cooper.InstantOf(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))

// current is the latest version of a key, of a thousand bytes.
func current(key, id string, change ...func(*cooper.Version)) cooper.Version {
	v := cooper.Version{Identity: cooper.Identity{Key: key, VersionID: id, ETag: "e" + id, Size: 1000, LastModified: now - 1e9}, Latest: true, StorageClass: "STANDARD"}
	for _, f := range change {
		f(&v)
	}
	return v
}

func older(v *cooper.Version)  { v.Latest, v.LastModified = false, v.LastModified-1000 }
func marker(v *cooper.Version) { v.DeleteMarker, v.ETag, v.Size = true, "", 0 }
func kms(v *cooper.Version)    { v.Encryption = "SSE-KMS" }

func sized(n int64) func(*cooper.Version) { return func(v *cooper.Version) { v.Size = n } }

func class(name string) func(*cooper.Version) {
	return func(v *cooper.Version) { v.StorageClass = name }
}

// snapOf is a complete snapshot of a whole bucket.
func snapOf(vs ...cooper.Version) *invtest.Snapshot {
	return invtest.SnapshotOf("lab", now-1000, vs...)
}

// usual is a policy with all defaults.
func usual(change ...func(*Policy)) Policy {
	p := Policy{MinSize: 512, Rewriting: bucketop.Rewriting{
		Codec: codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: 3}}, Mode: bucketop.Suffix, Originals: bucketop.RemoveOriginals,
		SSE: bucketop.SSEKeep, Proof: bucketop.AsSent, MinSaving: 0.05, Versioning: "Enabled",
	}}
	for _, f := range change {
		f(&p)
	}
	return p
}

func inPlace(p *Policy)   { p.Rewriting.Mode = bucketop.InPlace }
func keep(p *Policy)      { p.Rewriting.Originals = bucketop.KeepOriginals }
func suspended(p *Policy) { p.Rewriting.Versioning = "Suspended" }
func never(p *Policy)     { p.Rewriting.Versioning = "" }
func unguarded(p *Policy) { p.Rewriting.Unguarded = true }
func encrypted(p *Policy) { p.Rewriting.Codec.Encrypt = codec.AES256CFB8 }

func prices(t testing.TB) *price.Table {
	t.Helper()
	p, err := price.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// planned makes a plan.
func planned(t testing.TB, s *invtest.Snapshot, p Policy, change ...func(*Inputs)) (*recorder, error) {
	t.Helper()
	in := Inputs{Snapshot: s, Policy: p, Prices: prices(t), ID: "p-1", Now: now}
	for _, f := range change {
		f(&in)
	}
	var r recorder
	_, err := Plan(context.Background(), in, &r)
	return &r, err
}

// knowing has facts, sorted as the ledger gives them.
func knowing(fs ...Fact) func(*Inputs) {
	return func(in *Inputs) { in.Known = invtest.ListOf(fs...) }
}
