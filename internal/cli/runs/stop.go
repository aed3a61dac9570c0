package runs

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/store/retry"
	"cooper/internal/workspace"
)

func (a family) stopCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "stop RUN",
		Short: "Stop a run in the background, cleanly",
		Long: `Asks a run to stop, and waits until it has: it takes up nothing new and finishes what
is under way. cooper resume goes on from there. Ctrl-C ends the waiting alone.

A run that was cut off counts as stopped from then on: cooper resume --all passes it
over.`,
		Example: "  cooper stop latest",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRun(args[0], func(_ *workspace.Workspace, r *background.Run) error {
				return a.stop(cmd.Context(), r)
			})
		},
	}
}

// ofStopped says how a run has ended that was asked to stop: it may have been quicker.
func ofStopped(r *background.Run, now time.Time) string {
	switch state := runState(r, now); r.Status {
	case background.Finished:
		return fmt.Sprintf("%s is %s: it came to its end before it could stop, and nothing is left to go on with", r.ID, state)
	case background.Stopped:
		return fmt.Sprintf("%s is %s: cooper resume %s goes on", r.ID, state, r.ID)
	default:
		return fmt.Sprintf("%s is %s: cooper logs %s says why, cooper resume %s goes on", r.ID, state, r.ID, r.ID)
	}
}

func (a family) stop(ctx context.Context, r *background.Run) error {
	if !r.Status.Live() && r.Status != background.CutOff {
		return &cooper.Error{Kind: cooper.KindUsage, Where: r.String(), Message: "it is not running: it is " + runState(r, a.Clock()), Remedy: "See cooper runs."}
	}
	if err := r.Stop(); err != nil {
		return err
	}
	waits := false
	for {
		now, err := background.Open(r.Path())
		if err != nil {
			return err
		}
		if !now.Status.Live() {
			if a.JSON {
				now.Args, now.Now = background.Hidden(now.Args), background.Hidden(now.Now)
				return a.Emit(now)
			}
			a.Say("%s", ofStopped(now, a.Clock()))
			return nil
		}
		if !waits {
			waits = true
			a.Note("waiting until it has finished what is under way")
		}
		if err := retry.Sleep(ctx, background.LookEvery); err != nil {
			return &cooper.Error{Kind: cooper.KindInterrupted, Where: r.String(), Message: "was asked to stop, and has not ended yet", Remedy: "See cooper runs."}
		}
	}
}
