package gc

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a family) rebuildCmd() *cobra.Command {
	var g job.GCRebuild
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Make the state of handles anew, from the ledger",
		Long: `Makes the state of handles of this workspace anew, where it is lost, damaged, or an old
copy: each handle is what the ledger last knows of it, and begins to be that now, so that
nothing goes earlier than it would have gone. The old file is kept beside the new one.`,
		Example: "  cooper gc rebuild\n  cooper gc rebuild --yes --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.rebuild(cmd.Context(), &g) },
	}
	cmd.Flags().BoolVar(&g.Yes, "yes", false, "do not ask, as in a script")
	return cmd
}

func (a family) rebuild(ctx context.Context, g *job.GCRebuild) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := g.Run(ctx, e)
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.Emit(r)
	case !r.Made:
		return nil
	}
	a.Say("made anew, with %s that are not AVAILABLE", words.Plural(total(r), "handle"))
	for _, s := range slices.Sorted(maps.Keys(r.Records)) {
		a.Say("  %s  %s, as of now: what follows from it waits anew", words.Count(r.Records[s]), s)
	}
	if r.Aside != "" {
		a.Say("the old file is %s", term.Clean(r.Aside))
	}
	return nil
}

func total(r job.GCRebuilt) (n int64) {
	for _, of := range r.Records {
		n += of
	}
	return n
}

func (a family) historyCmd() *cobra.Command {
	var g job.GCHistory
	cmd := &cobra.Command{
		Use:   "history ID",
		Short: "Tell what has happened to one file handle",
		Long: `Tells, in the order of time, when the status of a handle has changed and why, what persons
have said of it, and which detections have listed it. With --json, an event a line.
Where there are kinds of handles, ID is KIND:id.`,
		Example: "  cooper gc history 5001934\n  cooper gc history blob:494 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			g.Handle = args[0]
			return a.history(cmd.Context(), &g)
		},
	}
	configFlag(cmd, &g.Config)
	return cmd
}

func (a family) history(ctx context.Context, g *job.GCHistory) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	all, err := g.Run(ctx, e)
	if err != nil {
		return err
	}
	for i := range all {
		if a.JSON {
			if err := a.Emit(all[i]); err != nil {
				return err
			}
			continue
		}
		a.Say("%s  %s", all[i].At, a.Stdout.Wrap(term.Clean(all[i].Said()), 4))
	}
	if len(all) == 0 && !a.JSON {
		a.Say("nothing has happened to it")
	}
	return nil
}
