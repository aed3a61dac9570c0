package archive

import (
	"context"
	"fmt"
	"slices"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/gcstate"
)

// remove has the originals removed, bucket by bucket.
func (b *batch) remove(ctx context.Context) error {
	for some := b.live(); len(some) > 0; {
		n := slices.IndexFunc(some, func(o *object) bool { return o.bucket != some[0].bucket })
		if n < 0 {
			n = len(some)
		}
		if err := b.removeFrom(ctx, some[0].from.Remover, some[:n]); err != nil {
			return err
		}
		some = some[n:]
	}
	return nil
}

func (b *batch) removeFrom(ctx context.Context, r Remover, some []*object) error {
	var actions []cooper.Action
	var outs []cooper.Outcome
	for _, o := range some {
		for _, it := range o.items {
			a := cooper.Action{ID: it.ID, Verb: bucketop.Remove, Version: it.Version}
			a.Args = bucketop.Args{Last: it.args.Last, Guard: it.args.Guard, Reason: it.args.Reason}.Encode()
			actions, outs = append(actions, a), append(outs, cooper.Outcome{Action: a.ID, Verb: a.Verb, Identity: a.Version.Identity})
		}
	}
	if err := r.Remove(ctx, b.permit, actions, outs); err != nil {
		return err
	}
	for _, o := range some {
		var failed *item
		for _, it := range o.items {
			out := &outs[0]
			outs = outs[1:]
			it.out.Requests += out.Requests
			if out.Status == cooper.Done {
				it.done()
				continue
			}
			it.settled, it.out.Status, it.out.Kind, it.out.Message, it.out.Remedy = true, out.Status, out.Kind, out.Message+"; its copy is in the archive, under "+cooper.Quote(it.args.To), out.Remedy
			failed = it
		}
		if o.gone = failed == nil; !o.gone {
			o.release("its original stays: " + failed.out.Message)
		}
	}
	return nil
}

// arrive makes the handles ARCHIVED whose objects have gone: in the owner's column, then in the state.
func (b *batch) arrive(ctx context.Context) error {
	var gone []*object
	for _, o := range b.all {
		if o.gone {
			gone = append(gone, o)
		}
	}
	hs, of := handles(gone, func(h *holder) bool { return h.closed })
	if b.opt.Fence != nil {
		all, _ := handles(gone, func(h *holder) bool { return h.closed || h.arrived })
		err := many(all, func(hs []gcstate.Handle) ([]gcstate.Status, error) {
			return b.opt.Fence.Set(ctx, hs, gcstate.Archiving, gcstate.Archived)
		}, func(h *holder, now gcstate.Status) {
			if now != gcstate.Archived && now != "" {
				b.opt.Warn(fmt.Sprintf("%s is in the archive, and its owner has made it %s meanwhile: restore it, or set it to ARCHIVED", names([]*holder{h}), now))
			}
		})
		if err != nil {
			return err
		}
	}
	if err := b.change(ctx, hs, nil, gcstate.Arrive, b.reason(reasonArrived)); err != nil {
		return err
	}
	for _, h := range hs {
		h.closed, h.arrived = false, true
		if h.now.Status != gcstate.Archived {
			b.opt.Warn(fmt.Sprintf("%s is in the archive, and somebody has made it %s in the state meanwhile", of[h].where(), h.now.Status))
		}
	}
	return nil
}
