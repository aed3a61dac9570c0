package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cooper/internal/background"
	"cooper/internal/term"
)

// runBehind carries out one command line as the run in the background at path, and
// gives the exit code.
func (a *app) runBehind(ctx context.Context, path string, args []string) int {
	// What this process starts is not the run.
	if err := os.Unsetenv(background.Env); err != nil {
		a.report(err)
		return exitFailed
	}
	s, err := background.Enter(path, a.clock)
	if err != nil {
		a.report(err)
		return exitCode(err)
	}
	a.session = s
	a.stdout, a.stderr = term.Plain(s.Log()), term.Plain(s.Log())
	a.stderr.Sparse = true
	code := a.run(ctx, args)
	message := ""
	if a.failure != nil {
		message = a.failure.Error()
	}
	s.End(code, message)
	return code
}

// line is a command line that was read without being carried out.
type line struct {
	app *app
	cmd *cobra.Command
}

// read finds the command of a line, and refuses what it would refuse.
func (a *app) read(args []string) (*line, error) {
	inner := &app{stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, clock: a.clock}
	root := inner.root()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return nil, usage(err.Error(), "See cooper --help.")
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return nil, usage(err.Error(), "See "+cmd.CommandPath()+" --help.")
	}
	words := cmd.Flags().Args()
	if err := cmd.ValidateArgs(words); err != nil {
		if isUsage(err) {
			err = mistake(cmd, err.Error())
		}
		return nil, err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return nil, usage(err.Error(), "See "+cmd.CommandPath()+" --help.")
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		return nil, usage(err.Error(), "See "+cmd.CommandPath()+" --help.")
	}
	return &line{inner, cmd}, nil
}

// given tells whether one of the flags was given.
func (l *line) given(names ...string) bool {
	for _, n := range names {
		if f := l.cmd.Flags().Lookup(n); f != nil && f.Changed {
			return true
		}
	}
	return false
}

// flags are those that were given and that want holds, as arguments.
func (l *line) flags(want func(name string) bool) (args []string) {
	l.cmd.Flags().Visit(func(f *pflag.Flag) {
		if !want(f.Name) {
			return
		}
		values := []string{f.Value.String()}
		if s, ok := f.Value.(pflag.SliceValue); ok {
			values = s.GetSlice()
		}
		for _, v := range values {
			args = append(args, "--"+f.Name+"="+v)
		}
	})
	return args
}
