// Package shell is what all families of commands have in common: the streams and how
// things are said on them, flags that many commands have, tables, asking, progress, how
// a plan and a result look, and the one map from errors to exit codes.
//
// A family is a package beside this one that makes its commands from a Shell and from
// package job, and knows no other family. The Shell is the job's Listener on a terminal,
// or in the log of a run in the background. Which commands there are is left to package
// cli, what they do to job.
package shell

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"io"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/workspace"
)

// Shell is one call of the program: its streams, the flags that all commands share, its
// clock.
type Shell struct {
	Stdin  io.Reader
	Stdout term.Out
	Stderr term.Out
	Clock  func() time.Time
	// Version is that of the program.
	Version string

	// JSON, Quiet and Workspace are as the flags say.
	JSON, Quiet bool
	Workspace   string

	// Session is this run, if it is one in the background.
	Session *background.Session

	memory   string
	s3       job.S3
	pace     pace
	watch    watch
	more     []func(*job.Result) error
	doubtful atomic.Bool // a snapshot contradicts itself or makes no sense: nothing is a success
}

// New is a call on these streams.
func New(stdin, stdout, stderr *os.File, version string) *Shell {
	return &Shell{Stdin: stdin, Stdout: term.New(stdout), Stderr: term.New(stderr), Clock: time.Now, Version: version}
}

// Another is a call on the same streams whose flags nobody has set, for reading a
// command line that is not to be carried out.
func (s *Shell) Another() *Shell {
	return &Shell{Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr, Clock: s.Clock, Version: s.Version}
}

// Register adds the flags that all commands share to those of the first command.
func (s *Shell) Register(f *pflag.FlagSet) {
	f.BoolVar(&s.JSON, "json", false, "write JSON: one object, or one a line for lists")
	f.BoolVarP(&s.Quiet, "quiet", "q", false, "no progress")
	f.StringVar(&s.Workspace, "workspace", "", "directory of snapshots, plans and ledger (default $COOPER_WORKSPACE or ./.cooper)")
	f.StringVar(&s.memory, "memory", "2GiB", "memory to stay within, at least 256MiB")
	f.StringVar(&s.s3.Endpoint, "endpoint-url", "", "URL of an S3-compatible store (default $AWS_ENDPOINT_URL_S3)")
	f.StringVar(&s.s3.Profile, "profile", "", "profile of the AWS configuration")
	f.StringVar(&s.s3.Region, "region", "", "region of the buckets (found by itself otherwise)")
	f.BoolVar(&s.s3.Anonymous, "no-sign-request", false, "access public buckets without credentials")
	s.pace.register(f)
}

// Begin reads the flags that all commands share, and is called before any of
// them does anything.
func (s *Shell) Begin(cmd *cobra.Command) error {
	n, err := s.memoryBytes()
	if err != nil {
		return err
	}
	// The garbage collector works harder before the process grows past the setting.
	debug.SetMemoryLimit(n * 3 / 4)
	if err := s.pace.check(cmd.Flags(), time.Local); err != nil {
		return err
	}
	if err := s.CheckEndpoint(); err != nil {
		return err
	}
	if err := s.beware(cmd); err != nil {
		return err
	}
	if cmd.Flags().Lookup("sentry-dsn") == nil { // it takes no time
		return nil
	}
	return s.watchRun(cmd.Context(), cmd)
}

// End tells what a command line came to: it says what went wrong, and gives the exit code
// and the error. args is the command line, cmd the command as far as it was found.
func (s *Shell) End(ctx context.Context, cmd *cobra.Command, args []string, err error) (code int, ended error) {
	if err == nil && s.doubtful.Load() {
		err = job.ErrSomeFailed
	}
	ended = err
	if err != nil {
		// A mistake in the command line may stand before --json.
		s.JSON = s.JSON || slices.Contains(args, "--json")
		// cobra's own errors are about the command line.
		var e *cooper.Error
		if !errors.As(err, &e) && IsUsage(err) {
			err = Mistake(cmd, err.Error())
		}
		s.Report(err)
	}
	s.unwatch(ctx, err)
	return ExitCode(err), ended
}

// CheckEndpoint refuses an endpoint of the command line that must not be used, before
// anything is written down.
func (s *Shell) CheckEndpoint() error { return s.s3.Check() }

// Env is what a job gets from this call.
func (s *Shell) Env() (*job.Env, error) {
	dir, err := s.WorkspaceDir()
	if err != nil {
		return nil, err
	}
	memory, err := s.memoryBytes()
	if err != nil {
		return nil, err
	}
	stores := s.s3
	stores.UserAgent, stores.Rate, stores.Bandwidth, stores.Opened = "cooper/"+s.Version, s.pace.rate, s.pace.band, s.watch.uses
	return &job.Env{Workspace: dir, Clock: s.Clock, Memory: memory, Stores: &stores, Engine: job.DuckDB, Hours: s.pace.hours, Listener: listener{s}}, nil
}

// WorkspaceDir is where the workspace is, or would be.
func (s *Shell) WorkspaceDir() (string, error) {
	dir := s.Workspace
	if dir == "" {
		dir = os.Getenv("COOPER_WORKSPACE")
	}
	if dir == "" {
		dir = ".cooper"
	}
	return filepath.Abs(dir)
}

// WithWorkspace opens the workspace that the flags or the environment name for f.
func (s *Shell) WithWorkspace(f func(ws *workspace.Workspace) error) (err error) {
	ws, err := s.OpenWorkspace()
	if err != nil {
		return err
	}
	defer Finally(&err, ws.Close)
	return f(ws)
}

// OpenWorkspace opens the workspace that the flags or the environment name.
func (s *Shell) OpenWorkspace() (*workspace.Workspace, error) {
	dir, err := s.WorkspaceDir()
	if err != nil {
		return nil, err
	}
	return workspace.Open(dir, workspace.Options{Clock: s.Clock})
}

// Emit writes one JSON object.
func (s *Shell) Emit(v any) error {
	enc := json.NewEncoder(s.Stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Finally runs clean-up whose error must not be lost.
func Finally(err *error, f func() error) { *err = errors.Join(*err, f()) }
