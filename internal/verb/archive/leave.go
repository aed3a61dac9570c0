package archive

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/gcstate"
	"cooper/internal/look"
)

// remove has the originals removed, bucket by bucket, of each right after its owner's word was read again.
func (b *batch) remove(ctx context.Context) error {
	for some := b.live(); len(some) > 0; {
		n := slices.IndexFunc(some, func(o *object) bool { return o.bucket != some[0].bucket })
		if n < 0 {
			n = len(some)
		}
		if err := b.reread(ctx, some[:n]); err != nil {
			return err
		}
		going := slices.DeleteFunc(slices.Clone(some[:n]), func(o *object) bool { return !o.alive() })
		if err := b.removeFrom(ctx, some[0].from.Remover, going); err != nil {
			return err
		}
		some = some[n:]
	}
	return nil
}

// reread looks at the owner's column once more: nobody but Cooper has a reason to open a closed handle, and somebody may
// have done so by hand all the same, since the look. What is not ARCHIVING any more keeps its object. What is opened from
// here on until the object has gone, in an instant, is not seen.
func (b *batch) reread(ctx context.Context, some []*object) error {
	if b.opt.Fence == nil {
		return nil
	}
	all, of := handles(some, func(h *holder) bool { return h.closed || h.arrived })
	return many(all, func(hs []gcstate.Handle) ([]gcstate.Status, error) {
		return b.opt.Fence.Set(ctx, hs, gcstate.Archiving, gcstate.Archiving)
	}, func(h *holder, now gcstate.Status) {
		if now == gcstate.Archiving || now == gcstate.Archived && (h.arrived || of[h].proven()) || now == "" && h.arrived {
			return
		}
		if now == gcstate.Available && h.closed {
			h.back, h.why = gcstate.Relink, "its owner has it as AVAILABLE"
		}
		of[h].fail(cooper.KindConflict, fmt.Sprintf("its owner has made the handle %s %s while it was copied; its copy is in the archive, under %s",
			names([]*holder{h}), cmp.Or(string(now), "go"), cooper.Quote(of[h].items[0].args.To)), "Look anew: cooper gc detect")
	})
}

func (b *batch) removeFrom(ctx context.Context, r Remover, some []*object) error {
	if len(some) == 0 {
		return nil
	}
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

// finish finds objects whose originals an earlier attempt has removed, and of which only the last step is left. What
// has neither its originals nor its proven copy is nobody's to decide about: its handles stay as they are.
func (b *batch) finish(ctx context.Context) error {
	var some []*object
	for _, o := range b.all {
		if o.proven() {
			some = append(some, o)
		}
	}
	if len(some) == 0 {
		return nil
	}
	if err := b.lookHere(ctx, some); err != nil {
		return err
	}
	some = slices.DeleteFunc(some, func(o *object) bool { return o.stands })
	if len(some) == 0 {
		return nil
	}
	if err := b.lookThere(ctx, some); err != nil {
		return err
	}
	all, _ := handles(some, func(*holder) bool { return true })
	other, err := b.records(ctx, all)
	if err != nil {
		return err
	}
	for _, o := range some {
		if err := b.copyObject(ctx, o); err != nil {
			return err
		}
		if o.out { // its handles are not given back: there is nothing to read
			for _, h := range o.holders {
				h.back = ""
			}
			b.opt.Warn(o.where() + " has gone, and its proven copy is not in the archive as it was: " + o.items[0].out.Message)
			continue
		}
		o.gone = true
		for _, it := range o.items {
			it.done()
		}
	}
	for _, h := range other {
		b.opt.Warn(fmt.Sprintf("the object of %s has gone to the archive, and it is %s in the state", names([]*holder{h}), h.now.Status))
	}
	return nil
}

// lookHere finds out whether objects are in their places: any of their versions, or another one that can be read.
func (b *batch) lookHere(ctx context.Context, some []*object) error {
	for len(some) > 0 {
		n := slices.IndexFunc(some, func(o *object) bool { return o.bucket != some[0].bucket })
		if n < 0 {
			n = len(some)
		}
		keys := make([]string, n)
		for i, o := range some[:n] {
			keys[i] = o.key
		}
		requests, err := look.Keys(ctx, some[0].from.Bucket, "", keys, func(i int, v *cooper.Version) {
			o := some[i]
			planned := slices.ContainsFunc(o.items, func(it *item) bool {
				return it.Version.VersionID == v.VersionID && look.Is(&it.Version, v) != look.Another
			})
			o.stands = o.stands || planned || v.Latest && !v.DeleteMarker
		})
		some[0].items[0].out.Requests += requests
		if err != nil {
			return err
		}
		some = some[n:]
	}
	return nil
}

// arrive makes the handles ARCHIVED whose objects have gone: in the owner's column, then in the state. That is told with the
// next shard's first changes, or at the end: the state does not forget it.
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
	changes, err := b.changes(hs, gcstate.Arrive, b.reason(reasonArrived))
	if err == nil && len(changes) > 0 {
		err = b.set(ctx, hs, nil, changes)
	}
	if err != nil {
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
