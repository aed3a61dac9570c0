package job

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/inventory"
	"cooper/internal/inventory/extsort"
	"cooper/internal/permit"
	"cooper/internal/tree"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/rebuild"
)

// Rebuild makes the catalog of a tree again, where it was lost.
type Rebuild struct {
	Dir string
	// Bucket is the one that the tree follows, where it is listed.
	Bucket string
	// Source is a snapshot of it, if there is one.
	Source Source
	// Layout is needed where nothing tells of the tree's.
	Layout keypath.Layout
	// PlanOnly tells what would be made, and changes nothing. Yes: do not ask.
	PlanOnly, Yes bool
	// Foreign is told of files that no version could have. Show shows what the catalog would
	// be, before anybody is asked; listed: a snapshot was looked at.
	Foreign func(path string) error
	Show    func(r *rebuild.Result, listed bool) error
}

// Rebuilt is what became of it.
type Rebuilt struct {
	Tree     string `json:"tree"`
	Snapshot string `json:"snapshot,omitempty"`
	rebuild.Result
	PlanOnly bool `json:"plan_only,omitempty"`
}

// Run looks at everything there is, asks, and makes the catalog.
func (b *Rebuild) Run(ctx context.Context, e *Env) (out Rebuilt, err error) {
	if err := b.check(e); err != nil {
		return out, err
	}
	err = e.begin(func(w *work) (err error) {
		if out.Tree, err = filepath.Abs(b.Dir); err != nil {
			return err
		}
		t, err := tree.OpenBroken(ctx, out.Tree, e.treeOptions(false, b.Layout))
		if err != nil {
			return err
		}
		defer finally(&err, t.Close)
		h := &held{work: w, run: w.ws.NewID("r"), tree: t}
		ctx, unlock, err := t.Lock(ctx, tree.Holder{Run: h.run, Command: "backup rebuild"})
		if err != nil {
			return err
		}
		defer finally(&err, unlock)
		if err := t.StillBroken(ctx); err != nil {
			return err
		}
		out.PlanOnly = b.PlanOnly
		return b.rebuild(ctx, h, &out)
	})
	return out, err
}

func (b *Rebuild) check(e *Env) error {
	if b.Layout != "" && !b.Layout.Known() {
		return usage("--layout "+cooper.Quote(string(b.Layout))+" is not known", "It is sidecar or inline.")
	}
	if b.Source.List && b.Bucket == "" {
		return usage("which bucket is to be listed?", "Give its name with --bucket.")
	}
	if b.Bucket != "" && !b.Source.List {
		return usage("--bucket goes with --list", "A report or a snapshot names its bucket itself.")
	}
	if b.Source.Given() {
		if err := b.Source.Check(); err != nil {
			return err
		}
	}
	return apart(e, b.Dir)
}

func (b *Rebuild) rebuild(ctx context.Context, h *held, out *Rebuilt) error {
	var snap *inventory.Snapshot
	if b.Source.Given() {
		var err error
		if snap, err = h.snapshot(ctx, b.Bucket, b.Source, ""); err != nil {
			return err
		}
		out.Snapshot = snap.Meta().ID
	}
	return h.tempDir(func(temp string) error {
		count := h.counters(nil)
		count.Phase("rebuild")
		stop := h.Listener.Follow(count)
		defer stop()
		return apply.Mend(h.run, func(p permit.Permit) (err error) {
			out.Result, err = rebuild.Run(ctx, h.tree, p, rebuild.Options{
				Look: b.PlanOnly, Now: h.now(), Progress: count,
				Sort: extsort.Options{Memory: h.Memory / 4, Dir: temp},
				Known: func(ctx context.Context, add func(*rebuild.Candidate) error) error {
					return h.candidates(ctx, snap, add)
				},
				Foreign: func(path string) error {
					stop()
					return b.Foreign(path)
				},
				Agree: func(res rebuild.Result) (bool, error) {
					stop()
					return h.consent(ctx, &decision{
						show:  func() error { return b.Show(&res, snap != nil) },
						given: b.Yes, question: "Make this the tree's catalog?", nothing: "nothing was changed", remedy: "Look with --plan-only, then give --yes.",
					})
				},
			})
			return err
		})
	})
}

// candidates gives the versions that a snapshot lists, if there is one, and those that
// the ledger's facts name.
func (h *held) candidates(ctx context.Context, snap *inventory.Snapshot, add func(*rebuild.Candidate) error) error {
	if snap != nil {
		if err := listedCandidates(ctx, snap, add); err != nil {
			return err
		}
	}
	return h.factCandidates(ctx, add)
}

func listedCandidates(ctx context.Context, snap *inventory.Snapshot, add func(*rebuild.Candidate) error) (err error) {
	it := snap.Versions(ctx, inventory.IterOptions{})
	defer finally(&err, it.Close)
	for {
		v, err := it.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := add(&rebuild.Candidate{Identity: v.Identity, DeleteMarker: v.DeleteMarker, Latest: v.Latest || snap.Meta().Scope.CurrentOnly, Source: rebuild.FromSnapshot}); err != nil {
			return err
		}
	}
}

func (h *held) factCandidates(ctx context.Context, add func(*rebuild.Candidate) error) error {
	return h.each(ctx, func(row []any) error {
		c := rebuild.Candidate{Source: rebuild.FromLedger}
		var is [5]bool
		c.Key, is[0] = row[0].(string)
		c.VersionID, is[1] = row[1].(string)
		c.ETag, is[2] = row[2].(string)
		c.Size, is[3] = row[3].(int64)
		at, isTime := row[4].(int64)
		c.LastModified, is[4] = cooper.Instant(at), isTime
		c.Hash, _ = row[5].([]byte)
		if is != [5]bool{true, true, true, true, true} {
			return senseless(row)
		}
		return add(&c)
	}, `SELECT DISTINCT key, coalesce(version_id, ''), coalesce(etag, ''), size, coalesce(CAST(epoch_ms(last_modified) AS BIGINT), 0), hash
		FROM outcome WHERE target = ? AND status = 'done' AND verb IN ('fetch', 'unarchive', 'retire', 'promote', 'verify')`, h.tree.Dir())
}
