package main

import (
	"context"
	"cooper"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cooper/internal/postgres"
	"cooper/internal/progress"
	"cooper/internal/query"
	"cooper/internal/stats"
	"cooper/internal/term"
	"cooper/internal/words"
)

// largestBatch bounds what a batch takes in memory, here and there.
const largestBatch = 100_000

// exportFlags say how to export.
type exportFlags struct {
	table string
	batch int
}

func (a *app) statsExportCmd() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export postgres://USER@HOST/DATABASE [s3://BUCKET]",
		Short: "Hand statistics of each content over to a PostgreSQL table",
		Long: `Writes a row for each content into a table, which is made if it is not there. path
is its key, without what compression adds, and unique. A row that is there already
becomes what is known last. The same may be exported again, and by two at once; a
run that was killed is run again. Rows are never deleted.

Columns: path, created_on, last_updated, study, participant, sha1,
size_uncompressed, size_compressed, tier, stored_path, stream, sha256, codec, state,
run. The password belongs in PGPASSWORD or ~/.pgpass: everybody on this machine sees
command lines.`,
		Example: `  cooper stats export postgres://lab@db.example.org/lab
  cooper stats export postgres://lab@db.example.org/lab s3://bucket --table public.s3_contents
  PGPASSWORD=… cooper stats export 'postgres://lab@db/lab?sslmode=require' --batch 50000 --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.statsExport(cmd.Context(), args[0], args[1:], &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.table, "table", "cooper_content", "the table, perhaps with its schema: TABLE or SCHEMA.TABLE")
	fl.IntVar(&f.batch, "batch", 10_000, "rows in one transaction")
	return cmd
}

// exportResult is what --json says of an export.
type exportResult struct {
	Database string `json:"database"` // without the password
	Table    string `json:"table"`
	Bucket   string `json:"bucket"`
	stats.Exported
	// Skipped are facts whose keys have a NUL, which the database cannot hold.
	Skipped int64 `json:"skipped"`
}

func (a *app) statsExport(ctx context.Context, dsn string, address []string, f *exportFlags) (err error) {
	if !postgres.IsURL(dsn) {
		// It may be one with a mistake in it, and a password.
		return usage("the first argument is not a URL of a PostgreSQL database", "Write it like postgres://USER@HOST:5432/DATABASE.")
	}
	if f.batch < 1 || f.batch > largestBatch {
		return usage(fmt.Sprintf("--batch %d is not from 1 to %d", f.batch, largestBatch), "10000 suits most databases.")
	}
	r := exportResult{Database: postgres.Shown(dsn), Table: f.table}
	if len(address) > 0 {
		var key string
		if r.Bucket, key, err = cooper.ParseURL(address[0]); err != nil {
			return err
		}
		if key != "" {
			return usage("an export is of a whole bucket", "Write s3://"+r.Bucket+" alone.")
		}
	}
	return a.withFacts(ctx, func(db query.Engine) (err error) {
		if r.Bucket == "" {
			if r.Bucket, err = onlyBucket(ctx, db); err != nil {
				return err
			}
		}
		table, err := postgres.OpenTable(ctx, dsn, f.table)
		if err != nil {
			return err
		}
		defer finally(&err, func() error { return table.Close(ctx) })
		count := progress.New(a.clock, nil)
		count.Phase("export")
		stop := a.follow(count)
		var last int64
		r.Exported, err = stats.Export(ctx, db, r.Bucket, f.batch, table, func(done, all int64) {
			count.Expect(all, 0)
			count.Skip(done-last, 0)
			last = done
		})
		stop()
		if err != nil {
			return err
		}
		r.Skipped = table.Skipped()
		if a.json {
			return a.emit(r)
		}
		a.say("%s of s3://%s handed over to %s in %s; %s changed there", words.Plural(r.Facts, "fact"), term.Clean(r.Bucket), term.Clean(r.Table), term.Clean(r.Database), words.Plural(r.Changed, "row"))
		if r.Skipped > 0 {
			a.caution("%s left out: their keys have a NUL, which text in PostgreSQL cannot hold", words.Plural(r.Skipped, "fact"))
		}
		return nil
	})
}

// onlyBucket is the one whose contents are known.
func onlyBucket(ctx context.Context, db query.Engine) (string, error) {
	buckets, err := stats.Buckets(ctx, db)
	switch {
	case err != nil:
		return "", err
	case len(buckets) == 0:
		return "", usage("nothing is known of contents yet", "Compress something first: cooper compress run.")
	case len(buckets) > 1:
		return "", usage("contents of several buckets are known: "+strings.Join(buckets, ", "), "Name one of them: paths in the table are those of one bucket.")
	}
	return buckets[0], nil
}
