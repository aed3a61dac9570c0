package backup

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/tree/keypath"
)

// runFlags are what planning and applying a backup can be told.
type runFlags struct {
	source                   job.Source
	prefix, match, archived  string
	share, preset, prices    string
	forward, older, planOnly bool
	layout                   keypath.Layout
	keep                     int
	dates                    dateRange
	apply                    shell.Apply
}

func (f *runFlags) registerPlan(cmd *cobra.Command) {
	shell.RegisterSource(cmd, &f.source, shell.UseSnapshot)
	fl := cmd.Flags()
	fl.StringVar(&f.prefix, "prefix", "", "only keys below this prefix; a/b never means a/bc")
	fl.StringVar(&f.match, "match", "", "only keys that match this regular expression (RE2)")
	fl.StringVar(&f.archived, "archived", "", "what to do with versions in archive classes: defer (list them) or restore (ask for copies; a later run fetches them)")
	fl.StringVar(&f.share, "share-stop", "", "the share of the mirror that may go without a replacement before a person is asked, such as 10%")
	fl.StringVar(&f.preset, "preset", "careful", "safety parameters: careful or fast (share stop at 50%)")
	fl.BoolVar(&f.forward, "forward", false, "go on after a rollback")
	fl.BoolVar(&f.older, "older", false, "accept a snapshot that is older than what the tree follows")
	fl.StringVar((*string)(&f.layout), "layout", "", "layout of the tree: sidecar (mirror/ and history/), or inline (older versions beside the latest, as s3invsync keeps them); a tree keeps the one it was made with, and a new one is sidecar")
	fl.StringVar(&f.prices, "prices", "", "a file of prices instead of the built-in ones (docs/formats/prices.md)")
	offerLayouts(cmd)
	shell.Values(cmd, "preset", "careful", "fast")
	shell.Values(cmd, "archived", backup.ArchivedDefer, backup.ArchivedRestore)
}

func offerLayouts(cmd *cobra.Command) {
	shell.Values(cmd, "layout", string(keypath.Sidecar), string(keypath.Inline))
}

// policy puts the mission's parameters together.
func (f *runFlags) policy() (p backup.Policy, err error) {
	switch f.preset {
	case "careful":
		p = backup.Careful()
	case "fast":
		p = backup.Fast()
	default:
		return p, shell.Usage("--preset "+cooper.Quote(f.preset)+" is not known", "It is careful or fast.")
	}
	p.Prefix, p.Match, p.Forward, p.Older = f.prefix, f.match, f.forward, f.older
	if f.archived != "" {
		p.Archived = f.archived
	}
	p.ShareLimit, err = shell.ShareLimit(f.share, p.ShareLimit)
	return p, err
}

// job is the backup that arguments and flags ask for.
func (f *runFlags) job(from, dir string) (b *job.Backup, err error) {
	b = &job.Backup{Dir: dir, Source: f.source, Prices: f.prices, Layout: f.layout, Keep: f.keep}
	if b.Bucket, err = shell.BucketArg(from); err != nil {
		return nil, err
	}
	if b.Policy, err = f.policy(); err != nil {
		return nil, err
	}
	if err = f.apply.Check(); err != nil {
		return nil, err
	}
	b.Options = f.apply.Options
	return b, nil
}

func (a family) runCmd() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run s3://BUCKET DIR",
		Short: "Snapshot, plan, apply: the daily command",
		Long: `Takes a snapshot, plans what has changed, and applies the plan. Whatever an
earlier run left half done is completed first. It can be killed at any instant;
the next run goes on, and uses what was fetched already.

With --from or --to it follows every report of a time, the oldest first, each by a
snapshot and a plan of its own, and so builds up history from old reports. Reports
that the tree has followed, or is ahead of, are passed over: after a stop the same
command goes on. Objects that fail do not stop it.

Exit codes: 0 done; 1 wrong use; 2 the run failed; 3 done, but some objects
failed; 4 refused for safety; 130 interrupted.`,
		Example: `  cooper backup run s3://bucket /data/backup --inventory s3://reports/inventory/bucket/daily/
  cooper backup run s3://bucket /data/backup --inventory s3://reports/ --from 2026-01-01
  cooper backup run s3://bucket /data/backup --list
  cooper backup run s3://bucket /data/backup --list --layout inline
  cooper backup run s3://bucket /data/backup --list --match '\.nii(\.gz)?$' --ignore access-denied`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.run(cmd.Context(), args[0], args[1], &f)
		},
	}
	f.registerPlan(cmd)
	f.apply.Register(cmd)
	a.RunFlags(cmd)
	shell.EndsWithPlan(cmd, "from", "to") // a range of reports has a plan for each, and passes over those it has followed
	cmd.Flags().BoolVar(&f.planOnly, "plan-only", false, "write the plan and stop")
	cmd.Flags().StringVar(&f.dates.from, "from", "", "follow every report from this day (2026-01-01) or instant on, in order; without --to up to the newest")
	cmd.Flags().StringVar(&f.dates.to, "to", "", "follow every report up to the end of this day, or this instant; without --from all that are newer than what the tree follows")
	for _, other := range []string{"date", "list", "snapshot"} {
		cmd.MarkFlagsMutuallyExclusive("from", other)
		cmd.MarkFlagsMutuallyExclusive("to", other)
	}
	cmd.Flags().IntVar(&f.keep, "keep", 7, "how many snapshots and plans of this tree stay in the workspace; 0 keeps all")
	return cmd
}

func (a family) planCmd() *cobra.Command {
	f := runFlags{apply: shell.NewApply(1)}
	cmd := &cobra.Command{
		Use:   "plan s3://BUCKET DIR",
		Short: "Plan a backup; touch nothing",
		Long:  "Takes a snapshot, compares it with the tree's catalog, and writes a plan to the workspace.",
		Example: `  cooper backup plan s3://bucket /data/backup --inventory s3://reports/inventory/bucket/daily/
  cooper plan show latest --actions
  cooper apply latest`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.plan(cmd.Context(), args[0], args[1], &f)
		},
	}
	f.registerPlan(cmd)
	f.apply.RegisterMoved(cmd)
	return cmd
}

func (a family) run(ctx context.Context, from, dir string, f *runFlags) error {
	if f.dates.given() {
		return a.runRange(ctx, from, dir, f)
	}
	if f.planOnly {
		return a.plan(ctx, from, dir, f)
	}
	b, err := f.job(from, dir)
	if err != nil {
		return err
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := b.Run(ctx, e)
	return a.Ended(&r, err)
}

func (a family) plan(ctx context.Context, from, dir string, f *runFlags) error {
	b, err := f.job(from, dir)
	if err != nil {
		return err
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := b.Plan(ctx, e)
	return a.Ended(&r, err)
}

// dateRange says which reports a run follows one after the other; it is zero for
// a run that follows one.
type dateRange struct {
	from, to string
}

func (r dateRange) given() bool { return r.from != "" || r.to != "" }

// bounds are the first and the last instant of the range; 0 for none.
func (r dateRange) bounds() (first, last cooper.Instant, err error) {
	if r.from != "" {
		if first, err = shell.ParseTime(r.from); err != nil {
			return 0, 0, err
		}
	}
	if r.to != "" {
		if last, err = shell.ParseTime(r.to); err != nil {
			return 0, 0, err
		}
		if _, err := time.Parse(time.DateOnly, r.to); err == nil {
			last += cooper.Instant((24*time.Hour - time.Millisecond).Milliseconds()) // the whole day
		}
	}
	if last != 0 && first > last {
		return 0, 0, shell.Usage(fmt.Sprintf("--from %s comes after --to %s", r.from, r.to), "Give the earlier one with --from.")
	}
	return first, last, nil
}

// check looks at the flags that make no sense with several reports, and gives the range.
func (r dateRange) check(f *runFlags) (*job.Range, error) {
	const one = "--from and --to follow several reports, "
	switch {
	case f.planOnly:
		return nil, shell.Usage(one+"and what is planned from one depends on what came of the one before", "Leave --plan-only out, or plan the first alone with --date.")
	case f.apply.Confirm != "":
		return nil, shell.Usage(one+"and --confirm is about one plan", "Confirm that plan with `cooper apply ID --confirm DIGEST`, then give the range again.")
	case f.older:
		return nil, shell.Usage(one+"those that are older than what the tree follows are passed over", "Take an older one by itself, with --date and --older.")
	}
	first, last, err := r.bounds()
	return &job.Range{From: first, To: last}, err
}

// passedOver is what --json says of a report that is not followed.
type passedOver struct {
	Report string `json:"passed_over"` // its date
	Why    string `json:"why"`
}

// runRange follows every report of a range.
func (a family) runRange(ctx context.Context, from, dir string, f *runFlags) error {
	dates, err := a.rangeOf(f)
	if err != nil {
		return err
	}
	b, err := f.job(from, dir)
	if err != nil {
		return err
	}
	b.Range = dates
	e, err := a.Env()
	if err != nil {
		return err
	}
	_, err = b.Run(ctx, e)
	return err
}

// rangeOf is the range that the flags say, with what is told of each report.
func (a family) rangeOf(f *runFlags) (*job.Range, error) {
	r, err := f.dates.check(f)
	if err != nil {
		return nil, err
	}
	r.Follows = func(name string, n, all int) {
		if !a.JSON {
			a.Title(fmt.Sprintf("report %s, %d of %d", name, n, all))
		}
	}
	r.Passed = func(name, why string) error {
		if a.JSON { // a person is told anyhow
			return a.Emit(passedOver{name, why})
		}
		return nil
	}
	r.Came = func(r job.Result, err error) error { return a.Ended(&r, err) }
	return r, nil
}
