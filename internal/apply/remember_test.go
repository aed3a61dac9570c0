package apply

import (
	"context"
	"errors"
	"sync"
	"testing"

	"cooper"
	"cooper/internal/progress"
)

// memory is a target that remembers actions of shards that are not committed.
type memory struct {
	*world
	mu     sync.Mutex
	noted  map[int64]int // shards, by action
	full   error
	closed int
}

func (m *memory) Known(a *cooper.Action) (cooper.Outcome, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.noted[a.ID]
	return cooper.Outcome{Status: cooper.Done, Message: "remembered"}, ok
}

func (m *memory) Note(s Shard, o *cooper.Outcome) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.Status != cooper.Done || o.Verb == "" || s.Plan != "p-1" || m.closed > 0 {
		m.t.Errorf("noted of %v, after it was closed %d times: %+v", s, m.closed, o)
	}
	m.noted[o.Action] = s.N
	return m.full
}

func (m *memory) Close() error { m.closed++; return nil }

// TestWhatIsRememberedIsNotDoneAgain, of a shard that was not committed; what
// failed is.
func TestWhatIsRememberedIsNotDoneAgain(t *testing.T) {
	w := newWorld(t, 2)
	m := &memory{world: w, noted: map[int64]int{}}
	no := errors.New("no commit")
	w.step = func(_ context.Context, event string) error {
		if event == "commit 0" {
			return no
		}
		return nil
	}
	w.outcome = func(a *cooper.Action) cooper.Outcome {
		if a.ID == 1 {
			return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindMissing}
		}
		return cooper.Outcome{Status: cooper.Done}
	}
	job := w.job()
	job.Target = m
	job.Workers, job.ShardsInFlight = 1, 1
	if _, err := Run(t.Context(), job); !errors.Is(err, no) {
		t.Fatal(err)
	}
	if _, ok := m.noted[1]; ok || m.noted[0] != 0 || m.closed != 1 {
		t.Errorf("noted: %v, closed %d times", m.noted, m.closed)
	}
	w.step = func(context.Context, string) error { return nil }
	w.trace, m.closed = nil, 0
	before := len(m.noted)
	job.Run, job.Progress = "r-2", progress.New(job.Clock, nil)
	sum, err := Run(t.Context(), job)
	if err != nil || sum.Verbs["fetch"][cooper.Done] != 3 || sum.Count(cooper.Failed) != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	if did := w.events("do "); len(did) != 4-before || did[0] != "do 1" {
		t.Errorf("done again: %v", did)
	}
	if o := w.facts["r-2-0"]; len(o) == 0 {
		t.Errorf("facts: %v", w.facts)
	} else if o[0].Action != 0 || o[0].Message != "remembered" || o[0].Key != "k0" {
		t.Errorf("%+v", o[0])
	}
	if s := job.Progress.Snapshot(); s.Objects < 6 {
		t.Errorf("only %d objects count as done", s.Objects)
	}
}

// TestAMemoryThatIsFullEndsTheRun before anything is committed.
func TestAMemoryThatIsFullEndsTheRun(t *testing.T) {
	w := newWorld(t, 3)
	m := &memory{world: w, noted: map[int64]int{}, full: &cooper.Error{Kind: cooper.KindFull, Message: "no room"}}
	job := w.job()
	job.Target = m
	if _, err := Run(t.Context(), job); cooper.KindOf(err) != cooper.KindFull || len(w.events("commit")) > 0 || m.closed != 1 {
		t.Errorf("%v, %v", err, w.events("commit"))
	}
}
