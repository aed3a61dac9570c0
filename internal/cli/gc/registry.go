package gc

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/config"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a family) registryCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "A table in which links are noted as they are made and ended",
		Long: `A registry is a table in the owner's database: the owner's program notes there, in the
same transactions, when an object begins and ceases to use a file. A scan reads it as an
association. docs/gc-registry.md says what the program has to do.`,
		Example: "  cooper gc registry ddl postgres\n  cooper gc registry diff\n  cooper gc registry backfill",
	}
	cmd.AddCommand(a.ddlCmd(), a.diffCmd(), a.backfillCmd())
	return shell.Group(cmd)
}

func (a family) ddlCmd() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "ddl mysql|postgres|sqlite",
		Short: "Print the SQL of the table, and of what is to be done in it",
		Long: `Prints the statement that makes the table, that which notes a link, and that which
notes its end. The names are those of registry in cooper.yaml, where that is there.
Nothing is asked of the database. The column with the handle's id must have the type
that it has in the table of file handles.`,
		Example:   "  cooper gc registry ddl mysql\n  cooper gc registry ddl postgres --config platform/cooper.yaml --json",
		Args:      cobra.ExactArgs(1),
		ValidArgs: config.Engines,
		RunE:      func(_ *cobra.Command, args []string) error { return a.ddl(path, args[0]) },
	}
	configFlag(cmd, &path)
	return cmd
}

func (a family) ddl(path, engine string) error {
	r, err := job.GCRegistryDDL(path, engine)
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.Emit(r)
	}
	for _, part := range []struct{ title, sql string }{{"the table", r.Table}, {"an object begins to use a file", r.Link}, {"an object ceases to use a file", r.Unlink}} {
		a.Say("-- %s", part.title)
		for line := range strings.SplitSeq(part.sql, "\n") {
			a.Say("%s", line)
		}
		a.Say(";")
	}
	return nil
}

func (a family) diffCmd() *cobra.Command {
	var g job.GCRegistry
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Handles of which registry and scan say different things",
		Long: `Lists the handles to which, by the last complete scan, the registry alone has a link, or
the other associations alone have one. With --json, an object a line. "scan" are those
that would be garbage if the registry alone were believed.`,
		Example: "  cooper gc registry diff\n  cooper gc registry diff --json | jq -r 'select(.linked == \"scan\").handle'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.streamed(func(e *job.Env) error {
				return g.Diff(cmd.Context(), e, func(x job.GCDisagreed) error {
					if a.JSON {
						return a.Emit(x)
					}
					a.Say("%s\t%s", term.Clean(x.Handle), x.Linked)
					return nil
				})
			})
		},
	}
	configFlag(cmd, &g.Config)
	return cmd
}

func (a family) backfillCmd() *cobra.Command {
	var g job.GCRegistry
	var sql bool
	cmd := &cobra.Command{
		Use:   "backfill",
		Short: "Note in the registry what a scan has found elsewhere",
		Long: `Writes a row to the registry for each link that the last complete scan has found by other
associations than the registry, and that the registry does not have: as old as the scan, so
that what your program has ended since stays ended. It shows how many and asks first. The
connection is registry.database, whose user may write to that table alone. Killed at any
instant, it is given again. Afterwards it says what complete_since may be declared.
With --sql nothing is written: the statements are printed, for who may run them.`,
		Example: "  cooper gc registry backfill --plan-only\n  cooper gc registry backfill --yes\n  cooper gc registry backfill --sql > fill.sql",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case sql && (g.Yes || g.PlanOnly):
				return shell.Usage("--sql writes nothing to the database, and asks nothing", "Leave out --yes and --plan-only.")
			case sql:
				return a.backfillSQL(cmd.Context(), &g)
			}
			return a.backfill(cmd.Context(), &g)
		},
	}
	configFlag(cmd, &g.Config)
	f := cmd.Flags()
	f.BoolVar(&sql, "sql", false, "print the statements, and write nothing")
	f.BoolVar(&g.PlanOnly, "plan-only", false, "say how many rows it would write, and write nothing")
	f.BoolVar(&g.Yes, "yes", false, "do not ask, as in a script")
	return cmd
}

func (a family) backfillSQL(ctx context.Context, g *job.GCRegistry) error {
	return a.streamed(func(e *job.Env) error {
		return g.SQL(ctx, e, func(x job.GCBackfilled) error {
			if a.JSON {
				return a.Emit(x)
			}
			_, err := a.Stdout.Write([]byte(x.SQL + ";\n")) // a program reads it: as it is
			return err
		})
	})
}

func (a family) backfill(ctx context.Context, g *job.GCRegistry) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	g.Show = func(r *job.GCBackfill) error {
		if a.JSON {
			return nil
		}
		a.Say("%s: %s by the scan %s, which began to read at %s", term.Clean(r.Table), lacking(r.Links), r.Scan, r.Linked)
		if r.Others > 0 {
			a.Say("  links to handles of other kinds, which have no place in it: %d", r.Others)
		}
		return nil
	}
	r, err := g.Backfill(ctx, e)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.Emit(r)
	}
	if !r.Done {
		return nil
	}
	a.Say("written: %s", words.Plural(r.Links, "row"))
	if r.Ended > 0 {
		a.Say("  of these your program has ended since the scan began, and they stay ended: %d", r.Ended)
	}
	since := r.Since.Format(time.RFC3339)
	if r.Declared != nil {
		a.Say("complete_since is declared as %s. It is right only if your program has noted every link since then; if not, it may be %s.", r.Declared.Format(time.RFC3339), since)
		return nil
	}
	a.Say("If your program notes every link by now, declare under registry: complete_since: %s", since)
	a.Say("  Not earlier: links that were made while the scan ran, or since, were filled in by nobody. Handles made before that time are kept. Scan first, and see that gc registry diff lists none under scan.")
	return nil
}

// lacking says how many links a registry lacks.
func lacking(n int64) string {
	if n == 0 {
		return "it lacks no link"
	}
	return "it lacks " + words.Plural(n, "link")
}

// streamed writes many lines.
func (a family) streamed(f func(e *job.Env) error) (err error) {
	e, err := a.Env()
	if err != nil {
		return err
	}
	flush := a.Buffer()
	defer shell.Finally(&err, flush)
	return f(e)
}
