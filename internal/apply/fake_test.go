package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/ledger"
	"cooper/internal/permit"
	"cooper/internal/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)

// world is a plan, a target, a ledger and verbs in memory, and the order of
// all that was asked of them. It outlives runs, as a disk does.
type world struct {
	t      *testing.T
	header plan.Header
	shards [][]cooper.Action

	mu    sync.Mutex
	trace []string
	// step is called at each event, before it takes effect; an error of it is
	// that of the event.
	step func(ctx context.Context, event string) error

	begun   string
	done    map[int]bool
	visible map[int64]cooper.Status // effects, by action
	owed    []Recovered             // committed, not settled
	facts   map[string][]cooper.Outcome
	runs    []ledger.RunFact
	ended   int

	outcome  func(a *cooper.Action) cooper.Outcome // nil: done
	commits  func(outs []cooper.Outcome)           // what Commit makes of them; nil: nothing
	conflict int64                                 // an action that Commit fails, if not 0
	open     map[int]bool                          // shards that Commit leaves open
	refuse   error                                 // of Check
	damaged  error                                 // of Verify
}

// newWorld makes a plan of phases; each number is a phase's count of shards, of
// three actions each. The verb of every third is one without a first half.
func newWorld(t *testing.T, phases ...int) *world {
	w := &world{t: t, done: map[int]bool{}, visible: map[int64]cooper.Status{}, facts: map[string][]cooper.Outcome{}}
	w.step = func(context.Context, string) error { return nil }
	w.header = plan.Header{
		ID: "p-1", Mission: "backup", Created: cooper.InstantOf(now.Add(-time.Hour)), Digest: "0123456789abcdef0123",
		Target: plan.Target{Kind: "tree", Path: "/tree"}, Share: plan.Share{Removed: 1, Scope: 100, Limit: 0.1},
		Totals: map[string]plan.Tally{},
	}
	id := int64(0)
	for i, n := range phases {
		ph := plan.Phase{Name: fmt.Sprint("phase ", i+1), First: len(w.shards), Shards: n}
		for range n {
			var shard []cooper.Action
			for j := range 3 {
				a := cooper.Action{ID: id, Verb: "fetch", Version: cooper.Version{Identity: cooper.Identity{Key: fmt.Sprint("k", id), Size: 10}}}
				if j == 2 {
					a.Verb = "record"
				}
				w.header.Totals[a.Verb] = w.header.Totals[a.Verb].Add(10)
				shard = append(shard, a)
				id++
				ph.Count, ph.Bytes = ph.Count+1, ph.Bytes+10
			}
			w.shards = append(w.shards, shard)
		}
		w.header.Phases = append(w.header.Phases, ph)
	}
	return w
}

// event notes what happens and gives step's error.
func (w *world) event(ctx context.Context, format string, args ...any) error {
	e := fmt.Sprintf(format, args...)
	w.mu.Lock()
	w.trace = append(w.trace, e)
	w.mu.Unlock()
	return w.step(ctx, e)
}

func (w *world) events(prefix string) (es []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.trace {
		if strings.HasPrefix(e, prefix) {
			es = append(es, e)
		}
	}
	return es
}

// The plan.

func (w *world) Header() plan.Header { return w.header }

func (w *world) Verify(ctx context.Context) error {
	if w.damaged != nil {
		return w.damaged
	}
	return w.event(ctx, "verify")
}

func (w *world) Shard(ctx context.Context, n int) ([]cooper.Action, error) {
	return slices.Clone(w.shards[n]), w.event(ctx, "read %d", n)
}

// The verb fetch.

func (w *world) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	err := w.event(ctx, "do %d", a.ID)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindOf(err), Message: err.Error()}
	}
	if w.outcome != nil {
		return w.outcome(a)
	}
	return cooper.Outcome{Status: cooper.Done, Bytes: 10, Requests: 1, Check: cooper.Verified}
}

// The target.

func (w *world) Recover(ctx context.Context, p permit.Permit, undo bool) ([]Recovered, error) {
	if !p.Valid() {
		w.t.Error("recovery without a permit")
	}
	return slices.Clone(w.owed), w.event(ctx, "recover")
}

func (w *world) Check(plan.Header) error {
	if w.refuse != nil {
		return w.refuse
	}
	return w.event(context.Background(), "check")
}

func (w *world) Begin(ctx context.Context, p permit.Permit, h plan.Header) error {
	if p.Run() == "" {
		w.t.Error("begun without a permit")
	}
	w.begun = h.ID
	return w.event(ctx, "begin")
}

func (w *world) Done(shard int) bool { return w.done[shard] }

func (w *world) Commit(ctx context.Context, p permit.Permit, s Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	if !p.Valid() || w.begun != s.Plan || w.done[s.N] {
		w.t.Errorf("commit of shard %d: permit %v, begun %q, done %v", s.N, p, w.begun, w.done[s.N])
	}
	if err := w.event(ctx, "commit %d", s.N); err != nil {
		return nil, err
	}
	outs = slices.Clone(outs)
	if w.open[s.N] {
		return outs, ErrLeftOpen
	}
	if w.commits != nil {
		w.commits(outs)
	}
	for i, a := range actions {
		if outs[i].Action != a.ID || outs[i].Verb != a.Verb || outs[i].Identity != a.Version.Identity || outs[i].At == 0 {
			w.t.Errorf("outcome %+v is not labelled with its action", outs[i])
		}
		if a.ID == w.conflict && a.ID != 0 {
			outs[i].Status, outs[i].Kind = cooper.Failed, cooper.KindConflict
		}
		if _, twice := w.visible[a.ID]; twice {
			w.t.Errorf("action %d took effect twice", a.ID)
		}
		w.visible[a.ID] = outs[i].Status
	}
	w.done[s.N] = true
	w.owed = append(w.owed, Recovered{Run: p.Run(), Plan: s.Plan, Shard: s.N, Outcomes: slices.Clone(outs)})
	return outs, w.event(ctx, "committed %d", s.N)
}

func (w *world) Settled(ctx context.Context, plan string, shard int) error {
	if err := w.event(ctx, "settle %d", shard); err != nil {
		return err
	}
	w.owed = slices.DeleteFunc(w.owed, func(r Recovered) bool { return r.Plan == plan && r.Shard == shard })
	return nil
}

func (w *world) End(ctx context.Context, _ permit.Permit, s Summary) error {
	if err := w.event(ctx, "end"); err != nil {
		return err
	}
	w.ended++
	return nil
}

// The ledger.

func (w *world) WriteOutcomes(ctx context.Context, run string, shard int, plan, target string, outs []cooper.Outcome) error {
	if err := w.event(ctx, "facts %s %d", run, shard); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%d", run, shard)
	if _, there := w.facts[name]; !there {
		w.facts[name] = slices.Clone(outs)
	}
	return w.event(ctx, "facts written %d", shard)
}

func (w *world) WriteRun(_ context.Context, f ledger.RunFact) error {
	w.runs = append(w.runs, f)
	return nil
}

// job is a Job on the world; its run has a new id every time.
func (w *world) job() Job {
	return Job{
		Run: fmt.Sprint("r-", len(w.runs)+1), Plan: w, Verbs: map[string]Verb{"fetch": w, "record": nil}, Target: w, Facts: w,
		Workers: 1, Clock: func() time.Time { return now },
	}
}

// whole checks that everything took effect once and has one fact.
func (w *world) whole() {
	w.t.Helper()
	var facts []int64
	for _, outs := range w.facts {
		for _, o := range outs {
			facts = append(facts, o.Action)
		}
	}
	slices.Sort(facts)
	effects := slices.Sorted(maps.Keys(w.visible))
	var all []int64
	for _, s := range w.shards {
		for _, a := range s {
			all = append(all, a.ID)
		}
	}
	if !slices.Equal(facts, all) || !slices.Equal(effects, all) || len(w.owed) > 0 || w.ended != 1 {
		w.t.Errorf("facts %v, effects %v, owed %d, ended %d times", facts, effects, len(w.owed), w.ended)
	}
}
