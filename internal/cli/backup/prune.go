package backup

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/backup"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/treeop"
	"cooper/internal/words"
)

// pruneFlags say what to delete from a tree's history.
type pruneFlags struct {
	olderThan, prefix, match, share string
	keepLast                        int
	planOnly, yes                   bool
	apply                           shell.Apply
}

func (a family) pruneCmd() *cobra.Command {
	f := pruneFlags{apply: shell.NewApply(1)}
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
			return a.prune(cmd.Context(), args[0], &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.olderThan, "older-than", "", "how long ago a version must have been superseded: 12h, 90d, 2w, 1y (365 days)")
	fl.IntVar(&f.keepLast, "keep-last", 0, "how many versions of each key stay in history however old they are: those superseded last")
	fl.StringVar(&f.prefix, "prefix", "", "only keys below this prefix; a/b never means a/bc")
	fl.StringVar(&f.match, "match", "", "only keys that match this regular expression (RE2)")
	fl.StringVar(&f.share, "share-stop", "", "the share of the tree's versions, or of their bytes, that may go before the decision's digest is asked for, such as 10%")
	fl.BoolVar(&f.planOnly, "plan-only", false, "write the plan and stop")
	fl.BoolVar(&f.yes, "yes", false, "do not ask, as in a script; the share stop holds all the same")
	fl.StringVar(&f.apply.Confirm, "confirm", "", "carry out the plan with this digest (8 characters or more), made before with the same flags, although the share stop says no")
	cmd.MarkFlagsMutuallyExclusive("plan-only", "yes")
	cmd.MarkFlagsMutuallyExclusive("plan-only", "confirm")
	shell.EndsWithPlan(cmd)
	return cmd
}

// prune puts the mission's parameters together.
func (f *pruneFlags) prune() (backup.Prune, error) {
	in := backup.Prune{Policy: backup.Careful(), KeepLast: f.keepLast}
	if f.olderThan == "" {
		return in, shell.Usage("how old are versions that may go?", "Say so with --older-than 90d, counted from when they were superseded.")
	}
	if f.keepLast < 0 {
		return in, shell.Usage("--keep-last must not be negative", "Leave it out to go by age alone.")
	}
	var err error
	if in.OlderThan, err = shell.ParseAge(f.olderThan); err != nil {
		return in, err
	}
	in.Policy.Prefix, in.Policy.Match = f.prefix, f.match
	in.Policy.ShareLimit, err = shell.ShareLimit(f.share, in.Policy.ShareLimit)
	return in, err
}

func (a family) prune(ctx context.Context, dir string, f *pruneFlags) error {
	what, err := f.prune()
	if err != nil {
		return err
	}
	if err := f.apply.Check(); err != nil {
		return err
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := (&job.Prune{Dir: dir, What: what, PlanOnly: f.planOnly, Yes: f.yes, Options: f.apply.Options}).Run(ctx, e)
	if err = a.Ended(&r, err); err == nil && r.Applied != nil && !a.JSON {
		a.Say("  freed %s", words.Bytes(r.Plan.Totals[treeop.Prune].Bytes))
	}
	return err
}
