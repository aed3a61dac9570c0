package apply

import (
	"context"
	"sync"
)

// window decides how many shards of a phase are worked on at once: inFlight
// of them, and more only while workers are idle although no shard waits for its
// commit. So a few huge objects, one in each shard, still find all workers; and
// a slow disk does not make staged bytes pile up.
type window struct {
	workers, inFlight int

	mu      sync.Mutex
	shards  int // entered and not left
	waiting int // of these, finished: waiting for their commit or in it
	pending int // actions dealt and not finished

	wake chan struct{}
}

func newWindow(workers, inFlight int) *window {
	return &window{workers: workers, inFlight: inFlight, wake: make(chan struct{}, 1)}
}

// most is how many shards there may ever be.
func (w *window) most() int { return max(w.workers, w.inFlight) }

// enter waits until one more shard may be worked on. Only one goroutine may
// wait.
func (w *window) enter(ctx context.Context) error {
	for !w.tryEnter() {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (w *window) tryEnter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	idle := w.waiting == 0 && w.pending < w.workers && w.shards < w.workers
	if w.shards >= w.inFlight && !idle {
		return false
	}
	w.shards++
	return true
}

// change alters the counts in one step.
func (w *window) change(shards, waiting, pending int) {
	w.mu.Lock()
	w.shards += shards
	w.waiting += waiting
	w.pending += pending
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
