package cli

import (
	"context"
	"os"

	"cooper/internal/background"
	"cooper/internal/cli/shell"
	"cooper/internal/term"
)

// runBehind carries out one command line as the run in the background at path, and
// gives the exit code.
func runBehind(ctx context.Context, sh *shell.Shell, path string, args []string) int {
	// What this process starts is not the run.
	if err := os.Unsetenv(background.Env); err != nil {
		sh.Report(err)
		return shell.ExitFailed
	}
	s, err := background.Enter(path, sh.Clock)
	if err != nil {
		sh.Report(err)
		return shell.ExitCode(err)
	}
	sh.Session = s
	sh.Stdout, sh.Stderr = term.Plain(s.Log()), term.Plain(s.Log())
	sh.Stderr.Sparse = true
	code, failure := run(ctx, sh, args)
	message := ""
	if failure != nil {
		message = failure.Error()
	}
	s.End(code, message)
	return code
}
