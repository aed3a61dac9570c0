package paging

import (
	"context"
	"fmt"
	"sync"
	"time"

	"cooper"
	"cooper/internal/database"
)

// pace spreads rows over time, for all connections together.
type pace struct {
	rate int
	mu   sync.Mutex
	free time.Time // when the next row may come
}

// after tells how long to wait for n more rows.
func (p *pace) after(now time.Time, n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	return p.free.Sub(now)
}

// A look at the load is taken at most every second, and every second while it is
// too high.
const between = time.Second

// tooMuch tells whether something stands above its limit, or, to go on, not below
// half of it.
func tooMuch(l database.Load, limits database.Limits, half bool) bool {
	if half {
		return 2*l.Running >= limits.Busy || l.Lag > 0 && 2*l.Lag >= limits.BusyLag
	}
	return l.Running > limits.Busy || l.Lag > limits.BusyLag
}

// calm waits, without a transaction, until the server has little to do.
func (r *Reader) calm(ctx context.Context) error {
	for half := false; ; half = true {
		l, err := r.Load(ctx)
		if err != nil || !tooMuch(l, r.opts.Limits, half) {
			return err
		}
		if err := r.opts.Wait(ctx, between); err != nil {
			return err
		}
	}
}

// breathe waits, in a transaction, for the server to have less to do; not for long.
func (r *Reader) breathe(ctx context.Context, s Session) error {
	half := false
	for waited := time.Duration(0); ; waited += between {
		l, err := s.Load(ctx)
		if err != nil || !tooMuch(l, r.opts.Limits, half) {
			return err
		}
		half = true
		if waited >= r.maximum {
			return errBusy
		}
		if err := r.opts.Wait(ctx, between); err != nil {
			return err
		}
	}
}

// lagged refuses what was read from a replica that is too far behind: at the end of
// a range, for it may have stopped meanwhile.
func (r *Reader) lagged(ctx context.Context, s Session) error {
	l, err := s.Load(ctx)
	if err != nil || l.Replica != database.IsReplica {
		return err
	}
	e := &cooper.Error{Kind: cooper.KindRefused, Remedy: "Let it catch up and scan again, or read from the primary."}
	switch {
	case l.Lag < 0:
		e.Message = "the replica has stopped, or does not say how far it is behind"
	case l.Lag > r.opts.Limits.MaxLag:
		e.Message = fmt.Sprintf("the replica is %v behind, more than %v", l.Lag.Round(time.Second), r.opts.Limits.MaxLag)
	default:
		return nil
	}
	return ownError{e}
}
