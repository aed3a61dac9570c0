package gc

import (
	"context"
	"os/user"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/words"
)

func (a family) acknowledgeCmd() *cobra.Command {
	var k job.GCAcknowledge
	cmd := &cobra.Command{
		Use:   "acknowledge",
		Short: "Answer for what keeps the last scan from being complete",
		Long: `Takes note, under your name, of values that cannot be read: for some days, and as long
as they stay the same, scans are complete without them. Or, with --shrunk, once and with
the numbers, that an association has become smaller, or more silent, than in the scan
before.`,
		Example: `  cooper gc acknowledge --association TeamAttachment --key 17
  cooper gc acknowledge --all-listed
  cooper gc acknowledge --association TeamAttachment --shrunk`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.acknowledge(cmd.Context(), &k) },
	}
	configFlag(cmd, &k.Config)
	fl := cmd.Flags()
	fl.StringVar(&k.Association, "association", "", "the association that it is about")
	fl.StringVar(&k.Key, "key", "", "the key of the row, as cooper gc list malformed writes it")
	fl.BoolVar(&k.All, "all-listed", false, "all values that cooper gc list malformed lists")
	fl.BoolVar(&k.Shrunk, "shrunk", false, "that the association has become smaller, or more silent")
	cmd.MarkFlagsMutuallyExclusive("all-listed", "key", "shrunk")
	cmd.MarkFlagsMutuallyExclusive("all-listed", "association")
	return cmd
}

func (a family) acknowledge(ctx context.Context, k *job.GCAcknowledge) (err error) {
	switch {
	case !k.All && k.Association == "":
		return shell.Usage("nothing says what is acknowledged", "Give --association with --key or --shrunk, or --all-listed.")
	case !k.All && k.Key == "" && !k.Shrunk:
		return shell.Usage("nothing says what of "+k.Association+" is acknowledged", "Give --key, or --shrunk.")
	}
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
	a.Say("acknowledged %s", words.Plural(int64(r.Count), "reason"))
	a.showScan(r.After)
	return nil
}

// person is who answers for what is acknowledged.
func person() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.Username, nil
}
