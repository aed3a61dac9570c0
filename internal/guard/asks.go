package guard

import (
	"context"
	"sync"
	"time"

	"cooper"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/words"
)

// asks writes down what should not have been asked for: what is new at once, and what was asked for again
// within a minute, with how often. One who stops (close) loses nothing; one that is killed loses what nobody
// was told is on the disk, and that of the last minute a handle was asked for more than once.
type asks struct {
	opt Options

	ctx    context.Context //nolint:containedctx // of the one goroutine
	cancel context.CancelFunc
	wake   chan struct{}
	ended  chan struct{}

	mu      sync.Mutex
	pending map[of]*ask
	stuck   *batch           // it is being written; the same one until it is there
	written map[of]time.Time // when it was last written
	closed  bool
	failing bool // the last attempt has failed
}

type of struct{ scope, kind, handle, status, client string }

type ask struct {
	gcfacts.Asked

	done chan struct{} // closed when it is on the disk
}

type batch struct {
	all  []gcfacts.Asked
	asks map[of]*ask
}

// What is asked for again is written so often; between two files is so much time; and so much behind one that
// could not be written.
const (
	again    = time.Minute
	between  = 50 * time.Millisecond
	tryAgain = time.Second
)

func newAsks(opt Options) *asks {
	a := &asks{opt: opt, wake: make(chan struct{}, 1), ended: make(chan struct{}), pending: map[of]*ask{}, written: map[of]time.Time{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	go a.work()
	return a
}

// note takes note of one, and tells whether it is on the disk: the first time that a handle is asked for,
// it waits for that, but not for long.
func (a *asks) note(ctx context.Context, x gcfacts.Asked) bool {
	now := a.opt.Clock()
	o := of{x.Scope, x.Kind, x.Handle, x.Status, x.Client}
	a.mu.Lock()
	p := a.pending[o]
	if p == nil {
		p = &ask{x, make(chan struct{})}
		p.First = cooper.InstantOf(now)
		a.pending[o] = p
	}
	p.Last = cooper.InstantOf(now)
	p.Count++
	before, known := a.written[o]
	soon := !known || now.Sub(before) >= again || now.Before(before)
	closed := a.closed
	a.mu.Unlock()
	if !soon {
		return true // and that it was asked for again will be, within a minute
	}
	if closed {
		return false
	}
	a.hurry()
	over, stop := a.opt.overdue(a.opt.Patience)
	defer stop()
	select {
	case <-p.done:
		return true
	case <-over:
	case <-ctx.Done():
	}
	return false
}

func (a *asks) hurry() {
	select {
	case a.wake <- struct{}{}:
	default: // it is awake
	}
}

// work writes.
func (a *asks) work() {
	defer close(a.ended)
	for {
		late, stop := a.opt.overdue(again)
		select {
		case <-a.ctx.Done():
			stop()
			return
		case <-a.wake:
		case <-late:
		}
		stop()
		d := between
		if a.write(a.ctx) != nil {
			d = tryAgain
			a.hurry()
		}
		a.opt.spacing(a.ctx, d)
	}
}

// write writes down what could not be written before, or else all that is pending.
func (a *asks) write(ctx context.Context) error {
	a.mu.Lock()
	if a.stuck == nil {
		if len(a.pending) == 0 {
			a.mu.Unlock()
			return nil
		}
		a.stuck = &batch{asks: a.pending}
		for _, p := range a.pending {
			a.stuck.all = append(a.stuck.all, p.Asked)
		}
		a.pending = map[of]*ask{}
	}
	b := a.stuck
	a.mu.Unlock()
	err := a.opt.Ask(ctx, b.all)
	a.mu.Lock()
	first := err != nil && !a.failing
	if err == nil {
		a.there(b)
	}
	a.failing = err != nil
	a.mu.Unlock()
	if first && ctx.Err() == nil {
		a.opt.Troubled(&cooper.Error{Kind: cooper.KindOf(err), Message: "what was asked for, and should not have been, cannot be written down: it is tried again, and is lost if this process is killed", Err: err, Remedy: cooper.RemedyOf(err)})
	}
	return err
}

// there takes note that a batch is on the disk.
func (a *asks) there(b *batch) {
	now := a.opt.Clock()
	for o, at := range a.written {
		if now.Sub(at) >= again {
			delete(a.written, o)
		}
	}
	for o, p := range b.asks {
		a.written[o] = now
		close(p.done)
	}
	a.stuck = nil
	if a.failing && len(a.pending) > 0 {
		a.hurry()
	}
}

// close writes down the rest.
func (a *asks) close() error {
	a.mu.Lock()
	closed := a.closed
	a.closed = true
	a.mu.Unlock()
	if closed {
		return nil
	}
	a.cancel()
	<-a.ended
	for {
		err := a.write(context.Background())
		a.mu.Lock()
		left := len(a.pending)
		if a.stuck != nil {
			left += len(a.stuck.all)
		}
		a.mu.Unlock()
		switch {
		case err != nil:
			return &cooper.Error{Kind: cooper.KindOf(err), Where: words.Plural(int64(left), "handle"), Message: "that they were asked for could not be written down, and is lost", Err: err}
		case left == 0:
			return nil
		}
	}
}
