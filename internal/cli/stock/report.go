package stock

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/report/page"
)

// reportFlags say what to report and how.
type reportFlags struct {
	job.BucketReport // a Depth < 0: as suits what is shown

	by, html string
}

// reportViews are what --by takes.
var reportViews = []string{"prefix", "class", "age", "size", "suffix", "duplicates", "savings"}

func (a family) reportCmd() *cobra.Command {
	f := reportFlags{}
	cmd := &cobra.Command{
		Use:   "report [SNAPSHOT]",
		Short: "What is in a bucket, what it costs a month, and what would cost less",
		Long: `Reads a snapshot once and tells what the bucket holds: by prefix, storage class,
age, size and suffix; what old versions cost; what lifecycle rules, cheaper
classes and compression would save; what changed since another snapshot.
SNAPSHOT may be a unique beginning of an id, or latest, which is the default.

Figures are counted, not sampled; costs are list prices unless --prices names
others. Unfinished multipart uploads are in no inventory: the bucket itself is
asked for them, for half a minute at most, unless --offline.`,
		Example: `  # one screen about the newest snapshot
  cooper report

  # drill down
  cooper report latest --prefix images/
  cooper report latest --by suffix
  cooper report latest --by prefix --depth 3 | less

  # a page to look at in a browser, and to send around
  cooper report latest --html report.html

  # what changed since last week?
  cooper report latest --compare s-20261113

  # for scripts
  cooper report latest --json | jq .total.noncurrent.cost_per_month`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.Newest = len(args) == 0; !f.Newest {
				f.Snapshot = args[0]
			}
			return a.takeReport(cmd.Context(), &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.by, "by", "", "one view in full: "+strings.Join(reportViews, ", "))
	fl.IntVar(&f.Depth, "depth", -1, "levels of prefixes to tell apart (default 2 on the screen, all that are large elsewhere)")
	fl.Lookup("depth").DefValue = "0" // which help does not show
	fl.StringVar(&f.Prefix, "prefix", "", "only keys below this prefix")
	fl.StringVar(&f.html, "html", "", "write a page for browsers to this file (- for stdout)")
	fl.StringVar(&f.Compare, "compare", "", "an older snapshot of the bucket: tell what has changed since")
	fl.StringVar(&f.Prices, "prices", "", "table of prices (JSON; see docs/formats/prices.md)")
	fl.BoolVar(&f.Offline, "offline", false, "do not ask the bucket for unfinished uploads")
	shell.Values(cmd, "by", reportViews...)
	return cmd
}

func (f *reportFlags) check(json bool) error {
	if f.by != "" && !slices.Contains(reportViews, f.by) {
		return shell.Usage(fmt.Sprintf("--by %s: there is no such view", cooper.Quote(f.by)), "Choose one of "+strings.Join(reportViews, ", ")+".")
	}
	if f.Depth < -1 {
		return shell.Usage(fmt.Sprintf("--depth %d: depths begin at 0", f.Depth), "0 is the bucket as a whole, 1 its topmost prefixes.")
	}
	if err := shell.OneOutput(f.html, json); err != nil {
		return err
	}
	if f.html != "" && f.by != "" {
		return shell.Usage("--html shows all views, --by one of them", "Leave out one of the two.")
	}
	return nil
}

func (a family) takeReport(ctx context.Context, f *reportFlags) error {
	if err := f.check(a.JSON); err != nil {
		return err
	}
	x := f.BucketReport
	x.Duplicates = f.by == "duplicates" || f.html != ""
	if x.Depth < 0 && !a.JSON && f.html == "" {
		x.Depth = screenDepth
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := x.Run(ctx, e)
	if err != nil {
		return err
	}
	switch {
	case f.html != "":
		if err := a.WritePage(f.html, func(w io.Writer) error { return page.Write(w, r) }); err != nil || !a.JSON {
			return err
		}
		return a.Emit(r)
	case a.JSON:
		return a.Emit(r)
	}
	return a.showReport(r, f)
}
