package bucket

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/report"
	"cooper/internal/term"
	"cooper/internal/uploads"
	"cooper/internal/words"
)

// uploadsFlags say which unfinished uploads to abort.
type uploadsFlags struct {
	prefix, olderThan, share string
	protect                  []string
	rule                     string // the file for a lifecycle rule; empty: none
	planOnly, yes            bool
	apply                    shell.Apply
}

func (a family) uploadsCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "uploads", Short: "Abort unfinished multipart uploads",
		Example: "  cooper purge uploads plan s3://bucket\n  cooper purge uploads run s3://bucket --older-than 30d"}
	cmd.AddCommand(a.uploadsPlanCmd(), a.uploadsRunCmd())
	return shell.Group(cmd)
}

const uploadsLong = `Uploads in parts that were begun and neither completed nor aborted cost what
their parts weigh, and no listing of objects shows them. Those that were begun
more than --older-than ago, by the store's clock, are aborted, unless a part has
come within a day, or that cannot be told. What Cooper has under way is left.

An upload is aborted by its key and id, right after it was listed again as it
was planned, and counts as aborted once a listing does not show it any more.
There is no way back: its parts are gone.

--as-lifecycle writes a rule that does nearly the same for good, for review;
says how it differs; and changes nothing.`

func (a family) uploadsPlanCmd() *cobra.Command {
	f := uploadsFlags{planOnly: true}
	cmd := &cobra.Command{
		Use:   "plan s3://BUCKET",
		Short: "Plan to abort unfinished uploads; touch nothing",
		Long:  uploadsLong,
		Example: `  cooper purge uploads plan s3://bucket
  cooper purge uploads plan s3://bucket --prefix incoming/ --older-than 7d
  cooper plan show latest --actions
  cooper purge uploads plan s3://bucket --older-than 7d --as-lifecycle=rule.json`,
		Args:    cobra.ExactArgs(1),
		PreRunE: shell.NotEmpty,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.uploads(cmd.Context(), args[0], &f) },
	}
	f.register(cmd)
	return cmd
}

func (a family) uploadsRunCmd() *cobra.Command {
	var f uploadsFlags
	cmd := &cobra.Command{
		Use:   "run s3://BUCKET",
		Short: "Plan to abort unfinished uploads, ask, and do it",
		Long: uploadsLong + `

It shows the plan and asks. It can be killed at any instant: cooper apply ID
goes on. Exit codes: 0 done; 1 wrong use; 2 the run failed; 3 done, but some
uploads could not be aborted; 4 refused for safety; 130 interrupted.`,
		Example: `  cooper purge uploads run s3://bucket --older-than 30d
  cooper purge uploads run s3://bucket --older-than 30d --confirm 4f1c22ab
  cooper purge uploads run s3://bucket --protect '*/incoming/' --share-stop 100% --yes`,
		Args:    cobra.ExactArgs(1),
		PreRunE: shell.NotEmpty,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.uploads(cmd.Context(), args[0], &f) },
	}
	f.register(cmd)
	a.RunFlags(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.planOnly, "plan-only", false, "write the plan and stop")
	fl.BoolVar(&f.yes, "yes", false, "do not ask, as in a script; the share stop holds all the same")
	fl.StringVar(&f.apply.Confirm, "confirm", "", "carry out the plan with this digest (8 characters or more), made before with the same flags, although the share stop says no")
	f.apply.RegisterJobs(cmd, "denied, changed, conflict, invalid, timeout, store", "requests under way", purgeJobs)
	cmd.MarkFlagsMutuallyExclusive("plan-only", "yes", "confirm", "as-lifecycle")
	shell.EndsWithPlan(cmd)
	return cmd
}

func (f *uploadsFlags) register(cmd *cobra.Command) {
	f.apply.Jobs = purgeJobs
	fl := cmd.Flags()
	fl.StringVar(&f.olderThan, "older-than", "30d", "only uploads that were begun this long ago: 36h, 7d, 2w, 1y (365 days); a day at least")
	fl.StringVar(&f.prefix, "prefix", "", "only uploads of keys below this prefix")
	fl.StringArrayVar(&f.protect, "protect", nil, "never anything below this prefix, where * stands for any one folder (may be repeated)")
	fl.StringVar(&f.share, "share-stop", "", "the share of the uploads, or of their bytes, that may go before the decision's digest is asked for (default 10%)")
	fl.StringVar(&f.rule, "as-lifecycle", "", "write a lifecycle rule instead, to stdout or to this `FILE`, and stop")
	fl.Lookup("as-lifecycle").NoOptDefVal = shell.StdoutName
}

// checked makes a job of arguments and flags.
func (f *uploadsFlags) checked(arg string) (*job.PurgeUploads, error) {
	bucket, prefix, err := cooper.ParseURL(arg)
	if err != nil {
		return nil, err
	}
	if prefix != "" && f.prefix != "" {
		return nil, shell.Usage("there is a prefix in "+cooper.QuoteURL(arg)+" and another in --prefix", "Give one of them.")
	}
	if f.prefix != "" {
		prefix = f.prefix
	}
	if err := f.apply.Kinds(); err != nil {
		return nil, err
	}
	age, err := shell.ParseAge(f.olderThan)
	if err != nil {
		return nil, err
	}
	j := &job.PurgeUploads{Bucket: bucket, PlanOnly: f.planOnly, Yes: f.yes, Options: f.apply.Options}
	j.Policy = uploads.Policy{Prefix: prefix, OlderThan: age.Seconds(), Protect: f.protect}
	if j.Policy.ShareLimit, err = shell.ShareLimit(f.share, defaultShare); err != nil {
		return nil, err
	}
	return j, j.Policy.Check()
}

// uploads carries out purge uploads run and plan.
func (a family) uploads(ctx context.Context, arg string, f *uploadsFlags) error {
	j, err := f.checked(arg)
	if err != nil {
		return err
	}
	if f.rule != "" {
		return a.writeRule(j.Policy, f.rule)
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := j.Run(ctx, e)
	if err == nil && j.PlanOnly && !a.JSON && r.Uploads != nil {
		if err := a.showUploads(r.Uploads); err != nil {
			return err
		}
	}
	return a.Ended(&r, err)
}

// showUploads shows what there is, and what of it is to be aborted.
func (a family) showUploads(u *job.UploadsFound) error {
	t := term.NewTable(a.Stdout, "", "UPLOADS>", "BYTES>", "A MONTH>", "OLDEST")
	row := func(name string, x *report.Uploads) {
		since := ""
		if x.Oldest != 0 {
			since = x.Oldest.Time().Format(time.DateOnly)
		}
		t.Row(name, words.Count(x.Count), words.Bytes(x.Bytes), shell.Price(x.Cost), since)
	}
	row("unfinished", &u.All)
	row("to be aborted", &u.Abort)
	if err := t.Flush(""); err != nil {
		return err
	}
	if n := u.All.Count - u.All.Sized; n > 0 {
		a.Caution("what has come of %s cannot be told, and they stay: %s", words.Plural(n, "upload"), term.Clean(u.All.Why))
	}
	return nil
}

// writeRule writes a lifecycle rule, and says how it differs from a plan.
func (a family) writeRule(p uploads.Policy, to string) error {
	rule, differs, err := uploads.RuleOf(p)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(rule, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if to == shell.StdoutName {
		_, err = a.Stdout.Write(b)
	} else {
		err = os.WriteFile(to, b, 0o666)
	}
	if err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: "--as-lifecycle " + cooper.Quote(to), Message: "cannot be written", Err: err}
	}
	for _, x := range differs {
		a.Note("%s", x)
	}
	return nil
}
