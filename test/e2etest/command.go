package e2etest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Env is the environment of every command.
func Env(url, workspace string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + workspace, "TMPDIR=" + os.TempDir(),
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=secret-key", "AWS_REGION=us-east-1",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_S3=" + url, "COOPER_WORKSPACE=" + workspace,
		"GOMAXPROCS=" + os.Getenv("GOMAXPROCS"), // who tests with one processor means the binary, too
	}
}

// Result is how a command ended.
type Result struct {
	Code           int
	Stdout, Stderr string
}

func (r Result) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
}

// Object decodes the last line of JSON that the command wrote.
func (r Result) Object(t *testing.T) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	var m map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &m); err != nil {
		t.Fatalf("not JSON: %v\n%v", err, r)
	}
	return m
}

// Command is one of the binary, in the directory in which its workspace lies.
func Command(ctx context.Context, url, workspace string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = Env(url, workspace)
	cmd.Dir = filepath.Dir(workspace)
	return cmd
}

// Run runs the binary to its end.
func Run(t *testing.T, url, workspace string, args ...string) Result {
	t.Helper()
	cmd := Command(t.Context(), url, workspace, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// Must runs a command that has to succeed.
func Must(t *testing.T, url, workspace string, args ...string) Result {
	t.Helper()
	r := Run(t, url, workspace, args...)
	if r.Code != 0 {
		t.Fatalf("cooper %s: %v", strings.Join(args, " "), r)
	}
	return r
}

// Process is a command that runs beside the test.
type Process struct {
	Cmd    *exec.Cmd
	Ended  chan struct{} // closed at its end
	output struct{ out, err bytes.Buffer }
}

// Start starts a command.
func Start(t *testing.T, url, ws string, args ...string) *Process {
	t.Helper()
	return StartWith(t, nil, url, ws, args...)
}

// StartWith gives the process, and whatever it starts, a file that it keeps open
// until it ends; nil is none. The test's own is closed.
func StartWith(t *testing.T, kept *os.File, url, ws string, args ...string) *Process {
	t.Helper()
	p := &Process{Cmd: Command(t.Context(), url, ws, args...), Ended: make(chan struct{})}
	p.Cmd.Stdout, p.Cmd.Stderr = &p.output.out, &p.output.err
	if kept != nil {
		defer kept.Close()
		p.Cmd.ExtraFiles = []*os.File{kept}
	}
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.Ended)
		_ = p.Cmd.Wait() // the state says how it ended
	}()
	return p
}

// Wait waits for its end.
func (p *Process) Wait() Result {
	<-p.Ended
	return Result{p.Cmd.ProcessState.ExitCode(), p.output.out.String(), p.output.err.String()}
}

// Strace gives the path of strace, or skips.
func Strace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	if out, err := exec.Command(path, "-qq", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v: %s", err, out)
	}
	return path
}

// Traced has a command run under strace with these options.
func Traced(cmd *exec.Cmd, strace string, options ...string) {
	args := append([]string{strace, "-f", "-qq"}, options...)
	cmd.Args = append(append(args, cmd.Path), cmd.Args[1:]...)
	cmd.Path = strace
}

// KilledAt has a command killed, with SIGKILL and by a tracer, at the nth system call
// of a name that one of its threads makes.
func KilledAt(cmd *exec.Cmd, strace, call string, nth int) {
	Traced(cmd, strace, "-o", os.DevNull, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, nth))
}

// S3invsync finds the real s3invsync, which COOPER_S3INVSYNC names or cargo can
// install, or skips.
func S3invsync(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("COOPER_S3INVSYNC"); path != "" {
		return path
	}
	path, err := filepath.Abs("../../build/tools/bin/s3invsync")
	if err == nil {
		if _, err = os.Stat(path); err == nil {
			return path
		}
	}
	t.Skip("s3invsync is not installed: cargo install s3invsync --version 0.2.0 --locked --root build/tools")
	return ""
}
