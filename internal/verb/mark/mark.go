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
	"context"
	"fmt"
	"maps"
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
	// Tell writes down what the state has not told yet.
	Tell  func(ctx context.Context) error
	Clock func() time.Time
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
	switch {
	case m.Declared != t.opt.Declared:
		return stale(h.ID, m.Config+" has changed since")
	case !maps.Equal(m.Read, t.opt.Read):
		return stale(h.ID, "more of the database has been read since: a link may have been found")
	}
	return t.unsaid(h.ID)
}

func stale(id, why string) error {
	return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + id, Message: why, Remedy: "Look anew: cooper gc detect"}
}

// unsaid wants no person to have said a word since: it may be that a handle is to be kept.
func (t *Target) unsaid(id string) error {
	words, err := t.opt.Words()
	if err == nil && words != t.marking.Words {
		err = stale(id, "a person has said since that handles are kept, or linked")
	}
	return err
}

// Begin opens the journal of the plan, and has told what an earlier run has not.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) (err error) {
	t.run = p.Run()
	if t.Plan, err = t.opt.Journal.Open(h.ID, h.Target.Path); err != nil {
		return err
	}
	return t.opt.Tell(ctx)
}

// Commit changes the handles of a shard in one step, has the transitions told, and notes
// what came of it.
//
// A crash after the first is harmless: what was changed is what it is to be, which is found by
// who does the shard again, and what was not told is in the state. After the second, too: it
// is told already.
func (t *Target) Commit(ctx context.Context, p permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	if !p.Valid() {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + s.Plan, Message: "nobody permits this"}
	}
	if err := t.unsaid(s.Plan); err != nil {
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
	if err := t.opt.Tell(ctx); err != nil {
		return nil, err
	}
	return outs, t.Plan.Write(t.run, s.N, outs)
}
