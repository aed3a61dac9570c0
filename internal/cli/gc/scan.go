package gc

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

// defaultJobs leaves it to the configuration how many connections there are.
const defaultJobs = 64

func (a family) scanCmd() *cobra.Command {
	s := job.GCScan{Options: job.Options{Jobs: defaultJobs}}
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Read a database for what links to files",
		Long: `Checks as cooper gc check does, plans, and carries the plan out: first handles, then
what links to them, in ranges of about a minute. It can be killed at any instant:
cooper apply ID goes on, and a range that was read is not read again.

A scan is complete if all of it was read, nothing about it is suspect, and no value was
unreadable, or a person has acknowledged what was: cooper gc acknowledge. Exit codes:
0 complete; 1 wrong use or configuration; 2 the scan failed; 3 carried out, but not
complete; 4 refused; 130 interrupted.`,
		Example: `  cooper gc scan
  cooper gc scan --config platform/cooper.yaml --plan-only
  cooper apply latest`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.scan(cmd.Context(), &s) },
	}
	configFlag(cmd, &s.Config)
	a.RunFlags(cmd)
	cmd.Flags().BoolVar(&s.PlanOnly, "plan-only", false, "write the plan and stop")
	shell.EndsWithPlan(cmd)
	return cmd
}

func (a family) scan(ctx context.Context, s *job.GCScan) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := s.Run(ctx, e)
	return a.Ended(&r, err)
}

// showScanned shows what a scan is worth, whichever command carried it out.
func (a family) showScanned(r *job.Result) error {
	if r.Scanned != nil && !a.JSON {
		a.showScan(r.Scanned)
	}
	return nil
}

func (a family) showScan(s *job.GCScanned) {
	a.Say("%s: %s, %s", s.ID, words.Plural(s.Handles, "handle"), words.Plural(s.Links, "link"))
	for _, w := range s.Warnings {
		a.Caution("%s", w)
	}
	if s.Complete {
		a.Say("  %s", a.Stdout.Style(term.Green, "complete"))
		return
	}
	a.Say("  %s", a.Stdout.Style(term.Yellow, "not complete"))
	for _, why := range s.Suspects {
		a.Say("  %s", term.Clean(why))
	}
	if s.Unread > 0 {
		a.Say("  %s cannot be read; see: cooper gc list malformed", words.Plural(s.Unread, "value"))
	}
}
