package backup

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cooper/internal/backup"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a family) forgetCmd() *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "forget DIR SNAPSHOT",
		Short: "Take a snapshot back that a tree has followed by mistake",
		Long: `Changes what the tree's catalog believes was seen, as far as that snapshot alone
said so, and no file: for one that was of another time or bucket, such as a report
from the future. Where the bytes are stays as it is; the next backup goes on from
there. It shows what it will do, and asks.`,
		Example: `  cooper backup status /data/backup
  cooper backup forget /data/backup s-20261119T0100`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.forget(cmd.Context(), args[0], args[1], yes)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask, as in a script")
	return cmd
}

func (a family) forget(ctx context.Context, dir, name string, yes bool) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	f := job.Forget{Dir: dir, Snapshot: name, Yes: yes, Show: func(n *backup.Forgotten) error {
		switch {
		case !a.JSON:
			a.showForgotten(n)
		case !yes: // and there is nobody to ask
			return a.Emit(job.Forgot{Forgotten: *n})
		}
		return nil
	}}
	r, err := f.Run(ctx, e)
	switch {
	case err != nil || !r.Done:
		return err
	case a.JSON:
		return a.Emit(r)
	}
	a.Say("forgotten: %s", r.Snapshot)
	return nil
}

func (a family) showForgotten(n *backup.Forgotten) {
	a.Say("%s of %s", a.Stdout.Style(term.Bold, n.Snapshot), n.TakenAt)
	a.Say("  no file is moved or changed; of %s the catalog says something else:", words.Plural(n.Rows.Count, "version"))
	for _, x := range []struct {
		n    int64
		what string
	}{
		{n.Shown, "since when they were the latest, or until when"},
		{n.Absence, "that they were not listed"},
		{n.Unseen, "seen by no other snapshot; their bytes stay"},
		{n.Dropped, "seen by no other snapshot and without bytes: they are not known any more"},
		{n.Dated, "in history under its day: they stay there, and count as superseded then"},
	} {
		if x.n > 0 {
			a.Say("%s  %s", fmt.Sprintf("%10s", words.Count(x.n)), x.what)
		}
	}
}
