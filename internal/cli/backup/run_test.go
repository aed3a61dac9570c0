package backup

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
)

// flagsOf reads the flags of backup run.
func flagsOf(t *testing.T, args string) *runFlags {
	t.Helper()
	var f runFlags
	cmd := &cobra.Command{}
	f.registerPlan(cmd)
	f.apply.Register(cmd)
	cmd.Flags().StringVar(&f.dates.from, "from", "", "")
	cmd.Flags().StringVar(&f.dates.to, "to", "", "")
	cmd.Flags().BoolVar(&f.planOnly, "plan-only", false, "")
	if err := cmd.ParseFlags(strings.Fields(args)); err != nil {
		t.Fatal(err)
	}
	return &f
}

// TestFlagsReachTheJob: what a person says is what the job is told.
func TestFlagsReachTheJob(t *testing.T) {
	policy := backup.Fast()
	policy.Prefix, policy.Match, policy.Archived, policy.Forward, policy.Older, policy.ShareLimit = "p/", "m", backup.ArchivedRestore, true, true, 0.25
	for args, want := range map[string]job.Backup{
		"--list": {Source: job.Source{List: true}, Policy: backup.Careful(), Options: job.Options{Jobs: 64}},
		"--inventory s3://r/ --date d --prefix p/ --match m --archived restore --share-stop 25% --preset fast --forward --older --layout inline --prices f": {
			Source: job.Source{Inventory: "s3://r/", Date: "d"}, Policy: policy, Layout: "inline", Prices: "f", Options: job.Options{Jobs: 64},
		},
		"--snapshot s --jobs 3 --ignore access-denied --confirm 0123456789 --no-space-check --moved": {
			Source: job.Source{Snapshot: "s"}, Policy: backup.Careful(),
			Options: job.Options{Jobs: 3, Ignore: []cooper.Kind{cooper.KindDenied}, Confirm: "0123456789", AnySpace: true, Moved: true},
		},
	} {
		want.Bucket, want.Dir = "lab", "DIR"
		got, err := flagsOf(t, args).job("s3://lab", "DIR")
		if err != nil {
			t.Errorf("%s: %v", args, err)
		} else if d := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(job.Backup{}, job.Keys{})); d != "" {
			t.Errorf("%s:\n%s", args, d)
		}
	}
	for args, want := range map[string]string{
		"--preset wild":     "--preset wild is not known",
		"--share-stop much": "--share-stop much is not a share",
		"--jobs 0":          "--jobs must be at least 1",
		"--ignore nothing":  "--ignore nothing is not a kind of failure",
		"--confirm slip":    "is not the beginning of a digest",
	} {
		if _, err := flagsOf(t, args).job("s3://lab", "DIR"); cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
	if _, err := flagsOf(t, "").job("s3://lab/images", "DIR"); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("more than a bucket: %v", err)
	}
}

// TestRange: a day is meant to its end, and what makes no sense with several reports is
// refused.
func TestRange(t *testing.T) {
	at := func(s string) cooper.Instant {
		i, err := shell.ParseTime(s)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	for args, want := range map[string]job.Range{
		"--from 2026-01-01":                            {From: at("2026-01-01")},
		"--to 2026-01-01":                              {To: at("2026-01-02") - 1},
		"--to 2026-01-01T12:00:00Z":                    {To: at("2026-01-01T12:00:00Z")},
		"--from 2026-01-01T12:00:00Z --to 2026-01-01":  {From: at("2026-01-01T12:00:00Z"), To: at("2026-01-02") - 1},
		"--from 2026-01-01 --to 2026-01-01T00:00:00Z ": {From: at("2026-01-01"), To: at("2026-01-01")},
	} {
		f := flagsOf(t, args)
		if got, err := f.dates.check(f); err != nil || got.From != want.From || got.To != want.To {
			t.Errorf("%s: %+v, %v", args, got, err)
		}
	}
	for args, want := range map[string]string{
		"--from yesterday": "yesterday is not a time",
		"--from 2026-01-02 --to 2026-01-01T00:00:00Z":  "--from 2026-01-02 comes after --to 2026-01-01T00:00:00Z",
		"--from 2026-01-01 --plan-only":                "depends on what came of the one before",
		"--from 2026-01-01 --confirm 0123456789":       "--confirm is about one plan",
		"--from 2026-01-01 --older":                    "are passed over",
		"--from 2026-01-01 --plan-only --to yesterday": "depends on what came of the one before",
	} {
		f := flagsOf(t, args)
		if _, err := f.dates.check(f); cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestGoingOn: what ends with its plan is taken up again with it; a range of reports, and
// what does more, are begun anew.
func TestGoingOn(t *testing.T) {
	var ends []string
	for _, cmd := range Command(&shell.Shell{}).Commands() {
		if shell.GoesOnWithPlan(cmd) {
			ends = append(ends, cmd.Name())
		}
		if cmd.Name() != "run" {
			continue
		}
		if err := cmd.ParseFlags([]string{"--from", "2026-01-01"}); err != nil || shell.GoesOnWithPlan(cmd) {
			t.Errorf("a range of reports goes on with a plan (%v)", err)
		}
	}
	slices.Sort(ends)
	if want := []string{"prune", "restore", "rollback", "run"}; !slices.Equal(ends, want) {
		t.Errorf("%v end with their plans, wanted %v", ends, want)
	}
}
