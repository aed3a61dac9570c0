package gc

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper"
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

const lifecycleLong = `

--as-lifecycle writes a lifecycle configuration for the archive bucket instead,
for review: the rules that it has, and one for each bucket that objects are from,
which moves copies to colder classes (--transition) or ends them (--expire). It
says what has to be known of that, and changes nothing.`

const exitCodes = `

Exit codes: 0 done; 1 wrong use or configuration; 2 it failed; 3 some copies
stay; 4 refused, with the reason; 130 interrupted.`

func (a family) deleteCmd(planOnly bool) *cobra.Command {
	g := job.GCDelete{PlanOnly: planOnly}
	flags := shell.NewApply(16)
	share, rule := "", ""
	var moves []string
	lifecycle := job.GCLifecycle{}
	cmd := &cobra.Command{
		Use:   "delete",
		Long:  deleteLong + exitCodes,
		Args:  cobra.NoArgs,
		Short: "Plan to delete from the archive what nothing needs any more",
	}
	configFlag(cmd, &g.Config)
	f := cmd.Flags()
	f.BoolVar(&g.Restored, "restored", false, "also copies of what is in its place again, which keep its key from being archived anew")
	f.BoolVar(&g.WithoutFence, "without-fence", false, "also where Cooper may not write the owner's status: a link made after the last look leads to nothing")
	f.BoolVar(&g.Unguarded, "unguarded", false, "also null versions that the store cannot keep apart from one written in the instant of their removal")
	f.StringVar(&share, "share-stop", "", "the share of the archive's versions, or of their bytes, that may go before the decision's digest is asked for (default 10%)")
	cmd.Example = "  cooper gc plan delete\n  cooper gc plan delete --restored --json\n  cooper gc plan delete --as-lifecycle=rules.json --transition 90d:DEEP_ARCHIVE"
	if planOnly {
		cmd.Long = deleteLong + lifecycleLong + exitCodes
		f.StringVar(&rule, "as-lifecycle", "", "write a lifecycle configuration instead, to stdout or to this `FILE`, and stop")
		f.Lookup("as-lifecycle").NoOptDefVal = shell.StdoutName
		f.StringArrayVar(&moves, "transition", nil, "of --as-lifecycle: copies go to a class after some days, 90d:DEEP_ARCHIVE (can be repeated)")
		f.BoolVar(&lifecycle.Expire, "expire", false, "of --as-lifecycle: copies end after archive.keep")
	} else {
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
		g.Options, lifecycle.Options, lifecycle.Config = flags.Options, flags.Options, g.Config
		if rule == "" && (len(moves) > 0 || lifecycle.Expire) {
			return shell.Usage("--transition and --expire say what a lifecycle configuration is to do", "Give --as-lifecycle with them.")
		}
		if rule != "" {
			if lifecycle.Moves, err = movesOf(moves); err != nil {
				return err
			}
			return a.archiveRules(cmd.Context(), &lifecycle, rule)
		}
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

// movesOf reads AGE:CLASS.
func movesOf(texts []string) (all []job.GCMove, err error) {
	for _, text := range texts {
		age, class, _ := strings.Cut(text, ":")
		d, failed := shell.ParseAge(age)
		if failed != nil || class == "" || d%(24*time.Hour) != 0 || strings.Trim(class, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			return nil, shell.Usage("--transition "+cooper.Quote(text)+" is no age and class", "Give whole days and a class, as 90d:DEEP_ARCHIVE.")
		}
		all = append(all, job.GCMove{Days: int(d / (24 * time.Hour)), Class: class})
	}
	return all, nil
}

// archiveRules writes a lifecycle configuration, and says what has to be known of it.
func (a family) archiveRules(ctx context.Context, l *job.GCLifecycle, to string) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	rules, differs, err := l.Run(ctx, e)
	if err != nil {
		return err
	}
	b, err := rules.JSON()
	if to == shell.StdoutName {
		_, failed := a.Stdout.Write(b)
		err = errors.Join(err, failed)
	} else if err == nil {
		err = os.WriteFile(to, b, 0o666)
	}
	if err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: "--as-lifecycle " + cooper.Quote(to), Message: "cannot be written", Err: err}
	}
	for _, x := range differs {
		a.Note("%s", x)
	}
	return nil
}
