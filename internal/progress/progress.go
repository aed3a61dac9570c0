// Package progress counts what a run has done so far and reckons how long the
// rest will take.
//
// Counting is cheap and safe from many goroutines; Snapshot gives consistent
// enough numbers for a person at any moment. How they look is left to package
// term, when to look to the commands.
package progress

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"cooper"
)

// Traffic is what went over the wire, as the store counted it.
type Traffic struct {
	Requests, Retries, Throttled int64
	// Wire counts bytes as they flow, headers and repeats included.
	Wire int64
}

// Wait is something that the run waits for, for people.
type Wait struct {
	For   string
	Since time.Time
}

// StallAfter is how long nothing has to move until that is told.
const StallAfter = time.Minute

// state is what changes while anything moves.
type state struct {
	phase                           string
	objects, bytes, moved, inFlight int64
	Traffic
}

// Counters count one run. All methods are safe for concurrent use.
type Counters struct {
	clock   func() time.Time
	began   time.Time
	traffic func() Traffic

	totalObjects, totalBytes atomic.Int64
	objects, bytes, moved    atomic.Int64
	inFlight                 atomic.Int64
	deferred, ignored        atomic.Int64

	mu     sync.Mutex
	phase  string
	until  time.Time
	span   func(from time.Time, work time.Duration) time.Duration
	failed map[cooper.Kind]int64
	rate   smoothed
	waits  func() []Wait
	last   state
	since  time.Time // the state is the last one
}

// New starts counting now, by clock. traffic may be nil where nothing goes
// over a wire.
func New(clock func() time.Time, traffic func() Traffic) *Counters {
	if traffic == nil {
		traffic = func() Traffic { return Traffic{} }
	}
	now := clock()
	return &Counters{clock: clock, began: now, traffic: traffic, failed: map[cooper.Kind]int64{}, rate: smoothed{at: now}, since: now}
}

// Expect sets what the plan says there is to do: actions, and the bytes they
// will move.
func (c *Counters) Expect(objects, bytes int64) {
	c.totalObjects.Store(objects)
	c.totalBytes.Store(bytes)
}

// Phase names what is going on.
func (c *Counters) Phase(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = name
}

// Hours says how long work takes that is done at certain hours only, so that the ETA
// is right; from is when it begins.
func (c *Counters) Hours(span func(from time.Time, work time.Duration) time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.span = span
}

// Waiting says until when nothing new is taken up; the zero time says that it
// goes on.
func (c *Counters) Waiting(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = until
}

// Waits says what to ask, when nothing moves, for what is waited for; the longest
// comes first.
func (c *Counters) Waits(f func() []Wait) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = f
}

// Begin counts an action that is being worked on.
func (c *Counters) Begin() { c.inFlight.Add(1) }

// Moved counts n bytes over the wire, as they flow; it drives the rate.
func (c *Counters) Moved(n int64) { c.moved.Add(n) }

// End counts the end of an action that Begin counted; bytes is its share of
// the plan's bytes, whatever came of it.
func (c *Counters) End(bytes int64) {
	c.inFlight.Add(-1)
	c.Skip(1, bytes)
}

// Skip counts actions that are settled without being worked on: an earlier run
// did them.
func (c *Counters) Skip(objects, bytes int64) {
	c.objects.Add(objects)
	for {
		was := c.bytes.Load()
		if c.bytes.CompareAndSwap(was, cooper.AddBytes(was, bytes)) {
			return
		}
	}
}

// Outcome counts what came of an action.
func (c *Counters) Outcome(o *cooper.Outcome) {
	switch o.Status {
	case cooper.Deferred:
		c.deferred.Add(1)
	case cooper.Ignored:
		c.ignored.Add(1)
	case cooper.Failed:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failed[o.Kind]++
	}
}

// Snapshot is the state of a run at one moment.
type Snapshot struct {
	Phase                 string
	Objects, TotalObjects int64
	// Bytes counts towards TotalBytes: those of ended actions. Moved counts
	// what went over the wire, repeats and parts included.
	Bytes, TotalBytes, Moved int64
	InFlight                 int64
	Deferred, Ignored        int64
	// Failed counts failures by kind.
	Failed map[cooper.Kind]int64
	Traffic
	Elapsed time.Duration
	// ObjectRate and ByteRate are per second, smoothed over about ten seconds.
	ObjectRate, ByteRate float64
	// ETA is what remains; negative while nothing can be said.
	ETA time.Duration
	// Until is when the run goes on, if it waits for an hour of the day.
	Until time.Time
	// Stalled is for how long nothing has moved, if that is StallAfter or more and
	// the run does not wait for an hour; Waits is what it waits for then.
	Stalled time.Duration
	Waits   []Wait
}

// Failures is the number of failures of all kinds.
func (s *Snapshot) Failures() (n int64) {
	for _, f := range s.Failed {
		n += f
	}
	return n
}

// Snapshot reads the counters and carries the smoothed rates on to this moment.
func (c *Counters) Snapshot() Snapshot {
	now := c.clock()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Snapshot{
		Phase: c.phase, Until: c.until,
		Objects: c.objects.Load(), TotalObjects: c.totalObjects.Load(),
		Bytes: c.bytes.Load(), TotalBytes: c.totalBytes.Load(), Moved: c.moved.Load(),
		InFlight: c.inFlight.Load(), Deferred: c.deferred.Load(), Ignored: c.ignored.Load(),
		Failed: maps.Clone(c.failed), Traffic: c.traffic(), Elapsed: now.Sub(c.began),
	}
	c.rate.feed(now, s.Objects, s.Bytes, s.Moved)
	s.ObjectRate, s.ByteRate = c.rate.objects, c.rate.moved
	s.ETA = c.rate.eta(s.TotalObjects-s.Objects, s.TotalBytes-s.Bytes)
	if c.span != nil && s.ETA > 0 {
		s.ETA = c.span(now, s.ETA)
	}
	if !s.Until.IsZero() {
		s.ETA = -1 // the rates are those of a standstill
	}
	c.stall(now, &s)
	return s
}

// stall notes whether anything has moved since the snapshot before.
func (c *Counters) stall(now time.Time, s *Snapshot) {
	is := state{s.Phase, s.Objects, s.Bytes, s.Moved, s.InFlight, s.Traffic}
	if is != c.last || !s.Until.IsZero() {
		c.last, c.since = is, now
	}
	if d := now.Sub(c.since); d >= StallAfter {
		s.Stalled, s.ETA = d, -1
		if c.waits != nil {
			s.Waits = c.waits()
		}
	}
}
