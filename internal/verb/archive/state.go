package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
)

// handles are those of some objects for which pick holds.
func handles(some []*object, pick func(*holder) bool) (hs []*holder, of map[*holder]*object) {
	of = map[*holder]*object{}
	for _, o := range some {
		for _, h := range o.holders {
			if pick(h) {
				hs, of[h] = append(hs, h), o
			}
		}
	}
	return hs, of
}

func bare(hs []*holder) []gcstate.Handle {
	all := make([]gcstate.Handle, len(hs))
	for i, h := range hs {
		all[i] = h.handle
	}
	return all
}

// many asks about handles, some at once; got takes in what came of each.
func many[T any](hs []*holder, ask func([]gcstate.Handle) ([]T, error), got func(*holder, T)) error {
	for some := range slices.Chunk(hs, Most) {
		answers, err := ask(bare(some))
		if err != nil {
			return err
		}
		if len(answers) != len(some) {
			return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("of %d handles, %d are told of", len(some), len(answers))}
		}
		for i, h := range some {
			got(h, answers[i])
		}
	}
	return nil
}

// records finds what the state says of handles, and gives those that are not what the plan says.
func (b *batch) records(ctx context.Context, all []*holder) (other []*holder, err error) {
	err = many(all, func(hs []gcstate.Handle) ([]gcstate.Record, error) { return b.opt.State.Get(ctx, hs) }, func(h *holder, r gcstate.Record) {
		if h.now = r; !b.asPlanned(h) {
			other = append(other, h)
		}
	})
	return other, err
}

// asPlanned tells whether a handle is what the plan says, and how far it has come since.
func (b *batch) asPlanned(h *holder) bool {
	r := &h.now
	same := string(r.Status) == h.Status && r.Since == h.Since
	switch r.Status {
	case gcstate.Available, gcstate.Unlinked:
		// An earlier attempt may have come no further, or have given it back, and have been killed before it could say so.
		return same || r.Status == gcstate.Unlinked && (r.Reason == reasonOwner && h.Status == string(gcstate.Available) || strings.HasSuffix(r.Reason, b.given()))
	case gcstate.Archiving:
		h.waits = strings.HasPrefix(r.Reason, gcop.ReasonWaits)
		h.scanned = h.Scanned && h.waits && same
		h.closed = same || r.Reason == b.reason(reasonFence) || strings.HasSuffix(r.Reason, b.given())
		return h.closed
	case gcstate.Archived:
		h.arrived = same || r.Reason == b.reason(reasonArrived)
		return h.arrived
	}
	return false
}

// change changes handles in the state, in one step, and has that told. Who was changed by another meanwhile is left, and
// its object with it.
func (b *batch) change(ctx context.Context, hs []*holder, of map[*holder]*object, by gcstate.Event, reason string) error {
	changes, err := b.changes(hs, by, reason)
	if err != nil {
		return err
	}
	return b.apply(ctx, hs, of, changes)
}

// changes are those of handles by an event.
func (b *batch) changes(hs []*holder, by gcstate.Event, reason string) ([]gcstate.Change, error) {
	now := cooper.InstantOf(b.opt.Clock())
	all := make([]gcstate.Change, len(hs))
	for i, h := range hs {
		c, err := h.now.By(by, now, reason, b.run)
		if err != nil {
			return nil, err
		}
		all[i] = c
	}
	return all, nil
}

// apply is change, of changes that are known.
func (b *batch) apply(ctx context.Context, hs []*holder, of map[*holder]*object, changes []gcstate.Change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := b.set(ctx, hs, of, changes); err != nil {
		return err
	}
	return b.opt.Tell(ctx)
}

// set is apply without telling.
func (b *batch) set(ctx context.Context, hs []*holder, of map[*holder]*object, changes []gcstate.Change) error {
	results, err := b.opt.State.Change(ctx, changes)
	if err != nil {
		return err
	}
	if len(results) != len(changes) {
		return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + b.shard.Plan, Message: fmt.Sprintf("of %d changes, the state tells of %d", len(changes), len(results))}
	}
	for i, h := range hs {
		h.now = results[i].Now
		if !results[i].Changed && of[h] != nil {
			of[h].fail(cooper.KindChanged, fmt.Sprintf("the handle %s was changed by somebody else: it is %s since %s", names([]*holder{h}), h.now.Status, h.now.Since), "Look anew: cooper gc detect")
			h.back, h.closed = "", false // it is not ours
		}
	}
	return nil
}
