package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/inventory"
	"cooper/internal/inventory/extsort"
	"cooper/internal/permit"
	"cooper/internal/term"
	"cooper/internal/tree"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/rebuild"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

type rebuildFlags struct {
	source sourceFlags
	bucket string
	layout string
	look   bool
	yes    bool
}

func (a *app) backupRebuildCmd() *cobra.Command {
	var f rebuildFlags
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
			return a.backupRebuild(cmd.Context(), args[0], &f)
		},
	}
	f.source.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.source.snapshot, "snapshot", "", "use this snapshot of the bucket (id, unique beginning, or latest)")
	fl.StringVar(&f.bucket, "bucket", "", "with --list: the bucket that the tree follows")
	fl.StringVar(&f.layout, "layout", "", "where DIR/.cooper/VERSION is gone too: sidecar (DIR has mirror and history) or inline")
	fl.BoolVar(&f.look, "plan-only", false, "tell what would be made; change nothing")
	fl.BoolVar(&f.yes, "yes", false, "do not ask, as in a script")
	cmd.MarkFlagsMutuallyExclusive("inventory", "list", "snapshot")
	cmd.MarkFlagsMutuallyExclusive("plan-only", "yes")
	return cmd
}

func (f *rebuildFlags) check() error {
	if f.layout != "" && !keypath.Layout(f.layout).Known() {
		return usage("--layout "+cooper.Quote(f.layout)+" is not known", "It is sidecar or inline.")
	}
	if f.source.list && f.bucket == "" {
		return usage("which bucket is to be listed?", "Give its name with --bucket.")
	}
	if f.bucket != "" && !f.source.list {
		return usage("--bucket goes with --list", "A report or a snapshot names its bucket itself.")
	}
	if f.source.list || f.source.inventory != "" || f.source.snapshot != "" {
		return f.source.check()
	}
	return nil
}

// rebuilt is what rebuild prints as JSON, after a line for each foreign file.
type rebuilt struct {
	Tree     string `json:"tree"`
	Snapshot string `json:"snapshot,omitempty"`
	rebuild.Result
	PlanOnly bool `json:"plan_only,omitempty"`
}

func (a *app) backupRebuild(ctx context.Context, dir string, f *rebuildFlags) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	if err := a.apart(dir); err != nil {
		return err
	}
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	t, err := tree.OpenBroken(ctx, abs, tree.Options{Layout: keypath.Layout(f.layout), Clock: a.clock, Tell: a.warn})
	if err != nil {
		return err
	}
	defer finally(&err, t.Close)
	run := ws.NewID("r")
	ctx, unlock, err := t.Lock(ctx, tree.Holder{Run: run, Command: "backup rebuild"})
	if err != nil {
		return err
	}
	defer finally(&err, unlock)
	if err := t.StillBroken(ctx); err != nil {
		return err
	}
	out := rebuilt{Tree: abs, PlanOnly: f.look}
	var snap *inventory.Snapshot
	if f.source.list || f.source.inventory != "" || f.source.snapshot != "" {
		if snap, err = a.takeSnapshot(ctx, ws, f.bucket, f.source, ""); err != nil {
			return err
		}
		out.Snapshot = snap.Meta().ID
	}
	memory, err := a.memoryBytes()
	if err != nil {
		return err
	}
	temp, err := ws.TempDir()
	if err != nil {
		return err
	}
	defer removeAll(temp)
	count := a.countersFor(nil)
	count.Phase("rebuild")
	stop := a.follow(count)
	defer stop()
	err = apply.Mend(run, func(p permit.Permit) (err error) {
		out.Result, err = rebuild.Run(ctx, t, p, rebuild.Options{
			Look: f.look, Now: cooper.InstantOf(a.clock()), Progress: count,
			Sort: extsort.Options{Memory: memory / 4, Dir: temp},
			Known: func(ctx context.Context, add func(*rebuild.Candidate) error) error {
				return a.candidates(ctx, ws, abs, snap, add)
			},
			Foreign: func(path string) error {
				stop()
				if a.json {
					return a.emit(map[string]string{"foreign": path})
				}
				a.say("%s  %s", a.stdout.Style(term.Yellow, "foreign"), term.Clean(path))
				return nil
			},
			Agree: func(res rebuild.Result) (bool, error) {
				stop()
				if !a.json {
					a.showRebuild(&res, snap != nil)
				}
				return a.mayRebuild(ctx, f)
			},
		})
		return err
	})
	stop()
	if err != nil {
		return err
	}
	if a.json {
		return a.emit(out)
	}
	if f.look {
		a.showRebuild(&out.Result, snap != nil)
	}
	if out.Done {
		a.say("%s the catalog was made again; the former one is in .cooper/aside", a.stdout.Style(term.Green, "done:"))
		a.say("Go on with: cooper backup run s3://BUCKET %s …, then cooper backup verify %[1]s --content", term.Clean(dir))
	}
	return nil
}

func (a *app) mayRebuild(ctx context.Context, f *rebuildFlags) (bool, error) {
	if f.yes {
		return true, nil
	}
	if a.json || !term.Person(a.stdin) {
		return false, &cooper.Error{Kind: cooper.KindRefused, Message: "nothing was changed, as there is nobody to ask", Remedy: "Look with --plan-only, then give --yes."}
	}
	return a.ask(ctx, "Make this the tree's catalog?")
}

// candidates gives the versions that a snapshot lists, and those that the ledger's facts name.
func (a *app) candidates(ctx context.Context, ws *workspace.Workspace, dir string, snap *inventory.Snapshot, add func(*rebuild.Candidate) error) error {
	if snap != nil {
		if err := listedCandidates(ctx, snap, add); err != nil {
			return err
		}
	}
	return a.factCandidates(ctx, ws, dir, add)
}

func listedCandidates(ctx context.Context, snap *inventory.Snapshot, add func(*rebuild.Candidate) error) (err error) {
	it := snap.Versions(ctx, inventory.IterOptions{})
	defer func() { err = errors.Join(err, it.Close()) }()
	for {
		v, err := it.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := add(&rebuild.Candidate{Identity: v.Identity, DeleteMarker: v.DeleteMarker, Latest: v.Latest || snap.Meta().Scope.CurrentOnly, Source: rebuild.FromSnapshot}); err != nil {
			return err
		}
	}
}

func (a *app) factCandidates(ctx context.Context, ws *workspace.Workspace, dir string, add func(*rebuild.Candidate) error) error {
	return eachFact(ctx, ws, `SELECT DISTINCT key, coalesce(version_id, ''), coalesce(etag, ''), size, coalesce(CAST(epoch_ms(last_modified) AS BIGINT), 0), hash
		FROM outcome WHERE target = ? AND status = 'done' AND verb IN ('fetch', 'unarchive', 'retire', 'promote', 'verify')`, dir, func(row []any) error {
		c := rebuild.Candidate{Source: rebuild.FromLedger}
		text := [3]*string{&c.Key, &c.VersionID, &c.ETag}
		ok := len(row) == 6
		for i := range text {
			*text[i], ok = asText(row, i, ok)
		}
		size, isSize := row[3].(int64)
		at, isTime := row[4].(int64)
		c.Size, c.LastModified = size, cooper.Instant(at)
		c.Hash, _ = row[5].([]byte)
		if !ok || !isSize || !isTime {
			return errors.New(fmt.Sprint("the ledger answers with a row that makes no sense: ", row))
		}
		return add(&c)
	})
}

func asText(row []any, i int, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	s, is := row[i].(string)
	return s, is
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

func (a *app) showRebuild(r *rebuild.Result, listed bool) {
	a.say("%s", a.stdout.Style(term.Bold, "the catalog as it would be"))
	a.say("  mirror   %s, %s", words.Plural(r.Mirror.Count, "version"), words.Bytes(r.Mirror.Bytes))
	a.say("  history  %s, %s", words.Plural(r.History.Count, "version"), words.Bytes(r.History.Bytes))
	a.say("  which versions they are was told")
	for _, s := range sourceWords {
		if n := r.By[s.source]; n > 0 {
			a.say("    %10s  %s", words.Count(n), s.words)
		}
	}
	if r.Missing.Count > 0 {
		a.say("  missing  %s (%s) that the former catalog knew: the next backup fetches what the bucket has", words.Plural(r.Missing.Count, "file"), words.Bytes(r.Missing.Bytes))
	}
	if r.Foreign > 0 {
		a.say("  foreign  %s: left where they are", words.Plural(r.Foreign, "file"))
	}
	a.say("%s", a.stdout.Style(term.Bold, "what cannot be known"))
	a.say("  whether the bytes are right: all are unverified, until verify --content reads them")
	if r.Broken > 0 || r.Read == 0 {
		a.say("  when the bucket showed which version, for rollback and history, but for what is left")
		a.say("  of the former catalog: %s read, %s broken", words.Plural(int64(r.Read), "file"), words.Count(int64(r.Broken)))
		a.say("  what was pruned, beyond %s: the next backup fetches again what the bucket still has", words.Plural(r.Pruned, "version"))
	}
	if r.Observed == 0 {
		a.say("  which snapshots the tree followed: a rollback can go to none of them")
	} else {
		a.say("  whether snapshots after the last of %s were followed", words.Count(int64(r.Observed)))
	}
	if !listed {
		a.say("  what the bucket has: give --snapshot, --inventory or --list, and more is told")
	}
}
