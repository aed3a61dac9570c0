package replace

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/store"
)

// comparisons is how many objects of a part are compared at once.
const comparisons = 8

// compare finds out of what an earlier run has proven whether the replacement has
// the original's tags and ACL. They can be changed without a new version, and an
// earlier version of this program did not ask every store for them. Contents
// cannot: of these the look tells enough. An error is one that ends the run.
func (p *part) compare(ctx context.Context) error {
	rw := &p.opt.Rewriting
	if rw.Originals == bucketop.KeepOriginals || p.opt.WithoutTags && !p.opt.Settings.Grants {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(comparisons)
	for _, it := range p.items {
		if _, earlier := p.Known(it.Action); !earlier || it.stored.Key == it.Version.Key && it.stored.VersionID == it.Version.VersionID {
			continue
		}
		g.Go(func() error {
			it.lacks, it.untold = p.lost(ctx, it)
			if it.untold != nil && (ctx.Err() != nil || cooper.KindOf(it.untold).EndsRun()) {
				return it.untold
			}
			return nil
		})
	}
	return g.Wait()
}

// lost names what would be lost with the original. That this cannot be told of an
// original that is gone is of no interest: the look finds that.
func (p *part) lost(ctx context.Context, it *item) (string, error) {
	if !p.opt.WithoutTags {
		var was, is map[string]string
		err := p.both(it, func(first bool, ref store.Ref) (err error) {
			tags, err := p.bucket.Tags(ctx, ref)
			if first {
				was = tags
			} else {
				is = tags
			}
			return err
		})
		if err != nil {
			return "", err
		}
		for name, value := range was {
			if now, ok := is[name]; !ok || now != value {
				return "tags", nil
			}
		}
	}
	if !p.opt.Settings.Grants {
		return "", nil
	}
	var was, is []store.Grant
	err := p.both(it, func(first bool, ref store.Ref) (err error) {
		grants, err := p.bucket.Grants(ctx, ref)
		if first {
			was = grants
		} else {
			is = grants
		}
		return err
	})
	for _, g := range was {
		if err == nil && !slices.Contains(is, g) {
			return "ACL", nil
		}
	}
	return "", err
}

// both asks for what the original has beside its content, first, and the
// replacement. Some stores know no version "null" there: it is asked for as the
// current one, which the look finds it to be or not.
func (p *part) both(it *item, ask func(first bool, ref store.Ref) error) error {
	for _, v := range []*cooper.Identity{&it.Version.Identity, it.stored} {
		first := v != it.stored
		it.out.Requests++
		err := ask(first, store.Ref{Key: v.Key, VersionID: v.VersionID})
		if cooper.KindOf(err) == cooper.KindMissing && v.VersionID == cooper.NullVersion && (!first || it.stored.Key != it.Version.Key) {
			it.out.Requests++
			err = ask(first, store.Ref{Key: v.Key})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
