package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cooper"
	"cooper/internal/ledger"
	"cooper/internal/progress"
)

func TestOrder(t *testing.T) {
	w := newWorld(t, 1, 1)
	job := w.job()
	job.ShardsInFlight = 1
	sum, err := Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	want := "recover, verify, check, begin, " +
		"read 0, do 0, do 1, commit 0, committed 0, facts r-1 0, facts written 0, settle 0, " +
		"read 1, do 3, do 4, commit 1, committed 1, facts r-1 1, facts written 1, settle 1, end"
	if got := strings.Join(w.trace, ", "); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	w.whole()
	if !sum.Finished || sum.Committed != 2 || sum.Count(cooper.Done) != 6 || sum.Bytes != 40 || sum.Requests != 4 || sum.Verbs["record"][cooper.Done] != 2 {
		t.Errorf("%+v", sum)
	}
	if f := w.runs[0]; f.Status != ledger.Finished || f.Counts["done"] != 6 || f.Bytes != 40 || f.Began == 0 || f.Ended == 0 {
		t.Errorf("%+v", f)
	}
}

// TestLeftOpen: of a shard that is left open there are no facts; the others of its phase are
// carried out, the next phase is not begun, and the next run tries the shard again.
func TestLeftOpen(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.open = map[int]bool{1: true}
	w.outcome = func(a *cooper.Action) cooper.Outcome {
		if a.ID == 3 && w.open[1] {
			return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindDenied, Message: "no"}
		}
		return cooper.Outcome{Status: cooper.Done}
	}
	for again := range 2 {
		sum, err := Run(t.Context(), w.job())
		if err != nil || sum.Finished || sum.Open != 1 || sum.Committed != 2-2*again || sum.Count(cooper.Failed) != 1 || len(sum.Failures) != 1 {
			t.Errorf("%+v, %v", sum, err)
		}
		if f := w.runs[again]; f.Status != ledger.Interrupted || !strings.Contains(f.Message, "left 1 of 4 shards open") {
			t.Errorf("%+v", f)
		}
		if len(w.facts) != 2 || w.ended != 0 || len(w.events("read 3")) > 0 {
			t.Errorf("facts of %d shards, ended %d times, %v", len(w.facts), w.ended, w.events("read"))
		}
	}
	w.open = nil
	if sum, err := Run(t.Context(), w.job()); err != nil || !sum.Finished || sum.Earlier != 2 || sum.Committed != 2 {
		t.Errorf("%+v, %v", sum, err)
	}
	w.whole()
}

// TestShardsInFlight stops the world while the first shard is being committed:
// by then the actions of two more shards have been worked on, and no others.
func TestShardsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 6)
		job := w.job()
		release := make(chan struct{})
		w.step = func(_ context.Context, e string) error {
			if e == "commit 0" {
				<-release
			}
			return nil
		}
		done := make(chan error)
		go func() { _, err := Run(t.Context(), job); done <- err }()
		synctest.Wait()
		if n := len(w.events("do")); n != 6 {
			t.Errorf("%d actions were worked on beside the first commit, want 6: three shards", n)
		}
		if n := len(w.events("read")); n != 3 {
			t.Errorf("%d shards were read", n)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.whole()
	})
}

// TestASlowObjectHoldsUpNobody keeps the very first action busy until all other
// shards are committed.
func TestASlowObjectHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 9)
		job := w.job()
		job.Workers = 2
		release := make(chan struct{})
		w.step = func(_ context.Context, e string) error {
			if e == "do 0" {
				<-release
			}
			return nil
		}
		done := make(chan error)
		go func() { _, err := Run(t.Context(), job); done <- err }()
		synctest.Wait()
		if n := len(w.events("settle")); n != 8 || w.done[0] {
			t.Errorf("%d shards were committed beside the slow one, want 8", n)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.whole()
	})
}

// TestHugeObjectsFillAllWorkers: where shards hold an object or two each, more
// of them are in flight than otherwise.
func TestHugeObjectsFillAllWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		job := w.job()
		job.Workers = 12
		release := make(chan struct{})
		w.step = func(_ context.Context, e string) error {
			if strings.HasPrefix(e, "do") {
				<-release
			}
			return nil
		}
		done := make(chan error)
		go func() { _, err := Run(t.Context(), job); done <- err }()
		synctest.Wait()
		if n, shards := len(w.events("do")), len(w.events("read")); n != 12 || shards != 6 {
			t.Errorf("%d actions of %d shards are worked on, want 12 of 6", n, shards)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.whole()
	})
}

func TestPhasesAreBarriers(t *testing.T) {
	w := newWorld(t, 3, 2, 0, 1)
	job := w.job()
	job.Workers = 8
	if _, err := Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	w.whole()
	for _, ph := range w.header.Phases[1:] {
		last := 0
		for n := range ph.First {
			last = max(last, slices.Index(w.trace, fmt.Sprintf("settle %d", n)))
		}
		first := slices.Index(w.trace, fmt.Sprintf("read %d", ph.First))
		if ph.Shards > 0 && first < last {
			t.Errorf("%s began before the one before ended:\n%s", ph.Name, strings.Join(w.trace, "\n"))
		}
	}
}

// TestStopAtEveryStep stops a run at each of its events in turn, and goes on
// with another: everything happens once, and after the stop no commit begins.
func TestStopAtEveryStep(t *testing.T) {
	for _, inFlight := range []int{1, 3} {
		t.Run(fmt.Sprint(inFlight, " shards in flight"), func(t *testing.T) { stopAtEveryStep(t, inFlight) })
	}
}

func stopAtEveryStep(t *testing.T, inFlight int) {
	everyStep(t, func(t *testing.T, w *world, k int) bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var n atomic.Int64
		var since atomic.Bool
		w.step = func(_ context.Context, e string) error {
			// With several in flight, a stop can fall between the decision to
			// commit and the commit.
			if inFlight == 1 && strings.HasPrefix(e, "commit ") && since.Load() {
				t.Errorf("%s began after the stop", e)
			}
			if int(n.Add(1)) == k {
				since.Store(true)
				cancel()
			}
			return nil
		}
		job := w.job()
		job.ShardsInFlight = inFlight
		sum, err := Run(ctx, job)
		switch {
		case err == nil && !sum.Finished, err != nil && cooper.KindOf(err) != cooper.KindInterrupted:
			t.Errorf("finished %v, error %v", sum.Finished, err)
		case err != nil && w.runs[0].Status != ledger.Interrupted:
			t.Errorf("the ledger calls the run %s", w.runs[0].Status)
		}
		return since.Load()
	})
}

// TestFailAtEveryStep lets each event fail in turn, as a full disk or a crash
// would, and goes on with another run: everything happens once, has one fact.
func TestFailAtEveryStep(t *testing.T) {
	everyStep(t, func(t *testing.T, w *world, k int) bool {
		var n atomic.Int64
		w.step = func(_ context.Context, e string) error {
			if int(n.Add(1)) == k {
				return &cooper.Error{Kind: cooper.KindFull, Message: "no space left"}
			}
			return nil
		}
		_, err := Run(t.Context(), w.job())
		reached := int(n.Load()) >= k
		if reached && cooper.KindOf(err) != cooper.KindFull {
			t.Errorf("error %v", err)
		}
		return reached
	})
}

// everyStep calls run for each k from 1 until it says that k was not reached,
// and each time lets a second run finish the work.
func everyStep(t *testing.T, run func(t *testing.T, w *world, k int) bool) {
	for k := 1; ; k++ {
		w := newWorld(t, 2, 2)
		reached := run(t, w, k)
		w.step = func(context.Context, string) error { return nil }
		if w.ended == 0 {
			if _, err := Run(t.Context(), w.job()); err != nil {
				t.Fatalf("step %d: going on: %v", k, err)
			}
		}
		w.whole()
		if t.Failed() {
			t.Fatalf("step %d: %s", k, strings.Join(w.trace, ", "))
		}
		if !reached {
			if k < 30 {
				t.Errorf("only %d steps", k)
			}
			return
		}
	}
}

func TestALostLockStopsACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a commit that is not stopped is seen to wait
		lost := &cooper.Error{Kind: cooper.KindLocked, Message: "the lock was taken away"}
		ctx, cancel := context.WithCancelCause(t.Context())
		w := newWorld(t, 2)
		w.step = func(in context.Context, e string) error {
			if e == "commit 0" {
				cancel(lost)
				<-in.Done()
				return context.Cause(in)
			}
			return nil
		}
		if _, err := Run(ctx, w.job()); !errors.Is(err, lost) || len(w.visible) > 0 {
			t.Errorf("%v, %v", err, w.visible)
		}
	})
}

func TestAPlainStopDoesNotCutACommitOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newWorld(t, 2)
	w.step = func(in context.Context, e string) error {
		if e == "commit 0" {
			cancel()
		}
		return in.Err()
	}
	sum, err := Run(ctx, w.job())
	if cooper.KindOf(err) != cooper.KindInterrupted || sum.Committed != 1 || len(w.facts) != 1 || len(w.owed) > 0 {
		t.Errorf("%v, %+v", err, sum)
	}
	var e *cooper.Error
	if errors.As(err, &e) && (!strings.Contains(e.Message, "1 of 2 shards") || !strings.Contains(e.Remedy, "cooper apply p-1")) {
		t.Errorf("%+v", e)
	}
}

func TestRefusals(t *testing.T) {
	old := now.Add(-50 * time.Hour)
	for _, c := range []struct {
		name   string
		change func(w *world, j *Job)
		kind   cooper.Kind
		says   string
	}{
		{"share stop", func(w *world, _ *Job) { w.header.Share.Removed = 11 }, cooper.KindRefused, "cooper apply p-1 --confirm 0123456789ab"},
		{"share stop of what deletes, nothing but empty objects", func(w *world, _ *Job) { w.header.Share.Removed, w.header.Share.Deletes = 11, true }, cooper.KindRefused, "would delete 11 of 100 versions, with 0 of 0 bytes"},
		{"share stop, another digest", func(w *world, j *Job) { w.header.Share.Removed, j.Confirm = 11, "0123456700" }, cooper.KindRefused, "not this plan's"},
		{"share stop, too little of the digest", func(w *world, j *Job) { w.header.Share.Removed, j.Confirm = 11, "0123456" }, cooper.KindRefused, "11 of 100"},
		{"share stop, confirmed", func(w *world, j *Job) { w.header.Share.Removed, j.Confirm = 11, "01234567" }, "", ""},
		{"reasons of the mission", func(w *world, _ *Job) { w.header.Confirm = []string{"a jump", "the first"} }, cooper.KindRefused, "is not carried out unasked: a jump; the first"},
		{"reasons of the mission, confirmed", func(w *world, j *Job) { w.header.Confirm, j.Confirm = []string{"a jump"}, "01234567" }, "", ""},
		{"the share that passes", func(w *world, _ *Job) { w.header.Share.Removed = 10 }, "", ""},
		{"old", func(w *world, j *Job) { w.header.Created, j.MaxAge = cooper.InstantOf(old), 48*time.Hour }, cooper.KindRefused, "50h0m0s ago"},
		{"old, without limit", func(w *world, _ *Job) { w.header.Created = cooper.InstantOf(old) }, "", ""},
		{"unknown verb", func(w *world, _ *Job) { w.header.Totals["melt"] = w.header.Totals["fetch"] }, cooper.KindInvalid, "melt"},
		{"verb that the totals do not name", func(w *world, _ *Job) { w.shards[0][0].Verb = "melt" }, cooper.KindInvalid, "melt"},
		{"phases that overlap", func(w *world, _ *Job) { w.header.Phases[0].First = 1 }, cooper.KindInvalid, "one after the other"},
		{"damaged plan", func(w *world, _ *Job) { w.damaged = &cooper.Error{Kind: cooper.KindInvalid, Message: "digest differs"} }, cooper.KindInvalid, "digest differs"},
		{"the target has moved on", func(w *world, _ *Job) { w.refuse = &cooper.Error{Kind: cooper.KindRefused, Message: "generation"} }, cooper.KindRefused, "generation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			job := w.job()
			c.change(w, &job)
			_, err := Run(t.Context(), job)
			var e *cooper.Error
			errors.As(err, &e)
			if cooper.KindOf(err) != c.kind || e != nil && !strings.Contains(e.Error()+" "+e.Remedy, c.says) {
				t.Errorf("%v", err)
			}
			if (err == nil) != (len(w.visible) > 0) {
				t.Errorf("error %v, effects %v", err, w.visible)
			}
			if err != nil && w.runs[0].Status != ledger.Aborted {
				t.Errorf("the ledger calls the run %s", w.runs[0].Status)
			}
		})
	}
}

func TestAgeWarnsFirst(t *testing.T) {
	w := newWorld(t, 1)
	job := w.job()
	job.MaxAge = 90 * time.Minute
	var warned []string
	job.Warn = func(m string) { warned = append(warned, m) }
	if _, err := Run(t.Context(), job); err != nil || len(warned) != 1 || !strings.Contains(warned[0], "1h0m0s ago") {
		t.Errorf("%v, %v", err, warned)
	}
}

func TestFailuresOfObjects(t *testing.T) {
	w := newWorld(t, 12)
	w.conflict = 4
	w.outcome = func(a *cooper.Action) cooper.Outcome {
		o := cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindMissing}
		switch a.ID {
		case 0:
			o.Kind = cooper.KindDenied
		case 1:
			o.Status, o.Kind = cooper.Deferred, cooper.KindArchived
		case 4:
			o = cooper.Outcome{Status: cooper.Done}
		}
		return o
	}
	job := w.job()
	job.Ignore = []cooper.Kind{cooper.KindDenied, cooper.KindConflict}
	job.Progress = progress.New(job.Clock, nil)
	sum, err := Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Count(cooper.Failed) != 21 || len(sum.Failures) != 20 || sum.Count(cooper.Ignored) != 2 || sum.Count(cooper.Deferred) != 1 || sum.Kinds[cooper.KindMissing] != 21 {
		t.Errorf("%+v", sum)
	}
	// A conflict that only the commit found is passed over, too, also in facts.
	if o := w.facts["r-1-1"][1]; o.Status != cooper.Ignored || o.Kind != cooper.KindConflict {
		t.Errorf("%+v", o)
	}
	s := job.Progress.Snapshot()
	if s.Failed[cooper.KindMissing] != 21 || s.Ignored != 2 || s.Deferred != 1 || s.Objects != s.TotalObjects || s.Bytes != s.TotalBytes || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
	if c := w.runs[0].Counts; c["failed/missing"] != 21 || c["ignored/conflict"] != 1 {
		t.Errorf("%v", c)
	}
}

func TestAFullDiskEndsTheRun(t *testing.T) {
	w := newWorld(t, 4)
	w.outcome = func(a *cooper.Action) cooper.Outcome {
		if a.ID == 4 {
			return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindFull, Message: "no space left"}
		}
		return cooper.Outcome{Status: cooper.Done}
	}
	job := w.job()
	job.ShardsInFlight = 1
	sum, err := Run(t.Context(), job)
	if cooper.KindOf(err) != cooper.KindFull || !w.done[0] || w.done[1] || sum.Finished {
		t.Errorf("%v, %v", err, w.done)
	}
	if w.runs[0].Status != ledger.Aborted || len(w.events("do 6")) > 0 {
		t.Errorf("%+v", w.runs[0])
	}
}

// A store that answers nothing any more ends the run, instead of every object
// failing in turn after all its retries; failures between successes do not.
func TestAnOutageEndsTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		well func(id int64) bool
		ends bool
	}{
		"outage":          {func(id int64) bool { return id < 10 }, true},
		"now and then":    {func(id int64) bool { return id%100 == 0 }, false},
		"other failures":  {func(int64) bool { return false }, false},
		"nothing is well": {func(int64) bool { return false }, true},
	} {
		w := newWorld(t, 4*silentAfter)
		w.outcome = func(a *cooper.Action) cooper.Outcome {
			switch {
			case c.well(a.ID):
				return cooper.Outcome{Status: cooper.Done}
			case name == "other failures":
				return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindDenied}
			}
			return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindStore, Message: "connection refused"}
		}
		job := w.job()
		job.Workers = 1
		sum, err := Run(t.Context(), job)
		if c.ends && (cooper.KindOf(err) != cooper.KindStore || !strings.Contains(err.Error(), "connection refused") || sum.Finished) {
			t.Errorf("%s: went on: %v", name, err)
		}
		if !c.ends && (err != nil || !sum.Finished) {
			t.Errorf("%s: ended: %v", name, err)
		}
	}
}

func TestRecoveredShardsGetTheirFactsUnderTheirOwnRun(t *testing.T) {
	w := newWorld(t, 1)
	w.owed = []Recovered{
		{Run: "r-0", Plan: "p-0", Shard: 7, Outcomes: []cooper.Outcome{{Action: 1, Status: cooper.Failed, Kind: cooper.KindDenied}}},
		{Run: "r-0", Plan: "p-0", Shard: 8, Undone: true},
	}
	job := w.job()
	job.Undo = true
	job.Ignore = []cooper.Kind{cooper.KindDenied}
	sum, err := Run(t.Context(), job)
	if err != nil || sum.Recovered != 1 || sum.Undone != 1 || sum.Finished {
		t.Fatalf("%v, %+v", err, sum)
	}
	if outs := w.facts["r-0-7"]; len(w.facts) != 1 || len(outs) != 1 || outs[0].Status != cooper.Ignored {
		t.Errorf("%+v", w.facts)
	}
	if len(w.visible) > 0 || len(w.events("verify")) > 0 {
		t.Error("undoing went on to apply the plan")
	}
}
