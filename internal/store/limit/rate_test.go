package limit

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRate: many at once get through evenly, and what is not used is not saved
// up.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(50, Options{})
		began := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 25 {
					if err := r.Wait(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if d := time.Since(began); d < 9900*time.Millisecond || d > 10*time.Second {
			t.Errorf("500 requests at 50 a second took %s", d)
		}
		time.Sleep(time.Hour)
		began = time.Now()
		for range 50 {
			_ = r.Wait(t.Context())
		}
		if d := time.Since(began); d < 900*time.Millisecond {
			t.Errorf("after an idle hour 50 requests took %s", d)
		}
	})
}

func TestRateEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(0.01, Options{})
		_ = r.Wait(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if err := r.Wait(ctx); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
	if err := (*Rate)(nil).Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLimiterSharesARate: two buckets of a run stay within one bound, their
// repeats included.
func TestLimiterSharesARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(100, Options{})
		a, b := New(Options{Rate: r}), New(Options{Rate: r})
		began := time.Now()
		var wg sync.WaitGroup
		for _, l := range []*Limiter{a, b} {
			wg.Go(func() {
				for range 100 {
					if err := l.Acquire(t.Context()); err != nil {
						t.Error(err)
					}
					l.Release()
				}
			})
		}
		wg.Wait()
		if d := time.Since(began); d < 1900*time.Millisecond || d > 2*time.Second {
			t.Errorf("200 requests at 100 a second took %s", d)
		}
	})
}

// TestLimiterGivesUpWaiting: whose context ends in the queue holds nothing.
func TestLimiterGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Max: 1, Rate: NewRate(0.001, Options{})})
		if err := l.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) || l.InFlight() != 0 {
			t.Errorf("%v, %d in flight", err, l.InFlight())
		}
	})
}

// TestBandwidth: the mean is kept, and no second sees more than its share.
func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 1 << 20
		b := NewBandwidth(rate, nil)
		began := time.Now()
		seconds := map[int]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range 40 {
					time.Sleep(b.Reserve(b.Piece()))
					mu.Lock()
					seconds[int(time.Since(began).Seconds())] += b.Piece()
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		want := time.Duration(float64(64*40*b.Piece()) / rate * float64(time.Second))
		if d := time.Since(began); d < want*95/100 || d > want {
			t.Errorf("took %s, want about %s", d, want)
		}
		for s, n := range seconds {
			if n > rate*105/100 {
				t.Errorf("second %d saw %d bytes", s, n)
			}
		}
	})
	if NewBandwidth(1, nil).perSecond != MinBandwidth || NewBandwidth(1<<40, nil).Piece() != maxPiece {
		t.Error("bounds")
	}
}
