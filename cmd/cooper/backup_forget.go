package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/ledger"
	"cooper/internal/permit"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a *app) backupForgetCmd() *cobra.Command {
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
			return a.backupForget(cmd.Context(), args[0], args[1], yes)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask, as in a script")
	return cmd
}

// forgot is what forget prints as JSON.
type forgot struct {
	backup.Forgotten
	Done bool `json:"done"`
}

// backupForget counts under the tree's lock, gives it back while a person thinks, and
// takes it again; a tree that changed meanwhile is refused.
func (a *app) backupForget(ctx context.Context, dir, name string, yes bool) error {
	flags := applyFlags{jobs: 1}
	var n backup.Forgotten
	var generation int64
	err := a.withTree(ctx, dir, "backup forget", changeTree, &flags, func(ctx context.Context, d *drive) error {
		state := d.tree.State()
		f, err := d.forgetting(name)
		if err != nil {
			return err
		}
		generation = state.Generation
		n, err = f.Count(ctx, d.tree.Catalog())
		return err
	})
	if err != nil {
		return err
	}
	if !a.json {
		a.showForgotten(&n)
	}
	if !yes {
		if a.json || !term.Person(a.stdin) {
			if a.json {
				if err := a.emit(forgot{Forgotten: n}); err != nil {
					return err
				}
			}
			return &cooper.Error{Kind: cooper.KindRefused, Where: dir, Message: "nothing was changed, as there is nobody to ask", Remedy: "Give --yes."}
		}
		if may, err := a.ask(ctx, "Forget snapshot "+n.Snapshot+"?"); err != nil || !may {
			a.note("nothing was changed")
			return err
		}
	}
	return a.withTree(ctx, dir, "backup forget", changeTree, &flags, func(ctx context.Context, d *drive) error {
		if now := d.tree.State().Generation; now != generation {
			return &cooper.Error{Kind: cooper.KindRefused, Where: d.tree.Dir(), Message: "the tree has changed meanwhile", Remedy: "Look again, with the same command."}
		}
		return d.forget(ctx, n)
	})
}

// forgetting finds a snapshot by its id, by the beginning of one, or by its time; also
// that of a run which never came to its end.
func (d *drive) forgetting(name string) (*backup.Forgetting, error) {
	state := d.tree.State()
	if r := state.Run; r != nil && r.Snapshot != nil && r.Snapshot.ID == name {
		return backup.NewForgetting(state, d.tree.Dir(), name)
	}
	id, err := observedSnapshot(state, name)
	if err != nil {
		return nil, err
	}
	return backup.NewForgetting(state, d.tree.Dir(), id)
}

func (d *drive) forget(ctx context.Context, n backup.Forgotten) error {
	began := cooper.InstantOf(d.app.clock())
	f, err := d.forgetting(n.Snapshot)
	if err != nil {
		return err
	}
	err = apply.Mend(d.run, func(p permit.Permit) error {
		return d.tree.Revise(ctx, p, f.Row, f.State(began))
	})
	if err != nil {
		return err
	}
	fact := ledger.RunFact{ID: d.run, Mission: backup.MissionForget, Target: d.tree.Dir(), Began: began, Ended: cooper.InstantOf(d.app.clock()),
		Status: ledger.Finished, Counts: map[string]int64{string(cooper.Done): n.Rows.Count}}
	if err := d.facts().WriteRun(context.WithoutCancel(ctx), fact); err != nil {
		return err
	}
	if d.app.json {
		return d.app.emit(forgot{n, true})
	}
	d.app.say("forgotten: %s", n.Snapshot)
	return nil
}

func (a *app) showForgotten(n *backup.Forgotten) {
	a.say("%s of %s", a.stdout.Style(term.Bold, n.Snapshot), n.TakenAt)
	a.say("  no file is moved or changed; of %s the catalog says something else:", words.Plural(n.Rows.Count, "version"))
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
			a.say("%s  %s", fmt.Sprintf("%10s", words.Count(x.n)), x.what)
		}
	}
}
