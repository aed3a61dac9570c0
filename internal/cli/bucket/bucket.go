// Package bucket is the family of commands that change what a bucket holds: purge and
// compress. It reads flags, makes a job of them, and leaves the doing to package job and
// how that looks to package shell.
package bucket

import (
	"context"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
)

// family makes the commands.
type family struct{ *shell.Shell }

// Commands are those of this family.
func Commands(sh *shell.Shell) []*cobra.Command {
	a := family{sh}
	sh.ShowsMore(a.showMore)
	return []*cobra.Command{a.purgeCmd(), a.compressCmd()}
}

// run carries a job out, and shows what it has come to.
func (a family) run(ctx context.Context, j interface {
	Run(ctx context.Context, e *job.Env) (job.Result, error)
}) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := j.Run(ctx, e)
	return a.Ended(&r, err)
}

// showMore shows what compressing alone comes to, whichever command carried it out.
func (a family) showMore(r *job.Result) error {
	a.showBecame(r.Became)
	return a.showEstimateOf(r.Estimate)
}
