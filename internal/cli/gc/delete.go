package gc

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
)

// defaultDeleted is the share of the archive's versions that may be deleted unasked.
const defaultDeleted = 0.1

const deleteLong = `Deletes from the archive bucket for good what has been there for archive.keep,
by the last detection and the last inventory of that bucket, and what nothing
needs: copies all of whose handles have been ARCHIVED for so long, without a
link, a hold, a guard's alarm, or a restore that is planned; and copies of what
no handle named (cooper gc run unindexed), if none does now. With --restored
also copies of what cooper gc restore has brought back, proven to be in its
place. Only what a manifest tells of is touched, and manifests stay.

Right before, the owner's database is looked at once more, and each copy must
say of itself what it is. It goes by its version id. There is no way back.

A handle becomes DELETED only when a later inventory of the archive does not
have its copies any more, whoever deleted them: the next run makes it so, and
ARCHIVED again what was seen again.`

func (a family) deleteCmd(planOnly bool) *cobra.Command {
	g := job.GCDelete{PlanOnly: planOnly}
	flags := shell.NewApply(16)
	share := ""
	cmd := &cobra.Command{
		Use: "delete",
		Long: deleteLong + `

Exit codes: 0 done; 1 wrong use or configuration; 2 it failed; 3 some copies
stay; 4 refused, with the reason; 130 interrupted.`,
		Args:  cobra.NoArgs,
		Short: "Plan to delete from the archive what nothing needs any more",
	}
	configFlag(cmd, &g.Config)
	f := cmd.Flags()
	f.BoolVar(&g.Restored, "restored", false, "also copies of what is in its place again, which keep its key from being archived anew")
	f.BoolVar(&g.WithoutFence, "without-fence", false, "also where Cooper may not write the owner's status: a link made after the last look leads to nothing")
	f.BoolVar(&g.Unguarded, "unguarded", false, "also null versions that the store cannot keep apart from one written in the instant of their removal")
	f.StringVar(&share, "share-stop", "", "the share of the archive's versions, or of their bytes, that may go before the decision's digest is asked for (default 10%)")
	cmd.Example = "  cooper gc plan delete\n  cooper gc plan delete --restored --json"
	if !planOnly {
		cmd.Short = "Delete from the archive what nothing needs any more"
		cmd.Example = "  cooper snapshot s3://example-archive\n  cooper gc run delete\n  cooper gc run delete --confirm 4f1c22ab"
		f.BoolVar(&g.PlanOnly, "plan-only", false, "plan, and delete nothing")
		f.BoolVar(&g.Yes, "yes", false, "do not ask, as in a script; the share stop holds all the same")
		f.StringVar(&flags.Confirm, "confirm", "", "carry out the plan with this digest (8 characters or more), made before with the same flags, although the share stop says no")
		cmd.MarkFlagsMutuallyExclusive("plan-only", "yes", "confirm")
		flags.RegisterJobs(cmd, "missing, denied, changed, archived, conflict, invalid, timeout, store", "copies looked at", 16)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if g.ShareLimit, err = shell.ShareLimit(share, defaultDeleted); err == nil {
			err = flags.Check()
		}
		if err != nil {
			return err
		}
		g.Options = flags.Options
		return a.delete(cmd.Context(), &g)
	}
	return cmd
}

func (a family) delete(ctx context.Context, g *job.GCDelete) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := g.Run(ctx, e)
	return a.Ended(&r, err)
}
