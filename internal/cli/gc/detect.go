package gc

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a family) detectCmd() *cobra.Command {
	g := job.GCDetect{}
	flags := shell.NewApply(1)
	var snapshots []string
	cmd := &cobra.Command{
		Use:   "detect",
		Short: "Find what nothing links to, and mark it",
		Long: `Puts together what the complete scans that count have read, the newest whole snapshot of
each bucket, and what Cooper knows of handles. It writes down what it finds:

candidates      AVAILABLE, old enough, and without a link in each of the scans
kept            without a link, and yet no candidate, with the reason
relinked        with a link, although they are UNLINKED or ARCHIVED
missing         handles without their object
unindexed       objects that no handle names
unindexed-kept  and those of them that are left alone, with the reason

Then it asks, and marks candidates as UNLINKED, and what is linked again as AVAILABLE.
UNLINKED is a mark in the workspace: objects and the database stay as they are. Until
enough scans count nothing becomes UNLINKED. The first time that much is found, and after
a jump, marking takes the digest that is shown (--confirm). Without an inventory of a
bucket, what is missing there, and what no handle names, is unknown.

Exit codes: 0 done; 1 wrong use or configuration; 2 it failed; 3 some handles were
changed by somebody else meanwhile; 4 refused, with the reason; 130 interrupted.`,
		Example: `  cooper gc detect --plan-only
  cooper gc detect --snapshot example-data=s-20261120T010000Z-4f1c --yes
  cooper gc detect --confirm 4f1c22ab`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if g.Snapshots, err = byBucket(snapshots); err == nil {
				err = flags.Check()
			}
			if err != nil {
				return err
			}
			g.Options = flags.Options
			return a.detect(cmd.Context(), &g)
		},
	}
	configFlag(cmd, &g.Config)
	f := cmd.Flags()
	f.StringArrayVar(&snapshots, "snapshot", nil, "the snapshot of a bucket, BUCKET=ID, where it is not the newest (can be repeated)")
	f.BoolVar(&g.PlanOnly, "plan-only", false, "write down what is found, plan, and mark nothing")
	f.BoolVar(&g.Yes, "yes", false, "do not ask, as in a script")
	f.StringVar(&flags.Confirm, "confirm", "", "the digest of the decision or of the plan (8 characters or more): carry that plan out although it is the first, or a jump")
	return cmd
}

// byBucket reads BUCKET=ID.
func byBucket(given []string) (map[string]string, error) {
	all := map[string]string{}
	for _, s := range given {
		bucket, id, ok := strings.Cut(s, "=")
		if !ok || bucket == "" || id == "" || all[bucket] != "" {
			return nil, shell.Usage("--snapshot "+cooper.Quote(s)+" does not say which snapshot of which bucket", "Give it once for a bucket, as --snapshot BUCKET=ID; cooper snapshot ls lists them.")
		}
		all[bucket] = id
	}
	return all, nil
}

func (a family) detect(ctx context.Context, g *job.GCDetect) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	if !a.JSON {
		g.Found = a.showDetected
	}
	r, err := g.Run(ctx, e)
	if a.JSON && r.Applied == nil && (r.Detected != nil || r.Plan != nil) {
		return errors.Join(err, a.Emit(r))
	}
	return a.Ended(&r, err)
}

// showDetected shows what a detection comes to.
func (a family) showDetected(d *job.GCDetected) error {
	last := "it"
	if len(d.Scans) > 0 {
		last = d.Scans[0]
	}
	a.Say("%s  by %s, the last %s", a.Stdout.Style(term.Bold, d.ID), words.Plural(int64(len(d.Scans)), "scan"), last)
	for _, s := range d.Snapshots {
		a.Say("  s3://%s as of %s (%s)", term.Clean(s.Bucket), s.Taken, s.Snapshot)
	}
	t := term.NewTable(a.Stdout, "", ">", ">", "")
	for _, f := range d.Figures {
		if shown := figures[f.Name]; shown != "" && (f.Count > 0 || f.Name == "handles") {
			t.Row(shown, words.Count(f.Count), bytesOf(f.Bytes))
		}
	}
	for _, name := range job.GCDetectedLists() {
		rows, bytes, note := "0", "", ""
		for _, l := range d.Lists {
			if l.Name == name {
				rows = words.Count(l.Rows)
				if l.Bytes > 0 {
					bytes = words.Bytes(l.Bytes)
				}
			}
		}
		unknown := unknownOf(d, name)
		if len(unknown) > 0 && rows == "0" {
			rows = "unknown"
		} else if len(unknown) > 0 {
			note = "unknown of " + strings.Join(unknown, ", ")
		}
		t.Row(name, rows, bytes, term.Clean(note))
	}
	if err := t.Flush("  "); err != nil {
		return err
	}
	a.showWhy(d)
	return nil
}

// figures are those that are shown, and how they are called.
var figures = map[string]string{
	"handles": "handles", "unlinked": "without a link", "new": "new candidates", "status-unknown": "of unknown status", "linked-and-deleted": "linked, and deleted", "unsettled": "too new to judge",
	"origins-asked": "asked of stores", "origins-told": "made by Cooper",
}

func bytesOf(n int64) string {
	if n < 0 {
		return ""
	}
	return words.Bytes(n)
}

// unknownOf are the buckets of which a list tells nothing.
func unknownOf(d *job.GCDetected, list string) (buckets []string) {
	for _, u := range d.Unknown {
		if u.List == list || u.List == "unindexed" && list == "unindexed-kept" {
			buckets = append(buckets, u.Bucket)
		}
	}
	return buckets
}

// showWhy says why handles are kept, what is not known, and why nothing is marked.
func (a family) showWhy(d *job.GCDetected) {
	if len(d.Kept) > 0 {
		var parts []string
		for _, k := range d.Kept {
			parts = append(parts, words.Count(k.Count)+" "+k.Reason)
		}
		a.Say("  kept     %s", a.Stdout.Wrap(strings.Join(parts, ", "), 11))
	}
	for _, u := range d.Unknown {
		a.Say("  %s  %s", a.Stdout.Style(term.Yellow, "unknown"), a.Stdout.Wrap(term.Clean(u.List+" of "+u.Bucket+": "+u.Why), 11))
	}
	if len(d.Unknown) > 0 {
		a.Say("  %s take an inventory: cooper snapshot s3://%s --list", a.Stdout.Style(term.Cyan, "next:"), term.Clean(d.Unknown[0].Bucket))
	}
	if d.Waits != "" {
		a.Say("  %s    %s", a.Stdout.Style(term.Yellow, "waits"), a.Stdout.Wrap(term.Clean("for "+d.Waits), 11))
		a.Say("  %s cooper gc scan", a.Stdout.Style(term.Cyan, "next:"))
		return
	}
	for _, x := range d.Refusals {
		word := "refused"
		if x.Confirmable {
			word = "stops  "
		}
		a.Say("  %s  %s", a.Stdout.Style(term.Red, word), a.Stdout.Wrap(term.Clean(x.Why), 11))
	}
	a.Say("  %s cooper gc list candidates; cooper gc explain ID", a.Stdout.Style(term.Cyan, "next:"))
}
