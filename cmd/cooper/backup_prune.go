package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/plan"
	"cooper/internal/treeop"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// pruneFlags say what to delete from a tree's history.
type pruneFlags struct {
	olderThan, prefix, match, share string
	keepLast                        int
	planOnly, yes                   bool
	apply                           applyFlags
}

func (a *app) backupPruneCmd() *cobra.Command {
	f := pruneFlags{apply: applyFlags{jobs: 1}}
	cmd := &cobra.Command{
		Use:   "prune DIR --older-than AGE",
		Short: "Delete old versions from a tree's history",
		Long: `Deletes from DIR/history what was superseded longer ago than --older-than: the one
command that ever deletes from a tree. It shows a plan and asks. The age counts
from when a version was replaced or deleted in the bucket, never from when it was
written. What the mirror shows stays, and so do what the bucket still shows, the
newest bytes of a key whose latest version could not be fetched, and versions
superseded nobody knows when.

A pruned version that the bucket still has is not fetched again, unless it becomes
the latest. A plan that would delete more than 10% of the tree's versions, or of
their bytes, asks for its digest.`,
		Example: `  cooper backup prune /data/backup --older-than 90d --plan-only
  cooper backup prune /data/backup --older-than 1y --keep-last 3
  cooper backup prune /data/backup --older-than 2w --prefix scratch/ --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.backupPrune(cmd.Context(), args[0], &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.olderThan, "older-than", "", "how long ago a version must have been superseded: 12h, 90d, 2w, 1y (365 days)")
	fl.IntVar(&f.keepLast, "keep-last", 0, "how many versions of each key stay in history however old they are: those superseded last")
	fl.StringVar(&f.prefix, "prefix", "", "only keys below this prefix; a/b never means a/bc")
	fl.StringVar(&f.match, "match", "", "only keys that match this regular expression (RE2)")
	fl.StringVar(&f.share, "share-stop", "", "the share of the tree's versions, or of their bytes, that may go before the plan's digest is asked for, such as 10%")
	fl.BoolVar(&f.planOnly, "plan-only", false, "write the plan and stop")
	fl.BoolVar(&f.yes, "yes", false, "do not ask, as in a script; the share stop holds all the same")
	fl.StringVar(&f.apply.confirm, "confirm", "", "carry out the plan with this digest (8 characters or more), made before with the same flags, although the share stop says no")
	cmd.MarkFlagsMutuallyExclusive("plan-only", "yes")
	cmd.MarkFlagsMutuallyExclusive("plan-only", "confirm")
	return cmd
}

// parseAge takes a number of hours, days, weeks or years.
func parseAge(s string) (time.Duration, error) {
	units := map[string]time.Duration{"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour}
	if s != "" {
		unit := units[s[len(s)-1:]]
		n, err := strconv.ParseUint(s[:len(s)-1], 10, 63)
		if err == nil && n > 0 && unit > 0 && n <= uint64(math.MaxInt64/unit) {
			return time.Duration(n) * unit, nil
		}
	}
	return 0, usage("--older-than "+cooper.Quote(s)+" is not an age", "Give it like 90d: hours (h), days (d), weeks (w) or years (y).")
}

// prune puts the mission's parameters together.
func (f *pruneFlags) prune() (backup.Prune, error) {
	in := backup.Prune{Policy: backup.Careful(), KeepLast: f.keepLast}
	if f.olderThan == "" {
		return in, usage("how old are versions that may go?", "Say so with --older-than 90d, counted from when they were superseded.")
	}
	if f.keepLast < 0 {
		return in, usage("--keep-last must not be negative", "Leave it out to go by age alone.")
	}
	var err error
	if in.OlderThan, err = parseAge(f.olderThan); err != nil {
		return in, err
	}
	in.Policy.Prefix, in.Policy.Match = f.prefix, f.match
	if err := shareStop(f.share, &in.Policy); err != nil {
		return in, err
	}
	return in, in.Policy.Check()
}

// backupPrune plans under the tree's lock, gives it back while a person thinks,
// and takes it again to carry the plan out; a tree that changed meanwhile
// refuses it.
func (a *app) backupPrune(ctx context.Context, dir string, f *pruneFlags) error {
	in, err := f.prune()
	if err != nil {
		return err
	}
	var h plan.Header
	err = a.withTree(ctx, dir, "backup prune", changeTree, &f.apply, func(ctx context.Context, d *drive) (err error) {
		if f.apply.confirm != "" {
			h, err = d.confirmed(in, f.apply.confirm)
			return err
		}
		// Deleting a large file takes no longer than a small one.
		h, err = a.writeLimited(d.ws, plan.Limits{Bytes: math.MaxInt64}, func(id string, w *plan.Writer) (plan.Header, error) {
			in.Unasked = f.yes
			in.Catalog, in.Dir, in.ID, in.Now = d.tree.Catalog(), d.tree.Dir(), id, cooper.InstantOf(a.clock())
			return backup.PlanPrune(ctx, in, w)
		})
		return err
	})
	if err != nil {
		return err
	}
	all := h.Totals[treeop.Prune]
	if ended, err := a.offer(h, all, f.planOnly); ended || err != nil {
		return err
	}
	if may, err := a.mayPrune(ctx, h, f); err != nil || !may {
		return err
	}
	return a.withTree(ctx, dir, "backup prune", changeTree, &f.apply, func(ctx context.Context, d *drive) error {
		sum, err := d.apply(ctx, h.ID)
		err = a.finished(ran{Plan: &h, Applied: &sum}, err)
		if err == nil && !a.json {
			a.say("  freed %s", words.Bytes(all.Bytes))
		}
		return err
	})
}

// confirmed finds the plan that a person means by its digest: one that was shown
// before, of this tree and with the same parameters.
func (d *drive) confirmed(in backup.Prune, digest string) (plan.Header, error) {
	return confirmedPlan(d.ws, digest, backup.MissionPrune, "tree", d.tree.Dir(), in.SamePolicy)
}

// confirmedPlan finds the newest plan of a mission for a target whose digest a
// person has given; it must have been made with the same parameters.
func confirmedPlan(ws *workspace.Workspace, digest, mission, kind, target string, same func(*plan.Header) bool) (none plan.Header, err error) {
	ids, err := ws.Plans()
	if err != nil {
		return none, err
	}
	for _, id := range slices.Backward(ids) {
		p, err := plan.Open(ws.PlanDir(id))
		if err != nil {
			return none, err
		}
		h := p.Header()
		if !h.ConfirmedBy(digest) || h.Mission != mission || h.Target.Path != target {
			continue
		}
		if !same(&h) {
			return none, &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Message: "was made with other flags than these",
				Remedy: fmt.Sprintf("Give the same flags again, or carry it out with: cooper apply %s --confirm %s", h.ID, digest)}
		}
		return h, nil
	}
	return none, &cooper.Error{Kind: cooper.KindRefused, Where: target, Message: fmt.Sprintf("no plan to %s this %s has a digest that begins with %s", mission, kind, cooper.Quote(digest)),
		Remedy: "Make a plan and look at it, without --confirm: its digest is shown with it, 8 characters of it will do."}
}

// mayPrune asks, unless a flag has answered. What the share stop refuses anyway
// is not asked for.
func (a *app) mayPrune(ctx context.Context, h plan.Header, f *pruneFlags) (bool, error) {
	if f.yes || f.apply.confirm != "" {
		return true, nil
	}
	return a.mayDelete(ctx, h, h.Totals[treeop.Prune])
}
