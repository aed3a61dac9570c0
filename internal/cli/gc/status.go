package gc

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/job"
	"cooper/internal/term"
)

func (a family) statusCmd() *cobra.Command {
	var s job.GCStatus
	cmd := &cobra.Command{
		Use:   "status",
		Short: "How far the count of complete scans has come",
		Long: `Tells what the last scan is worth, which scans count, and what the count waits for.
Those count that are complete, in a row, of the same database and declaration, a day
apart, the newest less than 14 days old.`,
		Example: "  cooper gc status\n  cooper gc status --config platform/cooper.yaml --json | jq .ready",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), &s) },
	}
	configFlag(cmd, &s.Config)
	return cmd
}

func (a family) status(ctx context.Context, s *job.GCStatus) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := s.Run(ctx, e)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.Emit(r)
	}
	a.showScan(r.Last)
	a.Say("%d of %d scans count", len(r.Counted), r.Wanted)
	for _, id := range r.Counted {
		a.Say("  %s", id)
	}
	if r.Waits != "" {
		a.Say("waits for %s", term.Clean(r.Waits))
	}
	for _, w := range r.Warnings {
		a.Caution("%s", w)
	}
	return nil
}
