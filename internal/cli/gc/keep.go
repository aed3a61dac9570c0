package gc

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
)

func (a family) keepCmd() *cobra.Command {
	k := job.GCKeep{}
	cmd := &cobra.Command{
		Use:   "keep ID...",
		Short: "Keep files although nothing links to them",
		Long: `Takes note, under your name, that file handles are to be kept although nothing links to
them: they are no candidates from the next detection on. It is a fact in the ledger, and
survives the loss of the state. Where there are kinds of handles, ID is KIND:id.`,
		Example: "  cooper gc keep 5001934 --reason 'in the printed report of 2025'\n  cooper gc keep blob:494 blob:497",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k.Handles = args
			return a.keep(cmd.Context(), &k)
		},
	}
	configFlag(cmd, &k.Config)
	reasonFlag(cmd, &k.Reason)
	return cmd
}

func (a family) releaseCmd() *cobra.Command {
	k := job.GCKeep{Release: true}
	cmd := &cobra.Command{
		Use:     "release ID...",
		Short:   "No longer keep files by hand",
		Long:    "Takes back what gc keep has said: the handles are judged again as all others are.",
		Example: "  cooper gc release 5001934",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k.Handles = args
			return a.keep(cmd.Context(), &k)
		},
	}
	configFlag(cmd, &k.Config)
	reasonFlag(cmd, &k.Reason)
	return cmd
}

func reasonFlag(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "why, for whoever reads it later")
}

func (a family) keep(ctx context.Context, k *job.GCKeep) (err error) {
	if k.Person, err = person(); err != nil {
		return err
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := k.Run(ctx, e)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.Emit(r)
	}
	what := "kept"
	if k.Release {
		what = "released"
	}
	a.Say("%s: %s; the next cooper gc detect goes by it", what, term.Clean(strings.Join(r.Handles, ", ")))
	return nil
}

func (a family) linkCmd(unlink bool) *cobra.Command {
	l := job.GCLink{Unlink: unlink}
	cmd := &cobra.Command{
		Use:   "link ID --object OBJECT",
		Short: "Say that something links to a file",
		Long: `Takes note, under your name, that an object which no association tells of links to a
file handle: it counts as any other link, until gc unlink takes it back. It is a fact in
the ledger. Where the owner keeps a registry of links, it is a row there, by the
connection registry.database; without one, nothing is written, and the SQL is shown.`,
		Example: "  cooper gc link 5001934 --object 'annual report 2025' --type print",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l.Handle = args[0]
			return a.link(cmd.Context(), &l)
		},
	}
	if unlink {
		cmd.Use, cmd.Short = "unlink ID --object OBJECT", "Take back what gc link has said"
		cmd.Long = "Takes back that an object, of the same --type, links to a file handle; in the owner's\nregistry of links, where there is one. Links that scans find elsewhere stay what they are."
		cmd.Example = "  cooper gc unlink 5001934 --object 'annual report 2025' --type print"
	}
	configFlag(cmd, &l.Config)
	reasonFlag(cmd, &l.Reason)
	cmd.Flags().StringVar(&l.Object, "object", "", "what has the link")
	cmd.Flags().StringVar(&l.Type, "type", "", "what kind of thing that is")
	return cmd
}

func (a family) link(ctx context.Context, l *job.GCLink) (err error) {
	if l.Object == "" {
		return shell.Usage("nothing says what links to it", "Give --object.")
	}
	if l.Person, err = person(); err != nil {
		return err
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := l.Run(ctx, e)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.Emit(r)
	}
	what := "linked"
	if l.Unlink {
		what = "unlinked"
	}
	if r.Registry != "" {
		a.Say("%s in %s: %s; the next cooper gc scan sees it", what, term.Clean(r.Registry), term.Clean(strings.Join(r.Handles, ", ")))
		return nil
	}
	a.Say("%s: %s; the next cooper gc detect goes by it", what, term.Clean(strings.Join(r.Handles, ", ")))
	return nil
}
