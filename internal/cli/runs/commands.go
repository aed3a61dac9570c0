// Package runs is the family of commands that carry plans out, and those that look after
// runs in the background: they start one, list them, show what one has written, stop it
// and take it up again.
//
// It promises that whatever runs in the background is a command line that anybody could
// have given, read before it is begun and refused if it would need a person. Which
// commands there are it does not know: it is given the first one, and they say of
// themselves, in the words of package shell, how they go in the background. What a plan's
// run does is left to package job, how a process outlives its terminal to package
// background.
package runs

import (
	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
)

// family is what these commands share.
type family struct {
	*shell.Shell

	// root makes the first command anew, to read another command line with it.
	root func(*shell.Shell) *cobra.Command
}

// Commands are apply, start, runs, logs, stop and resume. root makes the first command
// of the program for a Shell.
func Commands(sh *shell.Shell, root func(*shell.Shell) *cobra.Command) []*cobra.Command {
	a := family{sh, root}
	ofRuns := []*cobra.Command{a.startCmd(), a.runsCmd(), a.logsCmd(), a.stopCmd(), a.resumeCmd()}
	for _, cmd := range ofRuns {
		shell.NotAlone(cmd)
	}
	return append([]*cobra.Command{a.applyCmd()}, ofRuns...)
}
