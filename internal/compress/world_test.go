package compress

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// snap is a snapshot in memory.
type snap struct {
	meta     inventory.Meta
	versions []cooper.Version
	rejected []string
}

func (s *snap) Meta() inventory.Meta { return s.meta }

func (s *snap) Versions(_ context.Context, prefix string) inventory.Iterator {
	vs := slices.DeleteFunc(slices.Clone(s.versions), func(v cooper.Version) bool { return !cooper.HasPrefix(v.Key, prefix) })
	slices.SortStableFunc(vs, func(a, b cooper.Version) int { return a.Compare(&b) })
	return &walk{vs: vs}
}

func (s *snap) RejectedKeys(context.Context) inventory.Keys {
	return &list[string]{slices.Compact(slices.Sorted(slices.Values(s.rejected)))}
}

// walk overwrites what it gave, as the contract allows.
type walk struct {
	vs  []cooper.Version
	one cooper.Version
}

func (w *walk) Next() (*cooper.Version, error) {
	if len(w.vs) == 0 {
		return nil, io.EOF
	}
	w.one, w.vs = w.vs[0], w.vs[1:]
	return &w.one, nil
}

func (w *walk) Close() error { return nil }

// list gives what it holds, one after the other.
type list[T any] struct{ left []T }

func (l *list[T]) Next() (x T, err error) {
	if len(l.left) == 0 {
		return x, io.EOF
	}
	x, l.left = l.left[0], l.left[1:]
	return x, nil
}

func (l *list[T]) Close() error { return nil }

// recorder takes a plan down.
type recorder struct {
	actions []cooper.Action
	header  plan.Header
}

func (r *recorder) Phase(string) error { return nil }

func (r *recorder) Add(a cooper.Action, cut bool) error {
	if !cut {
		return fmt.Errorf("%s must not be torn from the object before", a.Version.Key)
	}
	a.ID = int64(len(r.actions))
	r.actions = append(r.actions, a)
	return nil
}

func (r *recorder) Finish(h plan.Header) (plan.Header, error) {
	r.header = h
	return h, nil
}

// names gives the actions in order: key@version, what is only measured in
// brackets, and the guard, if any.
func (r *recorder) names() string {
	var parts []string
	for _, a := range r.actions {
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

func (r *recorder) skipped() string {
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(r.header.Skipped)) {
		parts = append(parts, fmt.Sprintf("%d %s", r.header.Skipped[why].Count, why))
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
func snapOf(vs ...cooper.Version) *snap {
	s := &snap{meta: inventory.Meta{ID: "s-1", Bucket: "lab", Complete: true, TakenAt: now - 1000}, versions: vs}
	for i := range vs {
		if vs[i].DeleteMarker {
			s.meta.DeleteMarkers++
		} else {
			s.meta.Versions++
			s.meta.Bytes += vs[i].Size
		}
	}
	return s
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
func planned(t testing.TB, s *snap, p Policy, change ...func(*Inputs)) (*recorder, error) {
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
	return func(in *Inputs) { in.Known = &list[Fact]{fs} }
}
