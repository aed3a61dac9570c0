// Package facts is the family of commands that look at what is known: plans, the ledger
// and all else that SQL can be asked about, and the statistics of contents, which are also
// handed over to a database.
//
// Questions go to package job, which opens what answers them; here are the flags, the
// words, and how answers look.
package facts

import (
	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
)

// Commands are those of the family.
func Commands(sh *shell.Shell) []*cobra.Command {
	a := family{sh}
	return []*cobra.Command{a.planCmd(), a.ledgerCmd(), a.statsCmd()}
}

type family struct{ *shell.Shell }
