package job

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// Backup brings a tree to what a snapshot of its bucket shows.
type Backup struct {
	Bucket, Dir string
	Source      Source
	// Policy needs no Moved: the options tell.
	Policy backup.Policy
	// Prices is a file of prices; empty for the built-in ones.
	Prices string
	// Layout is what the tree must have, or gets; empty is any.
	Layout keypath.Layout
	// Keep is how many snapshots and plans of the tree stay in the workspace; 0: all.
	Keep int
	// Range is followed report by report; nil for the one that Source names.
	Range *Range
	Options

	prices price.Table
}

// Plan takes the snapshot and writes the plan that leads to it. It takes no lock and
// changes no tree: it reads the catalog as it is.
func (b *Backup) Plan(ctx context.Context, e *Env) (r Result, err error) {
	if err := b.check(e); err != nil {
		return r, err
	}
	err = e.begin(func(w *work) (err error) {
		abs, err := filepath.Abs(b.Dir)
		if err != nil {
			return err
		}
		if !HasTree(abs) {
			r, err = b.planned(ctx, w, noCatalog{}, nil, abs)
			return err
		}
		t, err := openTree(e, abs, false, b.Layout)
		if err != nil {
			return err
		}
		defer finally(&err, t.Close)
		r, err = b.planned(ctx, w, t.Catalog(), t, t.Dir())
		return err
	})
	return r, err
}

// Run chains snapshot, plan and apply under the tree's lock. Where several reports are
// followed, what came of each goes to Range alone.
func (b *Backup) Run(ctx context.Context, e *Env) (r Result, err error) {
	if err := b.check(e); err != nil {
		return r, err
	}
	one, first := *b, isFree(b.Dir)
	if first && b.Range != nil { // a mistyped place leaves nothing behind
		if err := b.reportsFirst(ctx, e); err != nil {
			return r, err
		}
	}
	err = e.begin(func(w *work) (err error) {
		if first && b.Range == nil {
			if one.Source, err = b.snapshotFirst(ctx, w); err != nil {
				return err
			}
		}
		at := place{dir: b.Dir, use: makeTree, layout: b.Layout, command: "backup run"}
		return w.hold(ctx, at, &b.Options, func(ctx context.Context, h *held) (err error) {
			if b.Range != nil {
				return one.follow(ctx, h)
			}
			r, err = one.once(ctx, h)
			return err
		})
	})
	return r, err
}

// check looks at what is there before anything is opened or made.
func (b *Backup) check(e *Env) (err error) {
	if b.Layout != "" && !b.Layout.Known() {
		return usage("--layout "+cooper.Quote(string(b.Layout))+" is not known", "It is sidecar or inline.")
	}
	if b.Keep < 0 {
		return usage("--keep must not be negative", "0 keeps all snapshots and plans.")
	}
	if b.prices, err = price.Load(b.Prices); err != nil {
		return err
	}
	for _, check := range []func() error{b.Source.Check, b.Policy.Check, func() error { return ParentOf(b.Dir) }, func() error { return apart(e, b.Dir) }} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// isFree tells whether nothing is at dir yet.
func isFree(dir string) bool {
	entries, err := os.ReadDir(dir)
	return len(entries) == 0 && (err == nil || errors.Is(err, fs.ErrNotExist))
}

// snapshotFirst takes the snapshot before there is a tree, so that a mistyped
// bucket leaves none behind.
func (b *Backup) snapshotFirst(ctx context.Context, w *work) (Source, error) {
	snap, err := b.snapshot(ctx, w)
	if err != nil {
		return Source{}, err
	}
	return Source{Snapshot: snap.Meta().ID}, nil
}

func (b *Backup) snapshot(ctx context.Context, w *work) (*inventory.Snapshot, error) {
	return w.snapshotOf(ctx, b.Bucket, b.Source, b.Policy.Prefix, ", or leave --snapshot out.")
}

// once brings the tree to one snapshot.
func (b *Backup) once(ctx context.Context, h *held) (r Result, err error) {
	made, err := b.planned(ctx, h.work, h.tree.Catalog(), h.tree, h.tree.Dir())
	if err != nil {
		return r, err
	}
	if err := h.Listener.ShowPlan(made.Plan, false); err != nil {
		return r, err
	}
	r, err = h.carryOutMade(ctx, made.Plan, &b.Options)
	r.Snapshot = made.Snapshot
	if err == nil || errors.Is(err, ErrSomeFailed) {
		if failed := h.retain(b.Keep); failed != nil {
			err = failed
		}
	}
	return r, err
}

// planned takes the snapshot and writes the plan that leads to it. space is nil where
// there is no tree yet.
func (b *Backup) planned(ctx context.Context, w *work, known backup.Catalog, space spacer, dir string) (r Result, err error) {
	snap, err := b.snapshot(ctx, w)
	if err != nil {
		return r, err
	}
	free, err := freeSpace(space)
	if err != nil {
		return r, err
	}
	policy := b.Policy
	policy.Moved = b.Moved
	h, err := w.writePlan(plan.Limits{}, func(id string, out *plan.Writer) (plan.Header, error) {
		return backup.Plan(ctx, backup.Inputs{
			Snapshot: backup.Of(snap), Catalog: known, Dir: dir, Layout: string(b.Layout), Policy: policy, Prices: b.prices, Free: free,
			ID: id, Now: w.now(), Clock: w.storeNow(),
		}, out)
	})
	if err != nil {
		return r, err
	}
	m := snap.Meta()
	m.Files = nil
	return Result{Snapshot: &m, Plan: &h}, nil
}

// spacer tells how much room there is.
type spacer interface{ Free() (safefs.Space, error) }

// freeSpace is nil where nobody knows yet.
func freeSpace(s spacer) (*backup.Space, error) {
	if s == nil {
		return nil, nil
	}
	free, err := s.Free()
	if err != nil {
		return nil, err
	}
	return &backup.Space{Bytes: free.Bytes, Inodes: free.Inodes}, nil
}

// retain drops what a tree has left in the workspace beyond the newest keep:
// snapshots it has followed, since its own catalog has what they said, and
// plans, since the ledger has what came of them.
func (h *held) retain(keep int) error {
	if keep <= 0 {
		return nil
	}
	snapshots, err := h.ws.Snapshots()
	if err != nil {
		return err
	}
	observed := h.tree.State().Observed
	snapshots = slices.DeleteFunc(snapshots, func(id string) bool {
		return !slices.ContainsFunc(observed, func(o catalog.Observed) bool { return o.ID == id })
	})
	for _, id := range snapshots[:max(0, len(snapshots)-keep)] {
		if err := h.ws.RemoveSnapshot(id); err != nil {
			return err
		}
	}
	plans, err := h.ws.Plans()
	if err != nil {
		return err
	}
	plans = slices.DeleteFunc(plans, func(id string) bool {
		p, err := plan.Open(h.ws.PlanDir(id))
		return err != nil || p.Header().Target.Path != h.tree.Dir()
	})
	for _, id := range plans[:max(0, len(plans)-keep)] {
		if err := h.ws.RemovePlan(id); err != nil {
			return err
		}
	}
	return nil
}

// noCatalog stands for the catalog of a tree that does not exist yet, so that
// a backup to it can be planned without making it.
type noCatalog struct{}

func (noCatalog) State() catalog.State { return catalog.State{Generation: catalog.FirstGeneration} }

func (noCatalog) Rows(context.Context, string) catalog.Iterator { return noRows{} }

type noRows struct{}

func (noRows) Next() (*catalog.Row, error) { return nil, io.EOF }

func (noRows) Close() error { return nil }
