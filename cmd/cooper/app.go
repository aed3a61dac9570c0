package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/term"
	"cooper/internal/workspace"
)

// app is one call of the program: its streams, its global flags, its clock.
type app struct {
	stdin  io.Reader
	stdout term.Out
	stderr term.Out
	clock  func() time.Time

	json      bool
	quiet     bool
	workspace string
	memory    string
	doubtful  bool // a snapshot contradicts itself or makes no sense: nothing is a success
	s3        s3Flags
	pace      pace
	watch     watch
	// ahead is by how much this machine's clock is ahead of the store's, where that
	// matters.
	ahead time.Duration

	// session is this run, if it is one in the background.
	session *background.Session
	// failure is what the command line ended with.
	failure error
}

// s3Flags say how to reach S3; they have the names other tools use.
type s3Flags struct {
	endpoint, profile, region string
	anonymous                 bool
}

func newApp(stdin, stdout, stderr *os.File) *app {
	return &app{stdin: stdin, stdout: term.New(stdout), stderr: term.New(stderr), clock: time.Now}
}

// run carries out one command line and gives the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && a.doubtful {
		err = errSomeFailed
	}
	a.failure = err
	if err != nil {
		// A mistake in the command line may stand before --json.
		a.json = a.json || slices.Contains(args, "--json")
		// cobra's own errors are about the command line.
		var e *cooper.Error
		if !errors.As(err, &e) && isUsage(err) {
			err = mistake(cmd, err.Error())
		}
		a.report(err)
	}
	a.unwatch(ctx, err)
	return exitCode(err)
}

// isUsage recognises what cobra and pflag say about a command line; they have
// no types for it.
func isUsage(err error) bool {
	for _, p := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs", "invalid argument", "accepts ", "requires ", "required flag", "if any flags in the group", "at least one of the flags", "bad flag syntax"} {
		if strings.HasPrefix(err.Error(), p) {
			return true
		}
	}
	return false
}

func (a *app) root() *cobra.Command {
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
		Version:       version,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.begin(cmd)
		},
	}
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "write JSON: one object, or one a line for lists")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress")
	f.StringVar(&a.workspace, "workspace", "", "directory of snapshots, plans and ledger (default $COOPER_WORKSPACE or ./.cooper)")
	f.StringVar(&a.memory, "memory", "2GiB", "memory to stay within, at least 256MiB")
	f.StringVar(&a.s3.endpoint, "endpoint-url", "", "URL of an S3-compatible store (default $AWS_ENDPOINT_URL_S3)")
	f.StringVar(&a.s3.profile, "profile", "", "profile of the AWS configuration")
	f.StringVar(&a.s3.region, "region", "", "region of the buckets (found by itself otherwise)")
	f.BoolVar(&a.s3.anonymous, "no-sign-request", false, "access public buckets without credentials")
	a.pace.register(f)
	root.AddCommand(a.snapshotCmd(), a.reportCmd(), a.inventoryCmd(), a.backupCmd(), a.purgeCmd(), a.compressCmd(), a.planCmd(), a.applyCmd(), a.ledgerCmd(), a.statsCmd(),
		a.startCmd(), a.runsCmd(), a.logsCmd(), a.stopCmd(), a.resumeCmd())
	a.completions(root)
	return group(root)
}

// group makes a command that only holds others: alone it shows its help, and a
// name it does not know is an error, with what may have been meant.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		remedy := "See " + cmd.CommandPath() + " --help."
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			remedy = "Did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or ") + "?"
		}
		return usage(cooper.Quote(args[0])+" is not a command of "+cmd.CommandPath(), remedy)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}

// limitMemory makes the garbage collector work harder before the process grows
// past the setting.
func (a *app) limitMemory() error {
	n, err := a.memoryBytes()
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(n * 3 / 4)
	return nil
}

// memoryBytes is --memory in bytes.
func (a *app) memoryBytes() (int64, error) {
	n, ok := parseBytes(a.memory)
	if !ok || n < 256<<20 {
		return 0, usage(fmt.Sprintf("--memory %q is not a size of at least 256MiB", a.memory), "Give it like --memory 2GiB.")
	}
	return n, nil
}

// parseBytes reads a number of bytes, with a unit or without: 2GiB, 1.5 MB, 512.
func parseBytes(s string) (int64, bool) {
	units := []struct {
		suffix string
		bytes  float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"", 1}}
	for _, u := range units {
		num, ok := strings.CutSuffix(strings.TrimSpace(s), u.suffix)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		return int64(x * u.bytes), err == nil && x >= 0 && x*u.bytes < 1<<60
	}
	return 0, false
}

// openWorkspace opens the workspace the flags or the environment name.
func (a *app) openWorkspace() (*workspace.Workspace, error) {
	dir, err := a.workspaceDir()
	if err != nil {
		return nil, err
	}
	return workspace.Open(dir, workspace.Options{Clock: a.clock})
}

// workspaceDir is where the workspace is, or would be.
func (a *app) workspaceDir() (string, error) {
	dir := a.workspace
	if dir == "" {
		dir = os.Getenv("COOPER_WORKSPACE")
	}
	if dir == "" {
		dir = ".cooper"
	}
	return filepath.Abs(dir)
}

// emit writes one JSON object.
func (a *app) emit(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// say writes a line for a person.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stdout, format+"\n", args...)
}

// warn tells what a person, or a program, should know though nothing fails over it.
func (a *app) warn(message string) {
	if a.json {
		b, err := json.Marshal(map[string]map[string]string{"warning": {"message": message}})
		if err == nil {
			fmt.Fprintln(a.stderr, string(b))
		}
		return
	}
	fmt.Fprintln(a.stderr, a.stderr.Style(term.Yellow, "warning:"), term.Clean(message))
}

// caution writes a warning beside the output, also for who wants no progress. In
// JSON the output itself has what is to be known.
func (a *app) caution(format string, args ...any) {
	if !a.json {
		a.warn(fmt.Sprintf(format, args...))
	}
}

// note writes a line beside the output: progress of a kind.
func (a *app) note(format string, args ...any) {
	if !a.quiet && !a.json {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}
