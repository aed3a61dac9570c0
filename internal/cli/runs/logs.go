package runs

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/background"
	"cooper/internal/cli/shell"
	"cooper/internal/store/retry"
	"cooper/internal/workspace"
)

func (a family) logsCmd() *cobra.Command {
	var (
		follow bool
		lines  int
	)
	cmd := &cobra.Command{
		Use:   "logs RUN",
		Short: "Show what a run in the background has written",
		Long: `Shows the last lines of a run's log; with -f also what comes, until the run ends or
Ctrl-C, which ends the following and not the run. A line of progress comes once a
minute at first, later once an hour.`,
		Example: `  cooper logs latest
  cooper logs -f latest
  cooper logs -n -1 b-20261120T2200 | less`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRun(args[0], func(_ *workspace.Workspace, r *background.Run) error {
				return a.logs(cmd.Context(), r, follow, lines)
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	cmd.Flags().IntVarP(&lines, "lines", "n", 50, "how many of the last lines; -1 for all there are")
	return cmd
}

func (a family) logs(ctx context.Context, r *background.Run, follow bool, lines int) (err error) {
	tail, err := r.Tail(lines)
	if err != nil {
		return err
	}
	defer shell.Finally(&err, tail.Close)
	ended := func() (bool, error) {
		if !follow {
			return true, nil
		}
		now, err := background.Open(r.Path())
		return err == nil && !now.Status.Live(), err
	}
	return tail.Follow(ctx, a.Stdout, retry.Sleep, ended)
}
