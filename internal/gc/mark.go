package gc

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
)

// MissionDetect is the name of plans that mark what a detection has found.
const MissionDetect = "gc-detect"

// The phases of such a plan, in their order, and why handles are marked.
const (
	PhaseRelink = "relink"
	PhaseUnlink = "unlink"
)

// Why handles that were found are not marked.
const (
	SkippedMarked   = "marked already"
	SkippedOwner    = "their owner's status"     // relinked: it is not ours to change
	SkippedArchived = "archived, and linked"     // relinked: their objects have to be restored
	SkippedChanged  = "changed in the state"     // candidates: no more AVAILABLE
	SkippedMoved    = "on their way, and linked" // relinked: archiving or restoring
)

// Marks is all that a plan of marks follows from.
type Marks struct {
	Marking gcop.Marking
	// Relinked go back to AVAILABLE; Candidates become UNLINKED, nil: none does.
	Relinked   iter.Seq2[gcfacts.Relinked, error]
	Candidates iter.Seq2[gcfacts.Candidate, error]
	// Scans is how many complete scans have seen no link.
	Scans int
	State gcstate.State
	// Confirm are reasons for which a person must confirm the marks by their digest.
	Confirm, Warnings []string
	ID                string // of the plan
	Now               cooper.Instant
}

// MarkLimits are those of a plan of marks.
var MarkLimits = plan.Limits{Actions: gcop.MarksAShard, Bytes: cooper.MaxBytes}

// PlanMarks writes the plan that marks what a detection has found, each handle from what the
// state says of it now. Handles with a link come first: whatever stops the plan, they are
// back.
func PlanMarks(ctx context.Context, in Marks, w plan.Sink) (plan.Header, error) {
	m := marker{in: &in, sink: w, reasons: map[string]plan.Tally{}, skipped: map[string]plan.Tally{}}
	if err := m.relinked(ctx); err != nil {
		return plan.Header{}, err
	}
	if err := m.unlinked(ctx); err != nil {
		return plan.Header{}, err
	}
	policy, err := json.Marshal(map[string]any{"marking": in.Marking})
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	decided, err := json.Marshal(map[string]any{"scope": in.Marking.Scope})
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	return w.Finish(plan.Header{
		ID: in.ID, Mission: MissionDetect, Created: in.Now, Policy: policy, Decided: decided, Partial: true,
		Target:  plan.Target{Kind: gcop.StateKind, Path: in.Marking.Scope},
		Reasons: m.reasons, Skipped: m.skipped, Confirm: in.Confirm, Warnings: in.Warnings,
	})
}

// marker writes the marks of a plan.
type marker struct {
	in               *Marks
	sink             plan.Sink
	reasons, skipped map[string]plan.Tally
}

// found is a handle that a detection has found.
type found struct {
	kind, id string
	bytes    int64
	scan     string // that has seen a link
}

// each calls f with handles and what the state says of them, many asked for at once.
func (m *marker) each(ctx context.Context, all iter.Seq2[found, error], f func(*found, *gcstate.Record) error) error {
	var some []found
	flush := func() error {
		if len(some) == 0 {
			return nil
		}
		asked := make([]gcstate.Handle, len(some))
		for i := range some {
			asked[i] = gcstate.Handle{Scope: m.in.Marking.Scope, Kind: some[i].kind, ID: some[i].id}
		}
		records, err := m.in.State.Get(ctx, asked)
		if err != nil {
			return err
		}
		if len(records) != len(some) {
			return &cooper.Error{Kind: cooper.KindInternal, Where: m.in.Marking.Scope, Message: fmt.Sprintf("of %d handles, the state tells of %d", len(some), len(records))}
		}
		for i := range some {
			if err := f(&some[i], &records[i]); err != nil {
				return err
			}
		}
		some = some[:0]
		return nil
	}
	for x, err := range all {
		if err != nil {
			return err
		}
		if some = append(some, x); len(some) == gcop.MarksAShard {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (m *marker) relinked(ctx context.Context) error {
	if err := m.sink.Phase(PhaseRelink); err != nil {
		return err
	}
	all := func(yield func(found, error) bool) {
		for r, err := range m.in.Relinked {
			if !yield(found{kind: r.Kind, id: r.ID, scan: r.Scan}, err) {
				return
			}
		}
	}
	return m.each(ctx, all, func(x *found, r *gcstate.Record) error {
		switch r.Status {
		case gcstate.Unlinked:
			reason := "linked"
			if x.scan != "" {
				reason += " in " + x.scan
			}
			return m.add(x, r, gcstate.Available, PhaseRelink, reason)
		case gcstate.Available:
			m.skip(SkippedOwner)
		case gcstate.Archiving, gcstate.Restoring:
			m.skip(SkippedMoved)
		default:
			m.skip(SkippedArchived)
		}
		return nil
	})
}

func (m *marker) unlinked(ctx context.Context) error {
	if m.in.Candidates == nil {
		return nil
	}
	if err := m.sink.Phase(PhaseUnlink); err != nil {
		return err
	}
	all := func(yield func(found, error) bool) {
		for c, err := range m.in.Candidates {
			if !yield(found{kind: c.Kind, id: c.ID, bytes: max(0, c.Alone)}, err) {
				return
			}
		}
	}
	reason := fmt.Sprintf("no link in %d complete scans", m.in.Scans)
	if m.in.Scans == 1 {
		reason = "no link in a complete scan"
	}
	return m.each(ctx, all, func(x *found, r *gcstate.Record) error {
		switch r.Status {
		case gcstate.Available:
			return m.add(x, r, gcstate.Unlinked, PhaseUnlink, reason)
		case gcstate.Unlinked:
			m.skip(SkippedMarked)
		default:
			m.skip(SkippedChanged)
		}
		return nil
	})
}

func (m *marker) skip(why string) { m.skipped[why] = m.skipped[why].Add(0) }

func (m *marker) add(x *found, r *gcstate.Record, to gcstate.Status, why, reason string) error {
	m.reasons[why] = m.reasons[why].Add(x.bytes)
	c := gcop.Change{Kind: x.kind, ID: x.id, From: string(r.Status), Since: r.Since, To: string(to), Reason: reason, Bytes: x.bytes}
	return m.sink.Add(c.Action(), true)
}
