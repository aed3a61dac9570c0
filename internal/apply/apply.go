// Package apply carries out a plan: shard by shard, able to be stopped or
// killed at any instant and to be taken up again.
//
// It promises that nothing is changed before the plan was found whole, fresh
// and meant for the target as it is now; that a phase ends before the next one
// begins; that every shard is committed once and its facts are written once,
// also across crashes; and that a failed object ends nothing but itself.
// It drives verbs, targets and the ledger through interfaces of its own, and
// it alone issues permits. What should happen was decided by a mission; how a
// target changes safely is left to the target; exit codes to the command.
//
// A shard has two halves. The first, a Verb for each action, may be repeated
// and changes nothing that a reader of the target could see; several shards
// are in it at once, through one pool of workers, so that neither a slow object
// nor a sync holds up the others. The second, Target.Commit, is done for one
// shard at a time, as they become ready: shards of one phase do not depend on
// each other.
package apply

import (
	"context"
	"errors"
	"time"

	"cooper"
	"cooper/internal/ledger"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/progress"
)

// Verb is the repeatable half of an action. Do honours ctx, is safe for
// concurrent use, and changes nothing a reader of the target could see. Of the
// outcome it gives what it knows; Action, Verb, Identity and At are filled in
// for it. A failure whose kind ends a run (full, interrupted, internal, …) ends
// the run before the shard is committed.
type Verb interface {
	Do(ctx context.Context, a *cooper.Action) cooper.Outcome
}

// Shard names one shard of a plan.
type Shard struct {
	Plan  string
	N     int
	Phase string
}

// Recovered is a shard that an earlier run left half done.
type Recovered struct {
	Run   string // that left it
	Plan  string
	Shard int
	// Path is that of the target as the plan names it; empty is the one at hand.
	Path     string
	Outcomes []cooper.Outcome
	// Undone: the shard was taken back, there are no facts to be written.
	// Otherwise it is committed now, and Settled waits for its facts.
	Undone bool
}

// Target is what a plan changes. Its caller holds the target's lock; a context
// that is cancelled because the lock was lost stops everything.
type Target interface {
	// Recover completes interrupted shards, or takes them back if undo is set,
	// and gives all that are not settled.
	Recover(ctx context.Context, p permit.Permit, undo bool) ([]Recovered, error)
	// Check refuses a plan that was not made for the target as it is now, unless
	// the plan is the target's unfinished run.
	Check(h plan.Header) error
	// Begin notes that the plan is under way; for one that is, it changes nothing.
	Begin(ctx context.Context, p permit.Permit, h plan.Header) error
	// Done tells whether a shard of the plan that was begun is committed; it is
	// asked right after Begin.
	Done(shard int) bool
	// Commit makes the effects of a shard visible, all of them or none. It may
	// turn outcomes into failures, and gives them as they stand at the end;
	// outs[i] is that of actions[i]. Beside ErrLeftOpen nothing of the shard was
	// committed, and what outs say is told, but no fact.
	Commit(ctx context.Context, p permit.Permit, s Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error)
	// Settled says that a committed shard's facts are in the ledger.
	Settled(ctx context.Context, plan string, shard int) error
	// End notes that all shards of the plan are committed.
	End(ctx context.Context, p permit.Permit, s Summary) error
}

// ErrLeftOpen is what Commit gives for a shard that failed for a reason which may go, and
// that is to be tried again by the next run of the plan. The run goes on with the others of
// the phase, and ends with it: what comes after wants all of it.
var ErrLeftOpen = errors.New("the shard is left open")

// Facts is the ledger. Writing the same fact again, by run and shard or by run,
// changes nothing.
type Facts interface {
	WriteOutcomes(ctx context.Context, run string, shard int, plan, target string, outs []cooper.Outcome) error
	WriteRun(ctx context.Context, r ledger.RunFact) error
}

// Plan is a plan on disk.
type Plan interface {
	Header() plan.Header
	// Verify compares all of the plan's files with its digest.
	Verify(ctx context.Context) error
	// Shard reads the actions of a shard; they are the caller's to keep.
	Shard(ctx context.Context, n int) ([]cooper.Action, error)
}

// Job is one call of Run.
type Job struct {
	Run  string // the id of this run
	Plan Plan
	// Verbs holds every verb of the plan by its name. nil stands for one that
	// has nothing to do before the commit.
	Verbs  map[string]Verb
	Target Target
	Facts  Facts
	// Workers is how many actions are worked on at once, ShardsInFlight how many
	// shards they come from, unless workers would be idle; 64 and 3 if 0.
	Workers        int
	ShardsInFlight int
	// Ignore are kinds of failure that a person chose to pass over.
	Ignore []cooper.Kind
	// Confirm is the beginning of the digest of the decision or of the plan, 8 characters at least: the
	// person's word that more may be removed than the share stop allows.
	Confirm string
	// MaxAge refuses older plans; a plan that is older than half of it brings a
	// warning. 0: no limit.
	MaxAge time.Duration
	// Undo takes interrupted shards back instead of completing them, and does
	// nothing else.
	Undo bool
	// Gate, where given, is asked before each action is dealt out and before each
	// commit: it returns when the run may take up work, or with ctx's error. What
	// is under way goes on meanwhile.
	Gate func(ctx context.Context) error
	// Clock gives the time; Progress is told what happens, Warn gets what a
	// person ought to read. The latter two may be nil.
	Clock    func() time.Time
	Progress *progress.Counters
	Warn     func(message string)
}

const (
	defaultWorkers        = 64
	defaultShardsInFlight = 3
)

// Run recovers the target, checks the plan against it, and carries the plan
// out, leaving out what an earlier run did. However that ends, the ledger gets
// a fact about the run. The summary is good also beside an error. Objects that
// failed are no error: they are counted in the summary.
//
// Errors: KindRefused where the plan is not to be applied as things stand,
// KindInterrupted if ctx was cancelled (what is done stays done, and applying
// the plan again goes on from there), KindFull, KindLocked and KindInternal
// as they come from verbs and target.
func Run(ctx context.Context, job Job) (Summary, error) {
	if job.Workers <= 0 {
		job.Workers = defaultWorkers
	}
	if job.ShardsInFlight <= 0 {
		job.ShardsInFlight = defaultShardsInFlight
	}
	if job.Warn == nil {
		job.Warn = func(string) {}
	}
	if job.Gate == nil {
		job.Gate = func(context.Context) error { return nil }
	}
	if job.Progress == nil {
		job.Progress = progress.New(job.Clock, nil)
	}
	r := newRun(&job)
	err := r.ended(ctx, r.all(ctx))
	r.sum.rank()
	r.sum.everything()
	r.sum.Ended = cooper.InstantOf(job.Clock())
	if failed := job.Facts.WriteRun(context.WithoutCancel(ctx), r.fact(err)); err == nil {
		err = failed
	}
	return r.sum, err
}
