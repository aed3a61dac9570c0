package recall

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
)

// The reasons of changes in the state. A change of this plan is known by its own.
const (
	reasonWanted = "wanted back by "
	reasonBack   = "back, by "
	reasonBeside = "its object is back for another handle, by "
	reasonStays  = "wanted, by "
)

func (b *batch) reason(text string) string { return text + b.shard.Plan }

// given ends the reasons of handles that stay ARCHIVED.
func (b *batch) given() string { return " (" + b.shard.Plan + ")" }

// holder is a handle of an object.
type holder struct {
	gcop.Want
	handle gcstate.Handle
	now    gcstate.Record
	// done: an earlier attempt of this plan has come to its end with it. apart: it is none of those that change by
	// this, whatever comes of the object.
	done, apart bool
}

func (h *holder) name() string { return cooper.Quote(gcop.Handle(h.Kind, h.ID)) }

// change is one of the state that is to be made, or of the owner's column.
type change struct {
	o      *object
	h      *holder
	by     gcstate.Event
	reason string
}

// intend compares the handles with the plan, and makes those RESTORING that are wanted and ARCHIVED: in the state, then
// at their owner's.
func (b *batch) intend(ctx context.Context) error {
	if b.opt.State == nil {
		return nil
	}
	var all []gcstate.Handle
	for _, o := range b.all {
		for _, h := range o.holders {
			all = append(all, h.handle)
		}
	}
	records, err := b.opt.State.Get(ctx, all)
	if err != nil {
		return err
	}
	if len(records) != len(all) {
		return b.miscounted(len(all), len(records))
	}
	var changes []change
	for _, o := range b.all {
		for _, h := range o.holders {
			h.now, records = records[0], records[1:]
			b.compare(o, h)
		}
	}
	for _, o := range b.all {
		if o.fate != unknown { // its handles are not what was planned: they stay what they are
			for _, h := range o.holders {
				h.apart = true
			}
		}
	}
	for _, o := range b.live() {
		for _, h := range o.holders {
			if h.Asked && h.now.Status == gcstate.Archived {
				changes = append(changes, change{o, h, gcstate.Recall, b.reason(reasonWanted)})
			}
		}
	}
	if err := b.change(ctx, changes); err != nil {
		return err
	}
	var wanted []*holder
	for _, o := range b.live() {
		for _, h := range o.holders {
			if h.now.Status == gcstate.Restoring {
				wanted = append(wanted, h)
			}
		}
	}
	return b.tell(ctx, wanted, gcstate.Restoring, gcstate.Archived)
}

// compare tells how far an earlier attempt has come with a handle, and what is not as it was planned.
func (b *batch) compare(o *object, h *holder) {
	r := &h.now
	same := string(r.Status) == h.Status && r.Since == h.Since
	ours := false
	switch r.Status {
	case gcstate.Available:
		h.done = r.Reason == b.reason(reasonBack) || r.Reason == b.reason(reasonStays)
		ours = h.done
	case gcstate.Unlinked:
		h.done = r.Reason == b.reason(reasonBeside)
		ours = h.done || same && o.Stays
	case gcstate.Archiving:
		ours = same && o.Stays
	case gcstate.Restoring:
		ours = !o.Stays && (same || r.Reason == b.reason(reasonWanted))
	case gcstate.Archived:
		ours = !o.Stays && (same || strings.HasSuffix(r.Reason, b.given()))
	}
	switch {
	case ours:
	case h.Asked:
		o.failed(&cooper.Error{Kind: cooper.KindChanged, Where: h.name(), Message: fmt.Sprintf("the handle is %s since %s, and was %s when the plan was made", r.Status, r.Since, h.Status),
			Remedy: "Ask for it again: cooper gc restore"})
	default:
		h.apart = true
	}
}

func (b *batch) miscounted(asked, told int) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + b.shard.Plan, Message: fmt.Sprintf("of %d handles, %d are told of", asked, told)}
}

// change changes handles in the state, in one step. The object of one that was changed by another meanwhile is left.
func (b *batch) change(ctx context.Context, all []change) error {
	if len(all) == 0 {
		return nil
	}
	now := cooper.InstantOf(b.opt.Clock())
	changes := make([]gcstate.Change, len(all))
	for i := range all {
		c, err := all[i].h.now.By(all[i].by, now, all[i].reason, b.run)
		if err != nil {
			return err
		}
		changes[i] = c
	}
	results, err := b.opt.State.Change(ctx, changes)
	if err != nil {
		return err
	}
	if len(results) != len(all) {
		return b.miscounted(len(all), len(results))
	}
	for i, c := range all {
		if c.h.now = results[i].Now; !results[i].Changed {
			c.h.apart = true
			c.o.failed(&cooper.Error{Kind: cooper.KindChanged, Where: c.h.name(), Message: fmt.Sprintf("the handle was changed by somebody else: it is %s since %s", c.h.now.Status, c.h.now.Since),
				Remedy: "Ask for it again: cooper gc restore"})
		}
	}
	return nil
}

// tell writes a status into the owner's column, wherever it has one of some others. What it has otherwise stays, and a
// person is told.
func (b *batch) tell(ctx context.Context, hs []*holder, to gcstate.Status, from ...gcstate.Status) error {
	if b.opt.Owner == nil {
		return nil
	}
	for some := range slices.Chunk(hs, Most) {
		for i, was := range from {
			if len(some) == 0 {
				break
			}
			asked := make([]gcstate.Handle, len(some))
			for i, h := range some {
				asked[i] = h.handle
			}
			now, err := b.opt.Owner.Set(ctx, asked, was, to)
			if err != nil {
				return err
			}
			if len(now) != len(some) {
				return b.miscounted(len(some), len(now))
			}
			var left []*holder
			for j, h := range some {
				switch {
				case now[j] == to, now[j] == gcstate.Available && to != gcstate.Archived, now[j] == gcstate.Archived && to == gcstate.Restoring: // which a column may not tell apart
				case i+1 < len(from):
					left = append(left, h)
				case now[j] == "":
					b.opt.Warn("its owner does not have the handle " + h.name() + " any more")
				default:
					b.opt.Warn(fmt.Sprintf("its owner has the handle %s as %s: not made %s", h.name(), now[j], to))
				}
			}
			some = left
		}
	}
	return nil
}

// settle writes down what came of each object: at the owner's, then in the state. That is told with the next shard's first
// changes, or at the end: the state does not forget it.
func (b *batch) settle(ctx context.Context) error {
	var changes []change
	var back, beside, withheld, stay []*holder
	for _, o := range b.all {
		for _, h := range o.holders {
			switch {
			case h.apart, h.done:
			case o.fate == here && o.Stays:
				stay, changes = append(stay, h), append(changes, change{o, h, gcstate.Spare, b.reason(reasonStays)})
			case o.fate == here && (h.Asked || h.now.Status == gcstate.Restoring):
				back, changes = append(back, h), append(changes, change{o, h, gcstate.Return, b.reason(reasonBack)})
			case o.fate == here:
				beside, changes = append(beside, h), append(changes, change{o, h, gcstate.Beside, b.reason(reasonBeside)})
			case o.fate == fails && !o.Stays && h.now.Status == gcstate.Restoring:
				withheld, changes = append(withheld, h), append(changes, change{o, h, gcstate.Withhold, o.out.Message + b.given()})
			}
		}
	}
	for _, x := range []struct {
		hs   []*holder
		to   gcstate.Status
		from []gcstate.Status
	}{
		{stay, gcstate.Available, []gcstate.Status{gcstate.Unlinked, gcstate.Archiving}},
		{back, gcstate.Available, []gcstate.Status{gcstate.Restoring, gcstate.Archived, gcstate.Archiving}},
		{beside, gcstate.Unlinked, []gcstate.Status{gcstate.Archived, gcstate.Restoring, gcstate.Archiving}},
		{withheld, gcstate.Archived, []gcstate.Status{gcstate.Restoring}},
	} {
		if err := b.tell(ctx, x.hs, x.to, x.from...); err != nil {
			return err
		}
	}
	if b.opt.State == nil {
		return nil
	}
	return b.change(ctx, changes)
}
