// Package gc is the family of commands about files that nothing links to: whether an
// owner's database can be scanned, scans of it, and what they have found. It reads flags,
// makes a job of them, and leaves the doing to package job and how that looks to package
// shell.
package gc

import (
	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
)

// Command is the family.
func Command(sh *shell.Shell) *cobra.Command {
	a := family{sh}
	sh.ShowsMore(a.showScanned)
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Find what nothing links to, by an owner's database; archive it, restore it",
		Long: `Finds what in an owner's database links to files in buckets. What is to be read is
declared in cooper.yaml: tables of file handles, and all places that may link to one.
Sessions that read are read-only. After some complete scans, what nothing links to is
marked, in the workspace and in a status column that is declared as writable; what is
marked for long enough is archived, comes back by restore, and is deleted in the end.`,
		Example: `  cooper gc init mysql:env:PLATFORM_DSN --bucket example-data
  cooper gc check
  cooper gc scan --config platform/cooper.yaml
  cooper gc list malformed
  cooper gc detect
  cooper gc list candidates
  cooper gc status`,
	}
	cmd.AddCommand(a.initCmd(), a.checkCmd(), a.scanCmd(), a.listCmd(), a.acknowledgeCmd(), a.acceptCmd(), a.registryCmd(), a.ruleCmd(), a.statusCmd(), a.detectCmd(), a.unindexedCmd(), a.planCmd(), a.runCmd(), a.restoreCmd(), a.explainCmd(),
		a.historyCmd(), a.keepCmd(), a.releaseCmd(), a.linkCmd(false), a.linkCmd(true), a.rebuildCmd(), a.guardCmd(), a.eventsCmd())
	return shell.Group(cmd)
}

// family makes the commands.
type family struct{ *shell.Shell }

// configFlag adds the flag that all of them have.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "config", "cooper.yaml", "the file that says what is in the database")
	cmd.PreRunE = shell.NotEmpty
}
