package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/store"
)

// giveBackOnly gives handles back that a run has left ARCHIVING, and that are not to go.
//
// It may do so because nothing has gone: no plan is moving them, as the journals say, and each version that the
// snapshot has was seen in its place. Nobody removes any meanwhile, by the locks that the caller holds. A crash after
// the owner's column was written leaves them ARCHIVING in the state, where the next plan finds them.
func (b *batch) giveBackOnly(ctx context.Context, actions []cooper.Action) (err error) {
	if b.all, err = b.divideBack(actions); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{b.unmoved, b.closed, b.inPlace, b.backAtOwner, b.backInState} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for _, o := range b.live() {
		for _, it := range o.items {
			it.done()
		}
	}
	return nil
}

// divideBack puts versions together to objects.
func (b *batch) divideBack(actions []cooper.Action) (all []*object, err error) {
	left := 0
	for i := range actions {
		a := &actions[i]
		g, err := gcop.GivenBackOf(a)
		if err != nil {
			return nil, err
		}
		from, known := b.opt.From[g.Bucket]
		if !known || b.opt.Fence == nil || (g.Versions > 0) != (left == 0) {
			return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(a.Version.Key), Message: "it is not known what is to be given back", Remedy: "Make a new plan with this version of cooper."}
		}
		if g.Versions > 0 {
			o := &object{bucket: g.Bucket, key: a.Version.Key, from: from}
			for _, h := range g.Handles {
				o.holders = append(o.holders, &holder{Holder: h, handle: gcstate.Handle{Scope: b.archiving.Scope, Kind: h.Kind, ID: h.ID}, why: g.Reason})
			}
			all, left = append(all, o), g.Versions
		}
		left--
		o := all[len(all)-1]
		if a.Version.Key != o.key || g.Bucket != o.bucket {
			return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: o.where(), Message: "the versions of an object do not stand together", Remedy: "Make a new plan with this version of cooper."}
		}
		o.items = append(o.items, &item{Action: a, args: gcop.Archival{Bucket: g.Bucket}, out: &b.outs[i]})
	}
	if left > 0 {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: b.shard.Plan, Message: "the plan has not all versions of an object", Remedy: "Make a new plan with this version of cooper."}
	}
	return all, nil
}

// unmoved leaves all where objects may be moving, or what the plan rests on is another by now.
func (b *batch) unmoved(context.Context) error {
	why := b.stale
	if b.opt.Moving != nil {
		ids, err := b.opt.Moving()
		if err != nil {
			return err
		}
		if ids = slices.DeleteFunc(ids, func(id string) bool { return id == b.shard.Plan }); len(ids) > 0 {
			why = "objects were moving when the run of plan " + ids[0] + " was stopped"
		}
	}
	if why != "" {
		for _, o := range b.live() {
			o.stay(cooper.KindChanged, "stays closed: "+why, "Let cooper gc run archive come to its end; look anew, and plan again: cooper gc detect")
		}
	}
	return nil
}

// stay makes a failure of all of an object's versions: its handles stay what they are.
func (o *object) stay(kind cooper.Kind, why, remedy string) {
	o.out = true
	for _, it := range o.items {
		it.settled, it.out.Status, it.out.Kind, it.out.Message, it.out.Remedy = true, cooper.Failed, kind, why, remedy
	}
}

// closed wants each handle to be ARCHIVING since the very time that the plan says, or given back by an earlier attempt.
func (b *batch) closed(ctx context.Context) error {
	all, of := handles(b.live(), func(*holder) bool { return true })
	return many(all, func(hs []gcstate.Handle) ([]gcstate.Record, error) { return b.opt.State.Get(ctx, hs) }, func(h *holder, r gcstate.Record) {
		switch h.now = r; {
		case r.Status == gcstate.Archiving && r.Since == h.Since:
			h.closed, h.back = true, gcstate.GiveBack
			if h.Linked {
				h.back = gcstate.Relink
			}
		case r.Status == gcstate.Archiving, !strings.HasSuffix(r.Reason, b.given()):
			of[h].stay(cooper.KindChanged, fmt.Sprintf("the handle %s is %s since %s, and was %s when the plan was made", names([]*holder{h}), r.Status, r.Since, h.Status), "Look anew: cooper gc detect")
		}
	})
}

// inPlace sees each version of the objects in its place.
func (b *batch) inPlace(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.opt.Jobs)
	for _, o := range b.live() {
		g.Go(func() error {
			for _, it := range o.items {
				err := b.isThere(ctx, o, it)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err != nil && cooper.KindOf(err).EndsRun() {
					return err
				}
				if err != nil {
					o.stay(cooper.KindOf(err), "its handles stay closed, as its bytes were not seen in their place: "+err.Error(), "If some of it has gone, let cooper gc run archive come to its end, or bring it back: cooper gc restore")
					return nil
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// isThere sees one of them. A delete marker has no bytes to be seen.
func (b *batch) isThere(ctx context.Context, o *object, it *item) error {
	v := &it.Version
	if v.DeleteMarker {
		return nil
	}
	it.out.Requests++
	there, err := o.from.Bucket.Head(ctx, store.Ref{Key: v.Key, VersionID: v.VersionID, IfMatch: v.ETag, Size: v.Size}, 0)
	if err != nil {
		return err
	}
	if there.Key = v.Key; there.VersionID == "" {
		there.VersionID = v.VersionID
	}
	if d, differs := store.Differs(v, &there); differs {
		return it.error(cooper.KindChanged, "is another version than the snapshot has: "+d.String(), "")
	}
	return nil
}

// backAtOwner gives handles back in the owner's column, wherever the run that has left them was killed: what it has
// not closed there is UNLINKED. What the owner has made AVAILABLE is so.
func (b *batch) backAtOwner(ctx context.Context) error {
	set := func(hs []*holder, from, to gcstate.Status, got func(*holder, gcstate.Status)) error {
		return many(hs, func(hs []gcstate.Handle) ([]gcstate.Status, error) { return b.opt.Fence.Set(ctx, hs, from, to) }, got)
	}
	all, of := handles(b.live(), func(h *holder) bool { return h.closed })
	said := map[*holder]gcstate.Status{}
	var open, linked []*holder
	for _, h := range all {
		if h.back == gcstate.Relink {
			linked = append(linked, h)
		} else {
			open = append(open, h)
		}
	}
	var unclosed []*holder // linked, and never closed at their owner's
	err := errors.Join(
		set(open, gcstate.Archiving, gcstate.Unlinked, func(h *holder, now gcstate.Status) { said[h] = now }),
		set(linked, gcstate.Archiving, gcstate.Available, func(h *holder, now gcstate.Status) {
			if said[h] = now; now == gcstate.Unlinked {
				unclosed = append(unclosed, h)
			}
		}),
	)
	if err == nil {
		err = set(unclosed, gcstate.Unlinked, gcstate.Available, func(h *holder, now gcstate.Status) { said[h] = now })
	}
	if err != nil {
		return err
	}
	for _, h := range all {
		switch now := said[h]; {
		case now == gcstate.Available && h.back == gcstate.GiveBack:
			h.back, h.why = gcstate.Relink, "its owner has it as AVAILABLE"
		case now == gcstate.Available, now == gcstate.Unlinked && h.back == gcstate.GiveBack, now == "":
		default:
			of[h].stay(cooper.KindConflict, fmt.Sprintf("its owner has the handle %s as %s", names([]*holder{h}), now), "See what became of it: cooper gc history "+h.ID)
		}
	}
	return nil
}

// backInState gives them back in the state, which is told.
func (b *batch) backInState(ctx context.Context) error {
	for _, event := range []gcstate.Event{gcstate.GiveBack, gcstate.Relink} {
		hs, of := handles(b.live(), func(h *holder) bool { return h.closed && h.back == event })
		now := cooper.InstantOf(b.opt.Clock())
		changes := make([]gcstate.Change, len(hs))
		for i, h := range hs {
			c, err := h.now.By(event, now, h.why+b.given(), b.run)
			if err != nil {
				return err
			}
			changes[i] = c
		}
		if err := b.apply(ctx, hs, of, changes); err != nil {
			return err
		}
	}
	return nil
}
