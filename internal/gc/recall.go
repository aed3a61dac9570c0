package gc

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/plan"
)

// MissionRecall is the name of plans that bring objects back from the archive.
const MissionRecall = "gc-recall"

// Why objects are brought back, and why handles that were asked for are left.
const (
	reasonWanted     = "wanted"            // ARCHIVED
	reasonWaited     = "asked for before"  // RESTORING
	reasonStays      = "not gone yet"      // UNLINKED or ARCHIVING
	reasonFromDepot  = "in the archive"    // by the archive alone
	SkippedAvailable = "AVAILABLE already" // by the state
	SkippedDeleted   = "deleted for good"  // DELETED
	SkippedInTheWay  = "something else is in its place"
)

// Wanted is an object of which handles are asked for, with all of its handles; none where no handle names it.
type Wanted struct {
	Bucket, Key string // Key is that of the handles
	Bytes       int64
	Handles     []WantedHandle
}

// WantedHandle is one of its handles. Asked: this one is to be AVAILABLE again.
type WantedHandle struct {
	Kind, ID string
	Asked    bool
}

// Recall is all that a plan that brings objects back follows from.
type Recall struct {
	Recalling gcop.Recalling
	// Wanted are the objects, by bucket and key, bytewise.
	Wanted iter.Seq2[Wanted, error]
	// State is asked for what the handles are, unless the archive alone says what there is.
	State    gcstate.State
	Store    *cooper.Store
	Warnings []string
	ID       string // of the plan
	Now      cooper.Instant
}

// RecallLimits are those of a plan that brings objects back.
var RecallLimits = plan.Limits{Actions: gcop.RecallsAShard, Bytes: 256 << 30}

// PlanRecall writes the plan that brings objects back for the handles that are asked for: what is in the archive comes
// back, what has not gone yet stays.
func PlanRecall(ctx context.Context, in Recall, w plan.Sink) (plan.Header, error) {
	p := recaller{in: &in, sink: w, reasons: map[string]plan.Tally{}, skipped: map[string]plan.Tally{}}
	if in.Recalling.FromArchive != (in.State == nil) {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + in.ID, Message: "it is not known whether a state is to be asked"}
	}
	if err := w.Phase(gcop.Recall); err != nil {
		return plan.Header{}, err
	}
	var some []Wanted
	for x, err := range in.Wanted {
		if err != nil {
			return plan.Header{}, err
		}
		if n := len(some); n > 0 {
			p.last = some[n-1]
		}
		if x.Bucket < p.last.Bucket || x.Bucket == p.last.Bucket && x.Key <= p.last.Key {
			return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(x.Bucket + "/" + x.Key), Message: "the objects that are wanted are not in order"}
		}
		if some = append(some, x); len(some) == gcop.RecallsAShard {
			p.last = x
			if err := p.some(ctx, some); err != nil {
				return plan.Header{}, err
			}
			some = some[:0]
		}
	}
	if err := p.some(ctx, some); err != nil {
		return plan.Header{}, err
	}
	return p.finish()
}

// recaller writes the actions of a plan.
type recaller struct {
	in               *Recall
	sink             plan.Sink
	last             Wanted
	reasons, skipped map[string]plan.Tally
}

// some asks the state for the handles of some objects, and plans these.
func (p *recaller) some(ctx context.Context, some []Wanted) error {
	var asked []gcstate.Handle
	for i := range some {
		for _, h := range some[i].Handles {
			asked = append(asked, gcstate.Handle{Scope: p.in.Recalling.Scope, Kind: h.Kind, ID: h.ID})
		}
	}
	records := make([]gcstate.Record, len(asked))
	if p.in.State == nil { // what is in the archive was archived
		for i, h := range asked {
			records[i] = gcstate.Record{Handle: h, Status: gcstate.Archived}
		}
	} else {
		var err error
		if records, err = p.in.State.Get(ctx, asked); err != nil {
			return err
		}
	}
	if len(records) != len(asked) {
		return &cooper.Error{Kind: cooper.KindInternal, Where: p.in.Recalling.Scope, Message: fmt.Sprintf("of %d handles, the state tells of %d", len(asked), len(records))}
	}
	for i := range some {
		x := &some[i]
		n := len(x.Handles)
		if err := p.object(x, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// object plans an object: for those of its handles that are asked for and in the archive it comes back, for those that are
// UNLINKED or on their way it stays.
func (p *recaller) object(x *Wanted, records []gcstate.Record) error {
	var gone, stay []gcop.Want
	wanted, waited := false, false
	for i, h := range x.Handles {
		r := &records[i]
		w := gcop.Want{Kind: h.Kind, ID: h.ID, Status: string(r.Status), Since: r.Since, Asked: h.Asked}
		switch r.Status {
		case gcstate.Archived:
			gone, wanted = append(gone, w), wanted || h.Asked
		case gcstate.Restoring: // somebody has asked for it before
			w.Asked = true
			gone, wanted, waited = append(gone, w), true, true
		case gcstate.Unlinked, gcstate.Archiving:
			if h.Asked {
				stay = append(stay, w)
			}
		case gcstate.Deleted:
			p.skip(SkippedDeleted, h.Asked)
		case gcstate.Available:
			p.skip(SkippedAvailable, h.Asked)
		}
	}
	reason := reasonWanted
	switch {
	case p.in.State == nil:
		reason = reasonFromDepot
	case waited:
		reason = reasonWaited
	}
	switch {
	case len(stay) > 0: // written anew, if others of its handles are archived: what is there now would be in their way
		if wanted {
			p.skipped[SkippedInTheWay] = p.skipped[SkippedInTheWay].Add(x.Bytes)
		}
		return p.add(gcop.Recalled{Bucket: x.Bucket, Key: x.Key, Bytes: x.Bytes, Stays: true, Handles: stay, Reason: reasonStays})
	case wanted, len(x.Handles) == 0 && p.in.State == nil:
		return p.add(gcop.Recalled{Bucket: x.Bucket, Key: x.Key, Bytes: x.Bytes, Handles: gone, Reason: reason})
	}
	return nil
}

func (p *recaller) skip(why string, asked bool) {
	if asked {
		p.skipped[why] = p.skipped[why].Add(0)
	}
}

func (p *recaller) add(r gcop.Recalled) error {
	action, err := r.Action()
	if err != nil {
		return err
	}
	p.reasons[r.Reason] = p.reasons[r.Reason].Add(max(0, r.Bytes))
	return p.sink.Add(action, true)
}

// finish writes the header.
func (p *recaller) finish() (plan.Header, error) {
	in := p.in
	policy, err := json.Marshal(map[string]any{"recalling": in.Recalling})
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	decided, err := json.Marshal(map[string]any{"scope": in.Recalling.Scope, "from_archive": in.Recalling.FromArchive})
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	return p.sink.Finish(plan.Header{
		ID: in.ID, Mission: MissionRecall, Created: in.Now, Policy: policy, Decided: decided, Partial: true, Store: in.Store,
		Target:  plan.Target{Kind: gcop.ArchiveKind, Path: "s3://" + in.Recalling.Bucket + "/"},
		Reasons: p.reasons, Skipped: p.skipped, Warnings: in.Warnings,
	})
}
