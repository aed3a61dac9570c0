package gc

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
)

func (a family) listCmd() *cobra.Command {
	var l job.GCList
	tsv := false
	cmd := &cobra.Command{
		Use:   "list LIST",
		Short: "List what the last scan, or detection, has found",
		Long: `Lists what the last scan by this configuration that has ended has found, in order:

links      what links to which handle, each once
linked     handles with a link
malformed  values that cannot be read, by association, table and primary key
dangling   links to handles that are not there
refusals   what cooper gc check refuses, for which the database is asked

And what the last cooper gc detect has found: candidates, kept, relinked, missing,
unindexed, unindexed-kept, near-misses. Without an inventory of a bucket, missing and
unindexed are unknown of it: a warning says so. Of objects whose handles have been
UNLINKED for long enough: archive (they may go), archive-delayed (others need them),
archive-small (they would cost more there), archive-missing (they are not there). Of
objects that have been in the archive for archive.keep: delete (they may go for good),
delete-delayed (something keeps them).

Texts are written as in JSON, in ASCII and without the quotes, so that a line is a row.
The facts themselves are tables for cooper ledger sql: gc_link, gc_handle and others.`,
		Example: `  cooper gc list malformed
  cooper gc list links --tsv > links.tsv
  cooper gc list dangling --json | jq -r .handle`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: job.GCLists(),
		RunE: func(cmd *cobra.Command, args []string) error {
			l.Name = args[0]
			return a.list(cmd.Context(), &l, tsv)
		},
	}
	configFlag(cmd, &l.Config)
	cmd.Flags().BoolVar(&tsv, "tsv", false, "a row a line, columns parted by tabs, and nothing else")
	return cmd
}

func (a family) list(ctx context.Context, l *job.GCList, tsv bool) (err error) {
	e, err := a.Env()
	if err != nil {
		return err
	}
	flush := a.Buffer()
	defer shell.Finally(&err, flush)
	var names []string
	columns := func(c []string) {
		if names = c; !tsv && !a.JSON {
			a.Say("%s", a.Stdout.Style(term.Bold, strings.Join(c, "\t")))
		}
	}
	return l.Run(ctx, e, columns, func(row []string) error {
		if !a.JSON || tsv {
			a.Say("%s", strings.Join(row, "\t"))
			return nil
		}
		m := map[string]any{}
		for i, name := range names {
			m[name] = valued(name, row[i])
		}
		return a.Emit(m)
	})
}

// valued is what stands in a column, as JSON has it: a number of bytes is one, and null where it is not known.
func valued(column, text string) any {
	if column != "bytes" {
		return text
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return nil
}
