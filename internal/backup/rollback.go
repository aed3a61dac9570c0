package backup

import (
	"context"
	"errors"
	"fmt"
	"io"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// Rollback is all that a rollback plan follows from.
type Rollback struct {
	Catalog  Catalog
	Dir      string // of the tree, an absolute path
	Snapshot string // the id of a snapshot that the tree was brought to
	Policy   Policy // Prefix, Match, ShareLimit and Rates count
	// Fetch plans downloads for versions whose bytes the tree does not have, or
	// has damaged in history; without it they are left out, and what stands in their place stays.
	Fetch  bool
	Prices price.Costs
	ID     string // of the plan
	Now    cooper.Instant
}

// rollbackPolicy is what a rollback's plan says of its parameters.
type rollbackPolicy struct {
	Policy
	To    string         `json:"to"`
	At    cooper.Instant `json:"at"`
	Fetch bool           `json:"fetch,omitempty"`
}

// PlanRollback writes the plan after which the mirror shows an earlier snapshot
// again: from history, without network where the bytes are there. What it takes
// from the mirror goes to history; what the bucket showed, and when, stays as
// it is known.
func PlanRollback(ctx context.Context, in Rollback, w Writer) (plan.Header, error) {
	if err := in.Policy.check(); err != nil {
		return plan.Header{}, err
	}
	state := in.Catalog.State()
	to, err := observed(&state, in.Snapshot, in.Dir)
	if err != nil {
		return plan.Header{}, err
	}
	f, err := newFilter(in.Policy.Prefix, in.Policy.Match)
	if err != nil {
		return plan.Header{}, err
	}
	if f.prefix, err = commonPrefix(to.Prefix, in.Policy.Prefix); err != nil {
		return plan.Header{}, err
	}
	w.Transfers(treeop.Fetch)
	if err := w.Phase(phaseTree); err != nil {
		return plan.Header{}, err
	}
	b := &backwards{at: to.TakenAt, now: in.Now, fetch: in.Fetch, out: newEmitter(w, in.Policy.ShareLimit, in.Now)}
	err = eachKnown(ctx, in.Catalog, f.prefix, func(rows []catalog.Row) error {
		if !f.keeps(rows[0].Key) {
			return nil
		}
		return b.decide(rows)
	})
	if err != nil {
		return plan.Header{}, err
	}
	h, err := header(MissionRollback, in.ID, in.Now, rollbackPolicy{Policy: in.Policy, To: to.ID, At: to.TakenAt, Fetch: in.Fetch})
	if err != nil {
		return plan.Header{}, err
	}
	h.Target = plan.Target{Kind: targetTree, Path: in.Dir, Generation: state.Generation}
	if b.out.requests[classGet] > 0 {
		h.Source, h.Store = "s3://"+to.Bucket, state.Store
	}
	h.Snapshot = &inventory.Meta{ID: to.ID, Source: to.Source, Bucket: to.Bucket, TakenAt: to.TakenAt, Complete: to.Complete,
		Scope: inventory.Scope{Prefix: to.Prefix, CurrentOnly: to.CurrentOnly}}
	h.Partial = in.Policy.Match != "" || f.prefix != to.Prefix
	h.Estimate = b.out.estimate(in.Policy.Rates, in.Prices)
	b.out.into(&h)
	h.Warnings = append(h.Warnings, forgotten(&state, to.TakenAt)...)
	return w.Finish(h)
}

// observed finds a snapshot that the tree has shown whole.
func observed(state *catalog.State, id, dir string) (*catalog.Observed, error) {
	known := ""
	for i := len(state.Observed) - 1; i >= 0; i-- {
		o := &state.Observed[i]
		if !o.Finished {
			continue
		}
		if o.ID == id {
			return o, nil
		}
		if known == "" {
			known = fmt.Sprintf("; the last one it followed is %s of %s", o.ID, o.TakenAt)
		}
	}
	return nil, &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "the tree never followed snapshot " + cooper.Quote(id) + " to the end" + known,
		Remedy: "choose one that `cooper backup status` lists; restore --at gives any time, as well as it is known"}
}

// backwards decides what a rollback does, key by key.
type backwards struct {
	at, now cooper.Instant
	fetch   bool
	out     *emitter
}

func (b *backwards) decide(rows []catalog.Row) error {
	b.out.begin(rows)
	want := shownAt(rows, b.at)
	if want != nil && want.DeleteMarker {
		want = nil
	}
	if want != nil {
		v := versionOf(want)
		switch {
		case want.Place == catalog.Mirror:
			b.out.unchanged1(&v)
		case sound(want): // what is not is fetched, too, and never shown as it is
			if err := b.out.add(treeop.Promote, &v, want, treeop.Args{To: catalog.Mirror, Reason: Again}); err != nil {
				return err
			}
		default:
			if !b.fetch {
				b.out.absent(want)
				b.out.stays(rows)
				return nil
			}
			if err := b.out.add(treeop.Fetch, &v, want, treeop.Args{To: catalog.Mirror, Reason: New}); err != nil {
				return err
			}
		}
	}
	for i := range rows {
		r := &rows[i]
		if r.Place != catalog.Mirror || r == want {
			continue
		}
		v := versionOf(r)
		err := b.out.add(treeop.Retire, &v, r, treeop.Args{
			To: catalog.History, Reason: catalog.RolledBack, Superseded: b.now,
			NeedsReplacement: want != nil && want.Place != catalog.Mirror,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachKnown calls f for each key of the catalog under prefix.
func eachKnown(ctx context.Context, c Catalog, prefix string, f func(rows []catalog.Row) error) (err error) {
	it := c.Rows(ctx, prefix)
	defer func() { err = errors.Join(err, it.Close()) }()
	groups := newRowGroups(it)
	for n := 0; ; n++ {
		if n%pollEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		rows, err := groups.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(rows); err != nil {
			return err
		}
	}
}
