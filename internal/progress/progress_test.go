package progress

import (
	"math"
	"sync"
	"testing"
	"time"

	"cooper"
)

// watch is a clock that a test turns.
type watch struct{ now time.Time }

func (w *watch) clock() time.Time        { return w.now }
func (w *watch) advance(d time.Duration) { w.now = w.now.Add(d) }

func TestCounters(t *testing.T) {
	w := &watch{now: time.Unix(1000, 0)}
	c := New(w.clock, func() Traffic { return Traffic{Requests: 7, Retries: 2, Throttled: 1} })
	c.Expect(10, 1000)
	c.Phase("copy")
	c.Begin()
	c.Begin()
	c.Moved(60)
	c.End(50)
	c.Skip(2, 200)
	for _, o := range []cooper.Outcome{
		{Status: cooper.Done}, {Status: cooper.Deferred, Kind: cooper.KindArchived}, {Status: cooper.Ignored, Kind: cooper.KindDenied},
		{Status: cooper.Failed, Kind: cooper.KindMissing}, {Status: cooper.Failed, Kind: cooper.KindMissing},
	} {
		c.Outcome(&o)
	}
	w.advance(time.Second)
	s := c.Snapshot()
	if s.Phase != "copy" || s.Objects != 3 || s.TotalObjects != 10 || s.Bytes != 250 || s.Moved != 60 || s.InFlight != 1 ||
		s.Deferred != 1 || s.Ignored != 1 || s.Failed[cooper.KindMissing] != 2 || s.Failures() != 2 || s.Requests != 7 || s.Elapsed != time.Second {
		t.Errorf("%+v", s)
	}
	s.Failed[cooper.KindMissing] = 0
	if s = c.Snapshot(); s.Failures() != 2 {
		t.Error("a snapshot shares memory with the counters")
	}
}

// TestRates feeds a steady pace, then half of it.
func TestRates(t *testing.T) {
	w := &watch{now: time.Unix(1000, 0)}
	c := New(w.clock, nil)
	c.Expect(1000, 100_000)
	if s := c.Snapshot(); s.ETA >= 0 {
		t.Errorf("an ETA of %s before anything was done", s.ETA)
	}
	second := func(objects int) Snapshot {
		w.advance(time.Second)
		for range objects {
			c.Begin()
			c.Moved(100)
			c.End(100)
		}
		return c.Snapshot()
	}
	s := second(10)
	near(t, "first rate", s.ObjectRate, 10, 0.01)
	near(t, "first ETA", s.ETA.Seconds(), 99, 0.01)
	for range 20 {
		s = second(10)
	}
	near(t, "rate", s.ObjectRate, 10, 0.01)
	near(t, "bytes", s.ByteRate, 1000, 0.01)
	near(t, "ETA", s.ETA.Seconds(), 79, 0.01)
	s = second(5)
	if s.ObjectRate < 9 || s.ObjectRate >= 10 {
		t.Errorf("one slow second made %g of a rate of 10", s.ObjectRate)
	}
	for range 50 {
		s = second(5)
	}
	near(t, "rate after a while", s.ObjectRate, 5, 0.02)
	// Two looks at the same moment give the same.
	if again := c.Snapshot(); again.ObjectRate != s.ObjectRate || again.ETA != s.ETA {
		t.Errorf("%+v and %+v", s, again)
	}
}

// TestETAOfLargeObjects: where few objects carry most bytes, the bytes decide.
func TestETAOfLargeObjects(t *testing.T) {
	w := &watch{now: time.Unix(1000, 0)}
	c := New(w.clock, nil)
	c.Expect(200, 1_000_000)
	c.Skip(100, 1000)
	w.advance(time.Second)
	near(t, "ETA", c.Snapshot().ETA.Seconds(), 999, 0.01)
	c.Skip(100, 999_000)
	w.advance(time.Second)
	if s := c.Snapshot(); s.ETA != 0 {
		t.Errorf("an ETA of %s after the end", s.ETA)
	}
}

// TestWaiting: a run that waits says until when, and reckons nothing from its
// standstill.
func TestWaiting(t *testing.T) {
	w := &watch{now: time.Unix(1000, 0)}
	c := New(w.clock, nil)
	c.Expect(10, 0)
	c.Skip(5, 0)
	w.advance(time.Second)
	until := w.now.Add(time.Hour)
	c.Waiting(until)
	if s := c.Snapshot(); !s.Until.Equal(until) || s.ETA >= 0 {
		t.Errorf("%+v", s)
	}
	c.Waiting(time.Time{})
	s := c.Snapshot()
	if !s.Until.IsZero() || s.ETA < 0 {
		t.Errorf("%+v", s)
	}
	c.Hours(func(from time.Time, work time.Duration) time.Duration {
		if !from.Equal(w.now) {
			t.Errorf("from %s", from)
		}
		return 3 * work
	})
	if three := c.Snapshot(); three.ETA != 3*s.ETA {
		t.Errorf("%s instead of three times %s", three.ETA, s.ETA)
	}
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within*want {
		t.Errorf("%s: %g, want about %g", what, got, want)
	}
}

func TestManyGoroutines(t *testing.T) {
	c := New(time.Now, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				c.Begin()
				c.Moved(1)
				c.Outcome(&cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindStore})
				c.End(1)
			}
			c.Snapshot()
		})
	}
	wg.Wait()
	if s := c.Snapshot(); s.Objects != 8000 || s.Bytes != 8000 || s.InFlight != 0 || s.Failures() != 8000 {
		t.Errorf("%+v", s)
	}
}

// TestStall: what nothing moves in is told after a minute, with what it waits for, and
// no longer once anything does; waiting for an hour of the day is no standstill.
func TestStall(t *testing.T) {
	w := &watch{now: time.Unix(1000, 0)}
	var wire int64
	c := New(w.clock, func() Traffic { return Traffic{Wire: wire} })
	asked := 0
	c.Waits(func() []Wait { asked++; return []Wait{{For: "the answer", Since: w.now}} })
	c.Begin()
	step := func(what string, do func(), d, want time.Duration) {
		t.Helper()
		do()
		c.Snapshot()
		w.advance(d)
		if s := c.Snapshot(); s.Stalled != want || (want > 0) != (len(s.Waits) == 1) {
			t.Errorf("%s: %+v", what, s)
		}
	}
	nothing := func() {}
	step("at first", nothing, 59*time.Second, 0)
	if asked > 0 {
		t.Error("asked although all is well")
	}
	step("after a minute", nothing, time.Second, time.Minute)
	step("after an hour", nothing, 59*time.Minute, time.Hour)
	step("bytes on the wire", func() { wire++ }, 59*time.Second, 0)
	step("an object", func() { c.End(1) }, 59*time.Second, 0)
	step("bytes", func() { c.Moved(1) }, 59*time.Second, 0)
	step("a phase", func() { c.Phase("next") }, time.Minute, time.Minute)
	step("an hour of the day", func() { c.Waiting(w.now.Add(time.Hour)) }, time.Hour, 0)
	step("the hour has come", func() { c.Waiting(time.Time{}) }, 59*time.Second, 0)
	step("and nothing goes on", nothing, time.Second, time.Minute)
}
