package gc

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
)

// defaultArchived is the share of the buckets' versions that may be moved unasked.
const defaultArchived = 0.1

// planCmd and runCmd hold what is planned, and what is carried out at once.
func (a family) planCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "plan", Short: "Plan what becomes of files that nothing links to", Long: "Plans what becomes of files that nothing links to, and changes nothing.",
		Example: "  cooper gc plan archive\n  cooper gc plan unindexed --prefix s3://example-data/tmp/\n  cooper gc plan delete",
	}
	cmd.AddCommand(a.archiveCmd(true), a.quarantineCmd(true), a.deleteCmd(true))
	return shell.Group(cmd)
}

func (a family) runCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "run", Short: "Move files that nothing links to, and delete them", Long: "Moves files that nothing links to into the archive, and deletes them from there in\nthe end; after a plan and a question.",
		Example: "  cooper gc run archive\n  cooper gc run unindexed --prefix s3://example-data/tmp/\n  cooper gc run delete",
	}
	cmd.AddCommand(a.archiveCmd(false), a.quarantineCmd(false), a.deleteCmd(false))
	return shell.Group(cmd)
}

func (a family) archiveCmd(planOnly bool) *cobra.Command {
	g := job.GCArchive{PlanOnly: planOnly}
	cmd := &cobra.Command{
		Use: "archive",
		Long: `Moves objects into the archive bucket whose handles have all been UNLINKED for
long enough, by the last detection: to archive.bucket, under BUCKET/KEY, with
all their versions, in the class archive.class.

Handles are closed first: ARCHIVING in their owner's column, so that no new
link is made. Then Cooper waits for transactions that began before, ten
minutes at most, and looks once more at the owner's database; a link sends a
file back. What cannot be looked up by a handle waits, closed, for a scan that
begins afterwards. Only then the store copies; each copy is proven, a manifest
in the archive says what it is of, and the planned versions go. A key that was
written again stays. Whatever is stopped when is gone on with by the next run.

Exit codes: 0 done; 1 wrong use or configuration; 2 it failed; 3 some objects
stay; 4 refused, with the reason; 130 interrupted.`,
		Args: cobra.NoArgs,
	}
	a.archiveFlags(cmd, &g, "cooper gc plan archive", "cooper gc run archive")
	f := cmd.Flags()
	f.BoolVar(&g.WithoutFence, "without-fence", false, "also where Cooper may not write the owner's status: a link made after the last look leads to nothing")
	cmd.Short = "Plan to move what nothing links to into the archive"
	if !planOnly {
		cmd.Short = "Move what nothing links to into the archive"
	}
	return cmd
}

func (a family) quarantineCmd(planOnly bool) *cobra.Command {
	g := job.GCArchive{PlanOnly: planOnly, Unindexed: true}
	cmd := &cobra.Command{
		Use: "unindexed",
		Long: `Moves objects into the archive bucket that no handle names, by the last
detection: not the young, nor what lies below protected and in-flight prefixes
(cooper gc list unindexed-kept). They are copied, proven and told of in a
manifest, as with archive; no handle is closed, as there is none. A folder in
which no handle lives at all may be somebody else's: it is moved from only if
it is named with --prefix.

Exit codes are those of archive.`,
		Args: cobra.NoArgs,
	}
	a.archiveFlags(cmd, &g, "cooper gc plan unindexed", "cooper gc run unindexed")
	cmd.Short = "Plan to move what no handle names into the archive"
	if !planOnly {
		cmd.Short = "Move what no handle names into the archive"
	}
	return cmd
}

// archiveFlags adds the flags that both have.
func (a family) archiveFlags(cmd *cobra.Command, g *job.GCArchive, planned, run string) {
	flags := shell.NewApply(16)
	share := ""
	configFlag(cmd, &g.Config)
	f := cmd.Flags()
	f.StringArrayVar(&g.Prefixes, "prefix", nil, "only what lies below s3://BUCKET/PREFIX (can be repeated)")
	f.BoolVar(&g.Unguarded, "unguarded", false, "also null versions that the store cannot keep apart from one written in the instant of their removal")
	f.StringVar(&share, "share-stop", "", "the share of the buckets' versions, or of their bytes, that may go before the decision's digest is asked for (default 10%)")
	cmd.Example = "  " + planned + "\n  " + planned + " --config platform/cooper.yaml --json"
	if !g.PlanOnly {
		cmd.Example = "  " + run + "\n  " + run + " --yes --jobs 64\n  " + run + " --confirm 4f1c22ab"
		f.BoolVar(&g.PlanOnly, "plan-only", false, "plan, and move nothing")
		f.BoolVar(&g.Yes, "yes", false, "do not ask, as in a script; the share stop holds all the same")
		f.StringVar(&flags.Confirm, "confirm", "", "carry out the plan with this digest (8 characters or more), made before with the same flags, although the share stop says no")
		flags.RegisterJobs(cmd, "missing, denied, changed, archived, corrupt, conflict, invalid, timeout, store", "objects copied", 16)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if g.ShareLimit, err = shell.ShareLimit(share, defaultArchived); err == nil {
			err = flags.Check()
		}
		if err != nil {
			return err
		}
		g.Options = flags.Options
		return a.archive(cmd.Context(), g)
	}
}

func (a family) archive(ctx context.Context, g *job.GCArchive) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := g.Run(ctx, e)
	return a.Ended(&r, err)
}
