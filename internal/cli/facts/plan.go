package facts

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/plan"
	"cooper/internal/term"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

func (a family) planCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "plan", Short: "Look at plans",
		Example: "  cooper plan ls\n  cooper plan show latest --actions\n  cooper plan diff p-20261120 latest"}
	ls := &cobra.Command{
		Use: "ls", Short: "List the plans in the workspace", Args: cobra.NoArgs,
		Example: "  cooper plan ls --json | jq -r .id",
		RunE:    func(*cobra.Command, []string) error { return a.WithWorkspace(a.listPlans) },
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
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithWorkspace(func(ws *workspace.Workspace) error {
				p, err := job.OpenPlan(ws, args[0])
				if err != nil {
					return err
				}
				if actions {
					return a.showActions(cmd.Context(), p)
				}
				return a.ShowPlan(p.Header())
			})
		},
	}
	show.Flags().BoolVar(&actions, "actions", false, "list every action")
	cmd.AddCommand(ls, show, a.planDiffCmd())
	return shell.Group(cmd)
}

func (a family) listPlans(ws *workspace.Workspace) error {
	ids, err := ws.Plans()
	if err != nil {
		return err
	}
	table := term.NewTable(a.Stdout, "ID", "MISSION", "ACTIONS>", "BYTES>", "TARGET")
	for _, id := range ids {
		p, operr := plan.Open(ws.PlanDir(id))
		if operr != nil { // the others are there all the same
			err = errors.Join(err, operr)
			continue
		}
		h := p.Header()
		if a.JSON {
			if err := a.Emit(h); err != nil {
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
	if a.JSON || table.Len() == 0 {
		a.NoneYet(table.Len(), "plans", "cooper backup plan --help")
		return err
	}
	return errors.Join(table.Flush(""), err)
}

// showActions streams the actions: tables would need them all at once.
func (a family) showActions(ctx context.Context, p *plan.Plan) (err error) {
	it := p.Actions(ctx)
	defer shell.Finally(&err, it.Close)
	defer shell.Finally(&err, a.Buffer())
	for {
		x, err := it.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if a.JSON {
			if err := a.Emit(x); err != nil {
				return err
			}
			continue
		}
		a.Say("%-8s  %9s  %s  %s", x.Verb, words.Bytes(x.Version.Size), term.Clean(x.Version.Key), a.Stdout.Style(term.Faint, term.Clean(purpose(x))))
	}
}
