// Package cli is the command line: it puts the families of commands together, and
// carries one command line out. What a family is, shell says; a mission adds its family
// to Root with a line.
package cli

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"cooper/internal/background"
	"cooper/internal/cli/backup"
	"cooper/internal/cli/bucket"
	"cooper/internal/cli/facts"
	"cooper/internal/cli/gc"
	"cooper/internal/cli/runs"
	"cooper/internal/cli/shell"
	"cooper/internal/cli/stock"
)

// Main carries out one command line, in the foreground or as the run in the background
// that this process was started for, and gives the exit code.
func Main(ctx context.Context, stdin, stdout, stderr *os.File, version string, args []string) int {
	sh := shell.New(stdin, stdout, stderr, version)
	if path, ok := os.LookupEnv(background.Env); ok {
		return runBehind(ctx, sh, path, args)
	}
	code, _ := run(ctx, sh, args)
	return code
}

// Monitor waits for the end of the process that this one was started to watch, and gives
// the exit code; is is false in any other process.
func Monitor(stdin io.Reader, version string) (code int, is bool) {
	command, is := os.LookupEnv(shell.MonitorEnv)
	if !is {
		return 0, false
	}
	return shell.Monitor(stdin, command, version), true
}

// run carries out a command line, and gives also what it ended with.
func run(ctx context.Context, sh *shell.Shell, args []string) (int, error) {
	root := Root(sh)
	root.SetArgs(args)
	root.SetOut(sh.Stdout)
	root.SetErr(sh.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return sh.End(ctx, cmd, args, err)
}

// Root makes all commands.
func Root(sh *shell.Shell) *cobra.Command {
	root := &cobra.Command{
		Use:   "cooper",
		Short: "Look after S3 buckets: take stock, back up, compress, purge",
		Long: `Cooper looks after S3 buckets. It takes stock of a bucket from its S3 Inventory,
backs it up to a tree that is a usable mirror and a true history, and compresses
what it holds, each object proven before its original goes.

Every job is first a plan that can be read, then an apply that can be killed at
any instant and taken up again, then facts that can be queried.`,
		Example: `  # what is in the bucket, by its own daily report
  cooper snapshot s3://bucket --inventory s3://reports/inventory/bucket/daily/

  # the daily backup: snapshot, plan, apply
  cooper backup run s3://bucket /data/backup --inventory s3://reports/inventory/bucket/daily/

  # one folder as it was in March
  cooper backup restore /data/backup --at 2026-03-01 --prefix images/ --to /tmp/images

  # what would compressing save? then do it, by night, in the background
  cooper compress estimate s3://bucket --list
  cooper start --nice -- compress run s3://bucket --list --yes --between 22:00-06:00`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       sh.Version,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return sh.Begin(cmd)
		},
	}
	sh.Register(root.PersistentFlags())
	root.AddCommand(stock.Commands(sh)...)
	root.AddCommand(backup.Command(sh))
	root.AddCommand(bucket.Commands(sh)...)
	root.AddCommand(gc.Command(sh))
	root.AddCommand(facts.Commands(sh)...)
	root.AddCommand(runs.Commands(sh, Root)...)
	sh.Completions(root)
	return shell.Group(root)
}
