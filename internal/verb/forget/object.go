package forget

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/look"
	"cooper/internal/store"
)

// object is one that goes, or stays, as a whole.
type object struct {
	gcop.Forgotten         // of its oldest version
	items          []*item // its versions, the oldest first
	handles        []gcstate.Handle
	there          []cooper.Version // of its key in the archive bucket, the newest first
	settled        bool
}

// item is one version of it.
type item struct {
	*cooper.Action
	args gcop.Forgotten
	out  *cooper.Outcome
	copy store.Object
	gone bool // an earlier attempt has removed it, or somebody else
}

func (o *object) where() string { return cooper.Quote("s3://" + o.Bucket + "/" + o.Key) }

// named is the key that its handles have.
func (o *object) named() string {
	if o.For != "" {
		return o.For
	}
	return o.Key
}

// stays leaves it as it is.
func (o *object) stays(kind cooper.Kind, why, remedy string) {
	if o.settled {
		return
	}
	o.settled = true
	for _, it := range o.items {
		it.out.Status, it.out.Kind, it.out.Message, it.out.Remedy = cooper.Failed, kind, why, remedy
	}
}

func (o *object) failed(err error) { o.stays(cooper.KindOf(err), err.Error(), cooper.RemedyOf(err)) }

// wasAbsent is the method of a removal of what a look did not find.
const wasAbsent = "was not there any more"

// divide puts versions together to objects.
func (b *batch) divide(actions []cooper.Action, outs []cooper.Outcome) error {
	var o *object
	left := 0
	for i := range actions {
		a := &actions[i]
		if a.Verb == gcop.Vanish {
			v, err := gcop.VanishedOf(a)
			if err != nil {
				return err
			}
			b.gone = append(b.gone, newVanished(b, v, &outs[i]))
			continue
		}
		args, err := gcop.ForgottenOf(a)
		if err != nil {
			return err
		}
		invalid := func(why string) error {
			return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(a.Version.Key), Message: why, Remedy: "Make a new plan with this version of cooper."}
		}
		first := args.Versions > 0
		switch {
		case args.Bucket == b.forgetting.Bucket || b.opt.Places[args.Bucket] == nil:
			return invalid("the plan would delete a copy of something in " + cooper.Quote(args.Bucket) + ", which is not among its buckets")
		case args.Class == gcop.Returned && !b.forgetting.Restored:
			return invalid("the plan is not one that deletes copies of what is back")
		case first && left > 0, !first && (left == 0 || a.Version.Key != o.items[0].Version.Key || args.Class != o.Class || args.For != o.For):
			return invalid("the versions of an object do not stand together")
		case first && o != nil && a.Version.Key <= o.items[0].Version.Key:
			return invalid("the plan's keys are not in order")
		}
		if first {
			o, left = &object{Forgotten: args}, args.Versions
			for _, h := range args.Handles {
				o.handles = append(o.handles, gcstate.Handle{Scope: b.forgetting.Scope, Kind: h.Kind, ID: h.ID})
			}
			b.all = append(b.all, o)
		}
		if left--; (left == 0) != args.Last {
			return invalid("it is not known which of its versions is the newest")
		}
		if a.Version.VersionID == "" {
			a.Version.VersionID = cooper.NullVersion
		}
		o.items = append(o.items, &item{Action: a, args: args, out: &outs[i]})
	}
	if left > 0 {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: o.where(), Message: "the plan has not all of its versions", Remedy: "Make a new plan with this version of cooper."}
	}
	return nil
}

// lookThere finds out what the archive bucket has of each object.
func (b *batch) lookThere(ctx context.Context) error {
	live := b.live()
	if len(live) == 0 {
		return nil
	}
	keys := make([]string, len(live))
	for i, o := range live {
		keys[i] = o.items[0].Version.Key
	}
	requests, err := look.Keys(ctx, b.opt.Archive, "", keys, func(i int, v *cooper.Version) { live[i].there = append(live[i].there, *v) })
	live[0].items[0].out.Requests += requests
	if err != nil {
		return err
	}
	for _, o := range live {
		for i := range o.there {
			v := &o.there[i]
			if !slices.ContainsFunc(o.items, func(it *item) bool {
				return it.Version.VersionID == v.VersionID && look.Is(&it.Version, v) != look.Another
			}) {
				o.stays(cooper.KindChanged, "the archive has something else under its key by now: "+cooper.Quote(v.Key), "Take an inventory of the archive, and plan again.")
			}
		}
		left := len(o.items)
		for _, it := range o.items {
			if it.gone = !slices.ContainsFunc(o.there, func(v cooper.Version) bool { return v.VersionID == it.Version.VersionID }); it.gone {
				left--
			}
		}
		if left == 0 && !o.settled {
			o.settled = true
			for _, it := range o.items {
				it.out.Status, it.out.Method = cooper.Done, wasAbsent
			}
		}
	}
	return nil
}

// isCopy tells whether something says of itself that it is the copy that the plan means.
func (it *item) isCopy() bool {
	version, etag, ok := gcop.Noted(it.copy.Metadata, it.args.Bucket, it.args.Key)
	return ok && version == it.args.Origin && strings.EqualFold(etag, it.args.ETag)
}

// copies looks at each copy that is to go, several at once.
func (b *batch) copies(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.opt.Jobs)
	for _, o := range b.live() {
		g.Go(func() error {
			err := b.object(ctx, o)
			switch {
			case err == nil:
				return nil
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case cooper.KindOf(err).EndsRun():
				return err
			}
			o.failed(err)
			return nil
		})
	}
	return g.Wait()
}

func (o *object) error(kind cooper.Kind, message, remedy string) error {
	return &cooper.Error{Kind: kind, Where: o.where(), Message: message, Remedy: remedy}
}

// object sees that all that goes of an object is what the plan means, that nothing locks it, and of what is said to be back that
// it is.
func (b *batch) object(ctx context.Context, o *object) (err error) {
	for _, it := range o.items {
		if it.gone {
			continue
		}
		ref := store.Ref{Key: it.Version.Key, VersionID: it.Version.VersionID}
		it.out.Requests++
		if it.copy, err = b.opt.Archive.Head(ctx, ref, 0); err != nil {
			return err
		}
		if it.copy.Key = ref.Key; it.copy.VersionID == "" {
			it.copy.VersionID = ref.VersionID
		}
		if d, differs := store.Differs(&it.Version, &it.copy); differs {
			return o.error(cooper.KindChanged, "its copy is another version than was planned: "+d.String(), "Take an inventory of the archive, and plan again.")
		}
		if !it.isCopy() {
			return o.error(cooper.KindConflict, "what is under "+cooper.Quote(ref.Key)+" does not say that it is the copy that the manifest tells of", "Look at it; delete it by hand if it may go.")
		}
		lock := it.copy.Lock
		if b.opt.Settings.Lock {
			it.out.Requests++
			if lock, err = b.opt.Archive.Lock(ctx, ref); err != nil {
				return err
			}
		}
		if lock.Holds(cooper.InstantOf(b.opt.Clock())) {
			return o.error(cooper.KindConflict, "its copy is locked: a retention or a legal hold keeps it", "")
		}
		if o.Class == gcop.Returned {
			if err := b.back(ctx, o, it); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove has the copies removed.
func (b *batch) remove(ctx context.Context) error {
	var actions []cooper.Action
	var outs []cooper.Outcome
	live := b.live()
	for _, o := range live {
		for _, it := range o.items {
			a := cooper.Action{ID: it.ID, Verb: bucketop.Remove, Version: it.Version}
			a.Args = bucketop.Args{Last: it.args.Last, Guard: it.args.Guard, Reason: it.args.Reason}.Encode()
			actions, outs = append(actions, a), append(outs, cooper.Outcome{Action: a.ID, Verb: a.Verb, Identity: a.Version.Identity})
		}
	}
	if len(actions) == 0 {
		return nil
	}
	if err := b.opt.Remover.Remove(ctx, b.permit, actions, outs); err != nil {
		return err
	}
	for _, o := range live {
		o.settled = true
		for _, it := range o.items {
			out := &outs[0]
			outs = outs[1:]
			it.out.Requests += out.Requests
			it.out.Status, it.out.Kind, it.out.Message, it.out.Remedy = out.Status, out.Kind, out.Message, out.Remedy
			if out.Method != "" {
				it.out.Method = out.Method
			}
		}
	}
	return nil
}
