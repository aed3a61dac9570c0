package apply

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"cooper"
	"cooper/internal/plan"
)

// shard is one that is being worked on.
type shard struct {
	n       int
	actions []cooper.Action
	outs    []cooper.Outcome // as long as actions; each element is written by one worker
	left    atomic.Int64     // actions without an outcome
	ready   chan struct{}    // closed when left is 0
}

func (s *shard) finished(n int64) {
	if s.left.Add(-n) == 0 {
		close(s.ready)
	}
}

// task is one action of a shard.
type task struct {
	shard *shard
	i     int
}

// phase works off the shards of one phase and returns when nothing of it is
// under way any more. It ends early, with the reason, at the first thing that
// ends a run.
//
//	feed ──tasks──> workers ──ready──┐
//	  └────────shards, in order──────┴──> commit (here, one at a time)
//
// A slot is held by every shard from its reading to its commit; so at most
// ShardsInFlight are in memory.
func (r *run) phase(parent context.Context, ph plan.Phase) error {
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	slots := make(chan struct{}, r.job.ShardsInFlight)
	shards := make(chan *shard, r.job.ShardsInFlight)
	tasks := make(chan task)
	var wg sync.WaitGroup
	defer wg.Wait()
	for range r.job.Workers {
		wg.Go(func() {
			for t := range tasks {
				r.do(ctx, t, stop)
			}
		})
	}
	wg.Go(func() {
		defer close(shards)
		defer close(tasks)
		if err := r.feed(ctx, ph, slots, shards, tasks); err != nil {
			stop(err)
		}
	})
	for s := range shards {
		select {
		case <-s.ready:
		case <-ctx.Done():
		}
		// Once stopped, no commit begins: what is staged will be found again.
		if ctx.Err() != nil {
			break
		}
		if err := r.commit(ctx, ph, s); err != nil {
			stop(err)
			break
		}
		<-slots
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// feed reads the shards that are not done and deals out their actions, in
// order, until ctx is cancelled.
func (r *run) feed(ctx context.Context, ph plan.Phase, slots chan<- struct{}, shards chan<- *shard, tasks chan<- task) error {
	for n := ph.First; n < ph.First+ph.Shards; n++ {
		if r.done[n] {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		actions, err := r.job.Plan.Shard(ctx, n)
		if err != nil {
			return err
		}
		s := &shard{n: n, actions: actions, outs: make([]cooper.Outcome, len(actions)), ready: make(chan struct{})}
		s.left.Store(int64(len(actions)) + 1) // one for the dealing itself
		shards <- s                           // never blocks: it has a slot
		if err := r.deal(ctx, s, tasks); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) deal(ctx context.Context, s *shard, tasks chan<- task) error {
	for i := range s.actions {
		a := &s.actions[i]
		verb, known := r.job.Verbs[a.Verb]
		if !known {
			return &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + r.header.ID, Message: "an action has the verb " + cooper.Quote(a.Verb) + ", which the plan's totals do not name"}
		}
		if verb == nil {
			s.outs[i] = r.label(a, cooper.Outcome{Status: cooper.Done})
			r.job.Progress.Skip(1, 0)
			s.finished(1)
			continue
		}
		select {
		case tasks <- task{s, i}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.finished(1)
	return nil
}

// do works on one action.
func (r *run) do(ctx context.Context, t task, stop context.CancelCauseFunc) {
	a := &t.shard.actions[t.i]
	r.job.Progress.Begin()
	o := r.label(a, r.job.Verbs[a.Verb].Do(ctx, a))
	r.job.Progress.End(a.Version.Size)
	t.shard.outs[t.i] = o
	if o.Status == cooper.Failed && endsRun(o.Kind) {
		stop(&cooper.Error{Kind: o.Kind, Where: cooper.Quote(a.Version.Key), Message: o.Message})
	}
	t.shard.finished(1)
}

// label fills in what an outcome has from its action.
func (r *run) label(a *cooper.Action, o cooper.Outcome) cooper.Outcome {
	o.Action, o.Verb, o.Identity = a.ID, a.Verb, a.Version.Identity
	if o.At == 0 {
		o.At = cooper.InstantOf(r.job.Clock())
	}
	return o
}

// commit makes a shard's effects visible and writes its facts.
//
// A crash between any two steps is harmless. During Commit: the target's
// recovery completes the shard or takes it back. Between Commit and
// WriteOutcomes, or during it: recovery gives the outcomes again, for the same
// run and shard, and the facts file appears whole or not at all. Between
// WriteOutcomes and Settled: recovery gives them again, and writing finds the
// file there.
func (r *run) commit(ctx context.Context, ph plan.Phase, s *shard) error {
	ctx, done := patiently(ctx)
	defer done()
	ignore(r.job.Ignore, s.outs)
	outs, err := r.job.Target.Commit(ctx, r.permit, Shard{Plan: r.header.ID, N: s.n, Phase: ph.Name}, s.actions, s.outs)
	if err != nil {
		return err
	}
	ignore(r.job.Ignore, outs)
	r.sum.Committed++
	r.sum.add(outs)
	for i := range outs {
		r.job.Progress.Outcome(&outs[i])
	}
	if err := r.job.Facts.WriteOutcomes(ctx, r.job.Run, s.n, r.header.ID, r.header.Target.Path, outs); err != nil {
		return err
	}
	return r.job.Target.Settled(ctx, r.header.ID, s.n)
}

// endsRun tells whether a kind says something about the run rather than about
// one object.
func endsRun(k cooper.Kind) bool {
	switch k {
	case cooper.KindUsage, cooper.KindRefused, cooper.KindLocked, cooper.KindFull, cooper.KindInterrupted, cooper.KindInternal:
		return true
	}
	return false
}

// patiently gives a context for steps that are better finished than cut off: a
// plain stop, such as Ctrl-C, does not reach it; anything else that cancels
// ctx, such as a lost lock, does.
func patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	patient, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); !plainStop(cause) {
			cancel(cause)
		}
	})
	return patient, func() { unhook(); cancel(nil) }
}

// plainStop tells whether err says no more than that somebody asked for a stop,
// or that the time given to the run was up.
func plainStop(err error) bool {
	var known *cooper.Error
	if errors.As(err, &known) {
		return known.Kind == cooper.KindInterrupted
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
