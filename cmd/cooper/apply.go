package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/compress"
	"cooper/internal/plan"
	"cooper/internal/purge"
	"cooper/internal/term"
	"cooper/internal/tree/keypath"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

func (a *app) applyCmd() *cobra.Command {
	var f applyFlags
	var secret secretFlags
	cmd := &cobra.Command{
		Use:   "apply ID",
		Short: "Carry out a plan, or go on with one",
		Long: `Carries out a plan: shard by shard, so that it can be killed at any instant. A
shard that was interrupted is completed first, or taken back with --undo, which does nothing
else. A plan that was not made for the target as it is now is refused.`,
		Example: `  cooper apply latest
  cooper apply p-20261120T0100 --confirm 4f1c22ab
  cooper apply latest --undo`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.apply(cmd.Context(), args[0], &f, secret)
		},
	}
	f.register(cmd)
	registerSecrets(cmd, &secret)
	a.runFlags(cmd)
	cmd.Flags().BoolVar(&f.undo, "undo", false, "take an interrupted shard back instead of completing it, and stop")
	cmd.Flags().StringVar(&f.deleted, "deleted", "", "of a purge: write what was removed by the plan to this file (- for stdout), as {\"key\", \"version_id\"} a line")
	cmd.Flags().BoolVar(&f.anyAge, "any-age", false, "carry out a plan of more than 7 days: what has changed since is left alone in any case")
	return cmd
}

func (a *app) apply(ctx context.Context, name string, f *applyFlags, secret secretFlags) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	p, err := openPlan(ws, name)
	if err != nil {
		return err
	}
	h := p.Header()
	if h.Mission == purge.Mission {
		return a.applyPurgeListed(ctx, ws, h, f)
	}
	if f.deleted != "" {
		return usage("--deleted is for plans of a purge, and this is one of a "+h.Mission, "Leave it out.")
	}
	if h.Mission == compress.Mission || h.Mission == compress.MissionEstimate {
		return a.applyCompressAs(ctx, ws, h, f, secret)
	}
	dir, err := treeOf(h)
	if err != nil {
		return err
	}
	f.layout = keypath.Layout(h.Target.Layout)
	use := makeTree
	if f.undo || h.Mission != backup.Mission {
		use = changeTree
	}
	return a.withTree(ctx, dir, "apply "+h.ID, use, f, func(ctx context.Context, d *drive) error {
		if f.undo {
			a.note("nothing is half done any more")
			return nil
		}
		sum, err := d.apply(ctx, h.ID)
		if err := a.finished(ran{Plan: &h, Applied: &sum}, err); err != nil {
			return err
		}
		return a.failedBefore(ctx, d.ws, h.ID, d.run)
	})
}

// applyPurgeListed carries out a purge, and writes what it has removed if that is
// wished.
func (a *app) applyPurgeListed(ctx context.Context, ws *workspace.Workspace, h plan.Header, f *applyFlags) error {
	if f.deleted == "" {
		return a.applyPurge(ctx, ws, h, f)
	}
	stdout := a.stdout
	if f.deleted == stdoutName { // the summary makes room
		if a.json {
			return usage("--deleted - and --json both write to stdout", "Give --deleted a file name.")
		}
		a.stdout = a.stderr
		defer func() { a.stdout = stdout }()
	}
	err := a.applyPurge(ctx, ws, h, f)
	// What was removed was removed, however the run ended.
	return errors.Join(err, writeDeleted(context.WithoutCancel(ctx), ws, h.ID, f.deleted, stdout))
}

// failedBefore makes what failed in earlier runs of a plan an error.
func (a *app) failedBefore(ctx context.Context, ws *workspace.Workspace, id, run string) error {
	n, err := failedEarlier(ctx, ws, id, run)
	if err != nil || n == 0 {
		return err
	}
	a.note("%s failed in earlier runs of this plan and are not tried again by it; a new plan does", words.Plural(n, "action"))
	return errSomeFailed
}

// showSummary tells what a run did.
func (a *app) showSummary(r ran) error {
	if a.json {
		return a.emit(r)
	}
	s := r.Applied
	var did []string
	for _, verb := range slices.Sorted(maps.Keys(s.Verbs)) {
		for _, status := range slices.Sorted(maps.Keys(s.Verbs[verb])) {
			did = append(did, fmt.Sprintf("%s %s %s", words.Count(s.Verbs[verb][status]), verb, status))
		}
	}
	took := s.Ended.Time().Sub(s.Began.Time())
	word := a.stdout.Style(term.Green, "done")
	switch {
	case !s.Finished:
		word = a.stdout.Style(term.Yellow, "stopped")
	case s.Count(cooper.Failed) > 0:
		word = a.stdout.Style(term.Yellow, "done, but some objects failed")
	}
	if len(did) == 0 {
		did = []string{"nothing to do"}
		switch { // a shard counts as a whole
		case s.Finished:
		case r.Plan.Mission == purge.Mission:
			did = []string{"no shard was completed; what was removed of one is gone all the same"}
		case r.Plan.Mission == compress.Mission:
			did = []string{"no shard was completed; what was compressed is not done again"}
		default:
			did = []string{"no shard was completed; what was fetched is kept"}
		}
	}
	a.say("%s in %s: %s", word, words.Duration(took), strings.Join(did, ", "))
	if s.Bytes > 0 || s.Requests > 0 {
		rate := ""
		if took > time.Second {
			rate = fmt.Sprintf(" (%s/s)", words.Bytes(int64(float64(s.Bytes)/took.Seconds())))
		}
		a.say("  %s with %s%s", words.Bytes(s.Bytes), words.Plural(s.Requests, "request"), rate)
	}
	a.showFailures(&r)
	return nil
}

// reason is a message without the key it begins with: that has been said.
func reason(source, key, message string) string {
	if rest, ok := strings.CutPrefix(message, source+"/"+key); ok {
		if _, why, ok := strings.Cut(rest, ": "); ok { // the version stands between
			return why
		}
	}
	return strings.TrimPrefix(message, cooper.Quote(key)+": ")
}
