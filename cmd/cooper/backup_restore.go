package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
	"cooper/internal/words"
)

// restoreFlags say what to copy out of a tree, and to where.
type restoreFlags struct {
	at, version, prefix, match, to string
	keys                           []string
	replace, damaged, planOnly     bool
	intoSource                     bool
	apply                          applyFlags
}

func (a *app) backupRestoreCmd() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore DIR --to DEST",
		Short: "Copy versions out of a tree, as the bucket was at any time",
		Long: `Copies files out of the tree, to a directory or a bucket: as the bucket is now
as far as the tree knows, as it was --at a time, or one --version. What is
already right at the destination is left as it is; a different file there is a
conflict unless --replace is given. Every byte is compared with what the tree knows
of it; damaged ones are not copied unless --damaged is given.

A time between two snapshots is answered as well as one can tell, with a warning.
Exit code 3 tells that versions were left out, as the tree does not have their bytes,
that a --key or --version is not there, that nothing matches at all, or that copying
some failed. So do damaged bytes, also with --damaged: the list of failures says which
files they are.

The bucket that the tree is a backup of is not written to without --into-source.`,
		Example: `  cooper backup restore /data/backup --at 2026-03-01 --prefix images/ --to /tmp/images
  cooper backup restore /data/backup --key a/b.txt --version 3sL4kqtJlcpXroDTDmJ --to .
  cooper backup restore /data/backup --prefix raw/ --to s3://other-bucket/raw-restored/`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.backupRestore(cmd.Context(), args[0], &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.at, "at", "", "a time: 2026-03-01T12:00:00Z, or 2026-03-01 for the beginning of that day (UTC); or a snapshot's id, for which the answer is exact; default the last that is known")
	fl.StringVar(&f.version, "version", "", "the version with this id")
	fl.StringVar(&f.prefix, "prefix", "", "only keys below this prefix; a/b never means a/bc")
	fl.StringVar(&f.match, "match", "", "only keys that match this regular expression (RE2)")
	fl.StringArrayVar(&f.keys, "key", nil, "this key (may be repeated)")
	fl.StringVar(&f.to, "to", "", "a directory, or s3://BUCKET/PREFIX/")
	fl.BoolVar(&f.replace, "replace", false, "overwrite what is different at the destination")
	fl.BoolVar(&f.intoSource, "into-source", false, "write to the very bucket that the tree is a backup of")
	fl.BoolVar(&f.damaged, "damaged", false, "copy damaged bytes as well, as they are, and list them as failed")
	fl.BoolVar(&f.planOnly, "plan-only", false, "write the plan and stop")
	f.apply.register(cmd)
	a.runFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("at", "version")
	return cmd
}

// parseTime takes a day (its beginning, UTC) or an instant.
func parseTime(s string) (cooper.Instant, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15-04Z", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return cooper.InstantOf(t), nil
		}
	}
	return 0, usage(cooper.Quote(s)+" is not a time", "Give a day, 2026-03-01, or an instant, 2026-03-01T12:00:00Z.")
}

// named is how many versions at least are asked for by name.
func (f *restoreFlags) named() int64 {
	if f.version != "" {
		return 1
	}
	return int64(len(slices.Compact(slices.Sorted(slices.Values(f.keys)))))
}

func (f *restoreFlags) selected() (backup.Select, error) {
	sel := backup.Select{Version: f.version}
	var err error
	if f.at != "" && !isSnapshotID(f.at) {
		sel.At, err = parseTime(f.at)
	}
	return sel, err
}

// isSnapshotID tells a snapshot's id, or the beginning of one, from a time.
func isSnapshotID(s string) bool { return s == latest || strings.HasPrefix(s, "s-") }

// momentOf gives the time that --at names, by itself or by a snapshot which the tree has
// followed: for that the answer is exact.
func momentOf(state catalog.State, at string) (cooper.Instant, error) {
	if !isSnapshotID(at) {
		return parseTime(at)
	}
	id, err := observedSnapshot(state, at)
	if err != nil {
		return 0, err
	}
	for _, o := range state.Observed {
		if o.ID == id && o.Complete && o.Finished {
			return o.TakenAt, nil
		}
	}
	return 0, usage("the tree never followed snapshot "+cooper.Quote(id)+" to the end, so nobody knows all that it showed", "Choose one that cooper backup status DIR lists, or give a time.")
}

func (a *app) backupRestore(ctx context.Context, dir string, f *restoreFlags) error {
	if f.to == "" {
		return usage("where shall the files go?", "Say so with --to DIR or --to s3://BUCKET/PREFIX/.")
	}
	sel, err := f.selected()
	if err != nil {
		return err
	}
	dest, bucket := f.to, ""
	if strings.HasPrefix(dest, "s3://") {
		bucket, _, err = cooper.ParseURL(dest)
	} else {
		dest, err = filepath.Abs(dest)
	}
	if err != nil {
		return err
	}
	policy := backup.Careful()
	policy.Prefix, policy.Match = f.prefix, f.match
	if err := policy.Check(); err != nil {
		return err
	}
	// Restoring reads the tree; the lock keeps a run from moving files away.
	return a.withTree(ctx, dir, "backup restore", readTree, &f.apply, func(ctx context.Context, d *drive) error {
		if isSnapshotID(f.at) {
			var err error
			if sel.At, err = momentOf(d.tree.State(), f.at); err != nil {
				return err
			}
		}
		store, err := d.restoresTo(ctx, bucket, dest, f)
		if err != nil {
			return err
		}
		h, err := a.writePlan(d.ws, func(id string, w *plan.Writer) (plan.Header, error) {
			return backup.PlanRestore(ctx, backup.Restore{
				Catalog: d.tree.Catalog(), Dir: d.tree.Dir(), Select: sel, Keys: f.keys, Policy: policy, Dest: dest, Replace: f.replace, Damaged: f.damaged, Store: store,
				ID: id, Now: cooper.InstantOf(a.clock()),
			}, w)
		})
		if err != nil {
			return err
		}
		if f.planOnly {
			return a.planned(ran{Plan: &h})
		}
		for _, w := range h.Warnings {
			a.caution("%s", w)
		}
		there, named := h.Totals[treeop.CopyOut].Count, f.named()
		if there < named {
			a.caution("asked for by name: %s; found: %s", words.Count(named), words.Count(there))
		}
		sum, err := d.apply(ctx, h.ID)
		if err := a.finished(ran{Plan: &h, Applied: &sum}, err); err != nil {
			return err
		}
		// They were asked for as the others were, and are not there. A warning says
		// so where nothing is.
		if h.Skipped[backup.SkippedMissing].Count+h.Skipped[backup.SkippedPruned].Count > 0 || there < named || there == 0 {
			return errSomeFailed
		}
		return nil
	})
}

// restoresTo says which store the bucket is in that is restored to, nil for a
// directory. The tree's own bucket is refused unless it is meant, and then one of its
// name in another store.
func (d *drive) restoresTo(ctx context.Context, bucket, dest string, f *restoreFlags) (*cooper.Store, error) {
	if bucket == "" {
		return nil, nil
	}
	state := d.tree.State()
	source := isSource(state, bucket)
	if source && !f.intoSource {
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: dest, Message: "this is the bucket that the tree is a backup of",
			Remedy: "Restore to another bucket or a directory; if the bucket itself is meant, give --into-source."}
	}
	b, store, err := d.open(ctx, bucket)
	if err != nil {
		return nil, err
	}
	if err := b.Close(); err != nil {
		return nil, err
	}
	if source && !f.apply.moved && state.Store.Contradicts(store) {
		return nil, cooper.AnotherStore(dest, "the tree follows the bucket", state.Store, store,
			"Give the --endpoint-url and --profile of the tree's bucket; if it is the same bucket, which has moved, or the one that is to take its place, give --moved.")
	}
	return store, nil
}

// isSource tells whether the tree ever followed a snapshot of the bucket, or is
// about to.
func isSource(state catalog.State, bucket string) bool {
	if r := state.Run; r != nil && r.Snapshot != nil && r.Snapshot.Bucket == bucket {
		return true
	}
	return slices.ContainsFunc(state.Observed, func(o catalog.Observed) bool { return o.Bucket == bucket })
}

// rollbackFlags say where to roll back to.
type rollbackFlags struct {
	to, prefix, match string
	fetch, planOnly   bool
	apply             applyFlags
}

func (a *app) backupRollbackCmd() *cobra.Command {
	var f rollbackFlags
	cmd := &cobra.Command{
		Use:   "rollback DIR --to SNAPSHOT",
		Short: "Make the mirror show an earlier snapshot again",
		Long: `Moves files between mirror and history so that the mirror shows a snapshot that
the tree followed before; no network is needed where the bytes are there. What the
mirror showed goes to history. Afterwards the tree is pinned: backup run refuses
until it is told --forward, so that tonight's cron job does not undo it.

Where the tree does not have the bytes of then any more, as a prune deleted them or
they are damaged, and the mirror shows another version of the key, it is refused
unless --fetch is given; cooper apply carries out the plan all the same.`,
		Example: `  cooper backup status /data/backup
  cooper backup rollback /data/backup --to s-20261119T0100
  cooper backup run s3://bucket /data/backup --inventory … --forward`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.backupRollback(cmd.Context(), args[0], &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.to, "to", "", "the snapshot: its id, a unique beginning, or the time it was taken")
	fl.StringVar(&f.prefix, "prefix", "", "only keys below this prefix")
	fl.StringVar(&f.match, "match", "", "only keys that match this regular expression (RE2)")
	fl.BoolVar(&f.fetch, "fetch", false, "fetch versions whose bytes the tree does not have")
	fl.BoolVar(&f.planOnly, "plan-only", false, "write the plan and stop")
	f.apply.register(cmd)
	a.runFlags(cmd)
	return cmd
}

func (a *app) backupRollback(ctx context.Context, dir string, f *rollbackFlags) error {
	if f.to == "" {
		return usage("to which snapshot?", "cooper backup status DIR lists them; choose with --to.")
	}
	policy := backup.Careful()
	policy.Prefix, policy.Match = f.prefix, f.match
	if err := policy.Check(); err != nil {
		return err
	}
	return a.withTree(ctx, dir, "backup rollback", changeTree, &f.apply, func(ctx context.Context, d *drive) error {
		to, err := observedSnapshot(d.tree.State(), f.to)
		if err != nil {
			return err
		}
		h, err := a.writePlan(d.ws, func(id string, w *plan.Writer) (plan.Header, error) {
			return backup.PlanRollback(ctx, backup.Rollback{
				Catalog: d.tree.Catalog(), Dir: d.tree.Dir(), Snapshot: to, Policy: policy, Fetch: f.fetch,
				ID: id, Now: cooper.InstantOf(a.clock()),
			}, w)
		})
		if err != nil {
			return err
		}
		if n := h.Skipped[backup.SkippedNewer].Count; n > 0 && !f.planOnly {
			return &cooper.Error{Kind: cooper.KindRefused, Where: d.tree.Dir(),
				Message: fmt.Sprintf("the mirror would not be as it was then: of %s, it would keep other contents, as the tree does not have those of then any more", words.Plural(n, "key")),
				Remedy:  "Give --fetch to get what the bucket still has. To go back without them: cooper apply " + h.ID}
		}
		return a.applyPlanned(ctx, d, ran{Plan: &h}, f.planOnly)
	})
}
