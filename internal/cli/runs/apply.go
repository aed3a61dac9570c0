package runs

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/plan"
	"cooper/internal/workspace"
)

// defaultJobs is how many objects are worked on at once.
const defaultJobs = 64

func (a family) applyCmd() *cobra.Command {
	f := shell.NewApply(defaultJobs)
	deleted := ""
	cmd := &cobra.Command{
		Use:   "apply ID",
		Short: "Carry out a plan, or go on with one",
		Long: `Carries out a plan: shard by shard, so that it can be killed at any instant. A
shard that was interrupted is completed first, or taken back with --undo, which does nothing
else. A plan that was not made for the target as it is now is refused.`,
		Example: `  cooper apply latest
  cooper apply p-20261120T0100 --confirm 4f1c22ab
  cooper apply latest --undo`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.Check(); err != nil {
				return err
			}
			if deleted == "" {
				return a.apply(cmd.Context(), args[0], f.Options)
			}
			return a.applyListed(cmd.Context(), args[0], f.Options, deleted)
		},
	}
	f.Register(cmd)
	shell.RegisterKeys(cmd, &f.Keys, "; for plans that compress such objects")
	a.RunFlags(cmd)
	shell.EndsWithPlan(cmd)
	cmd.Flags().BoolVar(&f.Undo, "undo", false, "take an interrupted shard back instead of completing it, and stop")
	cmd.Flags().StringVar(&deleted, "deleted", "", "of a purge: write what was removed by the plan to this file (- for stdout), as {\"key\", \"version_id\"} a line")
	cmd.Flags().BoolVar(&f.AnyAge, "any-age", false, "carry out a plan of more than 7 days: what has changed since is left alone in any case")
	return cmd
}

func (a family) apply(ctx context.Context, name string, opt job.Options) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := job.Apply(ctx, e, name, opt)
	return a.Ended(&r, err)
}

// applyListed carries out a plan, and writes what it has removed to a file.
func (a family) applyListed(ctx context.Context, name string, opt job.Options, to string) error {
	var h plan.Header
	err := a.WithWorkspace(func(ws *workspace.Workspace) error {
		p, err := job.OpenPlan(ws, name)
		if err == nil {
			h = p.Header()
		}
		return err
	})
	if err != nil {
		return err
	}
	if !job.TraitsOf(&h).Removes {
		return shell.Usage("--deleted is for plans of a purge, and this is one of a "+h.Mission, "Leave it out.")
	}
	if err := a.CheckDeleted(to); err != nil {
		return err
	}
	stdout := a.Stdout
	if to == shell.StdoutName { // the summary makes room
		defer a.ToStderr()()
	}
	err = a.apply(ctx, h.ID, opt)
	// What was removed was removed, however the run ended.
	return errors.Join(err, a.WriteDeleted(context.WithoutCancel(ctx), h.ID, to, stdout))
}
