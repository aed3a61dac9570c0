package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/tree/keypath"
)

func (a *app) backupCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Back a bucket up to a tree, and look after it",
		Long: `A tree is a directory with a usable mirror of the bucket (DIR/mirror), everything
that was replaced or deleted (DIR/history), and a catalog that says where every
version is and how far it was verified (DIR/.cooper). With the layout inline, as
s3invsync has it, mirror and history share DIR itself.`,
		Example: `  cooper backup run s3://bucket /data/backup --list
  cooper backup status /data/backup
  cooper backup restore /data/backup --prefix images/ --to /tmp/images`,
	}
	cmd.AddCommand(a.backupRunCmd(), a.backupAdoptCmd(), a.backupPlanCmd(), a.backupStatusCmd(), a.backupVerifyCmd(), a.backupRestoreCmd(), a.backupRollbackCmd(), a.backupPruneCmd(),
		a.backupForgetCmd(), a.backupLsCmd(), a.backupHistoryCmd(), a.backupRebuildCmd())
	return group(cmd)
}

// backupFlags are what planning and applying a backup can be told.
type backupFlags struct {
	source   sourceFlags
	prefix   string
	match    string
	archived string
	share    string
	preset   string
	forward  bool
	older    bool
	prices   string
	keep     int
	dates    dateRange
	apply    applyFlags
	planOnly bool
}

func (f *backupFlags) registerPlan(cmd *cobra.Command) {
	f.source.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.source.snapshot, "snapshot", "", "use this snapshot (id, unique beginning, or latest)")
	cmd.MarkFlagsMutuallyExclusive("inventory", "list", "snapshot")
	fl.StringVar(&f.prefix, "prefix", "", "only keys below this prefix; a/b never means a/bc")
	fl.StringVar(&f.match, "match", "", "only keys that match this regular expression (RE2)")
	fl.StringVar(&f.archived, "archived", "", "what to do with versions in archive classes: defer (list them) or restore (ask for copies; a later run fetches them)")
	fl.StringVar(&f.share, "share-stop", "", "the share of the mirror that may go without a replacement before a person is asked, such as 10%")
	fl.StringVar(&f.preset, "preset", "careful", "safety parameters: careful or fast (share stop at 50%)")
	fl.BoolVar(&f.forward, "forward", false, "go on after a rollback")
	fl.BoolVar(&f.older, "older", false, "accept a snapshot that is older than what the tree follows")
	fl.StringVar((*string)(&f.apply.layout), "layout", "", "layout of the tree: sidecar (mirror/ and history/), or inline (older versions beside the latest, as s3invsync keeps them); a tree keeps the one it was made with, and a new one is sidecar")
	fl.StringVar(&f.prices, "prices", "", "a file of prices instead of the built-in ones (docs/formats/prices.md)")
}

// policy puts the mission's parameters together.
func (f *backupFlags) policy() (backup.Policy, error) {
	var p backup.Policy
	switch f.preset {
	case "careful":
		p = backup.Careful()
	case "fast":
		p = backup.Fast()
	default:
		return p, usage("--preset "+cooper.Quote(f.preset)+" is not known", "It is careful or fast.")
	}
	p.Prefix, p.Match, p.Forward, p.Older, p.Moved = f.prefix, f.match, f.forward, f.older, f.apply.moved
	if f.archived != "" {
		p.Archived = f.archived
	}
	return p, shareStop(f.share, &p)
}

// shareStop reads --share-stop into a policy, if it was given.
func shareStop(share string, p *backup.Policy) (err error) {
	p.ShareLimit, err = shareLimit(share, p.ShareLimit)
	return err
}

// shareLimit reads --share-stop; without it the limit is as it was.
func shareLimit(share string, limit float64) (float64, error) {
	if share == "" {
		return limit, nil
	}
	num, percent := strings.CutSuffix(share, "%")
	x, err := strconv.ParseFloat(num, 64)
	if err != nil {
		return limit, usage(fmt.Sprintf("--share-stop %s is not a share", cooper.Quote(share)), "Give it like 10% or 0.1.")
	}
	if percent {
		x /= 100
	}
	return x, nil
}

func (a *app) backupRunCmd() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use:   "run s3://BUCKET DIR",
		Short: "Snapshot, plan, apply: the daily command",
		Long: `Takes a snapshot, plans what has changed, and applies the plan. Whatever an
earlier run left half done is completed first. It can be killed at any instant;
the next run goes on, and uses what was fetched already.

With --from or --to it follows every report of a time, the oldest first, each by a
snapshot and a plan of its own, and so builds up history from old reports. Reports
that the tree has followed, or is ahead of, are passed over: after a stop the same
command goes on. Objects that fail do not stop it.

Exit codes: 0 done; 1 wrong use; 2 the run failed; 3 done, but some objects
failed; 4 refused for safety; 130 interrupted.`,
		Example: `  cooper backup run s3://bucket /data/backup --inventory s3://reports/inventory/bucket/daily/
  cooper backup run s3://bucket /data/backup --inventory s3://reports/ --from 2026-01-01
  cooper backup run s3://bucket /data/backup --list
  cooper backup run s3://bucket /data/backup --list --layout inline
  cooper backup run s3://bucket /data/backup --list --match '\.nii(\.gz)?$' --ignore access-denied`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.backupRun(cmd.Context(), args[0], args[1], &f)
		},
	}
	f.registerPlan(cmd)
	f.apply.register(cmd)
	a.runFlags(cmd)
	cmd.Flags().BoolVar(&f.planOnly, "plan-only", false, "write the plan and stop")
	cmd.Flags().StringVar(&f.dates.from, "from", "", "follow every report from this day (2026-01-01) or instant on, in order; without --to up to the newest")
	cmd.Flags().StringVar(&f.dates.to, "to", "", "follow every report up to the end of this day, or this instant; without --from all that are newer than what the tree follows")
	for _, other := range []string{"date", "list", "snapshot"} {
		cmd.MarkFlagsMutuallyExclusive("from", other)
		cmd.MarkFlagsMutuallyExclusive("to", other)
	}
	cmd.Flags().IntVar(&f.keep, "keep", 7, "how many snapshots and plans of this tree stay in the workspace; 0 keeps all")
	return cmd
}

func (a *app) backupPlanCmd() *cobra.Command {
	f := backupFlags{apply: applyFlags{jobs: 1}}
	cmd := &cobra.Command{
		Use:   "plan s3://BUCKET DIR",
		Short: "Plan a backup; touch nothing",
		Long:  "Takes a snapshot, compares it with the tree's catalog, and writes a plan to the workspace.",
		Example: `  cooper backup plan s3://bucket /data/backup --inventory s3://reports/inventory/bucket/daily/
  cooper plan show latest --actions
  cooper apply latest`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.backupPlan(cmd.Context(), args[0], args[1], &f)
		},
	}
	f.registerPlan(cmd)
	f.apply.registerMoved(cmd)
	return cmd
}

// ignorable are the names --ignore takes, among them those of s3invsync.
var ignorable = map[string]cooper.Kind{
	"missing": cooper.KindMissing, "denied": cooper.KindDenied, "changed": cooper.KindChanged, "archived": cooper.KindArchived,
	"corrupt": cooper.KindCorrupt, "conflict": cooper.KindConflict, "invalid": cooper.KindInvalid, "timeout": cooper.KindTimeout, "store": cooper.KindStore,
	"access-denied": cooper.KindDenied, "invalid-entry": cooper.KindInvalid, "invalid-object-state": cooper.KindArchived, "missing-old-version": cooper.KindMissing,
}

// applyFlags are what applying can be told.
type applyFlags struct {
	ignore  []string
	jobs    int
	confirm string
	undo    bool
	// anyAge: carry out a plan however old it is.
	anyAge bool
	// deleted is where a list of what a purge has removed goes.
	deleted string
	// anySpace: begin although the disk seems to be too small.
	anySpace bool
	// layout is what the tree must have, or gets; empty is any.
	layout keypath.Layout
	// moved: the bucket may be in another store than the one that is remembered.
	moved bool
}

// registerMoved adds the flag of commands that a store is remembered for.
func (f *applyFlags) registerMoved(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.moved, "moved", false, "the bucket has moved: go on with this store, although another is remembered, and remember this one")
}

func (f *applyFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringSliceVar(&f.ignore, "ignore", nil, "kinds of failure to pass over: missing, denied, changed, archived, corrupt, conflict, invalid, timeout, store")
	fl.IntVar(&f.jobs, "jobs", 64, "objects worked on at once")
	fl.BoolVar(&f.anySpace, "no-space-check", false, "begin although the disk seems too small, as on one that compresses")
	f.registerMoved(cmd)
	fl.StringVar(&f.confirm, "confirm", "", "the digest of the decision or of the plan (8 characters or more): go on although the share stop says no")
}

// digestStart is what --confirm takes: enough of a digest not to be a slip.
var digestStart = regexp.MustCompile(`^[0-9a-f]{8,}$`)

// check looks at the flags before anything is opened or made.
func (f *applyFlags) check() error {
	if f.jobs < 1 {
		return usage("--jobs must be at least 1", "Leave it out for 64.")
	}
	if f.confirm != "" && !digestStart.MatchString(f.confirm) {
		return usage("--confirm "+cooper.Quote(f.confirm)+" is not the beginning of a digest", "`cooper plan show ID` shows the digest: give 8 characters of it or more.")
	}
	_, err := f.kinds()
	return err
}

// maxAge is how old a plan may be, 0 for any age.
func (f *applyFlags) maxAge() time.Duration {
	if f.anyAge {
		return 0
	}
	return maxPlanAge
}

// kinds are the kinds of failure to pass over.
func (f *applyFlags) kinds() ([]cooper.Kind, error) {
	var ks []cooper.Kind
	for _, name := range f.ignore {
		k, ok := ignorable[name]
		if !ok {
			return nil, usage("--ignore "+cooper.Quote(name)+" is not a kind of failure", "The kinds are: missing, denied, changed, archived, corrupt, conflict, invalid, timeout, store.")
		}
		ks = append(ks, k)
	}
	return ks, nil
}
