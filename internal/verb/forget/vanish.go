package forget

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/look"
)

const compressedSuffix = ".zst"

// vanished are handles whose copies an inventory does not have, or has again.
type vanished struct {
	gcop.Vanished
	out     *cooper.Outcome
	handles []gcstate.Handle
	is      bool // the archive has something that may be a copy
}

func newVanished(b *batch, v gcop.Vanished, out *cooper.Outcome) *vanished {
	x := &vanished{Vanished: v, out: out}
	for _, h := range v.Handles {
		x.handles = append(x.handles, gcstate.Handle{Scope: b.forgetting.Scope, Kind: h.Kind, ID: h.ID})
	}
	x.out.Status = cooper.Done
	return x
}

func (x *vanished) fails(kind cooper.Kind, why, remedy string) {
	x.out.Status, x.out.Kind, x.out.Message, x.out.Remedy = cooper.Failed, kind, why, remedy
}

func (b *batch) reason(x *vanished) string { return x.Reason + " (" + b.shard.Plan + ")" }

// vanish makes handles DELETED, or ARCHIVED again, as the inventory has it and a look at the archive agrees: at their owner's,
// then in the state.
func (b *batch) vanish(ctx context.Context) error {
	if len(b.gone) == 0 {
		return nil
	}
	of := map[string][]*vanished{}
	for _, x := range b.gone {
		for _, key := range []string{x.Key, x.Key + compressedSuffix} {
			to := gcop.ArchiveKey(x.Bucket, key)
			of[to] = append(of[to], x)
		}
	}
	keys := slices.Sorted(maps.Keys(of))
	requests, err := look.Keys(ctx, b.opt.Archive, "", keys, func(i int, v *cooper.Version) {
		for _, x := range of[keys[i]] {
			x.is = x.is || !v.DeleteMarker
		}
	})
	b.gone[0].out.Requests += requests
	if err != nil {
		return err
	}
	var some []*vanished
	for _, x := range b.gone {
		if x.is != (x.Event == string(gcstate.Reappear)) {
			x.fails(cooper.KindChanged, "the archive is by now another than the inventory has it", "Take an inventory of the archive, and plan again.")
			continue
		}
		some = append(some, x)
	}
	for _, event := range []gcstate.Event{gcstate.Vanish, gcstate.Reappear} {
		if err := b.become(ctx, event, slices.DeleteFunc(slices.Clone(some), func(x *vanished) bool { return x.Event != string(event) })); err != nil {
			return err
		}
	}
	return nil
}

// become changes the handles of some objects by an event.
func (b *batch) become(ctx context.Context, event gcstate.Event, some []*vanished) error {
	from, to := gcstate.Archived, gcstate.Deleted
	if event == gcstate.Reappear {
		from, to = to, from
	}
	var hs []gcstate.Handle
	var of []*vanished
	var planned []gcop.Holder
	for _, x := range some {
		for i, h := range x.handles {
			hs, of, planned = append(hs, h), append(of, x), append(planned, x.Handles[i])
		}
	}
	if len(hs) == 0 {
		return nil
	}
	records, err := b.opt.State.Get(ctx, hs)
	if err != nil {
		return err
	}
	if len(records) != len(hs) {
		return miscounted(len(hs), len(records))
	}
	var changes []gcstate.Change
	var tell []gcstate.Handle
	var who []int
	for i, r := range records {
		x := of[i]
		switch {
		case r.Status == to && r.Reason == b.reason(x): // an earlier attempt
		case string(r.Status) != planned[i].Status || r.Since != planned[i].Since:
			x.fails(cooper.KindChanged, fmt.Sprintf("the handle %s is %s since %s, and was %s when the plan was made", nameOf(planned[i]), r.Status, r.Since, planned[i].Status), anew)
			continue
		}
		tell, who = append(tell, hs[i]), append(who, i)
	}
	at := 0
	for part := range slices.Chunk(tell, Most) {
		now, err := b.opt.Owner.Set(ctx, part, from, to)
		if err != nil {
			return err
		}
		if len(now) != len(part) {
			return miscounted(len(part), len(now))
		}
		for i := range part {
			n := who[at+i]
			r, x := &records[n], of[n]
			if now[i] != to && now[i] != "" { // whose row is gone is told no more
				x.fails(cooper.KindConflict, fmt.Sprintf("its owner has the handle %s as %s", nameOf(planned[n]), now[i]), "See what it is to be, and set it: cooper gc history "+r.ID)
				continue
			}
			if r.Status == to {
				continue
			}
			c, err := r.By(event, cooper.InstantOf(b.opt.Clock()), b.reason(x), b.run)
			if err != nil {
				return err
			}
			changes = append(changes, c)
		}
		at += len(part)
	}
	if len(changes) == 0 {
		return nil
	}
	results, err := b.opt.State.Change(ctx, changes)
	if err != nil {
		return err
	}
	if len(results) != len(changes) {
		return miscounted(len(changes), len(results))
	}
	for i := range results {
		if n := slices.Index(hs, changes[i].Handle); !results[i].Changed {
			of[n].fails(cooper.KindChanged, fmt.Sprintf("the handle %s was changed by somebody else", nameOf(planned[n])), anew)
		}
	}
	return b.opt.Tell(ctx)
}
