package gc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper/internal/gc"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a family) checkCmd() *cobra.Command {
	var c job.GCCheck
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look whether a scan would see all there is; read no range",
		Long: `Connects to the database, tells what each part of the configuration is taken for, with
three rows of each association, what a scan would cost, and what ought to be known.

What would make a scan blind is refused, and no scan is planned then: tables that are
missing or may not be read, foreign keys to handles that are neither declared nor waived,
rows that a policy hides, a replica that lags, clocks that differ, another server than
last time. Exit codes: 0 all is well; 1 wrong use or configuration; 2 it failed;
4 refused.`,
		Example: `  cooper gc check
  cooper gc check --config platform/cooper.yaml --json | jq .refusals`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context(), &c) },
	}
	configFlag(cmd, &c.Config)
	return cmd
}

func (a family) check(ctx context.Context, c *job.GCCheck) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := c.Run(ctx, e)
	if r == nil {
		return err
	}
	if a.JSON {
		return errors.Join(err, a.Emit(r))
	}
	a.Say("%s: %s %s, %s", term.Clean(r.Database), r.Engine, term.Clean(r.Version), term.Clean(r.Server))
	for i := range r.Parts {
		a.showPart(&r.Parts[i])
	}
	a.showNotes(r)
	for _, x := range r.Refusals {
		a.Say("%s %s: %s", a.Stdout.Style(term.Red, "refused:"), term.Clean(x.Table), term.Clean(x.Why))
		if x.Remedy != "" {
			a.Say("  %s", term.Clean(x.Remedy))
		}
	}
	return err
}

func (a family) showPart(p *job.GCExplained) {
	a.Say("")
	a.Title(strings.TrimSpace(p.What + " " + term.Clean(p.Name)))
	a.Say("  %s", term.Clean(p.Explains))
	for _, t := range p.Tables {
		rows := "it is not known how many rows"
		if t.AtLeast {
			rows = "at least " + words.Plural(t.Rows, "row")
		} else if t.Rows >= 0 {
			rows = "about " + words.Plural(t.Rows, "row")
		}
		a.Say("  %s: %s", term.Clean(t.Table), rows)
		for _, s := range t.Samples {
			a.Say("    %s: %s", term.Clean(s.Object), term.Clean(strings.Join(s.Values, ", ")))
		}
		if t.Silent > 0 {
			a.Caution("%s: in %d of %d rows looked at the id of a handle stands, and no link is found there", t.Table, t.Silent, t.LookedAt)
		}
	}
}

func (a family) showNotes(r *job.GCChecked) {
	a.Say("")
	a.Say("A scan reads %s.", costOf(&r.Cost))
	a.showRemarks(r.Notes)
}

// showRemarks shows what ought to be known and is not refused.
func (a family) showRemarks(notes []gc.Note) {
	for _, n := range notes {
		a.Say("note: %s", a.Stdout.Wrap(term.Clean(strings.TrimPrefix(n.Table+": "+n.Text, ": ")), 6))
	}
}

// costOf says what a scan reads, as far as the database tells, and how long that takes.
func costOf(c *gc.Cost) string {
	var parts []string
	if c.Rows > 0 || c.Unknown == 0 {
		about := "about"
		if c.AtLeast {
			about = "at least"
		}
		parts = append(parts, fmt.Sprintf("%s %s in %s at the rate that is allowed", about, words.Plural(c.Rows, "row"), words.Duration(time.Duration(c.Seconds*float64(time.Second)))))
	}
	if c.Unknown > 0 {
		parts = append(parts, words.Plural(int64(c.Unknown), "table")+" of which the database does not tell the size")
	}
	if c.Objects > 0 {
		parts = append(parts, "up to "+words.Plural(c.Objects, "object"))
	}
	return strings.Join(parts, ", and ")
}
