package facts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/plan"
	"cooper/internal/term"
	"cooper/internal/treeop"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

func (a family) planDiffCmd() *cobra.Command {
	var limit int64
	cmd := &cobra.Command{
		Use:   "diff ID ID",
		Short: "What a second plan would do that the first would not",
		Long: `Compares two plans, version by version: what the first alone would do (-), what the
second alone would do (+), and where both do something else with the same version
(~). When a plan was made, and what it was made from, counts for nothing. An ID may
be a unique beginning, or latest.

The exit code is 0 whether they differ or not; --json begins with the counts.`,
		Example: `  cooper plan diff p-20261120 latest
  cooper plan diff p-20261120 latest --limit 0 | less
  cooper plan diff p-20261120 latest --json | jq 'select(.type == "second")'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return shell.Usage("--limit must not be negative", "Give 0 for all.")
			}
			if a.JSON && !cmd.Flags().Changed("limit") {
				limit = 0
			}
			return a.WithWorkspace(func(ws *workspace.Workspace) error {
				return a.diff(cmd.Context(), ws, args[0], args[1], limit)
			})
		},
	}
	cmd.Flags().Int64Var(&limit, "limit", 50, "how many differences to show; 0 shows all, as --json does by itself")
	return cmd
}

// diffCounts is the first line of --json.
type diffCounts struct {
	Type       string `json:"type"` // counts
	FirstPlan  string `json:"first_plan"`
	SecondPlan string `json:"second_plan"`
	Equal      bool   `json:"equal"`
	plan.Differences
}

// diffLine is a line of --json for one difference.
type diffLine struct {
	Type   string         `json:"type"` // first, second: what one plan alone has; changed
	First  *cooper.Action `json:"first,omitempty"`
	Second *cooper.Action `json:"second,omitempty"`
}

func (a family) diff(ctx context.Context, ws *workspace.Workspace, one, other string, limit int64) (err error) {
	first, err := job.OpenPlan(ws, one)
	if err != nil {
		return err
	}
	second, err := job.OpenPlan(ws, other)
	if err != nil {
		return err
	}
	// Read twice: the counts come first, and differences can be too many to keep.
	ignore := treeop.Circumstances()
	sum, err := plan.Diff(ctx, first, second, ignore, func(plan.Difference) error { return nil })
	if err != nil {
		return err
	}
	defer shell.Finally(&err, a.Buffer())
	if a.JSON {
		err = a.Emit(diffCounts{"counts", first.Header().ID, second.Header().ID, sum.Equal(), sum})
	} else {
		err = a.showDifferences(first.Header(), second.Header(), &sum)
	}
	if err != nil || sum.Equal() {
		return err
	}
	all := count(sum.First) + count(sum.Second) + count(sum.Changed)
	shown := int64(0)
	_, err = plan.Diff(ctx, first, second, ignore, func(d plan.Difference) error {
		if limit > 0 && shown == limit {
			return errShown
		}
		shown++
		return a.showDifference(d, ignore)
	})
	if errors.Is(err, errShown) {
		a.Note("%s more; --limit 0 shows all", words.Count(all-shown))
		err = nil
	}
	return err
}

// errShown ends a comparison of which enough was shown.
var errShown = errors.New("enough was shown")

func count(tallies map[string]plan.Tally) int64 {
	var n int64
	for _, t := range tallies {
		n += t.Count
	}
	return n
}

func (a family) showDifferences(first, second plan.Header, sum *plan.Differences) error {
	for _, x := range []struct {
		word string
		h    plan.Header
	}{{"first ", first}, {"second", second}} {
		a.Say("%s  %s  %s of %s", x.word, a.Stdout.Style(term.Bold, x.h.ID), x.h.Mission, term.Clean(x.h.Target.Path))
		if s := x.h.Snapshot; s != nil {
			a.Say("        to s3://%s as of %s (%s)", term.Clean(s.Bucket), s.TakenAt, s.ID)
		}
	}
	if first.Target.Path != second.Target.Path {
		a.Say("%s", a.Stdout.Style(term.Yellow, "they have different targets"))
	}
	if sum.Equal() {
		a.Say("They do the same: %s of %s.", words.Plural(sum.Same.Count, "action"), words.Bytes(sum.Same.Bytes))
		return nil
	}
	t := term.NewTable(a.Stdout, "VERB", "- FIRST>", "BYTES>", "+ SECOND>", "BYTES>", "~ CHANGED>", "BYTES>")
	verbs := map[string]bool{}
	for _, m := range []map[string]plan.Tally{sum.First, sum.Second, sum.Changed} {
		for v := range m {
			verbs[v] = true
		}
	}
	for _, v := range slices.Sorted(maps.Keys(verbs)) {
		row := []string{v}
		for _, m := range []map[string]plan.Tally{sum.First, sum.Second, sum.Changed} {
			if m[v].Count == 0 {
				row = append(row, "", "")
				continue
			}
			row = append(row, words.Count(m[v].Count), words.Bytes(m[v].Bytes))
		}
		t.Row(row...)
	}
	if err := t.Flush("  "); err != nil {
		return err
	}
	a.Say("  the same in both: %s of %s", words.Plural(sum.Same.Count, "action"), words.Bytes(sum.Same.Bytes))
	return nil
}

func (a family) showDifference(d plan.Difference, ignore []string) error {
	kind, sign, color, x := "changed", "~", term.Yellow, d.Second
	var what string
	switch {
	case d.Second == nil:
		kind, sign, color, x = "first", "-", term.Red, d.First
		what = purpose(x)
	case d.First == nil:
		kind, sign, color = "second", "+", term.Green
		what = purpose(x)
	default:
		what = changes(d, ignore)
	}
	if a.JSON {
		return a.Emit(diffLine{kind, d.First, d.Second})
	}
	_, err := fmt.Fprintf(a.Stdout, "%s %-9s  %9s  %s  %s\n", a.Stdout.Style(color, sign), x.Verb, words.Bytes(x.Version.Size),
		term.Clean(x.Version.Key), a.Stdout.Style(term.Faint, term.Clean(what)))
	return err
}

// purpose is where an action brings its version, and why.
func purpose(x *cooper.Action) string {
	to := x.Args["to"]
	if r := x.Args["reason"]; r != "" {
		to = strings.TrimSpace(to + " (" + r + ")")
	}
	return to
}

// changes says in what two actions on one version differ.
func changes(d plan.Difference, ignore []string) string {
	var parts []string
	if d.First.Verb != d.Second.Verb {
		parts = append(parts, "instead of "+d.First.Verb)
	}
	for _, c := range plan.ChangedArgs(d.First.Args, d.Second.Args, ignore) {
		parts = append(parts, fmt.Sprintf("%s %s, not %s", c.Name, shownArg(c.Name, c.Second), shownArg(c.Name, c.First)))
	}
	return strings.Join(parts, "; ")
}

// shownArg is an argument's value for a person: instants are milliseconds there.
func shownArg(name, value string) string {
	if value == "" {
		return "none"
	}
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil && name == "superseded" {
		return shell.ShortTime(cooper.Instant(ms))
	}
	return value
}
