package job

import (
	"context"
	"strings"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/keyring"
	"cooper/internal/postgres"
	"cooper/internal/progress"
	"cooper/internal/query"
	"cooper/internal/stats"
)

// Keys say where the keys of an application's encryption come from; the zero value is
// from nowhere.
type Keys struct {
	// From is a file, exec:COMMAND, or the URL of a PostgreSQL database.
	From string
	// Query is what the database is asked.
	Query string
	// Expect says what contents look like, as PATTERN=CONTENT.
	Expect []string

	loaded codec.Keys // by who planned with them
}

// Check looks at what is there before anything is opened.
func (k *Keys) Check() error {
	sql := postgres.IsURL(k.From)
	switch {
	case sql && k.Query == "":
		return usage("--keys names a database, and nothing says what to ask it", `Add --keys-query "SELECT object_id || '/' AS prefix, encryption_key AS key FROM …".`)
	case !sql && k.Query != "":
		return usage("--keys-query is for --keys postgres://…", "Leave it out, or name a database.")
	case k.From == "" && len(k.Expect) > 0:
		return usage("--expect is for encrypted contents, and no keys are named", "Add --keys, or leave it out.")
	}
	return nil
}

// open reads the keys; nil if none are named.
func (k *Keys) open(ctx context.Context, e *Env) (codec.Keys, error) {
	if err := k.Check(); err != nil || k.From == "" {
		return nil, err
	}
	opt := keyring.Options{From: k.From, Expect: k.Expect}
	if postgres.IsURL(k.From) {
		opt.Rows = postgres.Keys(ctx, k.From, k.Query)
	}
	ring, warnings, err := keyring.Load(ctx, opt)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		e.tell(Caution, "%s", w)
	}
	return ring, nil
}

// NoKeys is the error of contents that are encrypted nobody said how.
func NoKeys(where string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: "the contents are encrypted by their application, and no keys are given",
		Remedy: "Add --keys FILE, exec:COMMAND or postgres://…; docs/formats/keys.md has the form."}
}

// Export hands statistics of contents over to a table of somebody else's database.
type Export struct {
	// Database is the URL of a PostgreSQL database.
	Database string
	// Table is its name, perhaps with its schema; it is made if it is not there.
	Table string
	// Bucket is whose contents; empty: the only one of which contents are known.
	Bucket string
	// Batch is how many rows one transaction writes.
	Batch int
}

// Exported is what an export comes to.
type Exported struct {
	Database string `json:"database"` // without the password
	Table    string `json:"table"`
	Bucket   string `json:"bucket"`
	stats.Exported
	// Skipped are facts whose keys have a NUL, which the database cannot hold.
	Skipped int64 `json:"skipped"`
}

// IsDatabase tells whether s is the URL of a database that statistics can go to.
func IsDatabase(s string) bool { return postgres.IsURL(s) }

// Run exports.
func (x *Export) Run(ctx context.Context, e *Env) (r Exported, err error) {
	r = Exported{Database: postgres.Shown(x.Database), Table: x.Table, Bucket: x.Bucket}
	err = Ask(ctx, e, Question{}, func(db query.Engine) (err error) {
		if r.Bucket == "" {
			if r.Bucket, err = onlyBucket(ctx, db); err != nil {
				return err
			}
		}
		table, err := postgres.OpenTable(ctx, x.Database, x.Table)
		if err != nil {
			return err
		}
		defer finally(&err, func() error { return table.Close(ctx) })
		count := progress.New(e.Clock, nil)
		count.Phase("export")
		stop := e.Listener.Follow(count)
		defer stop()
		var last int64
		r.Exported, err = stats.Export(ctx, db, r.Bucket, x.Batch, table, func(done, all int64) {
			count.Expect(all, 0)
			count.Skip(done-last, 0)
			last = done
		})
		r.Skipped = table.Skipped()
		return err
	})
	return r, err
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
