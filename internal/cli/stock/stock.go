// Package stock is the family of commands that take stock of a bucket: snapshot and what
// is done with snapshots, report, and inventory, which writes an S3 Inventory where a
// store has none.
//
// What they do is in package job, what a report tells in package report; here are the
// flags, the words, and how all of it looks.
package stock

import (
	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
)

// Commands are those of the family.
func Commands(sh *shell.Shell) []*cobra.Command {
	a := family{sh}
	return []*cobra.Command{a.snapshotCmd(), a.reportCmd(), a.inventoryCmd()}
}

type family struct{ *shell.Shell }
