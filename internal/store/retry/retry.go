// Package retry repeats what failed for a passing reason.
//
// Do calls a function until it succeeds, fails for good, or the attempts are
// used up, and waits in between: exponentially longer, with full jitter, never
// shorter than the store asked. Being throttled is not a failure: it is waited
// out for as long as the context lives and the policy has patience. The package
// also knows which HTTP statuses and network errors pass; what an error means
// beyond that is for the caller's Judge to say.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Verdict says what to do about an error.
type Verdict int

// The verdicts.
const (
	Stop  Verdict = iota // it will not pass
	Again                // it may pass: try again, attempts permitting
	Slow                 // we are being throttled: try again later, without counting
)

// Defaults of a Policy.
const (
	DefaultAttempts = 10
	DefaultBase     = 100 * time.Millisecond
	DefaultMax      = 20 * time.Second
	// longestAsked bounds what a store can ask for by Retry-After.
	longestAsked = 5 * time.Minute
)

// Policy says how to repeat. The zero values of its fields give defaults,
// except for Judge, without which everything stops at once.
type Policy struct {
	// Attempts is how often at most, the first one included.
	Attempts int
	// Base is the upper bound of the first wait; it doubles each time up to Max.
	Base, Max time.Duration
	// Judge classes an error; after is the least time to wait, as the store
	// asked, or 0.
	Judge func(error) (v Verdict, after time.Duration)
	// Hopeless, where given, is asked on every Slow and ends the waiting.
	Hopeless func() bool
	// OnRetry, where given, is told of each failure that will be repeated.
	OnRetry func(error, Verdict)
	// Rand gives numbers in [0,1); Sleep waits, or fails when ctx ends.
	Rand  func() float64
	Sleep func(ctx context.Context, d time.Duration) error
}

// Do calls f as p says. It returns nil, f's last error, or, when ctx ended, an
// error that wraps ctx's and names f's last one.
func Do(ctx context.Context, p Policy, f func(context.Context) error) error {
	p = p.withDefaults()
	failures, throttles := 0, 0
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return interrupted(ctx, err)
		}
		v, after := p.Judge(err)
		var n int
		switch v {
		case Again:
			failures++
			if n = failures; n >= p.Attempts {
				return err
			}
		case Slow:
			throttles++
			n = throttles
			if p.Hopeless != nil && p.Hopeless() {
				return err
			}
		default:
			return err
		}
		if p.OnRetry != nil {
			p.OnRetry(err, v)
		}
		if p.Sleep(ctx, p.wait(n, after)) != nil {
			return interrupted(ctx, err)
		}
	}
}

func (p Policy) withDefaults() Policy {
	if p.Attempts <= 0 {
		p.Attempts = DefaultAttempts
	}
	if p.Base <= 0 {
		p.Base = DefaultBase
	}
	if p.Max <= 0 {
		p.Max = DefaultMax
	}
	if p.Judge == nil {
		p.Judge = func(error) (Verdict, time.Duration) { return Stop, 0 }
	}
	if p.Rand == nil {
		p.Rand = rand.Float64
	}
	if p.Sleep == nil {
		p.Sleep = Sleep
	}
	return p
}

// wait is a random part of the nth bound, plus what the store asked for, so
// that those who were sent away together do not come back together.
func (p Policy) wait(n int, after time.Duration) time.Duration {
	bound := p.Max
	if n < 32 && p.Base<<(n-1) < p.Max {
		bound = p.Base << (n - 1)
	}
	return min(max(after, 0), longestAsked) + time.Duration(p.Rand()*float64(bound))
}

func interrupted(ctx context.Context, last error) error {
	if errors.Is(last, ctx.Err()) {
		return last
	}
	// Only the text of last: its kind must not hide that the context ended.
	return fmt.Errorf("%w (the last failure was: %s)", context.Cause(ctx), last.Error())
}

// Sleep waits for d, or fails with ctx's error when that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
