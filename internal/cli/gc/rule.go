package gc

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/database"
	"cooper/internal/job"
	"cooper/internal/linkrule"
	"cooper/internal/term"
)

func (a family) ruleCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rule",
		Short: "The one rule that your database has to keep, as triggers",
		Long: `A link is made only to a file that is AVAILABLE or UNLINKED, and that is checked in the
transaction that makes the link, with a lock on the file's row. Either your program does
so, or triggers do. docs/gc-archive.md says why.`,
		Example: "  cooper gc rule ddl\n  cooper gc rule ddl --drop",
	}
	cmd.AddCommand(a.ruleDDLCmd())
	return shell.Group(cmd)
}

func (a family) ruleDDLCmd() *cobra.Command {
	var g job.GCRule
	var drop bool
	cmd := &cobra.Command{
		Use:   "ddl",
		Short: "Print the SQL that makes the triggers, or removes them",
		Long: `Prints, for each table with ids of file handles, the statements that make its triggers,
or make them anew; and, as comments, what no trigger can guard. The database is asked for
its tables, and nothing is run: give the output to its client, as the owner of the tables.
Before you take an association out of cooper.yaml, remove its trigger by --drop.`,
		Example: "  cooper gc rule ddl > rule.sql\n  cooper gc rule ddl --drop | psql platform\n  cooper gc rule ddl --json | jq -r '.unguarded[].association'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := a.Env()
			if err != nil {
				return err
			}
			r, err := g.DDL(cmd.Context(), e)
			switch {
			case err != nil:
				return err
			case a.JSON:
				return a.Emit(r)
			}
			_, err = a.Stdout.Write([]byte(script(r, drop))) // a program reads it: as it is
			return err
		},
	}
	configFlag(cmd, &g.Config)
	cmd.Flags().BoolVar(&drop, "drop", false, "print what removes the triggers")
	return cmd
}

// script is what an engine's own client takes.
func script(r *linkrule.Rules, drop bool) string {
	var b strings.Builder
	say := func(format string, args ...any) {
		fmt.Fprintf(&b, "-- %s\n", term.Clean(fmt.Sprintf(format, args...)))
	}
	if !drop {
		say("A link is made only to a file that is AVAILABLE or UNLINKED. For %s; run it as the owner of the tables.", r.Engine)
		for _, u := range r.Unguarded {
			what := "Not guarded"
			if u.Part {
				what = "Guarded in part"
			}
			say("%s: %s (%s): %s.", what, u.Association, u.Table, u.Why)
		}
		for _, text := range r.Remarks {
			say("%s", text)
		}
		if len(r.Unguarded) == 0 {
			say("All associations are guarded: once this was run, archive: {links: locked} may be declared.")
		} else {
			say("What is not guarded your program has to check. Unless it locks the row as it does, leave archive: {links: checked} as it is.")
		}
	}
	end, begin, commit := ";\n", "BEGIN;\n", "COMMIT;\n"
	if r.Engine != database.PostgreSQL && r.Engine != database.SQLite {
		end, begin, commit = ";;\n", "DELIMITER ;;\n", "DELIMITER ;\n"
	}
	if len(r.Tables) == 0 {
		begin, commit = "", ""
	}
	b.WriteString(begin)
	for i := range r.Tables {
		t := &r.Tables[i]
		b.WriteByte('\n')
		say("%s: %s", t.Table, strings.Join(t.Links, ", "))
		statements := t.Create
		if drop {
			statements = t.Drop
		}
		for _, s := range statements {
			b.WriteString(s + end)
		}
	}
	b.WriteString(commit)
	return b.String()
}
