package shell

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/job"
	"cooper/internal/metrics"
	"cooper/internal/progress"
	"cooper/internal/store"
	"cooper/internal/telemetry"
)

// watch is what others see of a run while it goes on, and hear of it when it ends.
type watch struct {
	metrics, dsn string // as the flags say

	count atomic.Pointer[progress.Counters] // the newest
	plan  atomic.Pointer[string]            // the last one begun

	mu     sync.Mutex
	usages []func() store.Usage // of all buckets that were opened

	server  *metrics.Server
	sentry  *telemetry.Reporter
	monitor *exec.Cmd
}

// uses adds a bucket whose requests count.
func (w *watch) uses(b job.Traffic) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.usages = append(w.usages, b.Usage)
}

// usage is what all buckets were asked, those that are closed included.
func (w *watch) usage() (sum store.Usage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.usages {
		u := f()
		sum.Get += u.Get
		sum.Head += u.Head
		sum.Put += u.Put
		sum.List += u.List
		sum.Restore += u.Restore
		sum.Delete += u.Delete
		sum.Retries += u.Retries
		sum.Throttled += u.Throttled
		sum.BytesIn += u.BytesIn
		sum.BytesOut += u.BytesOut
	}
	return sum
}

func (w *watch) progress() (s progress.Snapshot, ok bool) {
	c := w.count.Load()
	if c == nil {
		return s, false
	}
	return c.Snapshot(), true
}

// watchRun begins what the flags of a run ask for.
func (s *Shell) watchRun(ctx context.Context, cmd *cobra.Command) (err error) {
	w := &s.watch
	command, id := strings.TrimPrefix(cmd.CommandPath(), "cooper "), ""
	if s.Session != nil {
		id = s.Session.ID()
	}
	if dsn := cmp.Or(w.dsn, os.Getenv("SENTRY_DSN")); dsn != "" {
		if w.sentry, err = telemetry.New(telemetry.Options{DSN: dsn, Version: s.Version, Command: command, Run: id}); err != nil {
			return err
		}
		if err := s.watchCrashes(ctx, dsn, command, id); err != nil {
			s.Note("a crash would not be told to Sentry: %v", err)
		}
	}
	if w.metrics == "" {
		return nil
	}
	w.server, err = metrics.Serve(ctx, w.metrics, metrics.Run{
		Command: command, Version: s.Version, ID: id, Began: s.Clock(), Progress: w.progress, Usage: w.usage,
		Plan: func() string {
			if p := w.plan.Load(); p != nil {
				return *p
			}
			return ""
		},
	})
	if err == nil {
		s.Note("metrics at %s", w.server.URL())
	}
	return err
}

// unwatch ends it, and tells how the run ended.
func (s *Shell) unwatch(ctx context.Context, err error) {
	w := &s.watch
	if w.server != nil {
		if err := w.server.Close(); err != nil {
			s.Note("the metrics ended badly: %v", err)
		}
	}
	if w.sentry == nil {
		return
	}
	ctx = context.WithoutCancel(ctx) // an interrupted run is told of, too
	if err := errors.Join(s.tell(ctx, err), w.endMonitor()); err != nil {
		s.Note("%v", err)
	}
	w.sentry.Close()
}

// tell reports what went wrong. That somebody has stopped a run is nothing wrong.
func (s *Shell) tell(ctx context.Context, err error) error {
	var told error
	seen, _ := s.watch.progress()
	if seen.Failures() > 0 {
		told = s.watch.sentry.Actions(ctx, seen.Failed)
	}
	switch kind := cooper.KindOf(err); {
	case err == nil, kind == cooper.KindInterrupted:
	case !errors.Is(err, job.ErrSomeFailed):
		told = errors.Join(told, s.watch.sentry.Failed(ctx, kind, ExitCode(err)))
	case seen.Failures() == 0: // as of a verification, or in an earlier run of the plan
		told = errors.Join(told, s.watch.sentry.Failed(ctx, "objects", ExitSomeFailed))
	}
	return told
}

// MonitorEnv makes, where it is set, a process the one that waits for the crash of another.
const MonitorEnv = "COOPER_CRASH_OF"

// watchCrashes starts a process that tells of a crash of this one: what any goroutine
// may do cannot be caught here.
func (s *Shell) watchCrashes(ctx context.Context, dsn, command, id string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program)
	cmd.Env = append(os.Environ(), MonitorEnv+"="+command, "COOPER_RUN="+id, "SENTRY_DSN="+dsn)
	cmd.Stdin = in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is not meant for it
	err = cmd.Start()
	if err == nil {
		s.watch.monitor = cmd
		err = debug.SetCrashOutput(out, debug.CrashOptions{})
	}
	return errors.Join(err, in.Close(), out.Close()) // the runtime keeps an end of its own
}

// endMonitor lets the monitor end: it has waited in vain.
func (w *watch) endMonitor() error {
	if w.monitor == nil {
		return nil
	}
	return errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), w.monitor.Wait())
}

// Monitor waits until the process that started it has ended, and tells if it crashed.
func Monitor(in io.Reader, command, version string) int {
	// Whoever stops all processes of a service does not mean this one: it ends soon
	// after the one it waits for.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	c, err := telemetry.ReadCrash(in)
	if c == nil || err != nil {
		return ExitDone // who started us is gone, or all is well
	}
	r, err := telemetry.New(telemetry.Options{DSN: os.Getenv("SENTRY_DSN"), Version: version, Command: command, Run: os.Getenv("COOPER_RUN")})
	if err != nil {
		return ExitUsage
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Crashed(ctx, c); err != nil {
		return ExitFailed
	}
	return ExitDone
}
