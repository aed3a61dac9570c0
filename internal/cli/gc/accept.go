package gc

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/job"
	"cooper/internal/term"
)

func (a family) acceptCmd() *cobra.Command {
	var k job.GCAccept
	cmd := &cobra.Command{
		Use:   "accept-database",
		Short: "Answer for a database that is another, or older, than what was seen",
		Long: `Takes note, under your name, that the configuration leads to another server than before,
or to a database that is older than what was seen, as after it was moved or restored.
The count of complete scans begins anew, and what was read before is compared with
nothing. A copy for tests must never be accepted in the workspace of production.`,
		Example: "  cooper gc accept-database\n  cooper gc accept-database --config platform/cooper.yaml --yes",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.accept(cmd.Context(), &k) },
	}
	configFlag(cmd, &k.Config)
	cmd.Flags().BoolVar(&k.Yes, "yes", false, "do not ask, as in a script")
	return cmd
}

func (a family) accept(ctx context.Context, k *job.GCAccept) (err error) {
	if k.Person, err = person(); err != nil {
		return err
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := k.Run(ctx, e)
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.Emit(r)
	case r.At != 0:
		a.Say("accepted: %s is %s; the count of scans begins anew", term.Clean(r.Database), term.Clean(r.Server))
	}
	return nil
}
