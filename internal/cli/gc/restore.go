package gc

import (
	"context"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
)

// daysRestored is for how long a copy out of an archive class is asked for.
const daysRestored = 7

func (a family) restoreCmd() *cobra.Command {
	g := job.GCRestore{}
	flags := shell.NewApply(16)
	since, waiting := "", ""
	cmd := &cobra.Command{
		Use:   "restore [ID...]",
		Short: "Bring files back from the archive",
		Long: `Brings files back: by the ids of their handles, below a prefix, or those whose
status changed since a time. What has not gone yet, UNLINKED or ARCHIVING,
becomes AVAILABLE. What is ARCHIVED becomes RESTORING: where its class wants
it, the store is asked for it, and the command given again goes on when it is
there, in hours; with --wait 12h it looks itself, for so long at most, and may be
interrupted. Then the store copies it back to its bucket and key, all its versions,
the oldest first, each in the class that it had, if that can be read at once and the
store takes it, else in STANDARD; each is proven, and a byte of it read. Only then
the handle is AVAILABLE, here and in its owner's column where that may be written.
Other handles of the same object begin anew as UNLINKED.

Nothing is overwritten: where something else is in its place by now, it stays
ARCHIVED, and that is told. The copy in the archive stays, too.

With --from-archive the archive bucket alone says what there is: its manifests,
and what each copy bears. That needs no workspace that was there before, and
brings back all that is archived unless ids, --prefix or --since narrow it.

Exit codes: 0 done, or asked for; 1 wrong use or configuration; 2 it failed;
3 some files stay in the archive; 4 refused, with the reason; 130 interrupted.`,
		Example: "  cooper gc restore 5001934 5001940\n  cooper gc restore --prefix s3://example-data/forms/ --plan-only\n" +
			"  cooper gc restore --from-archive --archive example-archive --without-owner",
		PreRunE: shell.NotEmpty,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			g.Handles = args
			named := len(g.Prefixes) > 0 || since != ""
			switch {
			case len(args) > 0 && named:
				return shell.Usage("files are named by ids, or by --prefix and --since", "Give one of them.")
			case len(args) == 0 && !named && !g.FromArchive:
				return shell.Usage("nothing says which files", "Give ids of handles, --prefix, --since, or --from-archive.")
			case g.WithoutOwner && !(g.FromArchive && g.Archive != ""):
				return shell.Usage("without an owner the archive alone says what there is", "Give --from-archive --archive BUCKET.")
			case g.Days < 1:
				return shell.Usage("a copy is asked for at least a day", "Give --days 1 or more.")
			case g.Tier != "Standard" && g.Tier != "Bulk" && g.Tier != "Expedited":
				return shell.Usage("there is no such tier", "Give --tier Standard, Bulk or Expedited.")
			}
			if waiting != "" {
				if g.Wait, err = shell.ParseAge(waiting); err != nil {
					return shell.Usage("--wait "+cooper.Quote(waiting)+" is no length of time", "Give it like 12h: hours (h), days (d) or weeks (w).")
				}
			}
			if g.Wait > 0 && g.PlanOnly {
				return shell.Usage("a plan waits for nothing", "Leave out --wait, or --plan-only.")
			}
			if since != "" {
				if g.Since, err = shell.ParseTime(since); err != nil {
					return err
				}
			}
			if err := flags.Check(); err != nil {
				return err
			}
			g.Options = flags.Options
			return a.restore(cmd.Context(), &g)
		},
	}
	configFlag(cmd, &g.Config)
	f := cmd.Flags()
	f.StringArrayVar(&g.Prefixes, "prefix", nil, "what lies below s3://BUCKET/PREFIX (can be repeated)")
	f.StringVar(&since, "since", "", "what has changed its status at this time or later")
	f.BoolVar(&g.FromArchive, "from-archive", false, "go by what the archive bucket tells alone")
	f.StringVar(&g.Archive, "archive", "", "the archive bucket, if cooper.yaml names none")
	f.BoolVar(&g.WithoutOwner, "without-owner", false, "tell no owner: needs no cooper.yaml")
	f.IntVar(&g.Days, "days", daysRestored, "days for which a copy is asked for")
	f.StringVar(&g.Tier, "tier", "Standard", "how fast: Standard, Bulk or Expedited")
	f.StringVar(&waiting, "wait", "", "wait so long at most for what the store brings, as 12h or 2d")
	f.BoolVar(&g.PlanOnly, "plan-only", false, "plan, and bring nothing back")
	f.BoolVar(&g.Yes, "yes", false, "do not ask, as in a script")
	flags.RegisterJobs(cmd, "missing, denied, changed, archived, corrupt, conflict, invalid, timeout, store", "objects copied", 16)
	return cmd
}

func (a family) restore(ctx context.Context, g *job.GCRestore) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := g.Run(ctx, e)
	return a.Ended(&r, err)
}
