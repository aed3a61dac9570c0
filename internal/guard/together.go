package guard

import (
	"context"
	"sync"
	"time"

	"cooper"
	"cooper/internal/gcstate"
)

// together looks handles up that are asked for at about the same time with one question: those that come
// while questions are under way wait for the next. Nothing is known longer than that: what is answered
// was read after it was asked for.
type together struct {
	look func(context.Context, []gcstate.Handle) map[gcstate.Handle]found

	ctx    context.Context //nolint:containedctx // it is that of all questions: those who ask may go
	cancel context.CancelFunc
	mu     sync.Mutex
	next   *question
	under  int
	ended  sync.WaitGroup
}

// So many questions are under way at most: with one, more handles share it, and each costs less. A question is
// of so many handles, and takes so long at most.
const (
	mostUnder   = 1
	mostHandles = 256
	mostTime    = 5 * time.Second
)

// question is about some handles.
type question struct {
	handles []gcstate.Handle
	among   map[gcstate.Handle]bool
	done    chan struct{}
	answer  map[gcstate.Handle]found
	behind  *question // what is asked behind it, as it is full
}

func newTogether(look func(context.Context, []gcstate.Handle) map[gcstate.Handle]found) *together {
	t := &together{look: look}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// ask waits for what is said of a handle.
func (t *together) ask(ctx context.Context, h gcstate.Handle) (found, error) {
	t.mu.Lock()
	if t.ctx.Err() != nil {
		t.mu.Unlock()
		return found{}, &cooper.Error{Kind: cooper.KindInterrupted, Message: "the guard has ended"}
	}
	q := t.place(h)
	if t.under < mostUnder {
		t.under++
		t.ended.Add(1)
		go t.work()
	}
	t.mu.Unlock()
	select {
	case <-q.done:
		return q.answer[h], nil
	case <-ctx.Done():
		return found{}, context.Cause(ctx)
	}
}

// place puts a handle into the first question that has room.
func (t *together) place(h gcstate.Handle) *question {
	at := &t.next
	for *at != nil && len((*at).handles) >= mostHandles && !(*at).among[h] {
		at = &(*at).behind
	}
	if *at == nil {
		*at = &question{among: map[gcstate.Handle]bool{}, done: make(chan struct{})}
	}
	q := *at
	if !q.among[h] {
		q.among[h] = true
		q.handles = append(q.handles, h)
	}
	return q
}

// work asks one question after the other, until nobody waits.
func (t *together) work() {
	defer t.ended.Done()
	for {
		t.mu.Lock()
		q := t.next
		if q == nil {
			t.under--
			t.mu.Unlock()
			return
		}
		t.next = q.behind
		t.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.ctx, mostTime)
		q.answer = t.look(ctx, q.handles)
		cancel()
		close(q.done)
	}
}

// close ends all questions.
func (t *together) close() {
	t.mu.Lock()
	t.cancel()
	t.mu.Unlock()
	t.ended.Wait()
}
