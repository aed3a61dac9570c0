package archive

import (
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/store"
)

// object is one that goes, or stays, as a whole.
type object struct {
	bucket, key string
	from        From
	items       []*item // its versions, the oldest first
	holders     []*holder
	there       []cooper.Version // of its key in the archive bucket, the newest first
	// out: it does not go. gone: its originals have gone. stands: of one that was proven before, they have not.
	out, gone, stands bool
}

// item is one version of it.
type item struct {
	*cooper.Action
	args    gcop.Archival
	out     *cooper.Outcome
	known   bool         // an earlier attempt has proven it
	source  store.Object // if it was looked at
	copy    store.Object // in the archive bucket
	tags    map[string]string
	grants  []store.Grant
	noRoom  []string // of our own metadata
	settled bool     // out is final
}

// holder is one of its handles.
type holder struct {
	gcop.Holder
	handle gcstate.Handle
	now    gcstate.Record
	// arrived: it is ARCHIVED, and stays so.
	arrived bool
	// closed: it is ARCHIVING in the state, by us or by an earlier attempt.
	closed bool
	// waits: it is so, and for a complete scan; scanned: which has been, and nothing has changed since.
	waits, scanned bool
	// back is what it becomes again, in the state; empty: nothing. why is told.
	back gcstate.Event
	why  string
}

func (o *object) alive() bool { return !o.out && !o.gone }

// proven tells whether an earlier attempt has proven all of it.
func (o *object) proven() bool {
	return !slices.ContainsFunc(o.items, func(it *item) bool { return !it.known })
}

func (o *object) where() string { return cooper.Quote("s3://" + o.bucket + "/" + o.key) }

// fail makes a failure of all of its versions of which nothing is known yet, and gives its handles back.
func (o *object) fail(kind cooper.Kind, why, remedy string) {
	for _, it := range o.items {
		if !it.settled {
			it.settled, it.out.Status, it.out.Kind, it.out.Message, it.out.Remedy = true, cooper.Failed, kind, why, remedy
		}
	}
	o.release(why)
}

// release gives its handles back that are not given back already.
func (o *object) release(why string) {
	o.out = true
	for _, h := range o.holders {
		if h.closed && h.back == "" {
			h.back, h.why = gcstate.GiveBack, why
		}
	}
}

// postpone leaves it for a later plan; its handles stay as they are.
func (o *object) postpone(why, remedy string) {
	o.out = true
	for _, it := range o.items {
		it.settled, it.out.Status, it.out.Kind, it.out.Message, it.out.Remedy = true, cooper.Deferred, cooper.KindConflict, why, remedy
	}
}

// failed takes in what came of one of its versions.
func (o *object) failed(it *item, err error) {
	it.settled, it.out.Status, it.out.Kind, it.out.Message, it.out.Remedy = true, cooper.Failed, cooper.KindOf(err), err.Error(), cooper.RemedyOf(err)
	for _, other := range o.items {
		if !other.settled {
			other.settled, other.out.Status, other.out.Kind, other.out.Message = true, cooper.Failed, it.out.Kind, "stays, as another version of it does: "+err.Error()
		}
	}
	o.release(err.Error())
}

// done settles a version.
func (it *item) done() {
	it.settled, it.out.Status, it.out.Kind, it.out.Message = true, cooper.Done, "", ""
}

// divide puts versions together to objects.
func (t *Target) divide(actions []cooper.Action, outs []cooper.Outcome) (all []*object, err error) {
	var o *object
	left := 0 // of the versions of o
	for i := range actions {
		a := &actions[i]
		args, err := gcop.ArchivalOf(a)
		if err != nil {
			return nil, err
		}
		invalid := func(why string) error {
			return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(a.Version.Key), Message: why, Remedy: "Make a new plan with this version of cooper."}
		}
		from, known := t.opt.From[args.Bucket]
		switch {
		case !known || args.Bucket == t.archiving.Bucket:
			return nil, invalid("the plan would archive from " + cooper.Quote(args.Bucket) + ", which is not among its buckets")
		case t.archiving.Unindexed != (len(args.Handles) == 0) && args.Versions > 0:
			return nil, invalid("it is not known whose it is")
		case args.Versions > 0 && left > 0, args.Versions == 0 && (left == 0 || args.Bucket != o.bucket || a.Version.Key != o.key):
			return nil, invalid("the versions of an object do not stand together")
		}
		if args.Versions > 0 {
			if o != nil && (args.Bucket < o.bucket || args.Bucket == o.bucket && a.Version.Key <= o.key) {
				return nil, invalid("the plan's keys are not in order")
			}
			o = &object{bucket: args.Bucket, key: a.Version.Key, from: from}
			left = args.Versions
			all = append(all, o)
			for _, h := range args.Handles {
				o.holders = append(o.holders, &holder{Holder: h, handle: gcstate.Handle{Scope: t.archiving.Scope, Kind: h.Kind, ID: h.ID}})
			}
		}
		if left--; (left == 0) != args.Last {
			return nil, invalid("it is not known which of its versions is the newest")
		}
		if a.Version.VersionID == "" { // an inventory of current versions of a bucket that has no others
			a.Version.VersionID = cooper.NullVersion
		}
		p, known := t.proven[a.ID]
		known = known && p.Status == cooper.Done && p.Identity == outs[i].Identity
		if known {
			outs[i].Check, outs[i].Method, outs[i].Hash = p.Check, p.Method, p.Hash
		}
		o.items = append(o.items, &item{Action: a, args: args, out: &outs[i], known: known})
	}
	if left > 0 {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: o.where(), Message: "the plan has not all of its versions", Remedy: "Make a new plan with this version of cooper."}
	}
	return all, nil
}

// names says which handles are meant.
func names(hs []*holder) string {
	const few = 3
	var parts []string
	for i, h := range hs {
		if i == few {
			parts = append(parts, fmt.Sprintf("and %d more", len(hs)-few))
			break
		}
		parts = append(parts, cooper.Quote(gcop.Handle(h.Kind, h.ID)))
	}
	return strings.Join(parts, ", ")
}
