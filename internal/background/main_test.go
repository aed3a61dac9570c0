package background

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/progress"
)

// TestMain lets the test's own program be the run that a test starts.
func TestMain(m *testing.M) {
	if path, ok := os.LookupEnv(Env); ok {
		os.Exit(behave(path, os.Args[1]))
	}
	goleak.VerifyTestMain(m)
}

func behave(path, how string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	// Who waits for its end shall not wait for ever where the signal fails to come.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := Enter(path, time.Now)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 4
	}
	switch how {
	case "fail":
		fmt.Fprintln(s.Log(), "no such thing")
		s.End(1, "no such thing")
		return 1
	case "panic":
		s.Working()
		panic("all is lost")
	case "crash": // as C code would
		fmt.Fprintln(os.Stderr, "out of luck")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "slow": // never says that it works
		<-ctx.Done()
	case "work":
		stop := s.Watch(func() progress.Snapshot {
			return progress.Snapshot{Phase: "copy", Objects: 5, TotalObjects: 10, ETA: time.Hour, Until: time.Now().Add(time.Hour)}
		})
		s.Plan("p-1")
		if b, err := io.ReadAll(os.Stdin); err != nil || len(b) > 0 {
			fmt.Fprintln(s.Log(), "stdin has", b, err)
		}
		<-ctx.Done()
		stop()
	}
	s.End(130, "stopped")
	return 130
}

// newRun makes a run of the test's own program.
func newRun(t *testing.T, how string, nice bool) *Run {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b-20260101T000000Z-0000")
	s := State{ID: filepath.Base(path), Args: []string{how}, Now: []string{how}, Dir: t.TempDir(), Nice: nice, Began: cooper.InstantOf(time.Now())}
	release, err := Create(path, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	return reopen(t, path)
}

func reopen(t *testing.T, path string) *Run {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func logOf(t *testing.T, r *Run) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.path, logName))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
