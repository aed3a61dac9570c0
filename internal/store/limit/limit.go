// Package limit slows a whole run down when a store asks for it, and speeds it
// up again carefully.
//
// A Limiter belongs to one bucket. It bounds how many requests are under way, each
// until its answer begins: whoever holds a place waits for the store alone, never
// for what another place is needed for, so that waiting has an end. It
// knows no other limit until the store throttles; then it spreads requests
// over time, at a rate that falls multiplicatively towards what got through
// while it refuses, and rises additively while it does not. It promises that no request is
// lost: whoever waits is let through, in order, or its context ends. A Rate and a
// Bandwidth are bounds that a person sets for a run, whatever the store would
// bear. Repeating what was refused is left to package retry.
package limit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"cooper/internal/store"
	"cooper/internal/store/retry"
)

// DefaultMax is how many requests may be in flight unless Options say.
const DefaultMax = 64

// Options configure a Limiter; zero values give defaults.
type Options struct {
	// Max is how many requests may be in flight.
	Max int
	// Rate is a bound set by a person, shared with other buckets; nil: none.
	Rate *Rate
	// Now and Sleep stand for the clock in tests.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// Limiter is safe for concurrent use.
type Limiter struct {
	slots chan struct{}
	rate  *Rate
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error

	mu   sync.Mutex
	pace pace
	// waiting are those who wait for a place, pausing those who have one and wait
	// for their turn, each since when.
	waiting, pausing map[*time.Time]bool
}

// New makes a limiter without a rate limit.
func New(o Options) *Limiter {
	if o.Max <= 0 {
		o.Max = DefaultMax
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = retry.Sleep
	}
	return &Limiter{slots: make(chan struct{}, o.Max), rate: o.Rate, now: o.Now, sleep: o.Sleep,
		waiting: map[*time.Time]bool{}, pausing: map[*time.Time]bool{}}
}

// Acquire waits until a request may be sent; Release must follow once it is
// answered, and nothing that happens in between may call Acquire or depend on who
// does: bodies of answers are read without a place. An error is ctx's, and then
// nothing is held.
func (l *Limiter) Acquire(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
	default:
		done := l.waits(l.waiting)
		select {
		case l.slots <- struct{}{}:
			done()
		case <-ctx.Done():
			done()
			return ctx.Err()
		}
	}
	err := l.Turn(ctx)
	if err != nil {
		l.Release()
	}
	return err
}

// Turn waits until whoever holds a slot may send another request in it, the one
// before having ended. An error is ctx's.
func (l *Limiter) Turn(ctx context.Context) error {
	if l.rate != nil {
		done := l.waits(l.pausing)
		err := l.rate.Wait(ctx)
		done()
		if err != nil {
			return err
		}
	}
	l.mu.Lock()
	wait := time.Duration(0)
	if l.pace.limited() {
		now := l.now()
		wait = l.pace.reserve(now).Sub(now)
	}
	l.mu.Unlock()
	if wait > 0 {
		defer l.waits(l.pausing)()
		return l.sleep(ctx, wait)
	}
	return nil
}

// waits notes that somebody waits, until done.
func (l *Limiter) waits(among map[*time.Time]bool) (done func()) {
	since := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	among[&since] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(among, &since)
	}
}

// Waiting says what requests wait for that have not been sent.
func (l *Limiter) Waiting() (waits []store.Wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := func(among map[*time.Time]bool) (since time.Time) {
		for t := range among {
			if since.IsZero() || t.Before(since) {
				since = *t
			}
		}
		return since
	}
	if n := len(l.waiting); n > 0 {
		waits = append(waits, store.Wait{For: fmt.Sprintf("one of the %d places for requests, which %d wait for", cap(l.slots), n), Since: first(l.waiting)})
	}
	if n := len(l.pausing); n > 0 {
		waits = append(waits, store.Wait{For: fmt.Sprintf("the turn of %d, as the store or --max-requests-per-second bounds requests", n), Since: first(l.pausing)})
	}
	return waits
}

// Release gives back what Acquire took.
func (l *Limiter) Release() { <-l.slots }

// Succeeded reports an answer that was no refusal.
func (l *Limiter) Succeeded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pace.success(l.now())
}

// Throttled reports that the store refused a request because there were too
// many.
func (l *Limiter) Throttled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pace.throttle(l.now())
}

// InFlight is how many requests are between Acquire and Release.
func (l *Limiter) InFlight() int { return len(l.slots) }

// Rate is the present limit in requests per second, 0 if there is none.
func (l *Limiter) Rate() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pace.rate
}

// Stalled is for how long the store has refused everything; 0 if it has not
// refused since the last success.
func (l *Limiter) Stalled() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pace.refusedSince.IsZero() {
		return 0
	}
	return l.now().Sub(l.pace.refusedSince)
}
