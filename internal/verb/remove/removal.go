package remove

import (
	"context"
	"slices"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// remove sends the removals and takes in what came of them.
func (p *part) remove(ctx context.Context, pm permit.Permit, items []*item) error {
	for some := range slices.Chunk(items, store.MaxRemovals) {
		for attempt := 1; len(some) > 0; attempt++ {
			unsure, err := p.send(ctx, pm, some)
			if err == nil {
				some, err = p.again(ctx, unsure, attempt)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// doubt is a removal of which it is not known what became of it, and why not.
type doubt struct {
	*item
	err error
}

// send sends removals once, and gives those of null versions that must be looked
// at again.
func (p *part) send(ctx context.Context, pm permit.Permit, items []*item) (unsure []doubt, err error) {
	rs := make([]store.Removal, len(items))
	for i, it := range items {
		rs[i] = store.Removal{Key: it.Version.Key, VersionID: it.Version.VersionID, Once: p.overwritable(it)}
		if it.args.Guard == bucketop.ByETag {
			rs[i].IfMatch = it.Version.ETag
		}
	}
	errs := p.bucket.Remove(ctx, pm, rs)
	items[0].out.Requests++
	for i, it := range items {
		switch kind := cooper.KindOf(errs[i]); {
		case rs[i].IfMatch != "" && kind == cooper.KindMissing,
			rs[i].Once && (kind == cooper.KindStore || kind == cooper.KindTimeout || kind == cooper.KindInvalid):
			unsure = append(unsure, doubt{it, errs[i]})
		default:
			if err := it.came(errs[i]); err != nil {
				return nil, err
			}
		}
	}
	return unsure, nil
}

// overwritable tells whether an upload may take the place of a version.
func (p *part) overwritable(it *item) bool {
	return it.Version.VersionID == cooper.NullVersion && p.opt.Versioning != "Enabled"
}

// came takes in what came of a removal. An error is one that ends the run.
func (it *item) came(err error) error {
	kind := cooper.KindOf(err)
	switch kind {
	case "":
		it.done("")
		if !it.present {
			it.out.Method = wasAbsent
		}
	case cooper.KindUsage, cooper.KindRefused, cooper.KindInterrupted, cooper.KindInternal, cooper.KindFull, cooper.KindLocked:
		return err
	default:
		it.fail(kind, err.Error())
	}
	return nil
}

// mostAttempts is how often a removal that came to nothing is sent. The looks in
// between wait for a store that is throttling or out of order.
const mostAttempts = 20

// again looks at null versions of whose removal it is not known what became, and
// gives those that are to be sent again. The answer may have been lost, and
// somebody have written the key anew: then they are gone. Where the store says
// that nothing is current, a delete marker may hide them.
func (p *part) again(ctx context.Context, unsure []doubt, attempt int) (once []*item, err error) {
	if len(unsure) == 0 {
		return nil, nil
	}
	fresh := &part{Target: p.Target}
	for _, d := range unsure {
		now := *d.item
		now.present, now.unlike, now.out = false, false, new(cooper.Outcome)
		fresh.keys = append(fresh.keys, &keyed{key: d.Version.Key, items: []*item{&now}, byID: map[string]*item{d.Version.VersionID: &now}})
	}
	if err := fresh.look(ctx); err != nil {
		return nil, err
	}
	for i, d := range unsure {
		k := fresh.keys[i]
		now := k.items[0]
		d.out.Requests += now.out.Requests
		present := now.present
		k.judge()
		if why := k.obstacle(now); !now.settled && now.args.Last && why != "" {
			now.fail(cooper.KindConflict, why)
		}
		switch {
		case !present && !now.unlike:
			d.done("")
		case now.settled:
			d.fail(now.out.Kind, now.out.Message)
		case cooper.KindOf(d.err) == cooper.KindMissing:
			d.fail(cooper.KindChanged, "is not the current version any more")
		case attempt >= mostAttempts, cooper.KindOf(d.err) == cooper.KindInvalid:
			if err := d.came(d.err); err != nil {
				return nil, err
			}
		default:
			once = append(once, d.item)
		}
	}
	return once, nil
}
