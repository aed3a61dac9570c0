package apply

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"cooper"
)

// TestGate closes the gate in the middle of a run: what is under way ends, nothing
// new begins, and no shard is committed, until it opens.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 6)
		job := w.job()
		var closed atomic.Bool
		open := make(chan struct{})
		job.Gate = func(ctx context.Context) error {
			if !closed.Load() {
				return nil
			}
			select {
			case <-open:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		w.step = func(_ context.Context, e string) error {
			if e == "settle 1" {
				closed.Store(true)
			}
			return nil
		}
		done := make(chan error)
		go func() { _, err := Run(t.Context(), job); done <- err }()
		synctest.Wait()
		if n := len(w.events("commit ")); n != 2 {
			t.Errorf("%d shards were committed before the gate closed, and 2 should have been", n)
		}
		worked := len(w.events("do"))
		if worked >= 12 {
			t.Error("all actions were worked on behind a closed gate")
		}
		closed.Store(false)
		close(open)
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.whole()
	})
}

// TestGateHoldsActions closes the gate while the first action is worked on: of the
// others, only one that had passed the gate by then is.
func TestGateHoldsActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 6)
		job := w.job()
		job.Workers = 1
		open := make(chan struct{})
		var closed atomic.Bool
		job.Gate = func(context.Context) error {
			if closed.Load() {
				<-open
			}
			return nil
		}
		w.step = func(_ context.Context, e string) error {
			if e == "do 0" {
				closed.Store(true)
			}
			return nil
		}
		done := make(chan error)
		go func() { _, err := Run(t.Context(), job); done <- err }()
		synctest.Wait()
		if n := len(w.events("do")); n > 2 {
			t.Errorf("%d actions were worked on", n)
		}
		close(open)
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.whole()
	})
}

// TestStopAtTheGate: a stop does not wait until the gate opens.
func TestStopAtTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := newWorld(t, 2).job()
		ctx, cancel := context.WithCancel(t.Context())
		job.Gate = func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}
		if _, err := Run(ctx, job); cooper.KindOf(err) != cooper.KindInterrupted {
			t.Error(err)
		}
	})
}

// TestBrokenGate: a gate that is broken ends the run as well.
func TestBrokenGate(t *testing.T) {
	job := newWorld(t, 2).job()
	broken := errors.New("broken")
	job.Gate = func(context.Context) error { return broken }
	if _, err := Run(t.Context(), job); !errors.Is(err, broken) {
		t.Error(err)
	}
}
