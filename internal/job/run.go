package job

import (
	"context"
	"errors"
	"math"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/plan"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// Options are what a person may say about carrying a plan out, whatever it is for.
type Options struct {
	// Ignore are kinds of failure to pass over.
	Ignore []cooper.Kind
	// Jobs is how many objects, or requests, are worked on at once.
	Jobs int
	// Confirm is the beginning of a digest: go on although the share stop says no.
	Confirm string
	// Undo takes an interrupted shard back instead of completing it, and stops.
	Undo bool
	// AnyAge carries a plan out however old it is.
	AnyAge bool
	// AnySpace begins although the disk seems to be too small.
	AnySpace bool
	// Moved: the bucket may be in another store than the one that is remembered.
	Moved bool
	// Keys are those of objects that their application encrypts.
	Keys Keys
}

// maxPlanAge is how old a plan may be when it is applied. What an old one
// fetched already serves the new one.
const maxPlanAge = 7 * 24 * time.Hour

func (o *Options) maxAge(t Traits) time.Duration {
	if o.AnyAge || t.anyAge {
		return 0
	}
	return maxPlanAge
}

// Apply carries out the plan that a person names, or goes on with it.
func Apply(ctx context.Context, e *Env, name string, opt Options) (r Result, err error) {
	err = e.begin(func(w *work) error {
		p, err := OpenPlan(w.ws, name)
		if err != nil {
			return err
		}
		r, err = w.apply(ctx, p, &opt)
		return err
	})
	return r, err
}

// OpenPlan opens the plan that a person names.
func OpenPlan(ws *workspace.Workspace, name string) (*plan.Plan, error) {
	id, err := ws.Resolve(workspace.Plan, name)
	if err != nil {
		return nil, err
	}
	return plan.Open(ws.PlanDir(id))
}

// applyMade carries out a plan that was made, or found, by who has not locked anything.
func (w *work) applyMade(ctx context.Context, h *plan.Header, opt *Options) (r Result, err error) {
	p, err := plan.Open(w.ws.PlanDir(h.ID))
	if err != nil {
		return r, err
	}
	return w.apply(ctx, p, opt)
}

// apply takes the lock of what a plan changes, and carries it out. What failed in
// earlier runs of it is an error here: a plan that is taken up again does not try it
// anew.
func (w *work) apply(ctx context.Context, p *plan.Plan, opt *Options) (r Result, err error) {
	h := p.Header()
	m, err := missionOf(&h)
	if err != nil {
		return r, err
	}
	if err := m.check(&h, opt); err != nil {
		return r, err
	}
	at, err := m.place(&h, opt)
	if err != nil {
		return r, err
	}
	err = w.hold(ctx, at, opt, func(ctx context.Context, held *held) (err error) {
		if opt.Undo && held.tree != nil { // to hold it was all
			w.tell(Note, "nothing is half done any more")
			return nil
		}
		if r, err = held.carryOut(ctx, p, opt); err != nil || m.traits().knowsFailures {
			return err
		}
		n, err := w.failedEarlier(context.WithoutCancel(ctx), h.ID, held.run)
		if err != nil || n == 0 {
			return err
		}
		r.Notes = append(r.Notes, words.Plural(n, "action")+" failed in earlier runs of this plan and are not tried again by it; a new plan does")
		return ErrSomeFailed
	})
	return r, err
}

// carryOutMade carries out a plan that was just made, or found.
func (h *held) carryOutMade(ctx context.Context, made *plan.Header, opt *Options) (r Result, err error) {
	r.Plan = made
	p, err := plan.Open(h.ws.PlanDir(made.ID))
	if err != nil {
		return r, err
	}
	return h.carryOut(ctx, p, opt)
}

// carryOut carries a plan out on what is held for it: check, apply, compact, summary.
// The error is ErrSomeFailed, and no other beside it, where the run went through and
// objects failed.
func (h *held) carryOut(ctx context.Context, p *plan.Plan, opt *Options) (r Result, err error) {
	header := p.Header()
	m, err := missionOf(&header)
	if err != nil {
		return r, err
	}
	r.Plan, r.Words = &header, m.traits().Words
	k, err := m.equip(ctx, h, p, opt)
	if err != nil {
		return r, err
	}
	if h.ran {
		h.run = h.ws.NewID("r")
	}
	h.ran = true
	facts := h.facts()
	job := apply.Job{
		Run: h.run, Plan: p, Verbs: k.verbs, Target: k.target, Facts: facts, Workers: k.workers, ShardsInFlight: k.shards,
		Ignore: opt.Ignore, Confirm: opt.Confirm, MaxAge: opt.maxAge(m.traits()), Undo: opt.Undo && h.tree == nil, Clock: h.Clock, Progress: k.count,
		Warn: k.warn,
	}
	if job.Warn == nil {
		job.Warn = func(m string) { h.Listener.Tell(Caution, m) }
	}
	h.limits(&job)
	stop := h.Listener.Follow(k.count)
	sum, err := apply.Run(ctx, job)
	stop()
	r.Applied = &sum
	if k.told != nil {
		k.told()
	}
	// The run is over: who asks to stop now must not be told that there is something to
	// go on with.
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		err = facts.Compact(ctx)
		if k.again {
			err = errors.Join(err, h.failedAlike(ctx, &sum))
		}
	}
	finally(&err, k.close)
	err = errors.Join(err, m.conclude(ctx, h, &r, err))
	if err == nil && sum.Count(cooper.Failed) > 0 {
		err = ErrSomeFailed
	}
	return r, err
}

// untouched tells whether a run ended before it did anything. A refusal mostly does,
// unless a store turns out in the middle of a run to do what it was not told, or
// credentials expire there.
func (r *Result) untouched() bool {
	return r.Applied == nil || r.Applied.Earlier+r.Applied.Committed == 0
}

// Refused tells whether an error says that nothing was done at all.
func (r *Result) Refused(err error) bool {
	kind := cooper.KindOf(err)
	return (kind == cooper.KindRefused || kind == cooper.KindUsage) && r.untouched()
}

// writePlan gives f a writer for a new plan, with limits on its shards, and clears up if
// it fails.
func (w *work) writePlan(limits plan.Limits, f func(id string, out *plan.Writer) (plan.Header, error)) (plan.Header, error) {
	id := w.ws.NewID("p")
	out, err := plan.Create(w.ws.PlanDir(id), id, limits)
	if err != nil {
		return plan.Header{}, err
	}
	defer out.Abort()
	return f(id, out)
}

// unweighed is for actions that take as long with large versions as with small ones.
func unweighed(actions int) plan.Limits { return plan.Limits{Actions: actions, Bytes: math.MaxInt64} }
