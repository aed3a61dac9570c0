package shell

import (
	"fmt"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/job"
)

// RegisterSource adds the flags that say where a snapshot comes from. snapshot is the
// help of --snapshot; empty where a new one is to be taken.
func RegisterSource(cmd *cobra.Command, s *job.Source, snapshot string) {
	fl := cmd.Flags()
	fl.StringVar(&s.Inventory, "inventory", "", "S3 Inventory: s3://DST/PREFIX/SRC/CONFIG/ or a directory with the same files")
	fl.StringVar(&s.Date, "date", "", "which report: a day (2026-11-20) or an instant (2026-11-20T01-00Z); default the newest")
	fl.BoolVar(&s.List, "list", false, "list the bucket now instead of reading an inventory")
	fl.BoolVar(&s.Current, "current", false, "with --list: current objects only, for stores or rights without versions")
	cmd.MarkFlagsMutuallyExclusive("inventory", "list")
	cmd.MarkFlagsMutuallyExclusive("date", "list")
	if snapshot != "" {
		fl.StringVar(&s.Snapshot, "snapshot", "", snapshot)
		cmd.MarkFlagsMutuallyExclusive("inventory", "list", "snapshot")
	}
}

// UseSnapshot is the help of --snapshot of most commands.
const UseSnapshot = "use this snapshot (id, unique beginning, or latest)"

// BucketArg takes s3://BUCKET from the command line.
func BucketArg(arg string) (string, error) {
	bucket, key, err := cooper.ParseURL(arg)
	if err != nil {
		return "", err
	}
	if key != "" {
		return "", Usage(fmt.Sprintf("%s names more than a bucket", cooper.Quote(arg)), fmt.Sprintf("Give s3://%s, and narrow with --prefix.", bucket))
	}
	return bucket, nil
}
