package stock

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/inventory/s3report"
	"cooper/internal/job"
	"cooper/internal/words"
)

func (a family) inventoryCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "inventory", Short: "S3 Inventory reports for stores that have none",
		Example: "  cooper inventory write s3://bucket s3://reports/inventory/"}
	var x job.WriteInventory
	write := &cobra.Command{
		Use:   "write s3://BUCKET s3://DST/PREFIX/ | DIR",
		Short: "List a bucket and write an S3 Inventory report of all its versions",
		Long: `Lists all versions of a bucket, many prefixes in parallel, and writes a report
as S3 would: PREFIX/BUCKET/CONFIG/DATE/manifest.json, its checksum, and the data
files. The manifest's checksum comes last, so that nobody takes half a report.`,
		Example: `  cooper inventory write s3://bucket s3://reports/inventory/
  cooper inventory write s3://bucket /var/reports --format Parquet`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if x.Bucket, err = shell.BucketArg(args[0]); err != nil {
				return err
			}
			x.To = args[1]
			return a.writeInventory(cmd.Context(), &x)
		},
	}
	write.Flags().StringVar(&x.Format, "format", "CSV", "CSV or Parquet")
	write.Flags().StringVar(&x.Config, "config-id", "cooper", "the name of the configuration, a folder of the report")
	write.Flags().StringVar(&x.Prefix, "prefix", "", "only keys below this prefix")
	write.Flags().BoolVar(&x.Current, "current", false, "current objects only, for stores or rights without versions")
	cmd.AddCommand(write)
	return shell.Group(cmd)
}

func (a family) writeInventory(ctx context.Context, x *job.WriteInventory) error {
	format := map[string]string{"csv": s3report.CSV, "parquet": s3report.Parquet}[strings.ToLower(x.Format)]
	if format == "" {
		return shell.Usage("--format "+cooper.Quote(x.Format)+" is not known", "It is CSV or Parquet.")
	}
	x.Format = format
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := x.Run(ctx, e)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.Emit(r)
	}
	a.Say("%s and %s of s3://%s, %s", words.Plural(r.Versions, "version"), words.Plural(r.DeleteMarkers, "delete marker"), x.Bucket, words.Bytes(r.Bytes))
	a.Say("  %s", r.Manifest)
	return nil
}
