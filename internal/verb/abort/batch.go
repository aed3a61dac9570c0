package abort

import (
	"context"
	"fmt"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// attempts is how often an upload is aborted that is still listed afterwards.
const attempts = 3

// wasAbsent is the method of what was gone before.
const wasAbsent = "was not there any more"

// item is one upload on its way.
type item struct {
	*cooper.Action
	parts int
	out   *cooper.Outcome
	seen  *store.Upload // by the last listing
	// sent: an abort of it was asked for. err is what came of the last one.
	sent bool
	err  error
	// settled: out is final.
	settled bool
}

// name is what an upload is known by.
type name struct{ key, id string }

// batch is the uploads of a shard.
type batch struct {
	*Target
	items  []*item
	byName map[name]*item
	twins  []*item // of uploads that the listing had twice: what comes of the first comes of them
	absent int64
}

// batch reads the actions of a shard.
func (t *Target) batch(actions []cooper.Action, outs []cooper.Outcome) (*batch, error) {
	b := &batch{Target: t, byName: map[name]*item{}}
	for i := range actions {
		a := &actions[i]
		wrong := &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(a.Version.Key)}
		args, err := bucketop.DecodeAbort(a.Args)
		switch n := (name{a.Version.Key, a.Version.VersionID}); {
		case err != nil:
			return nil, err
		case a.Verb != bucketop.Abort || !cooper.HasPrefix(a.Version.Key, t.opt.Prefix):
			wrong.Message = "the plan would " + a.Verb + " it, which does not belong into one that aborts uploads below " + t.opt.Path
			return nil, wrong
		case n.id == "":
			wrong.Message = "an upload without an id"
			return nil, wrong
		case b.byName[n] != nil:
			b.twins = append(b.twins, &item{Action: a, out: &outs[i]})
		default:
			it := &item{Action: a, parts: args.Parts, out: &outs[i]}
			b.items, b.byName[n] = append(b.items, it), it
		}
	}
	return b, nil
}

// work looks, aborts, and looks again, until nothing of the shard is open.
func (b *batch) work(ctx context.Context, p permit.Permit) error {
	open := b.items
	for round := 1; len(open) > 0; round++ {
		now, err := b.look(ctx, open)
		if err != nil {
			return err
		}
		if err := b.each(ctx, open, func(ctx context.Context, it *item) error {
			if it.seen == nil {
				return b.gone(ctx, it)
			}
			return b.end(ctx, p, it, now, round > attempts)
		}); err != nil {
			return err
		}
		var still []*item
		for _, it := range open {
			if !it.settled {
				still = append(still, it)
			} else if it.out.Method == wasAbsent {
				b.absent++
			}
		}
		open = still
	}
	for _, it := range b.twins {
		of := b.byName[name{it.Version.Key, it.Version.VersionID}].out
		it.out.Status, it.out.Kind, it.out.Message, it.out.Method = of.Status, of.Kind, of.Message, of.Method
	}
	return nil
}

// look lists the uploads of the bucket, and gives the time by the store's clock.
func (b *batch) look(ctx context.Context, open []*item) (cooper.Instant, error) {
	for _, it := range open {
		it.seen = nil
	}
	err := b.bucket.Uploads(ctx, "", func(page []store.Upload) error {
		open[0].out.Requests++
		for i := range page {
			if it := b.byName[name{page[i].Key, page[i].UploadID}]; it != nil {
				u := page[i]
				it.seen = &u
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return b.now()
}

// upload is what an item is to the store.
func (it *item) upload() store.Upload {
	return store.Upload{Key: it.Version.Key, UploadID: it.Version.VersionID}
}

// gone settles what the listing does not show. Elsewhere than at Amazon it is asked for
// by its id, too: that it is there says enough, whatever else is answered does not.
func (b *batch) gone(ctx context.Context, it *item) error {
	if b.opt.Store.Endpoint != "" {
		it.out.Requests++
		_, err := b.bucket.Uploaded(ctx, it.upload())
		switch {
		case err == nil && it.sent:
			it.fail(cooper.KindStore, "the store says that it has aborted it, and still has its parts")
			return nil
		case err == nil:
			it.fail(cooper.KindConflict, "the store's listing does not show it, and its parts are there")
			return nil
		case ends(err):
			return err
		case cooper.KindOf(err) == cooper.KindTimeout:
			it.fail(cooper.KindTimeout, err.Error())
			return nil
		}
	}
	it.settled, it.out.Status = true, cooper.Done
	if !it.sent {
		it.out.Method = wasAbsent
	}
	return nil
}

// end aborts an upload that is there, if it still is what the plan wants to go.
func (b *batch) end(ctx context.Context, p permit.Permit, it *item, now cooper.Instant, last bool) error {
	if it.err != nil && last {
		it.fail(cooper.KindOf(it.err), it.err.Error())
		return nil
	}
	if last {
		it.fail(cooper.KindStore, "the store says that it has aborted it, and lists it still")
		return nil
	}
	if kind, why := b.keeps(it, now); why != "" {
		it.fail(kind, why)
		return nil
	}
	it.out.Requests++
	is, err := b.bucket.Uploaded(ctx, it.upload())
	kind := cooper.KindOf(err)
	switch {
	case kind == cooper.KindMissing && store.Garbled(it.Version.Key):
		it.fail(cooper.KindInvalid, "the store's listing cannot tell this key's name")
		return nil
	case kind == cooper.KindMissing: // the next listing will tell
		it.err = err
		return nil
	case ends(err):
		return err
	case err != nil:
		it.fail(kind, "what has come of it cannot be told: "+err.Error())
		return nil //nolint:nilerr // it is no error of the run
	}
	if why := it.differs(&is, now); why != "" {
		it.fail(cooper.KindChanged, why)
		return nil
	}
	it.out.Requests++
	switch err := b.bucket.AbortUpload(ctx, p, it.upload()); {
	case ends(err):
		return err
	case cooper.KindOf(err) == cooper.KindDenied:
		it.fail(cooper.KindDenied, err.Error())
	default:
		it.sent, it.err = true, err
	}
	return nil
}

// keeps tells why an upload that is listed has to stay, before its parts are looked at.
func (b *batch) keeps(it *item, now cooper.Instant) (cooper.Kind, string) {
	u := it.seen
	switch {
	case b.ours[journal.Upload{Key: u.Key, UploadID: u.UploadID}], b.ours[journal.Upload{Key: u.Key, Probe: true}]:
		return cooper.KindConflict, "a run of cooper has begun it"
	case b.opt.Protect.Covers(u.Key):
		return cooper.KindInvalid, "it is protected, and the plan would abort it"
	case u.Initiated != it.Version.LastModified:
		return cooper.KindChanged, fmt.Sprintf("was begun at %s, and at %s by the plan", u.Initiated, it.Version.LastModified)
	case !old(u.Initiated, now, b.opt.OlderThan):
		return cooper.KindChanged, fmt.Sprintf("is not old enough: it was begun at %s, and it is %s by the store's clock", u.Initiated, now)
	}
	return "", ""
}

// differs tells why an upload has to stay, from what has come of it.
func (it *item) differs(is *store.Uploaded, now cooper.Instant) string {
	switch {
	case is.Parts > 0 && is.Newest == 0:
		return "the store does not tell when its parts came"
	case is.Parts > 0 && !old(is.Newest, now, bucketop.QuietUpload):
		return fmt.Sprintf("a part of it has come at %s", is.Newest)
	// Of one that was aborted while parts came, some may be left.
	case !it.sent && (is.Parts != it.parts || is.Bytes != it.Version.Size):
		return fmt.Sprintf("has %d parts of %d bytes, and had %d of %d by the plan", is.Parts, is.Bytes, it.parts, it.Version.Size)
	}
	return ""
}

// ends tells whether an error says something of the run, and not of an upload.
func ends(err error) bool {
	switch cooper.KindOf(err) {
	case cooper.KindUsage, cooper.KindRefused, cooper.KindInterrupted, cooper.KindInternal, cooper.KindFull, cooper.KindLocked:
		return true
	}
	return false
}

func (it *item) fail(kind cooper.Kind, message string) {
	it.settled, it.out.Status, it.out.Kind, it.out.Message = true, cooper.Failed, kind, message
}
