package background

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Begun is what came of starting a run.
type Begun struct {
	PID int
	// Working: it has come to its work. If neither this nor Ended, it may still be
	// about to.
	Working bool
	Ended   bool
	Exit    int // if ended
}

// Start starts program as the process of the run, in a session of its own, and waits
// until it has come to its work, or has ended, or the patience is over. It goes on
// whatever becomes of this process.
func (r *Run) Start(ctx context.Context, program string, env []string, patience time.Duration) (b Begun, err error) {
	out, err := os.OpenFile(filepath.Join(r.path, logName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return b, local(r.path, err)
	}
	defer out.Close()
	ours, theirs, err := os.Pipe()
	if err != nil {
		return b, local(r.path, err)
	}
	defer ours.Close()
	// It has to outlive ctx and this process.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, r.Now...)
	cmd.Dir, cmd.Env = r.Dir, append(env, Env+"="+r.path)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, out, []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = launch(cmd, r.Nice)
	if err = errors.Join(err, theirs.Close()); err != nil {
		return b, local(program, err)
	}
	b.PID = cmd.Process.Pid
	said := make(chan string, 1)
	go func() {
		word, _ := io.ReadAll(io.LimitReader(ours, int64(len(working)))) // an error says as much as an end
		said <- string(word)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case word := <-said:
		if b.Working = word == working; b.Working {
			return b, cmd.Process.Release()
		}
		err := cmd.Wait()
		if cmd.ProcessState == nil {
			return b, local(program, err)
		}
		b.Ended, b.Exit = true, cmd.ProcessState.ExitCode()
		return b, nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return b, errors.Join(err, cmd.Process.Release())
}

// launch starts cmd, with the lowest priority if that is wished. Priorities are those
// of threads, and a new process has that of the thread it comes from: so a thread
// lowers its own, and ends with the goroutine that never lets go of it.
func launch(cmd *exec.Cmd, nice bool) error {
	if !nice {
		return cmd.Start()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := lowest()
		if err == nil {
			err = cmd.Start()
		}
		done <- err
	}()
	return <-done
}

// What nobody should see of a URL: who asks, up to the last @ before the path, as a
// password may have one; of a database up to the very last, as an unescaped password
// may have anything; and passwords among its parameters.
var (
	secret   = regexp.MustCompile(`((?:postgres|postgresql)://)\S*@|(://)[^/?#\s]+@`)
	password = regexp.MustCompile(`(?i)([?&](?:ssl)?password=)[^&#\s]+`)
)

// address is a URL within an argument.
var address = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://\S+`)

// Password tells whether an argument has a URL with a password in it. One that is
// written wrongly, with somebody before an @, counts as one.
func Password(arg string) bool {
	for _, s := range address.FindAllString(arg, -1) {
		u, err := url.Parse(s)
		switch {
		case strings.HasPrefix(s, "s3://"): // a key is no URL
			continue
		case err != nil && strings.Contains(s, "@"):
			return true
		case err != nil:
			continue
		}
		if pw, _ := u.User.Password(); pw != "" || password.MatchString(s) {
			return true
		}
	}
	return false
}

// Hidden gives arguments without the names and passwords in URLs, for lists and logs.
func Hidden(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = password.ReplaceAllString(secret.ReplaceAllString(a, "$1$2…@"), "$1…")
		if out[i] == "" || strings.ContainsAny(out[i], " \t\n'\"\\$*?;&|<>()") {
			out[i] = "'" + strings.ReplaceAll(out[i], "'", `'\''`) + "'"
		}
	}
	return out
}
