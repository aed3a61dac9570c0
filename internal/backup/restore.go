package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// Restore is all that a restore plan follows from.
type Restore struct {
	Catalog Catalog
	Dir     string // of the tree, an absolute path
	// Select says which version of each key; Keys, if any, which keys, and
	// Policy.Prefix and Policy.Match narrow those.
	Select Select
	Keys   []string
	Policy Policy
	// Dest is an absolute path, or s3://bucket/prefix.
	Dest string
	// Replace overwrites other content at the destination.
	Replace bool
	// Damaged copies bytes that are not those of the version, too.
	Damaged bool
	// Store has the bucket that Dest is in, nil if it is none.
	Store  *cooper.Store
	Prices price.Costs
	Free   *Space // at a destination that is a directory, nil if unknown
	ID     string // of the plan
	Now    cooper.Instant
}

// Select chooses one version of each key; its zero value what the mirror shows.
type Select struct {
	At      cooper.Instant `json:"at,omitempty"`         // what the bucket showed then
	Version string         `json:"version_id,omitempty"` // the version of this id
}

// restorePolicy is what a restore's plan says of its parameters.
type restorePolicy struct {
	Policy
	Tree    string   `json:"tree"`
	Select  Select   `json:"select"`
	Keys    []string `json:"keys,omitempty"`
	Replace bool     `json:"replace,omitempty"`
	Damaged bool     `json:"damaged,omitempty"`
}

const phaseCopy = "copy"

// OnlyBytes is what every plan that restores to a bucket warns of.
const OnlyBytes = "the tree keeps the bytes alone: the objects come back without their Content-Type and other headers, user metadata, tags, ACLs and storage class"

// PlanRestore writes the plan that copies versions out of a tree. Nothing to
// copy is an empty plan with a warning, not an error.
func PlanRestore(ctx context.Context, in Restore, w Writer) (plan.Header, error) {
	if err := in.check(); err != nil {
		return plan.Header{}, err
	}
	f, err := newFilter(in.Policy.Prefix, in.Policy.Match)
	if err != nil {
		return plan.Header{}, err
	}
	if err := w.Phase(phaseCopy); err != nil {
		return plan.Header{}, err
	}
	state := in.Catalog.State()
	c := &copies{sel: in.Select, replace: in.Replace, damaged: in.Damaged, out: newEmitter(w, in.Policy.ShareLimit, 0)}
	c.out.toBucket = strings.HasPrefix(in.Dest, "s3://")
	if in.Select.At != 0 {
		c.timeline = newTimeline(in.Select.At, state.Observed)
	}
	if err := c.walk(ctx, in.Catalog, f, in.Keys); err != nil {
		return plan.Header{}, err
	}
	h, err := header(MissionRestore, in.ID, in.Now, restorePolicy{Policy: in.Policy, Tree: in.Dir, Select: in.Select, Keys: in.Keys, Replace: in.Replace, Damaged: in.Damaged})
	if err != nil {
		return plan.Header{}, err
	}
	h.Target = plan.Target{Kind: targetDirectory, Path: in.Dest}
	if c.out.toBucket {
		h.Target.Kind, h.Store = targetBucket, in.Store
		h.Warnings = append(h.Warnings, OnlyBytes)
	}
	h.Partial = in.Policy.Prefix != "" || in.Policy.Match != "" || len(in.Keys) > 0
	h.Estimate = c.out.estimate(in.Policy.Rates, in.Prices)
	c.out.into(&h)
	for _, key := range c.unknown {
		h.Warnings = append(h.Warnings, "the tree knows no key "+cooper.Quote(key))
	}
	switch {
	case c.inexact == 0 && c.unsure:
		h.Warnings = append(h.Warnings, fmt.Sprintf("no snapshot was taken at %s itself: that nothing is chosen follows from the snapshots around it, as well as one can tell", in.Select.At))
	case c.inexact > 0:
		h.Warnings = append(h.Warnings, fmt.Sprintf("no snapshot was taken at %s itself: %d versions are chosen by the snapshots around it, as well as one can tell",
			in.Select.At, c.inexact))
	}
	if c.against > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("keys of which the store's times contradict what snapshots saw: %d; what was seen at the last snapshot before is given; give a snapshot's id for an exact answer", c.against))
	}
	if c.corrupt > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("versions whose bytes are known to be corrupt: %d; `cooper backup verify DIR --content --repair` fetches them again", c.corrupt))
	}
	if in.Select.At != 0 {
		h.Warnings = append(h.Warnings, forgotten(&state, in.Select.At)...)
	}
	if c.out.actions == 0 {
		h.Warnings = append(h.Warnings, nothingMatches(in.Select.At, state.Observed))
	}
	h.Warnings = append(h.Warnings, spaceWarnings(h.Estimate, in.Free)...)
	return w.Finish(h)
}

// nothingMatches says so, and why where the time asked for may be to blame.
func nothingMatches(at cooper.Instant, observed []catalog.Observed) string {
	const nothing = "nothing matches: there is nothing to restore"
	if at == 0 || len(observed) == 0 {
		return nothing
	}
	first := slices.MinFunc(observed, func(a, b catalog.Observed) int { return cmp.Compare(a.TakenAt, b.TakenAt) })
	if at >= first.TakenAt {
		return nothing
	}
	return fmt.Sprintf("%s; %s is before the first snapshot that the tree followed, %s of %s", nothing, at, first.ID, first.TakenAt)
}

func (in *Restore) check() error {
	if in.Select.At != 0 && in.Select.Version != "" {
		return &cooper.Error{Kind: cooper.KindUsage, Where: "--at and --version", Message: "both choose a version", Remedy: "give one of them"}
	}
	return in.Policy.check()
}

// errEnough ends a walk early.
var errEnough = errors.New("enough")

// copies decides what a restore copies, key by key.
type copies struct {
	sel      Select
	timeline *timeline // where sel.At is given
	replace  bool
	damaged  bool
	out      *emitter
	inexact  int64
	unsure   bool     // of some key it is not known what was shown, if anything
	against  int64    // keys of which times contradict what was seen
	corrupt  int64    // versions chosen that the catalog calls so
	unknown  []string // keys asked for that the catalog does not have
}

// walk goes through the keys that are asked for, or all; in order, each once.
func (c *copies) walk(ctx context.Context, from Catalog, f filter, keys []string) error {
	if len(keys) == 0 {
		return eachKnown(ctx, from, f.prefix, func(rows []catalog.Row) error {
			if !f.keeps(rows[0].Key) {
				return nil
			}
			return c.decide(rows)
		})
	}
	keys = slices.Clone(keys)
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if !f.keeps(key) {
			continue
		}
		found := false
		err := eachKnown(ctx, from, key, func(rows []catalog.Row) error {
			if rows[0].Key != key {
				return errEnough // the key itself sorts first
			}
			found = true
			return c.decide(rows)
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		if !found {
			c.unknown = append(c.unknown, key)
		}
	}
	return nil
}

func (c *copies) decide(rows []catalog.Row) error {
	c.out.begin(nil)
	if c.timeline != nil {
		row, exact, against := c.timeline.at(rows)
		if !exact {
			c.unsure = true
		}
		if row != nil && !row.DeleteMarker && !exact {
			c.inexact++
		}
		if against {
			c.against++
		}
		return c.copy(row)
	}
	if c.sel.Version != "" {
		return c.copy(ofID(rows, c.sel.Version))
	}
	for i := range rows {
		if r := &rows[i]; r.Place == catalog.Mirror {
			return c.copy(r)
		}
	}
	for i := range rows {
		// The mirror would show it, had its bytes arrived.
		if r := &rows[i]; r.Place == catalog.Nowhere && len(r.Shown)%2 == 1 {
			return c.copy(r)
		}
	}
	return nil
}

// ofID gives the version of an id, nil if there is none. The newest stands first: of
// null versions it is the one meant. But what only another program called so is
// that only where nobody else says which one is.
func ofID(rows []catalog.Row, id string) (row *catalog.Row) {
	for i := range rows {
		r := &rows[i]
		if r.VersionID != id {
			continue
		}
		if !onHearsay(r) {
			return r
		}
		if row == nil {
			row = r
		}
	}
	return row
}

func (c *copies) copy(r *catalog.Row) error {
	if r == nil || r.DeleteMarker {
		return nil
	}
	if r.Place == catalog.Nowhere {
		c.out.absent(r)
		return nil
	}
	if r.Check == cooper.Corrupt {
		c.corrupt++
	}
	v := versionOf(r)
	return c.out.add(treeop.CopyOut, &v, r, treeop.Args{Replace: c.replace, Damaged: c.damaged})
}
