package limit

import (
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bucketStore refuses what exceeds rate requests per second (a token bucket).
type bucketStore struct {
	rate, tokens, burst float64
	at                  time.Time
}

func (b *bucketStore) admit(now time.Time) bool {
	b.tokens = min(b.burst, b.tokens+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// events are moments at which a simulated client does its next step.
type event struct {
	at     time.Time
	answer bool // else about to ask
}
type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any          { o := *e; x := o[len(o)-1]; *e = o[:len(o)-1]; return x }

// simulate runs clients with the given latency and back-off for d and counts
// what was admitted and refused in the second half.
func simulate(p *pace, st *bucketStore, clients int, latency, backoff, d time.Duration) (ok, refused int) {
	begin := time.Unix(0, 0).UTC()
	st.at = begin
	q := &events{}
	for i := range clients {
		heap.Push(q, event{at: begin.Add(time.Duration(i) * time.Microsecond)})
	}
	end, half := begin.Add(d), begin.Add(d/2)
	for {
		e := heap.Pop(q).(event)
		if e.at.After(end) {
			return ok, refused
		}
		if !e.answer {
			at := e.at
			if p.limited() {
				if r := p.reserve(at); r.After(at) {
					at = r
				}
			}
			heap.Push(q, event{at: at.Add(latency), answer: true})
			continue
		}
		again := e.at
		if st.admit(e.at) {
			p.success(e.at)
			if e.at.After(half) {
				ok++
			}
		} else {
			p.throttle(e.at)
			if e.at.After(half) {
				refused++
			}
			again = again.Add(backoff)
		}
		heap.Push(q, event{at: again})
	}
}

func TestUsesMostOfWhatTheStoreAllows(t *testing.T) {
	for _, rate := range []float64{50, 400, 3500} {
		st := &bucketStore{rate: rate, burst: rate / 10}
		const secs = 90
		ok, refused := simulate(&pace{}, st, 64, 10*time.Millisecond, 200*time.Millisecond, secs*time.Second)
		got := float64(ok) / (secs / 2)
		t.Logf("allowed %.0f/s, got %.1f/s, %.2f %% refused", rate, got, 100*float64(refused)/float64(ok))
		if got < 0.85*rate {
			t.Errorf("allowed %.0f/s, used only %.1f/s", rate, got)
		}
		if float64(refused) > 0.05*float64(ok) {
			t.Errorf("allowed %.0f/s: %d refused, %d admitted", rate, refused, ok)
		}
	}
}

func TestNoLimitUntilRefused(t *testing.T) {
	p := &pace{}
	ok, refused := simulate(p, &bucketStore{rate: 1e9, burst: 1e9}, 64, 10*time.Millisecond, 0, 10*time.Second)
	if p.limited() || refused != 0 || ok < 31000 {
		t.Fatalf("limited %v, refused %d, ok %d", p.limited(), refused, ok)
	}
}

func TestRecoversWhenTheStoreMakesRoom(t *testing.T) {
	p := &pace{}
	simulate(p, &bucketStore{rate: 50, burst: 5}, 64, 10*time.Millisecond, 100*time.Millisecond, time.Minute)
	if p.rate > 60 {
		t.Fatalf("rate %.0f where 50 is allowed", p.rate)
	}
	// The same pace, later, against a store with 20 times the room.
	st := &bucketStore{rate: 1000, burst: 100}
	p.opened, p.cutAt, p.next = time.Unix(0, 0), time.Unix(0, 0), time.Time{}
	ok, _ := simulate(p, st, 64, 10*time.Millisecond, 100*time.Millisecond, 5*time.Minute)
	if got := float64(ok) / 150; got < 800 {
		t.Fatalf("%.0f/s where 1000 are allowed", got)
	}
}

// A store that refuses by chance, whatever the rate, must not bring the run to
// a halt: there is nothing to be gained by going slower.
func TestRefusalsByChance(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ share, least float64 }{{0.01, 800}, {0.05, 250}} {
		p := &pace{}
		now, passed := time.Unix(0, 0), 0
		const secs = 60
		for end := now.Add(secs * time.Second); now.Before(end); {
			now = now.Add(time.Millisecond) // as fast as the client can
			if p.limited() {
				if r := p.reserve(now); r.After(now) {
					now = r
				}
			}
			if rnd.Float64() < c.share {
				p.throttle(now)
			} else {
				p.success(now)
				passed++
			}
		}
		if got := float64(passed) / secs; got < c.least {
			t.Errorf("%.0f %% refused by chance: %.0f/s of 1000, rate %.0f", 100*c.share, got, p.rate)
		}
	}
}

func TestOneCutForOneWave(t *testing.T) {
	p := &pace{}
	begin := time.Unix(100, 0)
	for i := range 100 {
		p.success(begin.Add(time.Duration(i) * 10 * time.Millisecond))
	}
	now := begin.Add(time.Second)
	for i := range 64 {
		p.throttle(now.Add(time.Duration(i) * time.Millisecond))
	}
	p.success(now.Add(window))
	if p.rate < 85 || p.rate > 95 {
		t.Fatalf("rate after one wave at 100/s: %.1f, want 90", p.rate)
	}
	for i := range 1000 {
		p.throttle(now.Add(time.Duration(i+2) * time.Second))
	}
	if p.rate != slowest {
		t.Fatalf("rate %.3f, want never less than %v", p.rate, slowest)
	}
}

func TestSlotsAndPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Max: 3})
		ctx := t.Context()
		for range 3 {
			if err := l.Acquire(ctx); err != nil {
				t.Fatal(err)
			}
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := l.Acquire(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a fourth in flight of three: %v", err)
		}
		for range 3 {
			l.Release()
		}

		l.Throttled()
		time.Sleep(window)
		l.Throttled()
		if l.Rate() != slowest {
			t.Fatalf("rate %v", l.Rate())
		}
		begin := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := l.Acquire(ctx); err != nil {
					t.Error(err)
					return
				}
				l.Release()
			})
		}
		wg.Wait()
		if d := time.Since(begin); d < 9*time.Second || d > 11*time.Second {
			t.Fatalf("100 requests at 10/s took %v", d)
		}
		if d := l.Stalled(); d < 9*time.Second {
			t.Fatalf("stalled %v", d)
		}
		l.Succeeded()
		if l.Stalled() != 0 {
			t.Fatal("stalled after a success")
		}

		// One who gives up while waiting for its time gives its slot back.
		short, cancel = context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		for range 10 {
			if l.Acquire(short) == nil {
				l.Release()
			}
		}
		if l.InFlight() != 0 {
			t.Fatalf("%d slots still held", l.InFlight())
		}
	})
}
