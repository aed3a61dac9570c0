package runs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/cli/shell"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

func (a family) startCmd() *cobra.Command {
	nice := false
	cmd := &cobra.Command{
		Use:   "start [--nice] -- COMMAND…",
		Short: "Run a command in the background, whatever becomes of the terminal",
		Long: `Starts the rest of the line as a run of its own: it goes on when the terminal is
closed. What it writes goes to a log in the workspace, which never grows beyond
50 MB. It keeps the directory and the environment it is started in.

Nobody is there to answer it: a command that would ask is refused, unless it is told
--yes. cooper start waits until the run has come to its work, or tells why it did not.`,
		Example: `  cooper start --nice -- backup run s3://bucket /data/backup --list --between 22:00-06:00
  cooper start -- purge run s3://bucket/scratch/ --list --yes
  cooper runs
  cooper logs -f latest
  cooper stop latest
  cooper resume latest`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.start(cmd, args, nice)
		},
	}
	cmd.Flags().BoolVar(&nice, "nice", false, "with the lowest priority for the processor and for disks")
	cmd.Flags().SetInterspersed(false) // what follows is of the other command
	return cmd
}

// pinned gives the plan of an apply by its own name: what is the latest now may not
// be when the run is taken up again.
func pinned(ws *workspace.Workspace, l *line, args []string) ([]string, error) {
	if l.cmd.CommandPath() != "cooper apply" {
		return args, nil
	}
	name := l.cmd.Flags().Arg(0)
	id, err := ws.Resolve(workspace.Plan, name)
	if err != nil {
		return nil, err
	}
	args = slices.Clone(args)
	for i := len(args) - 1; i >= 0; i-- {
		if args[i] == name {
			args[i] = id
			break
		}
	}
	return args, nil
}

// started is what start and resume print as JSON.
type started struct {
	ID  string `json:"id"`
	PID int    `json:"pid"`
	Log string `json:"log"`
	// Working: it has come to its work. Ended: that was all of it.
	Working bool `json:"working"`
	Ended   bool `json:"ended"`
}

// keepRuns is how many runs that have ended stay in a workspace.
const keepRuns = 50

func (a family) start(cmd *cobra.Command, args []string, nice bool) (err error) {
	// Where to find things was perhaps said before the command.
	outer := line{a.Shell, cmd}
	args = append(outer.flags(func(name string) bool {
		return cmd.InheritedFlags().Lookup(name) != nil && name != "json" && name != "quiet"
	}), args...)
	l, err := a.read(args)
	if err != nil {
		return err
	}
	if err := alone(l); err != nil {
		return err
	}
	// The command is kept in a file, so this is looked at before.
	if err := l.sh.CheckEndpoint(); err != nil {
		return err
	}
	ws, err := l.sh.OpenWorkspace()
	if err != nil {
		return err
	}
	defer shell.Finally(&err, ws.Close)
	if err := dropRuns(ws); err != nil {
		return err
	}
	if args, err = pinned(ws, l, args); err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	id := ws.NewID("b")
	path := ws.BackgroundDir(id)
	state := background.State{ID: id, Args: args, Now: args, Dir: dir, Nice: nice, Began: cooper.InstantOf(a.Clock())}
	release, err := background.Create(path, state)
	if err != nil {
		return err
	}
	defer shell.Finally(&err, release)
	r, err := background.Open(path)
	if err != nil {
		return err
	}
	return a.launch(cmd.Context(), r)
}

// alone refuses what cannot do without a person.
func alone(l *line) error {
	if !l.cmd.HasParent() || !shell.RunsAlone(l.cmd) {
		path := strings.TrimPrefix(l.cmd.CommandPath(), "cooper ")
		return shell.Usage(path+" does not run in the background", "Give a command that works by itself, such as: cooper start -- backup run …")
	}
	if !l.cmd.Runnable() || l.cmd.HasSubCommands() && len(l.cmd.Flags().Args()) == 0 {
		return shell.Usage(l.cmd.CommandPath()+" is no command by itself", "See "+l.cmd.CommandPath()+" --help.")
	}
	if l.cmd.Flags().Lookup("yes") != nil && !l.given("yes", "confirm", "plan-only") {
		return shell.Usage(l.cmd.CommandPath()+" would ask, and nobody would answer", "Give --yes; or look at its plan first, with --plan-only.")
	}
	if f := l.cmd.Flags().Lookup("deleted"); f != nil && f.Value.String() == shell.StdoutName {
		return shell.Usage("--deleted - would write to the log, which forgets", "Give --deleted a file name.")
	}
	return nil
}

// launch starts a run, and tells how to follow it.
func (a family) launch(ctx context.Context, r *background.Run) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	// The workspace is this one, from wherever it is taken up again.
	env := append(os.Environ(), "COOPER_WORKSPACE="+filepath.Dir(filepath.Dir(r.Path())))
	b, err := r.Start(ctx, program, env, patience)
	if err != nil {
		return err
	}
	if b.Ended && b.Exit != shell.ExitDone && b.Exit != shell.ExitSomeFailed {
		return early(r, b.Exit)
	}
	s := started{ID: r.ID, PID: b.PID, Log: filepath.Join(r.Path(), "log"), Working: b.Working, Ended: b.Ended}
	if a.JSON {
		return a.Emit(s)
	}
	switch {
	case b.Ended:
		a.Say("%s has ended already: cooper logs %s", r.ID, r.ID)
	case b.Working:
		a.Say("%s runs in the background: cooper logs -f %s", r.ID, r.ID)
	default:
		a.Say("%s was started, and has not come to its work yet: cooper logs -f %s", r.ID, r.ID)
	}
	return nil
}

// patience is how long a run has to come to its work.
const patience = 30 * time.Second

// early is the error of a run that ended before it came to its work.
func early(r *background.Run, code int) error {
	e := &cooper.Error{Kind: shell.KindOfExit(code), Where: r.String(), Message: fmt.Sprintf("ended at once with exit code %d", code), Remedy: "See cooper logs " + r.ID + "."}
	tail, err := r.Tail(earlyLines)
	if err != nil {
		return errors.Join(e, err)
	}
	var b strings.Builder
	if _, err = tail.WriteTo(&b); errors.Join(err, tail.Close()) != nil {
		return errors.Join(e, err)
	}
	e.Message += "; its log ends with:\n" + strings.TrimSpace(b.String())
	return e
}

const earlyLines = 12

// dropRuns removes the oldest of many runs that have ended.
func dropRuns(ws *workspace.Workspace) error {
	runs, _ := allRuns(ws) // cooper runs tells of damaged ones; they keep no new run from starting
	runs = slices.DeleteFunc(runs, func(r *background.Run) bool { return r.Status.Live() || r.Status == background.CutOff })
	for _, r := range runs[:max(0, len(runs)-keepRuns)] {
		if err := r.Drop(); err != nil {
			return err
		}
	}
	return nil
}

// allRuns are the runs of a workspace, the oldest first: those that can be read, also where
// there is an error about others.
func allRuns(ws *workspace.Workspace) ([]*background.Run, error) {
	ids, err := ws.Backgrounds()
	if err != nil {
		return nil, err
	}
	runs := make([]*background.Run, 0, len(ids))
	for _, id := range ids {
		r, operr := background.Open(ws.BackgroundDir(id))
		if errors.Is(operr, fs.ErrNotExist) { // somebody has just dropped it
			continue
		}
		if operr != nil {
			err = errors.Join(err, operr)
			continue
		}
		runs = append(runs, r)
	}
	return runs, err
}

// withRun finds the run that a person names.
func (a family) withRun(name string, f func(ws *workspace.Workspace, r *background.Run) error) (err error) {
	ws, err := a.OpenWorkspace()
	if err != nil {
		return err
	}
	defer shell.Finally(&err, ws.Close)
	id, err := ws.Resolve(workspace.Background, name)
	if err != nil {
		return err
	}
	r, err := background.Open(ws.BackgroundDir(id))
	if err != nil {
		return err
	}
	return f(ws, r)
}

// runState writes how a run is, with the reason.
func runState(r *background.Run, now time.Time) string {
	s := string(r.Status)
	switch {
	case r.Status == background.Waiting:
		s += " until " + words.Clock(r.Progress.Until.Time().In(now.Location()))
	case r.Status == background.Failed:
		s += fmt.Sprintf(" (exit code %d)", r.Exit)
	case r.Status == background.Finished && r.Exit == shell.ExitSomeFailed:
		s += ", some objects failed"
	case r.Why != "":
		s += " (" + r.Why + ")"
	}
	return s
}
