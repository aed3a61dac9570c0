package shell

import (
	"regexp"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/job"
)

// ignorable are the names --ignore takes, among them those of s3invsync.
var ignorable = map[string]cooper.Kind{
	"missing": cooper.KindMissing, "denied": cooper.KindDenied, "changed": cooper.KindChanged, "archived": cooper.KindArchived,
	"corrupt": cooper.KindCorrupt, "conflict": cooper.KindConflict, "invalid": cooper.KindInvalid, "timeout": cooper.KindTimeout, "store": cooper.KindStore,
	"access-denied": cooper.KindDenied, "invalid-entry": cooper.KindInvalid, "invalid-object-state": cooper.KindArchived, "missing-old-version": cooper.KindMissing,
}

// Apply are the flags of commands that carry a plan out.
type Apply struct {
	job.Options

	ignore []string
}

// NewApply is one whose --jobs, if there is such a flag, begins at jobs.
func NewApply(jobs int) Apply { return Apply{Options: job.Options{Jobs: jobs}} }

// RegisterMoved adds the flag of commands that a store is remembered for.
func (f *Apply) RegisterMoved(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.Moved, "moved", false, "the bucket has moved: go on with this store, although another is remembered, and remember this one")
}

// RegisterJobs adds --ignore, which takes kinds, and --jobs, which counts what.
func (f *Apply) RegisterJobs(cmd *cobra.Command, kinds, what string, jobs int) {
	fl := cmd.Flags()
	fl.StringSliceVar(&f.ignore, "ignore", nil, "kinds of failure to pass over: "+kinds)
	fl.IntVar(&f.Jobs, "jobs", jobs, what+" at once")
}

// Register adds all of them.
func (f *Apply) Register(cmd *cobra.Command) {
	f.RegisterJobs(cmd, "missing, denied, changed, archived, corrupt, conflict, invalid, timeout, store", "objects worked on", 64)
	fl := cmd.Flags()
	fl.BoolVar(&f.AnySpace, "no-space-check", false, "begin although the disk seems too small, as on one that compresses")
	f.RegisterMoved(cmd)
	fl.StringVar(&f.Confirm, "confirm", "", "the digest of the decision or of the plan (8 characters or more): go on although the share stop says no")
}

// digestStart is what --confirm takes: enough of a digest not to be a slip.
var digestStart = regexp.MustCompile(`^[0-9a-f]{8,}$`)

// Check looks at the flags before anything is opened or made, and puts the options
// together.
func (f *Apply) Check() error {
	if f.Jobs < 1 {
		return Usage("--jobs must be at least 1", "Leave it out for 64.")
	}
	if f.Confirm != "" && !digestStart.MatchString(f.Confirm) {
		return Usage("--confirm "+cooper.Quote(f.Confirm)+" is not the beginning of a digest", "`cooper plan show ID` shows the digest: give 8 characters of it or more.")
	}
	return f.Kinds()
}

// Kinds reads --ignore alone.
func (f *Apply) Kinds() error {
	f.Ignore = nil
	for _, name := range f.ignore {
		k, ok := ignorable[name]
		if !ok {
			return Usage("--ignore "+cooper.Quote(name)+" is not a kind of failure", "The kinds are: missing, denied, changed, archived, corrupt, conflict, invalid, timeout, store.")
		}
		f.Ignore = append(f.Ignore, k)
	}
	return nil
}
