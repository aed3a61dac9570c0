package archive

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
)

// The reasons of changes in the state. A change of this plan is known by its own.
const (
	reasonFence   = "archived by "
	reasonArrived = "moved to the archive by "
	reasonOwner   = "its owner has it as UNLINKED"
)

func (b *batch) reason(text string) string { return text + b.shard.Plan }

// given ends the reasons of handles that this plan has given back.
func (b *batch) given() string { return " (" + b.shard.Plan + ")" }

// intend makes the handles ARCHIVING in the state, each only if it is what the plan says, or what an
// earlier attempt of it has made of it.
func (b *batch) intend(ctx context.Context) error {
	all, of := handles(b.live(), func(*holder) bool { return true })
	other, err := b.records(ctx, all)
	if err != nil {
		return err
	}
	for _, h := range other { // only now: what was closed before goes back with its object
		if h.now.Status == gcstate.Available && strings.HasSuffix(h.now.Reason, b.given()) {
			of[h].fail(cooper.KindConflict, fmt.Sprintf("the handle %s was given back: %s", names([]*holder{h}), h.now.Reason), "")
			continue
		}
		of[h].fail(cooper.KindChanged, fmt.Sprintf("the handle %s is %s since %s, and was %s when the plan was made", names([]*holder{h}), h.now.Status, h.now.Since, h.Status), "Look anew: cooper gc detect")
	}
	if b.stale != "" {
		for _, o := range b.live() {
			o.fail(cooper.KindChanged, "stays: "+b.stale, "Look anew, and plan again: cooper gc detect")
		}
		return nil
	}
	// A handle that its owner alone has as UNLINKED is so here, too, from now on.
	unlinked, of := handles(b.live(), func(h *holder) bool { return h.now.Status == gcstate.Available })
	if err := b.change(ctx, unlinked, of, gcstate.Unlink, reasonOwner); err != nil {
		return err
	}
	open, of := handles(b.live(), func(h *holder) bool { return !h.closed && !h.arrived })
	for _, h := range open {
		h.closed = true // unless it turns out that it is not ours to close
	}
	changes, err := b.changes(open, gcstate.Fence, b.reason(reasonFence))
	if err != nil || len(changes) == 0 {
		return err
	}
	return b.set(ctx, open, of, changes) // which is told while objects are copied, or with what is given back
}

// fence closes the handles at their owner's. One that is not UNLINKED there keeps its object.
func (b *batch) fence(ctx context.Context) error {
	if b.opt.Fence == nil {
		return nil
	}
	// Of one that waits for a scan it matters that it was never open since. The state forgets first that it waits: once
	// it is closed again, nobody could tell.
	waiting, of := handles(b.live(), func(h *holder) bool { return h.waits })
	var hs []*holder
	err := many(waiting, func(hs []gcstate.Handle) ([]gcstate.Status, error) {
		return b.opt.Fence.Set(ctx, hs, gcstate.Archiving, gcstate.Archiving)
	}, func(h *holder, now gcstate.Status) {
		if now != gcstate.Archiving {
			h.waits, h.scanned = false, false
			hs = append(hs, h)
		}
	})
	if err != nil {
		return err
	}
	if err := b.anew(ctx, hs, of, b.reason(reasonFence)); err != nil {
		return err
	}
	closing, of := handles(b.live(), func(h *holder) bool { return h.closed })
	return many(closing, func(hs []gcstate.Handle) ([]gcstate.Status, error) { return b.opt.Fence.Close(ctx, hs) }, func(h *holder, now gcstate.Status) {
		switch {
		case now == gcstate.Archiving, now == gcstate.Archived && of[h].proven(): // which an earlier attempt has written
			return
		case now == gcstate.Available:
			h.back, h.why = gcstate.Relink, "its owner has it as AVAILABLE"
		}
		why := fmt.Sprintf("its owner has the handle %s as %s", names([]*holder{h}), now)
		if now == "" {
			why = fmt.Sprintf("its owner does not have the handle %s any more", names([]*holder{h}))
		}
		of[h].fail(cooper.KindConflict, why, "Look anew: cooper gc detect")
	})
}

// wait waits until whoever began before the fence is done. Who has to wait for too long, or is told to stop, gives back
// what it has closed.
func (b *batch) wait(ctx context.Context) error {
	if b.opt.Fence == nil || len(b.live()) == 0 {
		return nil
	}
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	if b.opt.Stop != nil {
		go func() {
			select {
			case <-b.opt.Stop:
				cancel(&cooper.Error{Kind: cooper.KindInterrupted, Message: "stopped while it waited for transactions to end"})
			case <-ended:
			}
		}()
	}
	err := b.opt.Fence.Settle(waiting)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case waiting.Err() != nil:
		return b.without(ctx, context.Cause(waiting))
	case cooper.KindOf(err) != cooper.KindTimeout:
		return err
	}
	for _, o := range b.live() {
		o.fail(cooper.KindTimeout, "a transaction that was open when its handles were closed has not ended: "+err.Error(), "See which it is, and end it; cooper gc run archive tries again.")
	}
	return nil
}

// without gives all back that is closed and has not gone, and ends the run with an error.
func (b *batch) without(ctx context.Context, err error) error {
	for _, o := range b.live() {
		o.release("the run was stopped")
	}
	if failed := b.giveBack(ctx); failed != nil {
		return failed
	}
	return err
}

// look tells which handles may not go by what is seen now.
func (b *batch) look(ctx context.Context) error {
	if b.opt.Fence == nil {
		return nil
	}
	all, of := handles(b.live(), func(*holder) bool { return true })
	err := many(all, func(hs []gcstate.Handle) ([]string, error) { return b.opt.Held(ctx, hs) }, func(h *holder, why string) {
		if why != "" {
			of[h].fail(cooper.KindConflict, fmt.Sprintf("the handle %s is kept: %s", names([]*holder{h}), why), "")
		}
	})
	if err != nil {
		return err
	}
	all, of = handles(b.live(), func(*holder) bool { return true })
	blind := map[*object]string{}
	for some := range slices.Chunk(all, Most) {
		asked := make([]Asked, len(some))
		for i, h := range some {
			o := of[h]
			asked[i] = Asked{Handle: h.handle, Bucket: o.bucket, Key: o.named()}
		}
		sights, err := b.opt.Fence.Look(ctx, asked)
		if err != nil {
			return err
		}
		if len(sights) != len(some) {
			return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("of %d handles, %d are told of", len(some), len(sights))}
		}
		for i, h := range some {
			s := &sights[i]
			switch {
			case s.Why != "" || s.Linked:
				if s.Linked && h.closed {
					h.back, h.why = gcstate.Relink, "linked: "+s.Why
				}
				of[h].fail(cooper.KindConflict, fmt.Sprintf("the handle %s stays: %s", names([]*holder{h}), s.Why), "")
			case s.Blind != "" && !h.scanned:
				blind[of[h]] = s.Blind
			}
		}
	}
	return b.scans(ctx, blind)
}

// named is the key that its handles have.
func (o *object) named() string {
	if k := o.items[0].args.For; k != "" {
		return k
	}
	return o.key
}

// scans leaves objects closed whose links a scan alone can see. From when on it counts, the state says: since the change
// that gives this reason, which comes after all transactions that were open at the fence have ended.
func (b *batch) scans(ctx context.Context, blind map[*object]string) error {
	last := slices.Max(slices.Collect(maps.Keys(b.opt.Read)))
	var hs []*holder
	for _, o := range b.live() {
		what, ok := blind[o]
		if !ok {
			continue
		}
		for _, h := range o.holders {
			if h.closed && !h.waits {
				hs = append(hs, h)
			}
		}
		o.postpone("its handles are closed, and wait for a complete scan: links in "+what+" cannot be looked up", "Scan, detect, and archive again: cooper gc scan; cooper gc detect; cooper gc run archive")
	}
	return b.anew(ctx, hs, nil, gcop.ReasonWaits+last+b.given())
}

// anew makes handles ARCHIVING from now on that are so already, for another reason.
func (b *batch) anew(ctx context.Context, hs []*holder, of map[*holder]*object, reason string) error {
	now := cooper.InstantOf(b.opt.Clock())
	var twice []*holder
	var changes []gcstate.Change
	for _, h := range hs {
		back, err := h.now.By(gcstate.GiveBack, now, reason, b.run)
		if err != nil {
			return err
		}
		again := back
		again.From, again.To, again.Since = back.To, back.From, max(now, back.Since+1)
		twice, changes = append(twice, h, h), append(changes, back, again)
	}
	return b.apply(ctx, twice, of, changes)
}

// giveBack gives handles back that are closed and do not go: in the owner's column first, then in the state. What the
// owner has made AVAILABLE himself is so.
func (b *batch) giveBack(ctx context.Context) error {
	back, _ := handles(b.all, func(h *holder) bool { return h.back != "" })
	if len(back) == 0 {
		return nil
	}
	if b.opt.Fence != nil {
		for _, event := range []gcstate.Event{gcstate.GiveBack, gcstate.Relink} {
			some := slices.DeleteFunc(slices.Clone(back), func(h *holder) bool { return h.back != event })
			to, _ := gcstate.After(gcstate.Archiving, event)
			err := many(some, func(hs []gcstate.Handle) ([]gcstate.Status, error) {
				return b.opt.Fence.Set(ctx, hs, gcstate.Archiving, to)
			}, func(h *holder, now gcstate.Status) {
				if now == gcstate.Available {
					h.back = gcstate.Relink
				}
			})
			if err != nil {
				return err
			}
		}
	}
	changes := make([]gcstate.Change, len(back))
	now := cooper.InstantOf(b.opt.Clock())
	for i, h := range back {
		c, err := h.now.By(h.back, now, h.why+b.given(), b.run)
		if err != nil {
			return err
		}
		changes[i] = c
	}
	err := b.apply(ctx, back, nil, changes)
	for _, h := range back {
		h.back, h.closed = "", false
	}
	return err
}
