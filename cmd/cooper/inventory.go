package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/listing"
	"cooper/internal/inventory/s3report"
	"cooper/internal/progress"
	"cooper/internal/words"
)

func (a *app) inventoryCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "inventory", Short: "S3 Inventory reports for stores that have none",
		Example: "  cooper inventory write s3://bucket s3://reports/inventory/"}
	var opt inventoryWrite
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
			bucket, err := bucketArg(args[0])
			if err != nil {
				return err
			}
			return a.writeInventory(cmd.Context(), bucket, args[1], opt)
		},
	}
	write.Flags().StringVar(&opt.format, "format", "CSV", "CSV or Parquet")
	write.Flags().StringVar(&opt.config, "config-id", "cooper", "the name of the configuration, a folder of the report")
	write.Flags().StringVar(&opt.prefix, "prefix", "", "only keys below this prefix")
	write.Flags().BoolVar(&opt.current, "current", false, "current objects only, for stores or rights without versions")
	cmd.AddCommand(write)
	return group(cmd)
}

type inventoryWrite struct {
	format, config, prefix string
	current                bool
}

func (a *app) writeInventory(ctx context.Context, bucket, dest string, opt inventoryWrite) (err error) {
	format := map[string]string{"csv": "CSV", "parquet": "Parquet"}[strings.ToLower(opt.format)]
	if format == "" {
		return usage("--format "+cooper.Quote(opt.format)+" is not known", "It is CSV or Parquet.")
	}
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	b, err := a.openBucket(ctx, bucket, 0)
	if err != nil {
		return err
	}
	defer b.Close()
	src, err := a.listing(ctx, b, listing.Options{Prefix: opt.prefix, Current: opt.current})
	if err != nil {
		return err
	}
	// The listing is kept as a snapshot: reports are written from its sorted
	// rows, and it may be wanted afterwards.
	snap, err := a.build(ctx, ws, src, progress.New(a.clock, nil))
	if err != nil {
		return err
	}
	defer finally(&err, func() error { return ws.RemoveSnapshot(snap.Meta().ID) })
	temp, err := ws.TempDir()
	if err != nil {
		return err
	}
	defer removeAll(temp)
	manifest, err := a.writeReport(ctx, snap, dest, s3report.WriteOptions{
		SourceBucket: bucket, ConfigID: opt.config, Format: format, TakenAt: snap.Meta().TakenAt, TempDir: temp,
		CurrentOnly: opt.current,
	})
	if err != nil {
		return err
	}
	m := snap.Meta()
	if a.json {
		return a.emit(map[string]any{"manifest": manifest, "taken_at": m.TakenAt, "versions": m.Versions, "delete_markers": m.DeleteMarkers, "bytes": m.Bytes, "format": format})
	}
	a.say("%s and %s of s3://%s, %s", words.Plural(m.Versions, "version"), words.Plural(m.DeleteMarkers, "delete marker"), bucket, words.Bytes(m.Bytes))
	a.say("  %s", manifest)
	return nil
}

func (a *app) writeReport(ctx context.Context, snap *inventory.Snapshot, dest string, opt s3report.WriteOptions) (manifest string, err error) {
	rows := snap.Versions(ctx, inventory.IterOptions{})
	defer finally(&err, rows.Close)
	if !strings.HasPrefix(dest, "s3://") {
		abs, err := filepath.Abs(dest)
		if err != nil {
			return "", err
		}
		name, err := s3report.WriteDir(ctx, abs, opt, rows)
		return filepath.Join(abs, filepath.FromSlash(name)), err
	}
	bucket, prefix, err := cooper.ParseURL(dest)
	if err != nil {
		return "", err
	}
	to, err := a.openBucket(ctx, bucket, 0)
	if err != nil {
		return "", err
	}
	defer to.Close()
	opt.DestinationBucket, opt.Prefix = bucket, prefix
	key, err := s3report.Write(ctx, to, opt, rows)
	return "s3://" + bucket + "/" + key, err
}
