package mark

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

const scope = "uuid/db"

// state is one in memory that writes down what happens to it. It is on no disk: what a
// machine forgets, tests of states try.
type state struct {
	gcstate.State

	lab     *lab
	records map[gcstate.Handle]gcstate.Record
	untold  []string
}

func (s *state) Change(_ context.Context, changes []gcstate.Change) (results []gcstate.Result, err error) {
	err = s.lab.Happens(fmt.Sprintf("change %d", len(changes)), func() {
		for _, c := range changes {
			r, known := s.records[c.Handle]
			if !known {
				r = gcstate.Record{Handle: c.Handle, Status: gcstate.Available}
			}
			changed := r.Status == c.From && r.Since == c.Since
			if changed {
				r.Before, r.Status, r.Since, r.Reason, r.Run = r.Status, c.To, max(c.At, r.Since+1), c.Reason, c.Run
				s.records[c.Handle] = r
				s.untold = append(s.untold, fmt.Sprintf("%s %s>%s", c.ID, c.From, c.To))
			}
			results = append(results, gcstate.Result{Changed: changed, Now: r})
		}
	})
	return results, err
}

// lab is a world in which marks are made.
type lab struct {
	*verbtest.World
	t     *testing.T
	plan  *bucketoptest.Plan
	state *state
	told  []string
	opt   Options
	said  int
	sum   apply.Summary
}

func newLab(t *testing.T, changes ...gcop.Change) *lab {
	t.Helper()
	l := &lab{World: verbtest.New(t, "", mem.Options{}), t: t, plan: &bucketoptest.Plan{Size: 2}}
	l.state = &state{lab: l, records: map[gcstate.Handle]gcstate.Record{}}
	must(t, l.plan.Phase(gcop.Mark))
	for _, c := range changes {
		must(t, l.plan.Add(c.Action(), true))
	}
	read := gcop.Reads{"p-1": {Ranges: 3, Ended: true}}
	policy, err := json.Marshal(map[string]any{"marking": gcop.Marking{Config: "/cooper.yaml", Declared: "c0", Scope: scope, Server: scope, Detection: "d-1", Read: read, Words: 4}})
	must(t, err)
	_, err = l.plan.Finish(plan.Header{ID: "p-2", Target: plan.Target{Kind: gcop.StateKind, Path: scope}, Policy: policy})
	must(t, err)
	l.said = 4
	l.opt = Options{
		State: l.state, Declared: "c0", Read: gcop.Reads{"p-1": {Ranges: 3, Ended: true}}, Words: func() (int, error) { return l.said, nil }, Clock: verbtest.Clock,
		Tell: func(context.Context) error {
			return l.Happens("tell", func() { l.told, l.state.untold = append(l.told, l.state.untold...), nil })
		},
	}
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// process carries the plan out as a process of its own.
func (l *lab) process(ctx context.Context) error {
	l.opt.Journal = l.Files()
	target, err := New(&l.plan.Head, l.opt)
	must(l.t, err)
	l.sum, err = l.Run(ctx, l.plan, target, map[string]apply.Verb{gcop.Mark: nil}, 1)
	return err
}

func change(id string, from, to gcstate.Status, since cooper.Instant) gcop.Change {
	return gcop.Change{Kind: "blob", ID: id, From: string(from), Since: since, To: string(to), Reason: "no link"}
}

func five() (all []gcop.Change) {
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		all = append(all, change(id, gcstate.Available, gcstate.Unlinked, 0))
	}
	return all
}

var fiveTold = []string{"1 AVAILABLE>UNLINKED", "2 AVAILABLE>UNLINKED", "3 AVAILABLE>UNLINKED", "4 AVAILABLE>UNLINKED", "5 AVAILABLE>UNLINKED"}

// TestTrace compares what happens to the state and to the journal with testdata/trace.txt.
func TestTrace(t *testing.T) {
	l := newLab(t, five()...)
	must(t, l.process(t.Context()))
	verbtest.Golden(t, "testdata/trace.txt", strings.Join(l.Trace, "\n")+"\n")
	if !slices.Equal(l.told, fiveTold) || l.sum.Count(cooper.Done) != 5 {
		t.Errorf("%v, %+v", l.told, l.sum)
	}
	r := l.state.records[gcstate.Handle{Scope: scope, Kind: "blob", ID: "3"}]
	if r.Status != gcstate.Unlinked || r.Since != cooper.InstantOf(verbtest.Clock()) || r.Reason != "no link" || r.Run != "r-1" {
		t.Errorf("%+v", r)
	}
}

// TestCrash: the machine stops at each step, before it or after, and the plan is gone on
// with: each handle is marked and told once, each action has one fact.
func TestCrash(t *testing.T) {
	crashes := 0
	for at, more := 2, true; more; at++ {
		l := newLab(t, five()...)
		ctx, cancel := context.WithCancelCause(t.Context())
		l.Cancel, l.CrashAt, l.Deaf = cancel, at/2, at%2 == 0
		err := l.process(ctx)
		cancel(nil)
		if l.Alone(func() { more = l.Dead }); err != nil && !more {
			t.Fatalf("at %d: %v", at, err)
		}
		if more {
			crashes++
			l.CrashAt = 0
			l.Restart()
			must(t, l.process(context.WithoutCancel(ctx)))
		}
		if !slices.Equal(l.told, fiveTold) {
			t.Errorf("at %d: told was %v", at, l.told)
		}
		if got := bucketoptest.Statuses(l.Outcomes(l.plan)); got != "done done done done done" {
			t.Errorf("at %d: %s", at, got)
		}
	}
	t.Logf("%d crashes", crashes)
}

// TestChanged: a handle that is another by now is left, and that is told; one that is what it
// is to be is done.
func TestChanged(t *testing.T) {
	l := newLab(t, append(five(), change("6", gcstate.Unlinked, gcstate.Available, 8))...)
	set := func(id string, s gcstate.Status, since cooper.Instant) {
		h := gcstate.Handle{Scope: scope, Kind: "blob", ID: id}
		l.state.records[h] = gcstate.Record{Handle: h, Status: s, Since: since}
	}
	set("2", gcstate.Archiving, 7)
	set("3", gcstate.Available, 7) // restored since
	set("4", gcstate.Unlinked, 7)
	set("6", gcstate.Unlinked, 8)
	must(t, l.process(t.Context()))
	if got := bucketoptest.Statuses(l.Outcomes(l.plan)); got != "done changed changed done done done" {
		t.Error(got)
	}
	if want := []string{fiveTold[0], fiveTold[4], "6 UNLINKED>AVAILABLE"}; !slices.Equal(l.told, want) {
		t.Error(l.told)
	}
	if o := l.Outcomes(l.plan)[1]; !strings.Contains(o.Message, "ARCHIVING") || o.Remedy == "" {
		t.Errorf("%+v", o)
	}
}

// TestNothingLeadsThere: a plan that is no plan of marks changes no handle of a shard.
func TestNothingLeadsThere(t *testing.T) {
	l := newLab(t, change("1", gcstate.Available, gcstate.Unlinked, 0), change("2", gcstate.Available, gcstate.Deleted, 0))
	if err := l.process(t.Context()); cooper.KindOf(err) != cooper.KindInvalid || len(l.state.records) > 0 {
		t.Errorf("%v, %v", err, l.state.records)
	}
}

// owners is the owner's column.
type owners struct {
	lab *lab
	is  map[string]gcstate.Status
}

func (o *owners) Set(_ context.Context, hs []gcstate.Handle, from, to gcstate.Status) (now []gcstate.Status, err error) {
	err = o.lab.Happens(fmt.Sprintf("column %d %s>%s", len(hs), from, to), func() {
		for _, h := range hs {
			if o.is[h.ID] == from {
				o.is[h.ID] = to
			}
			now = append(now, o.is[h.ID])
		}
	})
	return now, err
}

// TestColumn: what was changed stands in the owner's column, whatever was stopped when; what he has changed himself is told.
func TestColumn(t *testing.T) {
	for at, more := 2, true; more; at++ {
		l := newLab(t, change("1", gcstate.Available, gcstate.Unlinked, 0), change("2", gcstate.Available, gcstate.Unlinked, 0), change("3", gcstate.Available, gcstate.Unlinked, 0))
		o := &owners{lab: l, is: map[string]gcstate.Status{"1": gcstate.Available, "2": gcstate.Archived, "3": gcstate.Available}}
		l.opt.Column = o
		ctx, cancel := context.WithCancelCause(t.Context())
		l.Cancel, l.CrashAt, l.Deaf = cancel, at/2, at%2 == 0
		err := l.process(ctx)
		cancel(nil)
		if l.Alone(func() { more = l.Dead }); err != nil && !more {
			t.Fatalf("at %d: %v", at, err)
		}
		if more {
			l.CrashAt = 0
			l.Restart()
			must(t, l.process(context.WithoutCancel(ctx)))
		}
		if o.is["1"] != gcstate.Unlinked || o.is["2"] != gcstate.Archived || o.is["3"] != gcstate.Unlinked {
			t.Errorf("at %d: %v", at, o.is)
		}
		if got := bucketoptest.Statuses(l.Outcomes(l.plan)); got != "done changed done" {
			t.Errorf("at %d: %s", at, got)
		}
	}
}

// TestStale: what a plan rests on has changed.
func TestStale(t *testing.T) {
	for why, change := range map[string]func(*lab){
		"configuration": func(l *lab) { l.opt.Declared = "c1" },
		"a range":       func(l *lab) { l.opt.Read["p-1"] = gcop.Reading{Ranges: 4, Ended: true} },
		"ended":         func(l *lab) { l.opt.Read["p-1"] = gcop.Reading{Ranges: 3} },
		"a scan":        func(l *lab) { l.opt.Read["p-3"] = gcop.Reading{Ranges: 1} },
		"a word":        func(l *lab) { l.said++ },
	} {
		l := newLab(t, five()...)
		change(l)
		if err := l.process(t.Context()); cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(cooper.RemedyOf(err), "gc detect") {
			t.Errorf("%s: %v", why, err)
		}
		if len(l.state.records) > 0 {
			t.Errorf("%s: %v", why, l.state.records)
		}
	}
	// A word that is said while marks are made stops them.
	l := newLab(t, five()...)
	l.opt.Clock = func() time.Time { l.said = 5; return verbtest.Clock() }
	if err := l.process(t.Context()); cooper.KindOf(err) != cooper.KindRefused || len(l.state.records) != 2 {
		t.Errorf("%v, %v", err, l.state.records)
	}
	// Nothing happens without a permit, or by another plan.
	target, err := New(&l.plan.Head, l.opt)
	must(t, err)
	if _, err := target.Commit(t.Context(), permit.Permit{}, apply.Shard{}, nil, nil); cooper.KindOf(err) != cooper.KindInternal {
		t.Error(err)
	}
	if _, err := New(&plan.Header{}, l.opt); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
	if _, err := target.Recover(t.Context(), permit.Permit{}, true); cooper.KindOf(err) != cooper.KindUsage {
		t.Error(err)
	}
}

// TestFails: an error of the state, or of who writes down, ends the run.
func TestFails(t *testing.T) {
	l := newLab(t, five()...)
	full := &cooper.Error{Kind: cooper.KindFull, Message: "no room"}
	l.opt.Tell = func(context.Context) error { return full }
	if err := l.process(t.Context()); !errors.Is(err, full) || len(l.state.records) > 0 {
		t.Errorf("%v, %v", err, l.state.records)
	}
}
