package limit

import (
	"context"
	"sync"
	"time"

	"cooper/internal/store/retry"
)

// Rate is a bound on requests that a person has set, whatever the store would
// bear. All buckets of a run share one. Waiting comes before a request is
// signed, so that no signature grows old in it.
type Rate struct {
	every time.Duration
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error

	mu   sync.Mutex
	next time.Time // when the next request may go
}

// NewRate bounds requests to so many a second, more than 0. Of the options Now
// and Sleep count.
func NewRate(perSecond float64, o Options) *Rate {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = retry.Sleep
	}
	return &Rate{every: time.Duration(float64(time.Second) / perSecond), now: o.Now, sleep: o.Sleep}
}

// Wait takes the next place in line, and returns when it has come; an error is
// ctx's. A nil Rate lets everything through.
func (r *Rate) Wait(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	now := r.now()
	if earliest := now.Add(-catchUp); r.next.Before(earliest) {
		r.next = earliest
	}
	wait := r.next.Sub(now)
	r.next = r.next.Add(r.every)
	r.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	return r.sleep(ctx, wait)
}

const (
	// MinBandwidth is the least that makes sense, in bytes a second: with less,
	// requests would wait for each other so long that stores hang up.
	MinBandwidth = 64 << 10
	// slices is how many pieces go over all connections in a second. With that,
	// a piece of each of 64 connections passes in a quarter of one.
	slices   = 256
	minPiece = 1 << 10
	maxPiece = 64 << 10
)

// Bandwidth is a bound on the bytes of all connections of a run, both
// directions taken together.
type Bandwidth struct {
	perSecond float64
	now       func() time.Time

	mu   sync.Mutex
	next time.Time // when the next byte may flow
}

// NewBandwidth bounds the flow to so many bytes a second, MinBandwidth at least.
// now may be nil.
func NewBandwidth(perSecond int64, now func() time.Time) *Bandwidth {
	if now == nil {
		now = time.Now
	}
	return &Bandwidth{perSecond: float64(max(perSecond, MinBandwidth)), now: now}
}

// Piece is how many bytes should be moved at once, so that connections take
// turns.
func (b *Bandwidth) Piece() int {
	return min(max(int(b.perSecond/slices), minPiece), maxPiece)
}

// Reserve takes room for n bytes, and says how long to wait until it has come.
func (b *Bandwidth) Reserve(n int) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if earliest := now.Add(-catchUp); b.next.Before(earliest) {
		b.next = earliest
	}
	wait := b.next.Sub(now)
	b.next = b.next.Add(time.Duration(float64(n) / b.perSecond * float64(time.Second)))
	return max(wait, 0)
}
