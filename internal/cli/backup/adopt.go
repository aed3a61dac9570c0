package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/tree"
	"cooper/internal/tree/adopt"
	"cooper/internal/words"
)

func (a family) adoptCmd() *cobra.Command {
	var look bool
	cmd := &cobra.Command{
		Use:   "adopt DIR",
		Short: "Take over a backup that s3invsync made",
		Long: `Makes a tree of a directory that s3invsync backed up to, by the names, sizes and
times of its files and by s3invsync's JSON files. No file is read, moved or changed;
everything new is in DIR/.cooper. The tree has the layout inline.

All versions are unverified: the next backup compares them with the inventory, and
fetches what does not fit; backup verify --content reads them. What belongs to no
version stays where it is, and is listed.

Do not run s3invsync on the directory again: it deletes what it does not know.

Exit codes: 0 adopted, whatever was left out; 1 there is nothing to adopt, or DIR
lies above or below what s3invsync backed up to; 2 it failed; 4 there is a tree
already.`,
		Example: `  cooper backup adopt /data/backup --plan-only
  cooper backup adopt /data/backup
  cooper backup run s3://bucket /data/backup --inventory s3://reports/inventory/bucket/daily/`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.adopt(cmd.Context(), args[0], look)
		},
	}
	cmd.Flags().BoolVar(&look, "plan-only", false, "tell what would be adopted; write nothing")
	return cmd
}

func (a family) adopt(ctx context.Context, dir string, look bool) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	out, err := (&job.Adopt{Dir: dir, PlanOnly: look, Left: a.showLeft}).Run(ctx, e)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.Emit(out)
	}
	a.showAdopted(&out.Result, dir, look)
	return nil
}

func (a family) showLeft(l adopt.Left) error {
	if a.JSON {
		return a.Emit(l)
	}
	a.Say("%s  %s", a.Stdout.Style(term.Yellow, fmt.Sprintf("%-10s", l.Reason)), term.Clean(l.Path))
	return nil
}

// leftWords say what the reasons mean, where there was one.
var leftWords = map[adopt.Reason]string{
	adopt.Unlisted:   "s3invsync's JSON says nothing of it: an interrupted download, or not s3invsync's",
	adopt.Temporary:  "what s3invsync was writing when it was stopped",
	adopt.OddName:    "a name that stands for no key here; if a key has it, a run fetches it to another",
	adopt.NoFile:     "a link, or something else that is no file",
	adopt.Unreadable: "no right to look into it, or another file system",
	adopt.Broken:     "a JSON file that makes no sense; the latest versions beside it are unlisted",
	adopt.Twice:      "a second copy of a version",
	adopt.Absent:     "s3invsync's JSON names it, and it is not there",
}

func (a family) showAdopted(res *adopt.Result, dir string, look bool) {
	word := "adopted:"
	if look {
		word = "would adopt:"
	}
	a.Say("%s %s (%s), %s (%s)", a.Stdout.Style(term.Green, word), words.Plural(res.Latest.Count, "latest version"), words.Bytes(res.Latest.Bytes),
		words.Plural(res.Older.Count, "older one"), words.Bytes(res.Older.Bytes))
	if len(res.Left) > 0 {
		a.Say("left where they are:")
		for _, r := range slices.Sorted(maps.Keys(res.Left)) {
			a.Say("  %6s  %-10s  %s", words.Count(res.Left[r]), r, leftWords[r])
		}
		if res.Left[adopt.Unlisted]+res.Left[adopt.Temporary]+res.Left[adopt.OddName]+res.Left[adopt.NoFile]+res.Left[adopt.Twice] > 0 {
			a.Say("Files among them are foreign to backup verify, which exits 3; its --repair moves them to .cooper/aside, and deletes none.")
		}
	}
	switch {
	case res.Stateless:
		a.Say("%s", a.Stdout.Style(term.Yellow, "there is no "+tree.TheirState+", as older releases of s3invsync wrote none: if this is not the very directory that it backed up to,"))
		a.Say("%s", a.Stdout.Style(term.Yellow, "but one above or below, all keys are wrong, and everything will be fetched again"))
	case res.Started > res.Finished:
		a.Say("%s", a.Stdout.Style(term.Yellow, fmt.Sprintf("s3invsync's last run, of %s, did not end well", res.Started)))
	case res.Finished != 0:
		a.Say("s3invsync's last run ended at %s", res.Finished)
	}
	dir = strings.TrimSpace(term.Clean(dir))
	if look {
		a.Say("Adopt it with: cooper backup adopt %s", dir)
		return
	}
	a.Say("Go on with: cooper backup run s3://BUCKET %s --inventory URL", dir)
	a.Say("Do not run s3invsync on it again: it would delete .cooper, and what it does not know.")
}
