// Package mark changes the statuses of file handles as a plan says: it is the target of
// marks, whose verb has nothing to do before the commit.
//
// It promises:
//
//   - A handle changes only if it is what the plan says, since the very time that it says.
//     Who was changed by another meanwhile is left, and that is told. A shard is one step.
//   - Each change is a transition, told once, whatever is stopped when: it is in the state
//     from the same step on.
//   - Nothing is marked by another configuration than that of the plan, once more of the
//     database has been read than was looked at, or once a person has said a word since.
//
// Which handles are marked is left to the mission; that no scan goes on meanwhile to the
// lock that its caller holds; writing transitions down to the function that it is given. No
// object is touched.
package mark

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
)

// Options are what a Target depends on. All must be given.
type Options struct {
	Journal journal.Dir
	State   gcstate.State
	// Declared, Read are as they are by now: the digest of the configuration's file, and how
	// far each scan of the database has come. Whoever reads waits until the plan was carried out.
	Declared string
	Read     gcop.Reads
	// Words gives the number of the last word of a person's.
	Words func() (int, error)
	// Column is the owner's own status of handles; nil where nothing is written there.
	Column Column
	// Tell writes down what the state has not told yet.
	Tell  func(ctx context.Context) error
	Clock func() time.Time
}

// Column is the status of handles as their owner keeps it.
type Column interface {
	// Set writes a status where another stands, in one step, and gives what stands for each handle then.
	Set(ctx context.Context, hs []gcstate.Handle, from, to gcstate.Status) ([]gcstate.Status, error)
}

// Target is the target of marks.
type Target struct {
	journal.Keeping
	opt     Options
	marking gcop.Marking
	run     string
}

var _ apply.Target = (*Target)(nil)

// New makes the target of a plan of marks.
func New(h *plan.Header, opt Options) (*Target, error) {
	m, err := gcop.MarkingOf(h)
	if err != nil {
		return nil, err
	}
	const noUndo = "marks are not taken back by a run"
	return &Target{Keeping: journal.Keeping{Dir: opt.Journal, Path: m.Scope, NoUndo: noUndo}, opt: opt, marking: m}, nil
}

// Check wants what the plan rests on to be as it was.
func (t *Target) Check(h plan.Header) error {
	m, err := gcop.MarkingOf(&h)
	if err != nil {
		return err
	}
	if m.Detection != t.marking.Detection {
		return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + h.ID, Message: "the plan that was prepared is another"}
	}
	return t.rests(h.ID)
}

// rests is the error of a plan of which that on which it rests is another by now.
func (t *Target) rests(id string) error {
	words, err := t.opt.Words()
	if err != nil {
		return err
	}
	if why := t.marking.Outdated(t.opt.Declared, t.opt.Read, words); why != "" {
		return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + id, Message: why, Remedy: "Look anew: cooper gc detect"}
	}
	return nil
}

// Begin opens the journal of the plan, and has told what an earlier run has not.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) (err error) {
	t.run = p.Run()
	if t.Plan, err = t.opt.Journal.Open(h.ID, h.Target.Path); err != nil {
		return err
	}
	return t.opt.Tell(ctx)
}

// Commit changes the handles of a shard in one step, then their owner's column, has the transitions told, and
// notes what came of it.
//
// A crash after any of these is harmless: what was changed is what it is to be, which is found by
// who does the shard again, and what was not told is in the state. A handle of which the owner's column still
// says that it is AVAILABLE is not archived.
func (t *Target) Commit(ctx context.Context, p permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	if !p.Valid() {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + s.Plan, Message: "nobody permits this"}
	}
	if err := t.rests(s.Plan); err != nil {
		return nil, err
	}
	changes := make([]gcstate.Change, len(actions))
	now := cooper.InstantOf(t.opt.Clock())
	for i := range actions {
		c, err := gcop.ChangeOf(&actions[i])
		if err != nil {
			return nil, err
		}
		changes[i] = gcstate.Change{
			Handle: gcstate.Handle{Scope: t.marking.Scope, Kind: c.Kind, ID: c.ID}, From: gcstate.Status(c.From), Since: c.Since, To: gcstate.Status(c.To),
			At: now, Reason: c.Reason, Run: t.run,
		}
		if !gcstate.Leads(changes[i].From, changes[i].To) {
			return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + s.Plan, Message: "would make " + actions[i].Version.Key + " " + c.To + ", which is " + c.From + ": nothing leads there",
				Remedy: "Look anew: cooper gc detect"}
		}
	}
	results, err := t.opt.State.Change(ctx, changes)
	if err != nil {
		return nil, err
	}
	if len(results) != len(changes) {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + s.Plan, Message: fmt.Sprintf("of %d changes, the state tells of %d", len(changes), len(results))}
	}
	for i := range results {
		if r := &results[i]; !r.Changed && r.Now.Status != changes[i].To {
			outs[i].Status, outs[i].Kind = cooper.Failed, cooper.KindChanged
			outs[i].Message = fmt.Sprintf("is %s since %s, and was to be %s before", r.Now.Status, r.Now.Since, changes[i].From)
			outs[i].Remedy = "Look anew: cooper gc detect"
		}
	}
	if err := t.column(ctx, changes, outs); err != nil {
		return nil, err
	}
	if err := t.opt.Tell(ctx); err != nil {
		return nil, err
	}
	return outs, t.Plan.Write(t.run, s.N, outs)
}

// column writes what was changed into the owner's column.
func (t *Target) column(ctx context.Context, changes []gcstate.Change, outs []cooper.Outcome) error {
	if t.opt.Column == nil {
		return nil
	}
	type step struct{ from, to gcstate.Status }
	places := map[step][]int{}
	for i := range changes {
		if outs[i].Status == cooper.Done {
			s := step{changes[i].From, changes[i].To}
			places[s] = append(places[s], i)
		}
	}
	for s, at := range places {
		hs := make([]gcstate.Handle, len(at))
		for n, i := range at {
			hs[n] = changes[i].Handle
		}
		now, err := t.opt.Column.Set(ctx, hs, s.from, s.to)
		if err != nil {
			return err
		}
		if len(now) != len(at) {
			return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("of %d handles, the owner's column tells of %d", len(at), len(now))}
		}
		for n, i := range at {
			if now[n] != s.to {
				outs[i].Status, outs[i].Kind = cooper.Failed, cooper.KindChanged
				outs[i].Message = fmt.Sprintf("is %s now, but its owner has it as %s", s.to, cmp.Or(string(now[n]), "something that is not known"))
				outs[i].Remedy = "Look anew: cooper gc detect"
			}
		}
	}
	return nil
}
