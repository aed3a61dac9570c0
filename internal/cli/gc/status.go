package gc

import (
	"context"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/job"
	"cooper/internal/term"
)

func (a family) statusCmd() *cobra.Command {
	var s job.GCStatus
	cmd := &cobra.Command{
		Use:   "status [ID]",
		Short: "How far the count of complete scans has come, or what a file handle is",
		Long: `Tells what the last scan is worth, which scans count, and what the count waits for.
Those count that are complete, in a row, of the same database and declaration, a day
apart, the newest less than 14 days old. With an ID: what that handle is, since when, and
what the last detection says of it; gc explain tells why.`,
		Example: "  cooper gc status\n  cooper gc status --config platform/cooper.yaml --json | jq .ready\n  cooper gc status 5001934",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.statusOf(cmd.Context(), &job.GCExplain{Config: s.Config, Handle: args[0]})
			}
			return a.status(cmd.Context(), &s)
		},
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

// statusOf shows what a handle is.
func (a family) statusOf(ctx context.Context, g *job.GCExplain) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := g.Run(ctx, e)
	switch {
	case err != nil:
		return err
	case !r.Known():
		return &cooper.Error{Kind: cooper.KindMissing, Where: cooper.Quote(g.Handle), Message: "no such handle is known: the newest scan does not have it, and nothing was ever said of it",
			Remedy: "See that the id is right (KIND:id where there are kinds). A handle that was made since has to be scanned first: cooper gc scan"}
	case a.JSON:
		return a.Emit(r)
	}
	a.showHandle(r)
	return nil
}
