package runs

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cooper/internal/cli/shell"
)

// line is a command line that was read without being carried out.
type line struct {
	sh  *shell.Shell
	cmd *cobra.Command
}

// read finds the command of a line, and refuses what it would refuse.
func (a family) read(args []string) (*line, error) {
	sh := a.Another()
	root := a.root(sh)
	cmd, rest, err := root.Find(args)
	if err != nil {
		return nil, shell.Usage(err.Error(), "See cooper --help.")
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return nil, shell.Usage(err.Error(), "See "+cmd.CommandPath()+" --help.")
	}
	words := cmd.Flags().Args()
	if err := cmd.ValidateArgs(words); err != nil {
		if shell.IsUsage(err) {
			err = shell.Mistake(cmd, err.Error())
		}
		return nil, err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return nil, shell.Usage(err.Error(), "See "+cmd.CommandPath()+" --help.")
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		return nil, shell.Usage(err.Error(), "See "+cmd.CommandPath()+" --help.")
	}
	return &line{sh, cmd}, nil
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
