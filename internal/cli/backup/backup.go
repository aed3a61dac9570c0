// Package backup is the family of commands about backup trees: run and plan, which bring a
// tree to what its bucket shows, those that look after it and give back what is in it, and
// those that tell of it.
//
// What the commands do is in package job; here are their flags, and the words and tables
// in which they tell of it. ls, history and status read a tree themselves.
package backup

import (
	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/tree"
)

// family is what these commands share.
type family struct{ *shell.Shell }

// Command is the one that holds the family.
func Command(sh *shell.Shell) *cobra.Command {
	a := family{sh}
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Back a bucket up to a tree, and look after it",
		Long: `A tree is a directory with a usable mirror of the bucket (DIR/mirror), everything
that was replaced or deleted (DIR/history), and a catalog that says where every
version is and how far it was verified (DIR/.cooper). With the layout inline, as
s3invsync has it, mirror and history share DIR itself.`,
		Example: `  cooper backup run s3://bucket /data/backup --list
  cooper backup status /data/backup
  cooper backup restore /data/backup --prefix images/ --to /tmp/images`,
	}
	cmd.AddCommand(a.runCmd(), a.adoptCmd(), a.planCmd(), a.statusCmd(), a.verifyCmd(), a.restoreCmd(), a.rollbackCmd(), a.pruneCmd(),
		a.forgetCmd(), a.lsCmd(), a.historyCmd(), a.rebuildCmd())
	return shell.Group(cmd)
}

// openTree opens a tree to read it.
func (a family) openTree(dir string) (*tree.Tree, error) {
	e, err := a.Env()
	if err != nil {
		return nil, err
	}
	return job.OpenTree(e, dir)
}
