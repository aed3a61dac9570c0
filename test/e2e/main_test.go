package e2e

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"cooper/internal/cli"
	"cooper/internal/cli/shell"
	"cooper/test/e2etest"
)

func TestMain(m *testing.M) {
	if os.Getenv(hourAgo) != "" {
		os.Exit(anHourAgo())
	}
	os.Exit(e2etest.Main(m))
}

// hourAgo is the environment in which this binary is the program, with a clock that is an hour behind: what is closed
// waits for a scan that begins twenty minutes later, by the database's clock.
const hourAgo = "COOPER_E2E_HOUR_AGO"

func anHourAgo() int {
	sh := shell.New(os.Stdin, os.Stdout, os.Stderr, "an hour ago")
	sh.Clock = func() time.Time { return time.Now().Add(-time.Hour) }
	root := cli.Root(sh)
	root.SetArgs(os.Args[1:])
	root.SetOut(sh.Stdout)
	root.SetErr(sh.Stderr)
	ctx := context.Background()
	cmd, err := root.ExecuteContextC(ctx)
	code, _ := sh.End(ctx, cmd, os.Args[1:], err)
	return code
}

// asBehind has a command carried out an hour ago.
func asBehind(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Env = self, append(cmd.Env, hourAgo+"=1")
}
