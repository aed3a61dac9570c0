package runs

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/cli/shell"
	"cooper/internal/workspace"
)

func (a family) resumeCmd() *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "resume RUN | --all",
		Short: "Go on with a run in the background that has ended before its time",
		Long: `Starts a run again that was stopped, has failed, or was cut off. If it had begun to
carry out a plan, it goes on with that plan, with the flags it had; otherwise with its
command.

--all is for the start of a machine: it takes up all runs that were cut off, and
leaves alone those that a person has stopped, and those that have failed.`,
		Example: `  cooper resume latest
  cooper resume --all`,
		Args: func(_ *cobra.Command, args []string) error {
			if all == (len(args) == 1) || len(args) > 1 {
				return shell.Usage("resume takes one run, or --all", "See cooper runs.")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if all {
				return a.resumeAll(cmd.Context())
			}
			return a.withRun(args[0], func(ws *workspace.Workspace, r *background.Run) error {
				if r.Status == background.Finished {
					return &cooper.Error{Kind: cooper.KindUsage, Where: r.String(), Message: "it has finished: there is nothing to go on with", Remedy: "Start its command anew with cooper start."}
				}
				return a.resume(cmd.Context(), ws, r, r.Status)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that were cut off")
	return cmd
}

// resumeAll goes on with the next run if one cannot be started.
func (a family) resumeAll(ctx context.Context) (err error) {
	ws, err := a.OpenWorkspace()
	if err != nil {
		return err
	}
	defer shell.Finally(&err, ws.Close)
	runs, err := allRuns(ws) // one that is damaged keeps no other from going on
	found := false
	for _, r := range runs {
		if r.Status != background.CutOff {
			continue
		}
		found = true
		failed := a.resume(ctx, ws, r, background.CutOff)
		if cooper.KindOf(failed) == cooper.KindLocked { // at the start of a machine many may try
			a.Note("%s: already taken up", r.ID)
			continue
		}
		err = errors.Join(err, failed)
	}
	if !found && err == nil {
		a.Note("no run was cut off")
	}
	return err
}

// resume goes on with a run that is still as it was found: others may take it up at the
// same time.
func (a family) resume(ctx context.Context, ws *workspace.Workspace, r *background.Run, found background.Status) (err error) {
	release, err := r.Take()
	if err != nil {
		return err
	}
	defer shell.Finally(&err, release)
	if r, err = background.Open(r.Path()); err != nil {
		return err
	}
	if r.Status != found {
		return background.Taken(r.Path())
	}
	args, err := a.goingOn(ws, r)
	if err != nil {
		return err
	}
	if err := r.Again(args); err != nil {
		return err
	}
	return a.launch(ctx, r)
}

// goingOn is the command that goes on with a run: that of its plan, with the flags it
// had, as far as it has come to one and that is there still.
func (a family) goingOn(ws *workspace.Workspace, r *background.Run) ([]string, error) {
	l, err := a.read(r.Args)
	if err != nil {
		return nil, err
	}
	if r.Plan == "" || !shell.GoesOnWithPlan(l.cmd) {
		return r.Args, nil
	}
	if _, err := os.Stat(ws.PlanDir(r.Plan)); errors.Is(err, fs.ErrNotExist) {
		return r.Args, nil
	} else if err != nil {
		return nil, err
	}
	apply := family{a.Another(), a.root}.applyCmd().Flags()
	shared := l.flags(func(name string) bool {
		return name != "any-age" && (apply.Lookup(name) != nil || l.cmd.InheritedFlags().Lookup(name) != nil)
	})
	return append([]string{"apply", r.Plan, "--any-age"}, shared...), nil
}
