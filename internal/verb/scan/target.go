package scan

import (
	"context"
	"fmt"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/gcop"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
)

// Target is the target of scans: of a database nothing is changed. It lets the facts of a
// range appear.
type Target struct {
	journal.Keeping
	scan *Scan
	opt  TargetOptions
	run  string
}

// TargetOptions are what a Target depends on.
type TargetOptions struct {
	Journal journal.Dir
	// Path is what the configuration calls the database, Configuration the digest of what it
	// declares.
	Path, Configuration string
}

var _ apply.Target = (*Target)(nil)

// NewTarget makes the target of a scan.
func NewTarget(s *Scan, opt TargetOptions) *Target {
	return &Target{Keeping: journal.Keeping{Dir: opt.Journal, Path: opt.Path, NoUndo: "nothing was changed that could be taken back"}, scan: s, opt: opt}
}

// Check wants a plan for this database, made from this configuration.
func (t *Target) Check(h plan.Header) error {
	if h.ID != t.scan.opt.Plan {
		return internal("plan "+h.ID, "the scan that was prepared is another")
	}
	for _, p := range h.Phases {
		if int64(p.Shards)*gcop.ActionsAShard != p.Count {
			return &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: fmt.Sprintf("%d ranges in %d shards: each has one of its own", p.Count, p.Shards),
				Remedy: "Make a new plan with this version of cooper."}
		}
	}
	return gcop.CheckTarget(h, t.opt.Path, t.scan.opt.Server.Identity, t.opt.Configuration)
}

// Begin opens the journal of the plan.
func (t *Target) Begin(_ context.Context, p permit.Permit, h plan.Header) (err error) {
	t.run = p.Run()
	t.Plan, err = t.opt.Journal.Open(h.ID, h.Target.Path)
	return err
}

// Commit lets the facts of a range appear, then notes that it was read. A range that could
// not be read is left open, for the owner may grant a right or end what locks a table: whoever
// goes on reads it again, unless a person chose to pass its kind of failure over. Where the
// database does not answer at all, the run ends.
//
// A crash between the two is harmless: the facts are named by plan and shard, and who comes
// next finds them there.
func (t *Target) Commit(ctx context.Context, _ permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	if len(actions) != gcop.ActionsAShard || actions[0].ID != int64(s.N) {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: fmt.Sprintf("plan %s, shard %d", s.Plan, s.N), Message: "a shard is one range, and has its number"}
	}
	o := &outs[0]
	w := t.scan.take(actions[0].ID)
	switch {
	case o.Status == cooper.Done && w != nil:
		if err := w.Commit(ctx); err != nil {
			return nil, err
		}
	case o.Status == cooper.Done:
		if there, err := t.scan.opt.Facts.Has(s.Plan, s.N); err != nil {
			return nil, err
		} else if !there {
			return nil, internal("plan "+s.Plan, fmt.Sprintf("the facts of shard %d are not there", s.N))
		}
	case w != nil:
		return nil, internal("plan "+s.Plan, "a range that was not read has facts")
	case o.Status == cooper.Ignored:
	case o.Kind == cooper.KindStore || o.Kind == cooper.KindTimeout:
		if _, err := t.scan.opt.Database.Load(ctx); err != nil {
			return nil, &cooper.Error{Kind: o.Kind, Where: "plan " + s.Plan, Message: "stopped: " + o.Message, Remedy: "cooper apply " + s.Plan + " goes on from there, once the server answers again."}
		}
		return outs, apply.ErrLeftOpen
	default:
		return outs, apply.ErrLeftOpen
	}
	return outs, t.Plan.Write(t.run, s.N, outs)
}
