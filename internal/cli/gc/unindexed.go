package gc

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a family) unindexedCmd() *cobra.Command {
	var u job.GCUnindexed
	cmd := &cobra.Command{
		Use:   "unindexed",
		Short: "Where the objects are that no handle names",
		Long: `Tells of the last detection, by bucket and folder, how many objects there are that no
handle names, and how much they hold. A folder in which no handle lives at all may be
somebody else's: it is shown apart. It is a report: nothing is changed.`,
		Example: "  cooper gc unindexed\n  cooper gc unindexed --json | jq '.folders[] | select(.apart)'\n  cooper gc list unindexed --tsv",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.unindexed(cmd.Context(), &u) },
	}
	configFlag(cmd, &u.Config)
	cmd.Flags().IntVar(&u.Most, "most", 20, "how many folders are shown, the largest first")
	return cmd
}

func (a family) unindexed(ctx context.Context, u *job.GCUnindexed) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := u.Run(ctx, e)
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.Emit(r)
	}
	a.Say("%s", a.Stdout.Style(term.Bold, r.Detection))
	for _, x := range r.Unknown {
		a.Say("  %s  %s", a.Stdout.Style(term.Yellow, "unknown"), a.Stdout.Wrap(term.Clean("of "+x.Bucket+": "+x.Why), 11))
	}
	if len(r.Folders) == 0 && len(r.Unknown) == 0 {
		a.Say("  Each object is named by a handle, or left alone: cooper gc list unindexed-kept")
		return nil
	}
	for _, apart := range []bool{false, true} {
		t := term.NewTable(a.Stdout, ">", ">", "")
		for _, f := range r.Folders {
			if f.Apart == apart {
				t.Row(words.Count(f.Objects), words.Bytes(f.Bytes), term.Shorten(f.Bucket+"/"+f.Folder, a.Stdout.Width()-28))
			}
		}
		if t.Len() == 0 {
			continue
		}
		a.Say("")
		if apart {
			a.Title("in folders in which no handle lives")
		} else {
			a.Title("objects that no handle names")
		}
		if err := t.Flush("  "); err != nil {
			return err
		}
	}
	if r.More > 0 {
		a.Say("  and %s more: --most %d", words.Plural(int64(r.More), "folder"), u.Most+r.More)
	}
	return nil
}
