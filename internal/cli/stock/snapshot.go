package stock

import (
	"context"
	"errors"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/inventory"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

func (a family) snapshotCmd() *cobra.Command {
	var src job.Source
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
				if bucket, err = shell.BucketArg(args[0]); err != nil {
					return err
				}
			}
			if err := src.Check(); err != nil {
				return err
			}
			if dates {
				return a.listDates(cmd.Context(), src.Inventory)
			}
			if src.List && bucket == "" {
				return shell.Usage("which bucket shall be listed?", "cooper snapshot s3://BUCKET --list")
			}
			return a.snapshot(cmd.Context(), bucket, &src, prefix)
		},
	}
	shell.RegisterSource(cmd, &src, "")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys below this prefix; the snapshot speaks of nothing else")
	cmd.Flags().BoolVar(&dates, "list-dates", false, "list the reports that are there, take none")
	a.RunFlags(cmd)
	cmd.AddCommand(a.snapshotLsCmd(), a.snapshotShowCmd(), a.snapshotRmCmd())
	return cmd
}

func (a family) snapshot(ctx context.Context, bucket string, src *job.Source, prefix string) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	m, err := job.TakeSnapshot(ctx, e, bucket, *src, prefix)
	if err != nil {
		return err
	}
	return a.showSnapshot(m)
}

func (a family) listDates(ctx context.Context, inventory string) error {
	if inventory == "" {
		return shell.Usage("--list-dates needs --inventory", "cooper snapshot --inventory s3://DST/PREFIX/SRC/CONFIG/ --list-dates")
	}
	if path.Base(inventory) == "manifest.json" {
		return shell.Usage(cooper.Quote(inventory)+" is one report", "Give the folder of its configuration, PREFIX/SRC/CONFIG/, to list the others.")
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	dates, err := job.Reports(ctx, e, inventory)
	if err != nil {
		return err
	}
	table := term.NewTable(a.Stdout, "DATE", "STATE")
	for _, d := range dates {
		if a.JSON {
			if err := a.Emit(d); err != nil {
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
	if a.JSON {
		return nil
	}
	if table.Len() == 0 {
		return &cooper.Error{Kind: cooper.KindMissing, Where: inventory, Message: "no report is there", Remedy: "Reports lie in dated folders below PREFIX/SRC/CONFIG/; give that path."}
	}
	return table.Flush("")
}

// showSnapshot tells what a snapshot holds.
func (a family) showSnapshot(m inventory.Meta) error {
	if a.JSON {
		return a.Emit(m)
	}
	scope := "the whole bucket"
	if m.Scope.Prefix != "" {
		scope = "keys below " + term.Clean(m.Scope.Prefix)
	}
	if m.Scope.CurrentOnly {
		scope += ", current versions only"
	}
	a.Say("%s  s3://%s as of %s", a.Stdout.Style(term.Bold, m.ID), m.Bucket, m.TakenAt)
	t := term.NewTable(a.Stdout, "", ">", "")
	t.Row("versions", words.Count(m.Versions), words.Bytes(m.Bytes))
	t.Row("latest", words.Count(m.Latest), words.Bytes(m.LatestBytes))
	t.Row("delete markers", words.Count(m.DeleteMarkers))
	if err := t.Flush("  "); err != nil {
		return err
	}
	a.Say("  scope   %s", scope)
	a.Say("  source  %s", term.Clean(m.Source))
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
			a.Say("  %s", a.Stdout.Style(term.Yellow, words.Count(w.n)+" "+w.text))
		}
	}
	if m.Unnamed > 0 {
		a.Say("  %s", a.Stdout.Style(term.Yellow, "the store cannot tell the names of "+words.Count(m.Unnamed)+" keys: they stand here with U+FFFD"))
	}
	if !m.Complete {
		a.Say("  %s", a.Stdout.Style(term.Red, "incomplete: nothing will be taken for deleted because it is not listed"))
	}
	return nil
}

func (a family) snapshotLsCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the snapshots in the workspace",
		Example: "  cooper snapshot ls --json | jq -r .id",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.WithWorkspace(a.listSnapshots) },
	}
}

func (a family) listSnapshots(ws *workspace.Workspace) error {
	ids, err := ws.Snapshots()
	if err != nil {
		return err
	}
	table := term.NewTable(a.Stdout, "ID", "BUCKET", "TAKEN AT", "VERSIONS>", "BYTES>", "STATE")
	for _, id := range ids {
		s, operr := inventory.Open(ws.SnapshotDir(id))
		if operr != nil { // the others are there all the same
			err = errors.Join(err, operr)
			continue
		}
		m := s.Meta()
		m.Files = nil
		if a.JSON {
			if err := a.Emit(m); err != nil {
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
	if a.JSON || table.Len() == 0 {
		a.NoneYet(table.Len(), "snapshots", "cooper snapshot --help")
		return err
	}
	return errors.Join(table.Flush(""), err)
}

func (a family) snapshotShowCmd() *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show what a snapshot holds",
		Long:    "Shows a snapshot. ID may be a unique beginning, or latest.",
		Example: "  cooper snapshot show latest --verify\n  cooper snapshot show s-20261120",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithWorkspace(func(ws *workspace.Workspace) error {
				s, err := job.OpenSnapshot(ws, args[0])
				if err != nil {
					return err
				}
				if verify {
					if err := s.Verify(cmd.Context()); err != nil {
						return err
					}
				}
				return a.showSnapshot(s.Meta())
			})
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "compare its files with their digests")
	return cmd
}

func (a family) snapshotRmCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "rm ID…",
		Short:   "Remove snapshots from the workspace",
		Long:    "Removes snapshots. Trees do not need them: a backup keeps what it saw in its own catalog.",
		Example: "  cooper snapshot rm s-20261120",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.WithWorkspace(func(ws *workspace.Workspace) error {
				for _, arg := range args {
					if err := a.removeSnapshot(ws, arg); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func (a family) removeSnapshot(ws *workspace.Workspace, name string) error {
	id, err := ws.Resolve(workspace.Snapshot, name)
	if err != nil {
		return err
	}
	if err := ws.RemoveSnapshot(id); err != nil {
		return err
	}
	if a.JSON {
		return a.Emit(map[string]string{"removed": id})
	}
	a.Say("removed %s", id)
	return nil
}
