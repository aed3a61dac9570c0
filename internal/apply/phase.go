package apply

import (
	"context"
	"errors"
	"fmt"
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
	left    atomic.Int64     // what must end before the shard can be committed
}

// task is one action of a shard.
type task struct {
	shard *shard
	i     int
}

// phase is the work on the shards of one phase.
type phase struct {
	*run
	plan.Phase
	window *window
	tasks  chan task
	ready  chan *shard // has room for all shards in flight: sending never blocks
	stop   context.CancelCauseFunc
}

// phase works off the shards of one phase and returns when nothing of it is
// under way any more. It ends early, with the reason, at the first thing that
// ends a run.
//
//	feed ──tasks──> workers ──ready──> commit (here, one at a time)
func (r *run) phase(parent context.Context, ph plan.Phase) error {
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	w := newWindow(r.job.Workers, r.job.ShardsInFlight)
	p := phase{run: r, Phase: ph, window: w, tasks: make(chan task), ready: make(chan *shard, w.most()), stop: stop}
	var wg sync.WaitGroup
	defer wg.Wait()
	for range r.job.Workers {
		wg.Go(func() {
			for t := range p.tasks {
				p.do(ctx, t)
			}
		})
	}
	wg.Go(func() {
		defer close(p.tasks)
		if err := p.feed(ctx); err != nil {
			stop(err)
		}
	})
	for n := ph.First; n < ph.First+ph.Shards; n++ {
		if r.done[n] {
			continue
		}
		var s *shard
		select {
		case s = <-p.ready:
		case <-ctx.Done():
		}
		// Once stopped, no commit begins: what is staged will be found again. Why
		// the gate did not open, the context knows better.
		held := r.job.Gate(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if held != nil {
			stop(held)
			return held
		}
		if err := r.commit(ctx, ph, s); err != nil {
			stop(err)
			return err
		}
		w.change(-1, -1, 0)
	}
	return nil
}

// feed reads the shards that are not done and deals out their actions, in
// order, until ctx is cancelled.
func (p *phase) feed(ctx context.Context) error {
	for n := p.First; n < p.First+p.Shards; n++ {
		if p.done[n] {
			continue
		}
		if err := p.window.enter(ctx); err != nil {
			return err
		}
		actions, err := p.job.Plan.Shard(ctx, n)
		if err != nil {
			return err
		}
		s := &shard{n: n, actions: actions, outs: make([]cooper.Outcome, len(actions))}
		s.left.Store(int64(len(actions)) + 1) // one for the dealing itself
		if err := p.deal(ctx, s); err != nil {
			return err
		}
		p.finished(s, 0)
	}
	return nil
}

func (p *phase) deal(ctx context.Context, s *shard) error {
	for i := range s.actions {
		a := &s.actions[i]
		verb, known := p.job.Verbs[a.Verb]
		if !known {
			return &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + p.header.ID, Message: "an action has the verb " + cooper.Quote(a.Verb) + ", which the plan's totals do not name"}
		}
		if verb == nil {
			s.outs[i] = p.label(a, cooper.Outcome{Status: cooper.Done})
			p.job.Progress.Skip(1, 0)
			s.left.Add(-1)
			continue
		}
		if o, known := p.known(a); known {
			s.outs[i] = p.label(a, o)
			p.alike.end()
			p.job.Progress.Skip(1, a.Version.Size)
			s.left.Add(-1)
			continue
		}
		if err := p.job.Gate(ctx); err != nil {
			return err
		}
		p.window.change(0, 0, 1)
		select {
		case p.tasks <- task{s, i}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// finished counts the end of something of a shard: of so many actions, or of
// its dealing. After the last the shard is ready.
func (p *phase) finished(s *shard, actions int) {
	if s.left.Add(-1) > 0 {
		p.window.change(0, 0, -actions)
		return
	}
	p.window.change(0, 1, -actions)
	p.ready <- s
}

// do works on one action.
func (p *phase) do(ctx context.Context, t task) {
	a := &t.shard.actions[t.i]
	p.job.Progress.Begin()
	o := p.label(a, p.job.Verbs[a.Verb].Do(ctx, a))
	p.job.Progress.End(a.Version.Size)
	t.shard.outs[t.i] = o
	if err := p.note(t.shard, &o); err != nil {
		p.stop(err)
	}
	if o.Status == cooper.Failed && o.Kind.EndsRun() {
		e := &cooper.Error{Kind: o.Kind, Where: "plan " + p.header.ID, Message: "stopped: " + o.Message, Remedy: o.Remedy}
		if o.Kind == cooper.KindFull {
			e.Remedy = "Make room, bytes or inodes, and run the same command again: it goes on where it stopped."
		}
		p.stop(e)
	}
	if p.outage(&o) {
		p.stop(&cooper.Error{
			Kind: o.Kind, Where: "plan " + p.header.ID,
			Message: fmt.Sprintf("the store failed %d times in a row, the last time with: %s", silentAfter, o.Message),
			Remedy:  "See whether the store and the network are well, and run the same command again: it goes on where it stopped.",
		})
	}
	if err := p.sawStore(&o); err != nil {
		p.stop(err)
	}
	p.finished(t.shard, 1)
}

// silentAfter is how many actions in a row must fail because the store does not
// answer, after all their retries, until the run ends instead of trying them all: far more
// than are worked on at once by default, far less than a bucket.
const silentAfter = 256

// outage counts such failures; anything else begins anew.
func (p *phase) outage(o *cooper.Outcome) bool {
	if o.Status != cooper.Failed || o.Kind != cooper.KindStore && o.Kind != cooper.KindTimeout {
		p.silent.Store(0)
		return false
	}
	return p.silent.Add(1) == silentAfter
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
	anew := began(s.outs)
	outs, err := r.job.Target.Commit(ctx, r.permit, Shard{Plan: r.header.ID, N: s.n, Phase: ph.Name}, s.actions, s.outs)
	if errors.Is(err, ErrLeftOpen) {
		r.sum.Open++
		r.told(outs)
		return nil
	}
	if err != nil {
		return err
	}
	ignore(r.job.Ignore, outs)
	r.sum.Committed++
	r.told(outs)
	if err := r.job.Facts.WriteOutcomes(ctx, r.job.Run, s.n, r.header.ID, r.header.Target.Path, outs); err != nil {
		return err
	}
	if err := r.job.Target.Settled(ctx, r.header.ID, s.n); err != nil {
		return err
	}
	for i := range outs {
		if anew[i] {
			if err := r.sawLate(&outs[i]); err != nil {
				return err
			}
		}
		if r.job.Verbs[outs[i].Verb] != nil {
			continue // seen when it was done
		}
		if err := r.sawStore(&outs[i]); err != nil {
			return err
		}
	}
	return nil
}

// told counts outcomes.
func (r *run) told(outs []cooper.Outcome) {
	r.sum.add(outs)
	for i := range outs {
		r.job.Progress.Outcome(&outs[i])
	}
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
