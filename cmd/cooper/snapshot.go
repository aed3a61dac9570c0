package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/s3report"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a *app) snapshotCmd() *cobra.Command {
	var src sourceFlags
	var prefix string
	var dates bool
	cmd := &cobra.Command{
		Use:   "snapshot [s3://BUCKET]",
		Short: "Take stock of a bucket: import its inventory, or list it",
		Long: `Reads an S3 Inventory report (CSV, Parquet or ORC, from a bucket or a directory),
or lists the bucket now, and keeps the result: checked, normalised, sorted by key,
as Parquet files in the workspace. Rows that make no sense are set aside and
reported; they never look like deletions.`,
		Example: `  # the newest daily report
  cooper snapshot s3://bucket --inventory s3://reports/inventory/bucket/daily/

  # which reports are there?
  cooper snapshot --inventory s3://reports/inventory/bucket/daily/ --list-dates

  # the same files on a local disk, on a given day
  cooper snapshot --inventory ./daily --date 2026-11-20

  # a live listing of all versions
  cooper snapshot s3://bucket --list`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bucket := ""
			if len(args) == 1 {
				var err error
				if bucket, err = bucketArg(args[0]); err != nil {
					return err
				}
			}
			if err := src.check(); err != nil {
				return err
			}
			if dates {
				return a.listDates(cmd.Context(), src)
			}
			if src.list && bucket == "" {
				return usage("which bucket shall be listed?", "cooper snapshot s3://BUCKET --list")
			}
			return a.snapshot(cmd.Context(), bucket, src, prefix)
		},
	}
	src.register(cmd)
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys below this prefix; the snapshot speaks of nothing else")
	cmd.Flags().BoolVar(&dates, "list-dates", false, "list the reports that are there, take none")
	a.runFlags(cmd)
	cmd.AddCommand(a.snapshotLsCmd(), a.snapshotShowCmd(), a.snapshotRmCmd())
	return cmd
}

func (a *app) snapshot(ctx context.Context, bucket string, src sourceFlags, prefix string) (err error) {
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	s, err := a.takeSnapshot(ctx, ws, bucket, src, prefix)
	if err != nil {
		return err
	}
	return a.showSnapshot(s.Meta())
}

// doubt keeps in mind, and says, that a snapshot contradicts itself too often, or makes too
// little sense, for whatever follows from it to be a success.
func (a *app) doubt(m *inventory.Meta) {
	if m.MakesNoSense() {
		a.doubtful = true
		a.note("warning: most rows of the source make no sense: %s were set aside, %s taken.", words.Count(m.Rejected), words.Count(m.Versions+m.DeleteMarkers))
		a.note("  rejected.parquet in the snapshot says why. Their keys are left alone, and this")
		a.note("  is no success: exit code 3. Take another report, or list the bucket.")
	}
	if !m.Contradicts() {
		return
	}
	a.doubtful = true
	keys := ""
	if m.Keys > 0 {
		keys = " of " + words.Count(m.Keys)
	}
	a.caution("the snapshot contradicts itself: %s%s keys have several latest versions.", words.Count(m.Ambiguous), keys)
	a.note("  Most likely its source does: a report that some program rewrote or joined, a")
	a.note("  store that marks several versions as the latest. These keys are left alone,")
	a.note("  and this is no success: exit code 3. Take another report, or list the bucket.")
}

func (a *app) listDates(ctx context.Context, src sourceFlags) error {
	if src.inventory == "" {
		return usage("--list-dates needs --inventory", "cooper snapshot --inventory s3://DST/PREFIX/SRC/CONFIG/ --list-dates")
	}
	if path.Base(src.inventory) == "manifest.json" {
		return usage(cooper.Quote(src.inventory)+" is one report", "Give the folder of its configuration, PREFIX/SRC/CONFIG/, to list the others.")
	}
	at, err := a.location(ctx, src.inventory)
	if err != nil {
		return err
	}
	defer at.done()
	dates, err := s3report.Dates(ctx, at.Location, at.prefix)
	if err != nil {
		return err
	}
	table := term.NewTable(a.stdout, "DATE", "STATE")
	for _, d := range dates {
		if a.json {
			if err := a.emit(d); err != nil {
				return err
			}
			continue
		}
		state := "complete"
		if !d.Whole {
			state = "no manifest.checksum: still being written"
		}
		table.Row(d.Name, state)
	}
	if a.json {
		return nil
	}
	if table.Len() == 0 {
		return &cooper.Error{Kind: cooper.KindMissing, Where: src.inventory, Message: "no report is there", Remedy: "Reports lie in dated folders below PREFIX/SRC/CONFIG/; give that path."}
	}
	return table.Flush("")
}

// showSnapshot tells what a snapshot holds.
func (a *app) showSnapshot(m inventory.Meta) error {
	if a.json {
		return a.emit(m)
	}
	scope := "the whole bucket"
	if m.Scope.Prefix != "" {
		scope = "keys below " + term.Clean(m.Scope.Prefix)
	}
	if m.Scope.CurrentOnly {
		scope += ", current versions only"
	}
	a.say("%s  s3://%s as of %s", a.stdout.Style(term.Bold, m.ID), m.Bucket, m.TakenAt)
	t := term.NewTable(a.stdout, "", ">", "")
	t.Row("versions", words.Count(m.Versions), words.Bytes(m.Bytes))
	t.Row("latest", words.Count(m.Latest), words.Bytes(m.LatestBytes))
	t.Row("delete markers", words.Count(m.DeleteMarkers))
	if err := t.Flush("  "); err != nil {
		return err
	}
	a.say("  scope   %s", scope)
	a.say("  source  %s", term.Clean(m.Source))
	for _, w := range []struct {
		n    int64
		text string
	}{
		{m.Rejected, "rows made no sense and were set aside: see rejected.parquet in the snapshot"},
		{m.Ambiguous, "keys have several latest versions: they will be left alone"},
		{m.Hidden, "keys have no latest version: nothing is shown of them"},
		{m.Duplicates, "rows repeated another exactly and were dropped"},
	} {
		if w.n > 0 {
			a.say("  %s", a.stdout.Style(term.Yellow, words.Count(w.n)+" "+w.text))
		}
	}
	if m.Unnamed > 0 {
		a.say("  %s", a.stdout.Style(term.Yellow, "the store cannot tell the names of "+words.Count(m.Unnamed)+" keys: they stand here with U+FFFD"))
	}
	if !m.Complete {
		a.say("  %s", a.stdout.Style(term.Red, "incomplete: nothing will be taken for deleted because it is not listed"))
	}
	return nil
}

func (a *app) snapshotLsCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the snapshots in the workspace",
		Example: "  cooper snapshot ls --json | jq -r .id",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			ws, err := a.openWorkspace()
			if err != nil {
				return err
			}
			defer finally(&err, ws.Close)
			ids, err := ws.Snapshots()
			if err != nil {
				return err
			}
			table := term.NewTable(a.stdout, "ID", "BUCKET", "TAKEN AT", "VERSIONS>", "BYTES>", "STATE")
			for _, id := range ids {
				s, operr := inventory.Open(ws.SnapshotDir(id))
				if operr != nil { // the others are there all the same
					err = errors.Join(err, operr)
					continue
				}
				m := s.Meta()
				m.Files = nil
				if a.json {
					if err := a.emit(m); err != nil {
						return err
					}
					continue
				}
				state := ""
				if !m.Complete {
					state = "incomplete"
				}
				if m.Scope.Prefix != "" {
					state = strings.TrimPrefix(state+", below "+m.Scope.Prefix, ", ")
				}
				table.Row(id, m.Bucket, m.TakenAt.String(), words.Count(m.Versions), words.Bytes(m.Bytes), state)
			}
			if a.json || table.Len() == 0 {
				a.noneYet(table.Len(), "snapshots", "cooper snapshot --help")
				return err
			}
			return errors.Join(table.Flush(""), err)
		},
	}
}

// noneYet says that a list is empty, to a person.
func (a *app) noneYet(n int, what, next string) {
	if n == 0 && !a.json {
		a.note("No %s yet. See %s.", what, next)
	}
}

func (a *app) snapshotShowCmd() *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show what a snapshot holds",
		Long:    "Shows a snapshot. ID may be a unique beginning, or latest.",
		Example: "  cooper snapshot show latest --verify\n  cooper snapshot show s-20261120",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ws, err := a.openWorkspace()
			if err != nil {
				return err
			}
			defer finally(&err, ws.Close)
			s, err := a.openSnapshot(ws, args[0])
			if err != nil {
				return err
			}
			if verify {
				if err := s.Verify(cmd.Context()); err != nil {
					return err
				}
			}
			return a.showSnapshot(s.Meta())
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "compare its files with their digests")
	return cmd
}

func (a *app) snapshotRmCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "rm ID…",
		Short:   "Remove snapshots from the workspace",
		Long:    "Removes snapshots. Trees do not need them: a backup keeps what it saw in its own catalog.",
		Example: "  cooper snapshot rm s-20261120",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) (err error) {
			ws, err := a.openWorkspace()
			if err != nil {
				return err
			}
			defer finally(&err, ws.Close)
			for _, arg := range args {
				id, err := ws.Resolve("snapshot", arg)
				if err != nil {
					return err
				}
				if err := ws.RemoveSnapshot(id); err != nil {
					return err
				}
				if a.json {
					err = a.emit(map[string]string{"removed": id})
				} else {
					a.say("removed %s", id)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// removeAll removes a temporary directory. What stays is cleared by a later
// start; there is nothing else to do about it.
func removeAll(dir string) {
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "left behind:", err)
	}
}
