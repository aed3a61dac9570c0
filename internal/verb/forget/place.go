package forget

import (
	"context"
	"maps"
	"slices"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/look"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// places looks at where objects are from: of what is said to be in the archive alone there must be nothing, also not under the
// key that its handles have. What is back is held against its copies later.
func (b *batch) places(ctx context.Context) error {
	byBucket := map[string]map[string][]*object{}
	for _, o := range b.live() {
		if o.Class == gcop.Returned {
			continue
		}
		at := byBucket[o.Bucket]
		if at == nil {
			at = map[string][]*object{}
			byBucket[o.Bucket] = at
		}
		at[o.Key] = append(at[o.Key], o)
		if o.For != "" {
			at[o.For] = append(at[o.For], o)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byBucket)) {
		at := byBucket[name]
		keys := slices.Sorted(maps.Keys(at))
		requests, err := look.Keys(ctx, b.opt.Places[name], "", keys, func(i int, v *cooper.Version) {
			if v.DeleteMarker || !v.Latest {
				return
			}
			for _, o := range at[keys[i]] {
				o.stays(cooper.KindConflict, "something is in its place by now, under "+cooper.Quote(keys[i])+": what is in the archive is not all there is", anew)
			}
		})
		at[keys[0]][0].items[0].out.Requests += requests
		if err != nil {
			return err
		}
	}
	return nil
}

// back proves that a copy is in its place: the newest is what can be read there, an older one is a version of it, by bytes and
// metadata. What is an older version by now may be gone soon.
func (b *batch) back(ctx context.Context, o *object, it *item) error {
	var there []cooper.Version
	requests, err := look.Keys(ctx, b.opt.Places[o.Bucket], "", []string{o.Key}, func(_ int, v *cooper.Version) { there = append(there, *v) })
	it.out.Requests += requests
	if err != nil {
		return err
	}
	if len(there) == 0 || there[0].DeleteMarker || !there[0].Latest {
		return o.error(cooper.KindConflict, "is not in its place: its copy stays in the archive", "")
	}
	if it.args.Last {
		there = there[:1]
	}
	for i := range there {
		if v := &there[i]; !v.DeleteMarker && v.Size == it.Version.Size {
			same, err := b.same(ctx, o, it, v)
			if err != nil || same {
				return err
			}
		}
	}
	return o.error(cooper.KindConflict, "nothing in its place is proven to be what its copy is: that stays in the archive", "")
}

// same tells whether a version in the place of an object has the bytes and the metadata of a copy.
func (b *batch) same(ctx context.Context, o *object, it *item, v *cooper.Version) (bool, error) {
	place := b.opt.Places[o.Bucket]
	it.out.Requests++
	made, err := place.Head(ctx, store.Ref{Key: v.Key, VersionID: v.VersionID}, 0)
	if err != nil {
		return false, err
	}
	c := &it.copy
	if access, _ := made.Access(0); access != store.Readable && access != store.Restored || !maps.Equal(gcop.WithoutNote(made.Metadata), gcop.WithoutNote(c.Metadata)) {
		return false, nil
	}
	var tally reading.Tally
	proof, equal, hash, err := reading.Same(ctx, reading.Side{From: b.opt.Archive, Version: &it.Version, Object: c}, reading.Side{From: place, Version: v, Object: &made}, &tally)
	it.out.Requests += tally.Requests
	it.out.Bytes += tally.Bytes
	if hash != nil {
		it.out.Hash = hash
	}
	if equal {
		it.out.Check, it.out.Method = cooper.Verified, proof
	}
	return equal, err
}
