package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/purge"
)

// purgeFlags say what to remove from a bucket.
type purgeFlags struct {
	source                   job.Source
	versions, olderThan      string
	keys, keysFormat, sql    string
	protect                  []string
	share, deleted           string
	unguarded, planOnly, yes bool
	apply                    shell.Apply
}

func (a family) purgeCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "purge", Short: "Remove versions from a bucket for good",
		Example: "  cooper purge plan s3://bucket/PROBLEM_UPLOADS/ --list\n  cooper purge run s3://bucket/scratch/ --list --versions noncurrent --older-than 30d"}
	cmd.AddCommand(a.purgePlanCmd(), a.purgeRunCmd(), a.uploadsCmd())
	return shell.Group(cmd)
}

const purgeLong = `Versions are removed by their ids: --versions all takes every version and delete
marker below the prefix, noncurrent all but the latest, markers the delete markers
of keys that have nothing else. The latest version of a key goes only with all
others of it, and last: a purge never brings an older version back. What was
uploaded since the snapshot is left alone, and so is what has changed.

--keys and --sql narrow a purge to what they name; only versions in the snapshot
and below the prefix ever qualify. The age counts from when a version was
superseded for --versions noncurrent, else from when it was written.

The share stop counts against everything in the snapshot: with --list that is what
lies below the prefix.`

func (a family) purgePlanCmd() *cobra.Command {
	f := purgeFlags{planOnly: true}
	cmd := &cobra.Command{
		Use:   "plan s3://BUCKET/PREFIX/",
		Short: "Plan a purge; touch nothing",
		Long:  "Takes a snapshot, chooses versions, and writes a plan to the workspace.\n\n" + purgeLong,
		Example: `  cooper purge plan s3://bucket/PROBLEM_UPLOADS/ --list
  cooper purge plan s3://bucket --inventory s3://reports/daily/ --versions noncurrent
  cooper plan show latest --actions
  cooper apply latest --confirm 4f1c22ab`,
		Args:    cobra.ExactArgs(1),
		PreRunE: shell.NotEmpty,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.purge(cmd.Context(), args[0], &f) },
	}
	f.registerPlan(cmd)
	return cmd
}

func (a family) purgeRunCmd() *cobra.Command {
	var f purgeFlags
	cmd := &cobra.Command{
		Use:   "run s3://BUCKET/PREFIX/",
		Short: "Plan a purge, ask, and carry it out",
		Long: purgeLong + `

It shows the plan and asks. It can be killed at any instant: cooper apply ID goes
on. Exit codes: 0 done; 1 wrong use; 2 the run failed; 3 done, but some versions
could not be removed; 4 refused for safety; 130 interrupted.`,
		Example: `  cooper purge run s3://bucket/PROBLEM_UPLOADS/ --list
  cooper purge run s3://bucket/PROBLEM_UPLOADS/ --list --confirm 4f1c22ab --deleted deleted.jsonl
  cooper purge run s3://bucket --list --versions noncurrent --older-than 30d --protect '*/keys/'
  cooper purge run s3://bucket --snapshot latest --keys unknown.txt
  cooper purge run s3://bucket --snapshot latest \
    --sql "SELECT key, version_id FROM version WHERE last_modified < '2014-08-01'"`,
		Args:    cobra.ExactArgs(1),
		PreRunE: shell.NotEmpty,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.purge(cmd.Context(), args[0], &f) },
	}
	f.registerPlan(cmd)
	a.RunFlags(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.planOnly, "plan-only", false, "write the plan and stop")
	fl.BoolVar(&f.yes, "yes", false, "do not ask, as in a script; the share stop holds all the same")
	fl.StringVar(&f.apply.Confirm, "confirm", "", "carry out the plan with this digest (8 characters or more), made before with the same flags, although the share stop says no")
	fl.StringVar(&f.deleted, "deleted", "", "write what was removed by the plan to this file (- for stdout), as {\"key\", \"version_id\"} a line")
	f.apply.RegisterJobs(cmd, "denied, changed, conflict, invalid, timeout, store", "requests under way", purgeJobs)
	cmd.MarkFlagsMutuallyExclusive("plan-only", "yes", "confirm")
	shell.EndsWithPlan(cmd)
	return cmd
}

// purgeJobs is how many requests, for a thousand versions each, are under way.
const purgeJobs = 16

func (f *purgeFlags) registerPlan(cmd *cobra.Command) {
	f.apply.Jobs = purgeJobs
	shell.RegisterSource(cmd, &f.source, shell.UseSnapshot)
	fl := cmd.Flags()
	fl.StringVar(&f.versions, "versions", purge.All, "which versions: all, noncurrent, or markers (delete markers of keys that have nothing else)")
	fl.StringVar(&f.olderThan, "older-than", "", "only versions of this age: 12h, 30d, 2w, 1y (365 days)")
	fl.StringVar(&f.keys, "keys", "", "only the keys in this file")
	fl.StringVar(&f.keysFormat, "keys-format", purge.Lines, "of --keys: lines (a key a line, as it is), nul, or json (a line each: a string, or {\"key\", \"version_id\"})")
	fl.StringVar(&f.sql, "sql", "", "only what this query over the workspace answers: a column key, and version_id for single versions; the table version is the snapshot planned from")
	fl.StringArrayVar(&f.protect, "protect", nil, "never anything below this prefix, where * stands for any one folder (may be repeated)")
	fl.StringVar(&f.share, "share-stop", "", "the share of the snapshot's versions, or of their bytes, that may go before the decision's digest is asked for (default 10%)")
	fl.BoolVar(&f.unguarded, "unguarded", false, "also null versions that the store cannot keep apart from one written in the instant of their removal")
	f.apply.RegisterMoved(cmd)
	cmd.MarkFlagsMutuallyExclusive("keys", "sql")
}

// checked looks at arguments and flags before anything is opened, and makes a job of
// them.
func (f *purgeFlags) checked(arg string, check func(deleted string) error) (*job.Purge, error) {
	bucket, prefix, err := cooper.ParseURL(arg)
	if err != nil {
		return nil, err
	}
	if f.apply.Confirm == "" {
		if err := f.source.Check(); err != nil {
			return nil, err
		}
	}
	if err := f.apply.Kinds(); err != nil {
		return nil, err
	}
	if err := check(f.deleted); err != nil {
		return nil, err
	}
	j := &job.Purge{Bucket: bucket, Prefix: prefix, Source: f.source, PlanOnly: f.planOnly, Yes: f.yes, Options: f.apply.Options}
	p := purge.Policy{Prefix: prefix, Versions: f.versions, Protect: f.protect, Unguarded: f.unguarded}
	if p.ShareLimit, err = shell.ShareLimit(f.share, defaultShare); err != nil {
		return nil, err
	}
	if f.olderThan != "" {
		age, err := shell.ParseAge(f.olderThan)
		if err != nil {
			return nil, err
		}
		p.OlderThan = age.Seconds()
	}
	switch {
	case f.sql != "":
		p.Chosen, j.Chosen = "SQL: "+f.sql, &job.Chosen{SQL: f.sql}
	case f.keys != "":
		if p.Chosen, err = f.sum(); err != nil {
			return nil, err
		}
		j.Chosen = &job.Chosen{Open: func(ctx context.Context, memory int64, temp string) (purge.Choices, error) {
			return f.choices(ctx, p.Chosen, memory, temp)
		}}
	}
	j.Policy = p
	return j, p.Check()
}

const defaultShare = 0.1

// sum reads the list of keys and says which it is.
func (f *purgeFlags) sum() (list string, err error) {
	file, err := openKeys(f.keys)
	if err != nil {
		return "", err
	}
	defer shell.Finally(&err, file.Close)
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", shell.Usage("--keys "+cooper.Quote(f.keys)+" cannot be read: "+err.Error(), "")
	}
	return f.chosen(h), nil
}

// chosen says in a policy which list of keys was read.
func (f *purgeFlags) chosen(h hash.Hash) string {
	return "keys: " + f.keysFormat + " with the SHA-256 " + hex.EncodeToString(h.Sum(nil))
}

// openKeys opens the list of keys. It is read twice, which takes a file.
func openKeys(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, shell.Usage("--keys "+cooper.Quote(name)+" is no file", "Write the keys to a file first: a pipe can be read only once.")
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(name)
	}
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: "--keys " + cooper.Quote(name), Message: "cannot be read", Err: err}
	}
	return f, nil
}

// choices reads the list of keys, which must be the one that the policy names.
func (f *purgeFlags) choices(ctx context.Context, chosen string, memory int64, temp string) (from purge.Choices, err error) {
	file, err := openKeys(f.keys)
	if err != nil {
		return nil, err
	}
	defer shell.Finally(&err, file.Close)
	h := sha256.New()
	from, err = purge.ReadList(ctx, io.TeeReader(file, h), f.keysFormat, memory, temp)
	if err != nil {
		return nil, err
	}
	if f.chosen(h) != chosen {
		err := shell.Usage("--keys "+cooper.Quote(f.keys)+" has changed while it was read", "Give a file that nobody writes to.")
		return nil, errors.Join(err, from.Close())
	}
	return from, nil
}

// purge carries out purge run and purge plan.
func (a family) purge(ctx context.Context, arg string, f *purgeFlags) error {
	p, err := f.checked(arg, a.CheckDeleted)
	if err != nil {
		return err
	}
	if f.deleted != "" {
		stdout := a.Stdout
		if f.deleted == shell.StdoutName { // plan and summary make room
			defer a.ToStderr()()
		}
		p.After = func(ctx context.Context, id string) error { return a.WriteDeleted(ctx, id, f.deleted, stdout) }
	}
	return a.run(ctx, p)
}
