package runs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/cli/shell"
	"cooper/internal/term"
	"cooper/internal/workspace"
)

// newFamily is one beside commands of a mission that nobody here knows: mend run asks and
// ends with its plan, but not with --each; mend check does more with what came of its own.
func newFamily(t *testing.T) family {
	sh := &shell.Shell{Stdout: term.Plain(t.Output()), Stderr: term.Plain(t.Output()), Clock: now.Time}
	return family{sh, newRoot}
}

func newRoot(sh *shell.Shell) *cobra.Command {
	root := &cobra.Command{Use: "cooper"}
	sh.Register(root.PersistentFlags())
	nothing := func(*cobra.Command, []string) error { return nil }
	run := &cobra.Command{Use: "run BUCKET", Args: cobra.ExactArgs(1), RunE: nothing}
	f := shell.NewApply(64)
	f.Register(run)
	run.Flags().Bool("yes", false, "")
	run.Flags().Bool("list", false, "")
	run.Flags().String("each", "", "")
	run.Flags().String("deleted", "", "")
	shell.EndsWithPlan(run, "each")
	check := &cobra.Command{Use: "check BUCKET", Args: cobra.ExactArgs(1), RunE: nothing}
	mend := &cobra.Command{Use: "mend"}
	mend.AddCommand(run, check)
	root.AddCommand(shell.Group(mend))
	root.AddCommand(Commands(sh, newRoot)...)
	return shell.Group(root)
}

// TestStartReadsTheLine: what would need a person, or be refused anyway, is refused before
// anything is written down.
func TestStartReadsTheLine(t *testing.T) {
	a := newFamily(t)
	for args, want := range map[string]string{
		"mend run bucket --yes":                                "",
		"--endpoint-url=http://s mend run --list --yes bucket": "",
		"mend check bucket":                                    "",
		"apply p-20261120T010000Z-4f1c":                        "",
		"mend run bucket":                                      "would ask, and nobody would answer",
		"mend run bucket --yes --deleted -":                    "would write to the log",
		"mend run --yes":                                       "needs more: BUCKET",
		"mend run bucket --yes --nosuch":                       "unknown flag",
		"mend":                                                 "is no command by itself",
		"mend nosuch":                                          "is not a command of cooper mend",
		"nosuch":                                               "is not a command of cooper",
		"help":                                                 "is not a command of cooper",
		"completion bash":                                      "is not a command of cooper",
		"--json":                                               "cooper does not run in the background",
		"start -- mend run bucket":                             "start does not run in the background",
		"runs":                                                 "runs does not run in the background",
		"logs latest":                                          "logs does not run in the background",
		"stop latest":                                          "stop does not run in the background",
		"resume --all":                                         "resume does not run in the background",
		"resume":                                               "resume takes one run, or --all",
	} {
		l, err := a.read(strings.Fields(args))
		if err == nil {
			err = alone(l)
		}
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", args, err)
		case want != "" && (cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v; want %s", args, err, want)
		}
	}
}

// TestGoingOn: a run goes on with its plan where its command says that this is all, with
// the flags that apply has, too; otherwise with its command.
func TestGoingOn(t *testing.T) {
	a := newFamily(t)
	a.Workspace = t.TempDir()
	err := a.WithWorkspace(func(ws *workspace.Workspace) error {
		const there, gone = "p-20261120T010000Z-4f1c", "p-20261120T010000Z-4f1d"
		if err := os.MkdirAll(ws.PlanDir(there), 0o755); err != nil {
			return err
		}
		for _, c := range []struct{ args, plan, want string }{
			{"mend run bucket --yes --list --jobs 3 --ignore missing,denied --endpoint-url http://s", there,
				"apply " + there + " --any-age --endpoint-url=http://s --ignore=missing --ignore=denied --jobs=3"},
			{"apply latest --any-age --undo", there, "apply " + there + " --any-age --undo=true"},
			{"mend run bucket --yes", "", ""},
			{"mend run bucket --yes", gone, ""},
			{"mend run bucket --yes --each day", there, ""},
			{"mend check bucket", there, ""},
		} {
			args := strings.Fields(c.args)
			want := args
			if c.want != "" {
				want = strings.Fields(c.want)
			}
			got, err := a.goingOn(ws, &background.Run{State: background.State{Args: args, Plan: c.plan}})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: goes on with %q (%v); want %q", c.args, got, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPinned: a run that carries out the latest plan keeps to it, and no other word of its
// line is taken for its name.
func TestPinned(t *testing.T) {
	a := newFamily(t)
	a.Workspace = filepath.Join(t.TempDir(), "latest")
	err := a.WithWorkspace(func(ws *workspace.Workspace) error {
		const id = "p-20261120T010000Z-4f1c"
		if err := os.MkdirAll(ws.PlanDir(id), 0o755); err != nil {
			return err
		}
		for args, want := range map[string]string{
			"--profile latest apply latest --moved": "--profile latest apply " + id + " --moved",
			"mend check latest":                     "mend check latest",
		} {
			l, err := a.read(strings.Fields(args))
			if err != nil {
				return err
			}
			got, err := pinned(ws, l, strings.Fields(args))
			if err != nil || strings.Join(got, " ") != want {
				t.Errorf("%s: %q, %v; want %s", args, got, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
