package archive

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/look"
	"cooper/internal/store"
)

// copies copies and proves the versions of all objects that may go, several objects at once, and has told that they go.
func (b *batch) copies(ctx context.Context) error {
	live := b.live()
	if len(live) == 0 {
		return nil
	}
	if err := b.lookThere(ctx, live); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.opt.Jobs)
	g.Go(func() error { return b.opt.Tell(ctx) })
	for _, o := range live {
		g.Go(func() error { return b.copyObject(ctx, o) })
	}
	return g.Wait()
}

// lookThere finds out what the archive bucket has under the keys of objects.
func (b *batch) lookThere(ctx context.Context, live []*object) error {
	of := make(map[string]*object, len(live))
	keys := make([]string, len(live))
	for i, o := range live {
		keys[i] = o.items[0].args.To
		of[keys[i]] = o
	}
	slices.Sort(keys)
	requests, err := look.Keys(ctx, b.opt.Archive, "", keys, func(i int, v *cooper.Version) { of[keys[i]].there = append(of[keys[i]].there, *v) })
	live[0].items[0].out.Requests += requests
	return err
}

// copyObject copies and proves an object. An error is one that ends the run.
func (b *batch) copyObject(ctx context.Context, o *object) error {
	going := slices.DeleteFunc(slices.Clone(o.items), func(it *item) bool { return it.Version.DeleteMarker })
	if len(going) == 0 || len(going) > 1 && b.opt.Versioning[b.archiving.Bucket] != "Enabled" {
		o.fail(cooper.KindConflict, "has several versions, or none, and the archive keeps one of a key", "Enable versioning of the archive bucket, and plan again.")
		return nil
	}
	taken, err := b.takenUp(ctx, o, going)
	if err != nil || o.out {
		return err
	}
	for i, it := range going {
		if err := b.one(ctx, o, it, i < taken, going[:i]); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if cooper.KindOf(err).EndsRun() {
				return err
			}
			if cooper.KindOf(err) == cooper.KindMissing {
				b.missing.Add(1)
			}
			o.failed(it, err)
			return nil
		}
	}
	return nil
}

// one copies a version, unless that was done, and proves it.
func (b *batch) one(ctx context.Context, o *object, it *item, taken bool, before []*item) error {
	if taken && it.known {
		return nil // its original may have gone
	}
	if err := b.original(ctx, o, it); err != nil {
		return err
	}
	if !taken {
		if err := b.copyIt(ctx, o, it, before); err != nil {
			return err
		}
	}
	if err := b.kept(ctx, it); err != nil {
		return err
	}
	return b.prove(ctx, o, it)
}

// original looks at a version that is to be copied, and at what it has beside its content.
func (b *batch) original(ctx context.Context, o *object, it *item) (err error) {
	v := &it.Version
	ref := store.Ref{Key: v.Key, VersionID: v.VersionID, IfMatch: v.ETag, Size: v.Size}
	it.out.Requests++
	if it.source, err = o.from.Bucket.Head(ctx, ref, 0); err != nil {
		return err
	}
	src := &it.source
	src.Key = v.Key
	if src.VersionID == "" {
		src.VersionID = v.VersionID
	}
	if d, differs := store.Differs(v, src); differs {
		return it.error(cooper.KindChanged, "is another version than was planned: "+d.String(), "")
	}
	if src.HiddenMetadata > 0 {
		return it.error(cooper.KindInvalid, "has metadata that no header can carry: it would be lost", "Copy it with a tool that keeps it, or leave it.")
	}
	lock := src.Lock
	if o.from.Settings.Lock {
		it.out.Requests++
		if lock, err = o.from.Bucket.Lock(ctx, store.Ref{Key: v.Key, VersionID: v.VersionID}); err != nil {
			return err
		}
	}
	if lock.Holds(cooper.InstantOf(b.opt.Clock())) {
		return it.error(cooper.KindConflict, "is locked: a retention or a legal hold keeps it", "")
	}
	ref = store.Ref{Key: v.Key, VersionID: v.VersionID}
	if src.Tags != 0 {
		it.out.Requests++
		if it.tags, err = o.from.Bucket.Tags(ctx, ref); err != nil {
			return err
		}
	}
	if o.from.Settings.Grants {
		it.out.Requests++
		if it.grants, err = o.from.Bucket.Grants(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

// copyIt copies a version behind those before it.
func (b *batch) copyIt(ctx context.Context, o *object, it *item, before []*item) error {
	p := store.Describe(&it.source, it.args.To, it.tags, it.grants)
	p.StorageClass = it.args.Class
	if !b.opt.Settings.Grants {
		p.Grants = nil // the manifest has them
	}
	var err error
	if p.Metadata, it.noRoom, err = b.note(o, it, p.Metadata); err != nil {
		return err
	}
	p.IfNoneMatch = true
	if n := len(before); n > 0 { // over the one before it, which stays as an older version
		p.IfNoneMatch, p.IfMatch = false, before[n-1].copy.ETag
	}
	it.out.Requests++
	made, err := b.opt.Archive.Copy(ctx, b.permit, o.from.Bucket, store.Copy{Source: it.source, Put: p, AsParts: strings.Contains(it.source.ETag, "-")})
	switch kind := cooper.KindOf(err); {
	case kind == cooper.KindConflict, kind == cooper.KindChanged && p.IfMatch != "" && b.unchanged(ctx, o, it):
		return it.error(cooper.KindConflict, "something else came to be in the archive meanwhile under "+cooper.Quote(it.args.To), "Look at it, and move it away.")
	case err != nil:
		return err
	}
	it.out.Bytes += it.Version.Size
	it.out.Requests++
	it.copy, err = b.opt.Archive.Head(ctx, store.Ref{Key: it.args.To, VersionID: made.VersionID}, 0)
	if err != nil {
		return err
	}
	if it.copy.VersionID == "" {
		it.copy.VersionID = made.VersionID
	}
	if !b.isCopy(o, it, &it.copy) {
		return it.error(cooper.KindConflict, "what is in the archive under "+cooper.Quote(it.args.To)+" is not the copy that was made", "")
	}
	return nil
}

// unchanged tells whether a version that is said to have changed has not: it is the other one that has.
func (b *batch) unchanged(ctx context.Context, o *object, it *item) bool {
	_, err := o.from.Bucket.Head(ctx, store.Ref{Key: it.Version.Key, VersionID: it.Version.VersionID, IfMatch: it.Version.ETag}, 0)
	return err == nil
}

// takenUp finds what earlier attempts have copied: the oldest so many. Whatever else is there is in the way.
func (b *batch) takenUp(ctx context.Context, o *object, going []*item) (taken int, err error) {
	inTheWay := func() {
		o.fail(cooper.KindConflict, "something else is in the archive already under "+cooper.Quote(going[0].args.To), "Look at it, and move it away; or restore it, if that is what it is.")
	}
	if len(o.there) > len(going) {
		inTheWay()
		return 0, nil
	}
	for i := range o.there {
		v, it := &o.there[len(o.there)-1-i], going[i]
		if v.DeleteMarker {
			inTheWay()
			return 0, nil
		}
		it.out.Requests++
		it.copy, err = b.opt.Archive.Head(ctx, store.Ref{Key: v.Key, VersionID: v.VersionID}, 0)
		switch {
		case err != nil && (ctx.Err() != nil || cooper.KindOf(err).EndsRun()):
			return 0, err
		case err != nil:
			o.failed(it, err)
			return 0, nil
		case !b.isCopy(o, it, &it.copy):
			inTheWay()
			return 0, nil
		}
		if it.copy.VersionID == "" {
			it.copy.VersionID = v.VersionID
		}
	}
	return len(o.there), nil
}

// error is one of a version.
func (it *item) error(kind cooper.Kind, message, remedy string) error {
	return &cooper.Error{Kind: kind, Where: cooper.Quote("s3://" + it.args.Bucket + "/" + it.Version.Key), Message: message, Remedy: remedy}
}
