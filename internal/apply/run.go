package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/plan"
)

// run is the state of one call of Run.
type run struct {
	job    *Job
	header plan.Header
	permit permit.Permit
	done   []bool // shards that were committed before this run, by number
	sum    Summary
	silent atomic.Int64 // actions in a row for which the store did not answer
	alike  alike
	late   late
}

func newRun(job *Job) *run {
	h := job.Plan.Header()
	r := &run{job: job, header: h, sum: Summary{
		Run: job.Run, Plan: h.ID, Mission: h.Mission, Target: h.Target.Path,
		Began: cooper.InstantOf(job.Clock()),
		Verbs: map[string]map[cooper.Status]int64{}, Kinds: map[cooper.Kind]int64{},
		counts: map[string]int64{},
	}}
	for _, ph := range h.Phases {
		r.sum.Shards += ph.Shards
	}
	return r
}

// all is the order of a run. Nothing of the plan happens before the checks;
// recovering needs no plan and happens before all else, so that the checks see
// the target in a state that some plan meant.
func (r *run) all(ctx context.Context) (err error) {
	if err := r.recover(ctx); err != nil || r.job.Undo {
		return err
	}
	if err := r.check(ctx); err != nil {
		return err
	}
	r.permit = permit.Issue(r.job.Run)
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.job.Target.Begin(ctx, r.permit, r.header); err != nil {
		return err
	}
	r.expect()
	for _, ph := range r.header.Phases {
		r.job.Progress.Phase(ph.Name)
		if err := r.phase(ctx, ph); err != nil {
			return err
		}
		if r.sum.Open > 0 {
			return nil
		}
	}
	r.sum.Finished = true
	r.sum.Ended = cooper.InstantOf(r.job.Clock())
	patient, done := patiently(ctx)
	defer done()
	return r.job.Target.End(patient, r.permit, r.sum)
}

func (r *run) recover(ctx context.Context) error {
	r.job.Progress.Phase("recover")
	found, err := Recover(ctx, Recovery{Run: r.job.Run, Path: r.header.Target.Path, Target: r.job.Target, Facts: r.job.Facts, Ignore: r.job.Ignore, Undo: r.job.Undo})
	for _, f := range found {
		if f.Undone {
			r.sum.Undone++
		} else {
			r.sum.Recovered++
		}
	}
	return err
}

// check says no to whatever should not be applied as things stand.
func (r *run) check(ctx context.Context) error {
	h := &r.header
	for verb := range h.Totals {
		if _, ok := r.job.Verbs[verb]; !ok {
			return &cooper.Error{
				Kind: cooper.KindInvalid, Where: "plan " + h.ID,
				Message: fmt.Sprintf("has actions of the verb %q, which cannot be done here", verb),
				Remedy:  "Make a new plan with this version of cooper.",
			}
		}
	}
	if err := r.job.Plan.Verify(ctx); err != nil {
		return err
	}
	next := 0
	for _, ph := range h.Phases {
		if ph.First != next || ph.Shards < 0 {
			return &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "its phases do not number the shards one after the other"}
		}
		next += ph.Shards
	}
	if err := r.job.Target.Check(*h); err != nil {
		return err
	}
	if err := r.checkAge(); err != nil {
		return err
	}
	return checkShare(h, r.job.Confirm)
}

func (r *run) checkAge() error {
	limit := r.job.MaxAge
	age := r.job.Clock().Sub(r.header.Created.Time()).Round(time.Minute)
	switch {
	case limit <= 0:
		return nil
	case age > limit:
		return &cooper.Error{
			Kind: cooper.KindRefused, Where: "plan " + r.header.ID,
			Message: fmt.Sprintf("was made %s ago, more than %s", age, limit),
			Remedy:  "Make a new plan: what this one has fetched already serves it too.",
		}
	case age > limit/2:
		r.job.Warn(fmt.Sprintf("plan %s was made %s ago; objects may have changed since", r.header.ID, age))
	}
	return nil
}

func checkShare(h *plan.Header, confirm string) error {
	confirmed := h.ConfirmedBy(confirm)
	switch {
	case confirmed, !h.Stopped() && confirm == "":
		return nil
	case !h.Stopped():
		return &cooper.Error{
			Kind: cooper.KindRefused, Where: "plan " + h.ID,
			Message: "the digest given is not this plan's",
			Remedy:  fmt.Sprintf("It needs no confirmation. See whether it is the plan you mean: cooper plan show %s", h.ID),
		}
	}
	e := &cooper.Error{
		Kind: cooper.KindRefused, Where: "plan " + h.ID,
		Message: fmt.Sprintf("would take %d of %d objects away without replacement, more than the share of %g %% that passes unasked",
			h.Share.Removed, h.Share.Scope, 100*h.Share.Limit),
	}
	switch {
	case !h.Share.Exceeded():
		e.Message = "is not carried out unasked: " + strings.Join(h.Confirm, "; ")
	case h.Share.Deletes:
		e.Message = fmt.Sprintf("would delete %d of %d %s, with %d of %d bytes, more than the share of %g %% that passes unasked",
			h.Share.Removed, h.Share.Scope, h.Share.What(), h.Share.RemovedBytes, h.Share.ScopeBytes, 100*h.Share.Limit)
	}
	e.Remedy = fmt.Sprintf("Look at it with: cooper plan show %s --actions. If this is meant: cooper apply %s --confirm %s", h.ID, h.ID, h.Confirmation())
	if confirm != "" {
		e.Message += "; the digest given is not this plan's"
	}
	return e
}

// expect tells the progress what there is to do, and takes off what an earlier
// run of this plan did: shards of a phase are counted as equally large.
func (r *run) expect() {
	var objects, bytes int64
	for verb, t := range r.header.Totals {
		objects += t.Count
		if r.job.Verbs[verb] != nil {
			bytes = cooper.AddBytes(bytes, t.Bytes)
		}
	}
	r.job.Progress.Expect(objects, bytes)
	r.done = make([]bool, r.sum.Shards)
	for _, ph := range r.header.Phases {
		done := 0
		for n := ph.First; n < ph.First+ph.Shards; n++ {
			if r.done[n] = r.job.Target.Done(n); r.done[n] {
				done++
			}
		}
		if r.sum.Earlier += done; done == 0 {
			continue
		}
		r.alike.end()
		share := float64(done) / float64(ph.Shards)
		r.job.Progress.Skip(int64(share*float64(ph.Count)), int64(share*float64(min(ph.Bytes, bytes))))
	}
}

// ended gives an error its last form: one that only says that the context was
// cancelled is told as a stop, with the way to go on.
func (r *run) ended(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	// The reason for cancelling, such as a lost lock, says more than what
	// failed because of it.
	stopped := plainStop(err)
	if cause := context.Cause(ctx); cause != nil {
		if !plainStop(cause) {
			return cause
		}
		stopped = stopped || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	}
	if stopped {
		return &cooper.Error{
			Kind: cooper.KindInterrupted, Where: "plan " + r.header.ID,
			Message: fmt.Sprintf("stopped with %d of %d shards done", r.sum.Earlier+r.sum.Committed, r.sum.Shards),
			Remedy:  fmt.Sprintf("cooper apply %s goes on from there, and so does the next run.", r.header.ID),
		}
	}
	var known *cooper.Error
	if errors.As(err, &known) {
		return err
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + r.header.ID, Err: err}
}
