package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
	"cooper/internal/term"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

func (a *app) planCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "plan", Short: "Look at plans",
		Example: "  cooper plan ls\n  cooper plan show latest --actions\n  cooper plan diff p-20261120 latest"}
	ls := &cobra.Command{
		Use: "ls", Short: "List the plans in the workspace", Args: cobra.NoArgs,
		Example: "  cooper plan ls --json | jq -r .id",
		RunE:    func(*cobra.Command, []string) error { return a.planLs() },
	}
	var actions bool
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show what a plan will do, and what that costs",
		Long:  "Shows a plan. ID may be a unique beginning, or latest. With --actions, every action, in order.",
		Example: `  cooper plan show latest
  cooper plan show latest --actions | less
  cooper plan show latest --actions --json | jq -r 'select(.verb == "retire") | .version.key'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ws, err := a.openWorkspace()
			if err != nil {
				return err
			}
			defer finally(&err, ws.Close)
			p, err := openPlan(ws, args[0])
			if err != nil {
				return err
			}
			if actions {
				return a.showActions(cmd.Context(), p)
			}
			return a.showPlan(p.Header())
		},
	}
	show.Flags().BoolVar(&actions, "actions", false, "list every action")
	cmd.AddCommand(ls, show, a.planDiffCmd())
	return group(cmd)
}

func openPlan(ws *workspace.Workspace, name string) (*plan.Plan, error) {
	id, err := ws.Resolve(workspace.Plan, name)
	if err != nil {
		return nil, err
	}
	return plan.Open(ws.PlanDir(id))
}

func (a *app) planLs() (err error) {
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	ids, err := ws.Plans()
	if err != nil {
		return err
	}
	table := term.NewTable(a.stdout, "ID", "MISSION", "ACTIONS>", "BYTES>", "TARGET")
	for _, id := range ids {
		p, operr := plan.Open(ws.PlanDir(id))
		if operr != nil { // the others are there all the same
			err = errors.Join(err, operr)
			continue
		}
		h := p.Header()
		if a.json {
			if err := a.emit(h); err != nil {
				return err
			}
			continue
		}
		var n int64
		for _, t := range h.Totals {
			n += t.Count
		}
		table.Row(id, h.Mission, words.Count(n), words.Bytes(h.Estimate.Bytes), h.Target.Path)
	}
	if a.json || table.Len() == 0 {
		a.noneYet(table.Len(), "plans", "cooper backup plan --help")
		return err
	}
	return errors.Join(table.Flush(""), err)
}

// showPlan is a plan as a person wants to read it before saying yes.
func (a *app) showPlan(h plan.Header) error {
	if a.json {
		return a.emit(h)
	}
	if err := a.showBrief(h); err != nil {
		return err
	}
	if err := a.showLargest(h.Largest); err != nil {
		return err
	}
	if h.Decision != "" { // plans of older programs have none
		a.say("  %s", a.stdout.Style(term.Faint, "decision "+h.Decision))
	}
	a.say("  %s", a.stdout.Style(term.Faint, "digest   "+h.Digest))
	return nil
}

// showBrief is a plan as it is shown by a command that carries it out at once.
func (a *app) showBrief(h plan.Header) error {
	a.say("%s  %s of %s", a.stdout.Style(term.Bold, h.ID), h.Mission, term.Clean(h.Target.Path))
	if h.Snapshot != nil {
		word := "to"
		if h.Target.Kind == bucketop.TargetKind {
			word = "by"
		}
		a.say("  %s s3://%s as of %s (%s)", word, h.Snapshot.Bucket, h.Snapshot.TakenAt, h.Snapshot.ID)
	}
	t := term.NewTable(a.stdout, "", ">", ">", "")
	for _, verb := range slices.Sorted(maps.Keys(h.Totals)) {
		t.Row(verb, words.Count(h.Totals[verb].Count), words.Bytes(h.Totals[verb].Bytes))
	}
	t.Row("unchanged", words.Count(h.Unchanged.Count), words.Bytes(h.Unchanged.Bytes))
	for _, why := range slices.Sorted(maps.Keys(h.Skipped)) {
		t.Row("left alone", words.Count(h.Skipped[why].Count), words.Bytes(h.Skipped[why].Bytes), why)
	}
	if err := t.Flush("  "); err != nil {
		return err
	}
	if len(h.Reasons) > 0 {
		var parts []string
		for _, r := range slices.Sorted(maps.Keys(h.Reasons)) {
			parts = append(parts, words.Count(h.Reasons[r].Count)+" "+r)
		}
		a.say("  because  %s", strings.Join(parts, ", "))
	}
	if err := a.showAges(h.Ages); err != nil {
		return err
	}
	a.showEstimate(h.Estimate)
	a.showShare(h.Share)
	for _, w := range h.Warnings {
		a.say("  %s %s", a.stdout.Style(term.Yellow, "warning:"), a.stdout.Wrap(term.Clean(w), 11))
	}
	return nil
}

func (a *app) showAges(ages []plan.Age) error {
	if len(ages) == 0 {
		return nil
	}
	a.say("  superseded")
	t := term.NewTable(a.stdout, "", ">", ">")
	for _, x := range ages {
		t.Row(x.Age, words.Count(x.Count), words.Bytes(x.Bytes))
	}
	return t.Flush("    ")
}

func (a *app) showShare(s plan.Share) {
	if s.Removed == 0 {
		return
	}
	line := fmt.Sprintf("  retires  %s of %s in the mirror without a replacement", words.Count(s.Removed), words.Count(s.Scope))
	if s.Deletes {
		line = fmt.Sprintf("  deletes  %s of %s versions, %s of %s", words.Count(s.Removed), words.Count(s.Scope), words.Bytes(s.RemovedBytes), words.Bytes(s.ScopeBytes))
	}
	if s.Exceeded() {
		line = a.stdout.Style(term.Red, line)
	}
	a.say("%s", line)
}

func (a *app) showEstimate(e plan.Estimate) {
	requests := requestsOf(e.Requests)
	if requests == "" {
		return
	}
	cost := "about " + words.Dollars(e.USD)
	if e.USD > 0 && e.USD < 0.01 {
		cost = "less than $0.01"
	}
	a.say("  needs    %s, %s (%s), %s", requests, cost, term.Clean(e.Prices),
		words.Duration(time.Duration(e.Seconds*float64(time.Second))))
	if e.Disk == 0 && e.Inodes == 0 {
		return
	}
	a.say("           %s and %s on the disk", words.Bytes(e.Disk), words.Plural(e.Inodes, "inode"))
}

// requestsOf names requests by their classes; empty if there are none.
func requestsOf(byClass map[string]int64) string {
	var parts []string
	var all int64
	for _, class := range slices.Sorted(maps.Keys(byClass)) {
		if n := byClass[class]; n > 0 {
			parts = append(parts, words.Count(n)+" "+class)
			all += n
		}
	}
	switch all {
	case 0:
		return ""
	case 1:
		return parts[0] + " request"
	}
	return strings.Join(parts, ", ") + " requests"
}

func (a *app) showLargest(actions []cooper.Action) error {
	if len(actions) == 0 {
		return nil
	}
	a.say("  largest")
	t := term.NewTable(a.stdout, ">", "")
	for _, x := range actions {
		t.Row(words.Bytes(x.Version.Size), term.Shorten(x.Version.Key, a.stdout.Width()-20))
	}
	return t.Flush("    ")
}

// showActions streams the actions: tables would need them all at once.
func (a *app) showActions(ctx context.Context, p *plan.Plan) (err error) {
	it := p.Actions(ctx)
	defer finally(&err, it.Close)
	defer finally(&err, a.buffer())
	for {
		x, err := it.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if a.json {
			if err := a.emit(x); err != nil {
				return err
			}
			continue
		}
		a.say("%-8s  %9s  %s  %s", x.Verb, words.Bytes(x.Version.Size), term.Clean(x.Version.Key), a.stdout.Style(term.Faint, term.Clean(purpose(x))))
	}
}
