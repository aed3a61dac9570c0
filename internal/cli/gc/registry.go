package gc

import (
	"strings"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/config"
	"cooper/internal/job"
)

func (a family) registryCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "A table in which links are noted as they are made and ended",
		Long: `A registry is a table in the owner's database: the owner's program notes there, in the
same transactions, when an object begins and ceases to use a file. A scan reads it as an
association. docs/gc-registry.md says what the program has to do.`,
		Example: "  cooper gc registry ddl postgres",
	}
	cmd.AddCommand(a.ddlCmd())
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
