package forget

import (
	"context"
	"fmt"
	"slices"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
)

const anew = "Look anew, and plan again: cooper gc detect; cooper gc run delete"

// each asks about the handles of objects that may still go, some at once; got takes in what came of each.
func each[T any](some []*object, ask func([]gcstate.Handle) ([]T, error), got func(*object, gcop.Holder, T)) error {
	type one struct {
		o *object
		i int
	}
	var all []one
	for _, o := range some {
		for i := range o.handles {
			all = append(all, one{o, i})
		}
	}
	for some := range slices.Chunk(all, Most) {
		hs := make([]gcstate.Handle, len(some))
		for i, x := range some {
			hs[i] = x.o.handles[x.i]
		}
		answers, err := ask(hs)
		if err != nil {
			return err
		}
		if len(answers) != len(some) {
			return miscounted(len(some), len(answers))
		}
		for i, x := range some {
			got(x.o, x.o.Handles[x.i], answers[i])
		}
	}
	return nil
}

func miscounted(asked, told int) error {
	return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("of %d handles, or objects, %d are told of", asked, told)}
}

func nameOf(h gcop.Holder) string { return cooper.Quote(gcop.Handle(h.Kind, h.ID)) }

// records leaves objects whose handles are not what the plan says, or were asked for.
func (b *batch) records(ctx context.Context) error {
	err := each(b.live(), func(hs []gcstate.Handle) ([]gcstate.Record, error) { return b.opt.State.Get(ctx, hs) }, func(o *object, h gcop.Holder, r gcstate.Record) {
		if string(r.Status) != h.Status || r.Since != h.Since {
			o.stays(cooper.KindChanged, fmt.Sprintf("the handle %s is %s since %s, and was %s when the plan was made", nameOf(h), r.Status, r.Since, h.Status), anew)
		}
		if o.Class == gcop.Expired && r.Status != gcstate.Archived {
			o.stays(cooper.KindChanged, fmt.Sprintf("the handle %s is %s", nameOf(h), r.Status), anew)
		}
	})
	if err != nil {
		return err
	}
	return each(b.expired(), func(hs []gcstate.Handle) ([]string, error) { return b.opt.Held(ctx, hs) }, func(o *object, h gcop.Holder, why string) {
		if why != "" {
			o.stays(cooper.KindConflict, fmt.Sprintf("the handle %s is kept: %s", nameOf(h), why), "")
		}
	})
}

// expired are those whose bytes are nowhere else.
func (b *batch) expired() []*object {
	return slices.DeleteFunc(b.live(), func(o *object) bool { return o.Class != gcop.Expired })
}

// owners leaves objects of which a handle is anything but ARCHIVED by its owner.
func (b *batch) owners(ctx context.Context) error {
	return each(b.expired(), func(hs []gcstate.Handle) ([]gcstate.Status, error) {
		return b.opt.Owner.Set(ctx, hs, gcstate.Archived, gcstate.Archived)
	}, func(o *object, h gcop.Holder, now gcstate.Status) {
		switch now {
		case gcstate.Archived:
		case "":
			o.stays(cooper.KindConflict, "its owner does not have the handle "+nameOf(h)+" any more, or as nothing that is known", anew)
		default:
			o.stays(cooper.KindConflict, fmt.Sprintf("its owner has the handle %s as %s", nameOf(h), now), "If it is wanted: cooper gc restore "+gcop.Handle(h.Kind, h.ID))
		}
	})
}

// links leaves objects of which a handle is kept by what is seen now.
func (b *batch) links(ctx context.Context) error {
	var objects []*object
	some := b.expired()
	for _, o := range some {
		for range o.handles {
			objects = append(objects, o)
		}
	}
	return each(some, func(hs []gcstate.Handle) ([]Sight, error) {
		asked := make([]Asked, len(hs))
		for i, h := range hs {
			asked[i] = Asked{h, Object{objects[i].Bucket, objects[i].named()}}
		}
		objects = objects[len(hs):]
		return b.opt.Owner.Look(ctx, asked)
	}, func(o *object, h gcop.Holder, s Sight) {
		switch {
		case s.Why != "":
			o.stays(cooper.KindConflict, fmt.Sprintf("the handle %s is kept: %s", nameOf(h), s.Why), "If it is wanted: cooper gc restore "+gcop.Handle(h.Kind, h.ID))
		case s.Blind != "" && b.forgetting.Unfenced:
			o.stays(cooper.KindConflict, "new links are not kept out, and those in "+s.Blind+" cannot be looked up", "Declare a status that may be written, or index what is named.")
		case s.Blind != "" && !h.Scanned:
			o.stays(cooper.KindConflict, "links in "+s.Blind+" cannot be looked up, and no complete scan has begun since it was archived", "Scan, detect, and plan again: cooper gc scan; cooper gc detect")
		}
	})
}

// names leaves what a handle names that the plan does not know: a copy that nobody named, and what was made of an object, by
// its own key.
func (b *batch) names(ctx context.Context) error {
	some := slices.DeleteFunc(b.live(), func(o *object) bool { return o.Class == gcop.Returned || o.Class == gcop.Expired && o.For == "" })
	for part := range slices.Chunk(some, Most) {
		asked := make([]Object, len(part))
		for i, o := range part {
			asked[i] = Object{o.Bucket, o.Key}
		}
		why, err := b.opt.Owner.Named(ctx, asked)
		if err != nil {
			return err
		}
		if len(why) != len(part) {
			return miscounted(len(part), len(why))
		}
		for i, o := range part {
			if why[i] != "" {
				o.stays(cooper.KindConflict, why[i], anew)
			}
		}
	}
	return nil
}
