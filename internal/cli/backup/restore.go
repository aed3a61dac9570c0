package backup

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/workspace"
)

// restoreFlags say what to copy out of a tree, and to where.
type restoreFlags struct {
	what  job.Restore
	at    string
	apply shell.Apply
}

func (a family) restoreCmd() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore DIR --to DEST",
		Short: "Copy versions out of a tree, as the bucket was at any time",
		Long: `Copies files out of the tree, to a directory or a bucket: as the bucket is now
as far as the tree knows, as it was --at a time, or one --version. What is
already right at the destination is left as it is; a different file there is a
conflict unless --replace is given. Every byte is compared with what the tree knows
of it; damaged ones are not copied unless --damaged is given.

A time between two snapshots is answered as well as one can tell, with a warning.
Exit code 3 tells that versions were left out, as the tree does not have their bytes,
that a --key or --version is not there, that nothing matches at all, or that copying
some failed. So do damaged bytes, also with --damaged: the list of failures says which
files they are.

The bucket that the tree is a backup of is not written to without --into-source.`,
		Example: `  cooper backup restore /data/backup --at 2026-03-01 --prefix images/ --to /tmp/images
  cooper backup restore /data/backup --key a/b.txt --version 3sL4kqtJlcpXroDTDmJ --to .
  cooper backup restore /data/backup --prefix raw/ --to s3://other-bucket/raw-restored/`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.what.Dir = args[0]
			return a.restore(cmd.Context(), &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.at, "at", "", "a time: 2026-03-01T12:00:00Z, or 2026-03-01 for the beginning of that day (UTC); or a snapshot's id, for which the answer is exact; default the last that is known")
	fl.StringVar(&f.what.Version, "version", "", "the version with this id")
	fl.StringVar(&f.what.Prefix, "prefix", "", "only keys below this prefix; a/b never means a/bc")
	fl.StringVar(&f.what.Match, "match", "", "only keys that match this regular expression (RE2)")
	fl.StringArrayVar(&f.what.Keys, "key", nil, "this key (may be repeated)")
	fl.StringVar(&f.what.To, "to", "", "a directory, or s3://BUCKET/PREFIX/")
	fl.BoolVar(&f.what.Replace, "replace", false, "overwrite what is different at the destination")
	fl.BoolVar(&f.what.IntoSource, "into-source", false, "write to the very bucket that the tree is a backup of")
	fl.BoolVar(&f.what.Damaged, "damaged", false, "copy damaged bytes as well, as they are, and list them as failed")
	fl.BoolVar(&f.what.PlanOnly, "plan-only", false, "write the plan and stop")
	f.apply.Register(cmd)
	a.RunFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("at", "version")
	shell.EndsWithPlan(cmd)
	return cmd
}

// isSnapshotID tells a snapshot's id, or the beginning of one, from a time.
func isSnapshotID(s string) bool { return s == workspace.Latest || strings.HasPrefix(s, "s-") }

func (a family) restore(ctx context.Context, f *restoreFlags) (err error) {
	if f.what.To == "" {
		return shell.Usage("where shall the files go?", "Say so with --to DIR or --to s3://BUCKET/PREFIX/.")
	}
	switch {
	case isSnapshotID(f.at):
		f.what.Snapshot = f.at
	case f.at != "":
		if f.what.At, err = shell.ParseTime(f.at); err != nil {
			return err
		}
	}
	if err := f.apply.Check(); err != nil {
		return err
	}
	f.what.Options = f.apply.Options
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := f.what.Run(ctx, e)
	return a.Ended(&r, err)
}

// rollbackFlags say where to roll back to.
type rollbackFlags struct {
	what  job.Rollback
	apply shell.Apply
}

func (a family) rollbackCmd() *cobra.Command {
	var f rollbackFlags
	cmd := &cobra.Command{
		Use:   "rollback DIR --to SNAPSHOT",
		Short: "Make the mirror show an earlier snapshot again",
		Long: `Moves files between mirror and history so that the mirror shows a snapshot that
the tree followed before; no network is needed where the bytes are there. What the
mirror showed goes to history. Afterwards the tree is pinned: backup run refuses
until it is told --forward, so that tonight's cron job does not undo it.

Where the tree does not have the bytes of then any more, as a prune deleted them or
they are damaged, and the mirror shows another version of the key, it is refused
unless --fetch is given; cooper apply carries out the plan all the same.`,
		Example: `  cooper backup status /data/backup
  cooper backup rollback /data/backup --to s-20261119T0100
  cooper backup run s3://bucket /data/backup --inventory … --forward`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.what.Dir = args[0]
			return a.rollback(cmd.Context(), &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.what.To, "to", "", "the snapshot: its id, a unique beginning, or the time it was taken")
	fl.StringVar(&f.what.Prefix, "prefix", "", "only keys below this prefix")
	fl.StringVar(&f.what.Match, "match", "", "only keys that match this regular expression (RE2)")
	fl.BoolVar(&f.what.Fetch, "fetch", false, "fetch versions whose bytes the tree does not have")
	fl.BoolVar(&f.what.PlanOnly, "plan-only", false, "write the plan and stop")
	f.apply.Register(cmd)
	a.RunFlags(cmd)
	shell.EndsWithPlan(cmd)
	return cmd
}

func (a family) rollback(ctx context.Context, f *rollbackFlags) error {
	if f.what.To == "" {
		return shell.Usage("to which snapshot?", "cooper backup status DIR lists them; choose with --to.")
	}
	if err := f.apply.Check(); err != nil {
		return err
	}
	f.what.Options = f.apply.Options
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := f.what.Run(ctx, e)
	return a.Ended(&r, err)
}
