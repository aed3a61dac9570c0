package backup

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/tree/rebuild"
	"cooper/internal/words"
)

func (a family) rebuildCmd() *cobra.Command {
	var r job.Rebuild
	cmd := &cobra.Command{
		Use:   "rebuild DIR",
		Short: "Make the catalog of a tree again, where it was lost",
		Long: `For a tree whose catalog is gone or damaged, and no copy of it is there. The catalog
is made again from the names, sizes and times of the files in mirror and history,
from what is left of the former catalog, from the ledger in the workspace, and from
a snapshot of the bucket, if one is given: the more, the better.

No file of a version is read, moved or changed. It shows what it found, and what
nobody can know any more, and asks. All versions are unverified then: the next
backup compares them with the bucket, and verify --content reads them. What there
was of the former catalog, and of interrupted shards, goes to .cooper/aside.

Exit codes: 0 done; 1 wrong use; 2 it failed; 4 the catalog is whole, or nobody
was there to ask.`,
		Example: `  cooper backup rebuild /data/backup --plan-only
  cooper backup rebuild /data/backup --bucket bucket --list
  cooper backup rebuild /data/backup --inventory s3://reports/inventory/bucket/daily/ --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Dir = args[0]
			return a.rebuild(cmd.Context(), &r)
		},
	}
	shell.RegisterSource(cmd, &r.Source, "use this snapshot of the bucket (id, unique beginning, or latest)")
	fl := cmd.Flags()
	fl.StringVar(&r.Bucket, "bucket", "", "with --list: the bucket that the tree follows")
	fl.StringVar((*string)(&r.Layout), "layout", "", "where DIR/.cooper/VERSION is gone too: sidecar (DIR has mirror and history) or inline")
	fl.BoolVar(&r.PlanOnly, "plan-only", false, "tell what would be made; change nothing")
	fl.BoolVar(&r.Yes, "yes", false, "do not ask, as in a script")
	offerLayouts(cmd)
	cmd.MarkFlagsMutuallyExclusive("plan-only", "yes")
	return cmd
}

func (a family) rebuild(ctx context.Context, r *job.Rebuild) error {
	r.Foreign, r.Show = a.showForeign, func(r *rebuild.Result, listed bool) error {
		if !a.JSON {
			a.showRebuild(r, listed)
		}
		return nil
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	out, err := r.Run(ctx, e)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.Emit(out)
	}
	if r.PlanOnly {
		a.showRebuild(&out.Result, out.Snapshot != "")
	}
	if out.Done {
		a.Say("%s the catalog was made again; the former one is in .cooper/aside", a.Stdout.Style(term.Green, "done:"))
		a.Say("Go on with: cooper backup run s3://BUCKET %s …, then cooper backup verify %[1]s --content", term.Clean(r.Dir))
	}
	return nil
}

func (a family) showForeign(path string) error {
	if a.JSON {
		return a.Emit(map[string]string{"foreign": path})
	}
	a.Say("%s  %s", a.Stdout.Style(term.Yellow, "foreign"), term.Clean(path))
	return nil
}

// sourceWords say what told which version a file is.
var sourceWords = []struct {
	source rebuild.Source
	words  string
}{
	{rebuild.FromCatalog, "by what is left of the former catalog"},
	{rebuild.FromSnapshot, "by the snapshot of the bucket"},
	{rebuild.FromLedger, "by the facts in the ledger"},
	{rebuild.FromName, "by their names in history alone: ETags as far as those tell"},
	{rebuild.FromNothing, "not at all: they go to history when the next backup brings others"},
}

func (a family) showRebuild(r *rebuild.Result, listed bool) {
	a.Say("%s", a.Stdout.Style(term.Bold, "the catalog as it would be"))
	a.Say("  mirror   %s, %s", words.Plural(r.Mirror.Count, "version"), words.Bytes(r.Mirror.Bytes))
	a.Say("  history  %s, %s", words.Plural(r.History.Count, "version"), words.Bytes(r.History.Bytes))
	a.Say("  which versions they are was told")
	for _, s := range sourceWords {
		if n := r.By[s.source]; n > 0 {
			a.Say("    %10s  %s", words.Count(n), s.words)
		}
	}
	if r.Missing.Count > 0 {
		a.Say("  missing  %s (%s) that the former catalog knew: the next backup fetches what the bucket has", words.Plural(r.Missing.Count, "file"), words.Bytes(r.Missing.Bytes))
	}
	if r.Foreign > 0 {
		a.Say("  foreign  %s: left where they are", words.Plural(r.Foreign, "file"))
	}
	a.Say("%s", a.Stdout.Style(term.Bold, "what cannot be known"))
	a.Say("  whether the bytes are right: all are unverified, until verify --content reads them")
	if r.Broken > 0 || r.Read == 0 {
		a.Say("  when the bucket showed which version, for rollback and history, but for what is left")
		a.Say("  of the former catalog: %s read, %s broken", words.Plural(int64(r.Read), "file"), words.Count(int64(r.Broken)))
		a.Say("  what was pruned, beyond %s: the next backup fetches again what the bucket still has", words.Plural(r.Pruned, "version"))
	}
	if r.Observed == 0 {
		a.Say("  which snapshots the tree followed: a rollback can go to none of them")
	} else {
		a.Say("  whether snapshots after the last of %s were followed", words.Count(int64(r.Observed)))
	}
	if !listed {
		a.Say("  what the bucket has: give --snapshot, --inventory or --list, and more is told")
	}
}
