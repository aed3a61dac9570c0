package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper/internal/gcstate"
	"cooper/internal/gcstate/gcstatetest"
)

func TestMain(m *testing.M) {
	if run, ok := childFromEnv(); ok {
		run()
		return
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var ids atomic.Int64

func options() Options {
	return Options{NewID: func() string { return fmt.Sprintf("g-%d", ids.Add(1)) }, Wait: 20 * time.Second}
}

func open(t testing.TB, path string) gcstate.State {
	t.Helper()
	s, err := Open(ctx, path, options())
	must(t, err)
	return s
}

func TestState(t *testing.T) {
	gcstatetest.Run(t, func(t *testing.T) func() gcstate.State {
		path := filepath.Join(t.TempDir(), "it's 100% [odd]?#", "gc", "state.db")
		return func() gcstate.State { return open(t, path) }
	})
}
