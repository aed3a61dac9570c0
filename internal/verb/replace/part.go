package replace

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/look"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// item is one object whose replacement was written and proven.
type item struct {
	*cooper.Action
	guard  bucketop.Guard
	out    *cooper.Outcome
	stored *cooper.Identity // the replacement
	seen   seen             // by the last look
	// sent: the removal was sent; doubt is why it is not known what came of it.
	sent  bool
	doubt error
	// lacks is what the replacement has not of what the original has beside its
	// content, untold why that is not known: of what an earlier run came to.
	lacks  string
	untold error
}

// part is some objects of a shard, in the order of their keys: as many as one
// request removes.
type part struct {
	*Target
	items []*item
}

// divide finds what is to be looked at, and cuts it between keys.
func (t *Target) divide(actions []cooper.Action, outs []cooper.Outcome) ([]*part, error) {
	var items []*item
	for i := range actions {
		a, o := &actions[i], &outs[i]
		switch {
		case a.Verb == bucketop.Measure:
		case a.Verb != bucketop.Rewrite || !cooper.HasPrefix(a.Version.Key, t.opt.Prefix):
			return nil, invalid(a, "the plan would "+a.Verb+" it, which does not belong into compressing "+t.opt.Path)
		case o.Status == cooper.Done && o.Content != nil && o.Content.State == cooper.Rewritten:
			it, err := t.item(a, o)
			if err != nil {
				return nil, err
			}
			items = append(items, it)
		}
	}
	slices.SortFunc(items, func(a, b *item) int { return strings.Compare(a.Version.Key, b.Version.Key) })
	for i := range items {
		if i > 0 && items[i].Version.Key == items[i-1].Version.Key {
			return nil, invalid(items[i].Action, "the plan has it twice")
		}
	}
	var parts []*part
	for some := range slices.Chunk(items, store.MaxRemovals) {
		parts = append(parts, &part{Target: t, items: some})
	}
	return parts, nil
}

func invalid(a *cooper.Action, message string) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(a.Version.Key), Message: message}
}

// item checks that there is a proof, and that the original can be told from what
// may come to stand in its place.
func (t *Target) item(a *cooper.Action, o *cooper.Outcome) (*item, error) {
	rw := &t.opt.Rewriting
	args, err := bucketop.DecodeRewrite(a.Args)
	if err != nil {
		return nil, err
	}
	for _, v := range []*string{&a.Version.VersionID, &o.Content.Stored.VersionID} {
		if *v == "" { // a store that names none has no others
			*v = cooper.NullVersion
		}
	}
	c := o.Content
	// What is kept needs no guard, whatever its id.
	removes := rw.Mode == bucketop.Suffix && rw.Originals == bucketop.RemoveOriginals
	null, suffix := a.Version.VersionID == cooper.NullVersion, rw.Mode == bucketop.Suffix
	switch {
	case a.Version.DeleteMarker || a.Version.ETag == "":
		return nil, invalid(a, "the plan does not say which version it is")
	case c.Stored.Key != rw.Replacement(a.Version.Key) || c.Stored.ETag == "" || c.Stored.Size <= 0 || len(c.SHA256) != sha256.Size || c.PlainSize < 0 || o.Check == cooper.Corrupt:
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(a.Version.Key), Message: "counts as rewritten without a proof"}
	case suffix && strings.HasSuffix(a.Version.Key, rw.Codec.Compress.Suffix()):
		return nil, invalid(a, "the plan would remove it, though by its name it may be the replacement of another")
	case removes && null == (args.Guard == bucketop.ByID),
		args.Guard == bucketop.ByETag && removes && !t.compares(),
		args.Guard == bucketop.ByLook && !rw.Unguarded && t.opt.Versioning != enabled:
		return nil, invalid(a, fmt.Sprintf("version %s with the guard %q", cooper.Quote(a.Version.VersionID), args.Guard))
	}
	return &item{Action: a, guard: args.Guard, out: o, stored: &c.Stored}, nil
}

// mostAttempts is how often a removal that came to nothing is sent. The looks in
// between wait for a store that is throttling or out of order.
const mostAttempts = 20

// work looks and removes, again for those of which it is not known what came of
// their removal: their places may have been taken since. An error is one that
// ends the run.
func (p *part) work(ctx context.Context, pm permit.Permit) error {
	for _, it := range p.items { // nothing is to come between a look and the removals
		if p.ifMatch(it) != "" && store.Alone(it.Version.Key) {
			if err := p.probes.SeeAlone(ctx, pm); err != nil {
				return err
			}
		}
	}
	if err := p.compare(ctx); err != nil {
		return err
	}
	open := p.items
	for attempt := 1; len(open) > 0; attempt++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := p.look(ctx, open); err != nil {
			return err
		}
		var going []*item
		for _, it := range open {
			if p.judge(it, attempt < mostAttempts) {
				going = append(going, it)
			}
		}
		var err error
		if open, err = p.remove(ctx, pm, going); err != nil {
			return err
		}
	}
	now := cooper.InstantOf(p.opt.Clock())
	for _, it := range p.items {
		it.out.At = now
	}
	return nil
}

// look finds out how originals and replacements are now.
func (p *part) look(ctx context.Context, items []*item) error {
	type watched struct {
		key string
		it  *item
	}
	var watch []watched
	for _, it := range items {
		it.seen = seen{}
		watch = append(watch, watched{it.Version.Key, it})
		if it.stored.Key != it.Version.Key {
			watch = append(watch, watched{it.stored.Key, it})
		}
	}
	slices.SortFunc(watch, func(a, b watched) int { return strings.Compare(a.key, b.key) })
	keys := make([]string, len(watch))
	for i := range watch {
		keys[i] = watch[i].key
	}
	requests, err := look.Keys(ctx, p.eyes, p.opt.Prefix, keys, func(i int, v *cooper.Version) { watch[i].it.found(v) })
	items[0].out.Requests += requests
	return err
}

// ifMatch is the ETag that the store is to compare before it removes an
// original; empty for none. In place it could only be that of the replacement.
func (t *Target) ifMatch(it *item) string {
	if it.guard == bucketop.ByETag && t.opt.Rewriting.Mode == bucketop.Suffix && t.opt.Rewriting.Originals == bucketop.RemoveOriginals {
		return it.Version.ETag
	}
	return ""
}

// remove sends removals, and gives those that must be looked at again.
func (p *part) remove(ctx context.Context, pm permit.Permit, items []*item) (again []*item, err error) {
	if len(items) == 0 {
		return nil, nil
	}
	rs := make([]store.Removal, len(items))
	for i, it := range items {
		it.sent = true
		rs[i] = store.Removal{
			Key: it.Version.Key, VersionID: it.Version.VersionID, IfMatch: p.ifMatch(it),
			// Where an upload may take its place, that is looked at before it is sent again.
			Once: it.Version.VersionID == cooper.NullVersion && p.opt.Versioning != enabled,
		}
	}
	errs := p.bucket.Remove(ctx, pm, rs)
	items[0].out.Requests++
	for i, it := range items {
		it.doubt = nil
		switch kind := cooper.KindOf(errs[i]); {
		case kind == "":
		case kind.EndsRun():
			return nil, errs[i]
		case rs[i].IfMatch != "" && kind == cooper.KindMissing,
			rs[i].Once && (kind == cooper.KindStore || kind == cooper.KindTimeout || kind == cooper.KindInvalid):
			it.doubt = errs[i]
			again = append(again, it)
		case rs[i].IfMatch != "" && kind == cooper.KindChanged:
			it.fail(kind, "was overwritten in the instant of its removal: what is there stays; "+cooper.Quote(it.stored.Key)+" holds what it was")
		default:
			it.fail(kind, "cannot be removed: "+errs[i].Error()+"; it stays, beside "+cooper.Quote(it.stored.Key))
		}
	}
	return again, nil
}

// fail makes a failure of an outcome. What was learnt of the content stays true.
func (it *item) fail(kind cooper.Kind, message string) {
	it.out.Status, it.out.Kind, it.out.Message = cooper.Failed, kind, message
}
