package facts

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

// largestBatch bounds what a batch takes in memory, here and there.
const largestBatch = 100_000

func (a family) statsExportCmd() *cobra.Command {
	var x job.Export
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
			x.Database = args[0]
			return a.statsExport(cmd.Context(), args[1:], &x)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&x.Table, "table", "cooper_content", "the table, perhaps with its schema: TABLE or SCHEMA.TABLE")
	fl.IntVar(&x.Batch, "batch", 10_000, "rows in one transaction")
	return cmd
}

func (a family) statsExport(ctx context.Context, address []string, x *job.Export) error {
	if !job.IsDatabase(x.Database) {
		// It may be one with a mistake in it, and a password.
		return shell.Usage("the first argument is not a URL of a PostgreSQL database", "Write it like postgres://USER@HOST:5432/DATABASE.")
	}
	if x.Batch < 1 || x.Batch > largestBatch {
		return shell.Usage(fmt.Sprintf("--batch %d is not from 1 to %d", x.Batch, largestBatch), "10000 suits most databases.")
	}
	if len(address) > 0 {
		bucket, key, err := cooper.ParseURL(address[0])
		if err != nil {
			return err
		}
		if key != "" {
			return shell.Usage("an export is of a whole bucket", "Write s3://"+bucket+" alone.")
		}
		x.Bucket = bucket
	}
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
	a.Say("%s of s3://%s handed over to %s in %s; %s changed there", words.Plural(r.Facts, "fact"), term.Clean(r.Bucket), term.Clean(r.Table), term.Clean(r.Database), words.Plural(r.Changed, "row"))
	if r.Skipped > 0 {
		a.Caution("%s left out: their keys have a NUL, which text in PostgreSQL cannot hold", words.Plural(r.Skipped, "fact"))
	}
	return nil
}
