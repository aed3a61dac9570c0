package job

import (
	"context"
	"fmt"
	"sync/atomic"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/checksum"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/treeop"
	"cooper/internal/verb/fetch"
	"cooper/internal/verb/shelve"
	"cooper/internal/verb/verify"
	"cooper/internal/words"
)

// trees is a mission that changes a tree.
type trees struct {
	use treeUse
	// unfinished says what holds of a shard that was not completed.
	unfinished string
}

const fetchedStays = "what was fetched is kept"

func (t trees) traits() Traits {
	return Traits{Words: Words{Unfinished: "no shard was completed; " + t.unfinished}}
}

func (trees) check(*plan.Header, *Options) error { return nil }

func (t trees) place(h *plan.Header, opt *Options) (place, error) {
	p := place{dir: h.Target.Path, use: t.use, layout: keypath.Layout(h.Target.Layout), command: "apply " + h.ID}
	if opt.Undo {
		p.use = changeTree
	}
	return p, nil
}

func (trees) conclude(context.Context, *held, *Result, error) error { return nil }

func (trees) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (*kit, error) {
	h := p.Header()
	if err := held.room(&h, opt); err != nil {
		return nil, err
	}
	from := &origin{}
	if h.Totals[treeop.Fetch].Count+h.Totals[treeop.Unarchive].Count > 0 {
		if err := from.open(ctx, held, &h, opt); err != nil {
			return nil, err
		}
	}
	if err := backup.NotFromTheFuture(&h, held.storeNow()); err != nil {
		finally(&err, from.close)
		return nil, err
	}
	count := held.counters(from.bucket)
	// nil: the commit does it all.
	verbs := map[string]apply.Verb{
		treeop.Retire: nil, treeop.Promote: nil, treeop.Record: nil, treeop.Prune: nil,
		treeop.Defer: fetch.Deferred{}, treeop.Verify: verify.New(held.tree, count.Moved),
	}
	if from.bucket != nil {
		fetching := fetch.Options{Moved: count.Moved, Redated: func() { from.redated.Add(1) }, Against: func() { from.against.Add(1) }}
		verbs[treeop.Fetch] = fetch.New(from.bucket, fetch.Into(held.tree.Staging()), fetching)
		verbs[treeop.Unarchive] = fetch.NewUnarchive(from.bucket, fetch.Into(held.tree.Staging()), fetching)
	}
	before := held.tree.State()
	return &kit{
		verbs: verbs, target: shelve.New(held.tree).From(from.store, opt.Moved || backup.Moved(&h)), count: count, workers: opt.Jobs,
		again: from.bucket != nil, close: from.close,
		told: func() {
			held.tellStore(&before)
			from.tell(held)
		},
		warn: func(m string) { held.tell(Note, "warning: %s", m) },
	}, nil
}

// room refuses a plan whose end would find the disk full: nothing has been
// fetched yet, and others may live on that disk. A plan that is under way is not
// weighed again: much of what it needs is there.
func (h *held) room(p *plan.Header, opt *Options) error {
	run := h.tree.State().Run
	if opt.AnySpace || run != nil && run.Plan == p.ID {
		return nil
	}
	free, err := h.tree.Free()
	if err != nil {
		return err
	}
	e := &cooper.Error{Kind: cooper.KindFull, Where: h.tree.Dir(),
		Remedy: "Make room; or back up a part, with --prefix or --match; or go on all the same, with --no-space-check."}
	switch need := p.Estimate; {
	case need.Disk > free.Bytes:
		e.Message = fmt.Sprintf("the plan needs about %s, and %s are free", words.Bytes(need.Disk), words.Bytes(free.Bytes))
	case need.Inodes > free.Inodes:
		e.Message = fmt.Sprintf("the plan needs about %s, and %s are free", words.Plural(need.Inodes, "inode"), words.Count(free.Inodes))
	default:
		return nil
	}
	return e
}

// tellStore says what an old tree has learnt, and that one follows another store.
func (h *held) tellStore(before *catalog.State) {
	switch now := h.tree.State().Store; {
	case now == nil:
	case before.Store == nil && len(before.Observed) > 0:
		h.tell(Note, "the tree remembers now that its bucket is at %s; another store is refused", now)
	case before.Store.Contradicts(now):
		h.tell(Note, "the tree follows the bucket at %s from now on; it was at %s", now, before.Store)
	}
}

// origin is where a plan fetches from, if it does, and what was noticed there.
type origin struct {
	bucket Bucket // nil: nothing is fetched
	store  *cooper.Store
	// redated counts versions that the store dates otherwise when they are read.
	redated atomic.Int64
	// against counts versions that are kept against the word of their ETag.
	against atomic.Int64
}

func (o *origin) open(ctx context.Context, held *held, h *plan.Header, opt *Options) error {
	name, _, err := cooper.ParseURL(h.Source)
	if err == nil {
		o.bucket, o.store, err = held.open(ctx, name, opt.Jobs)
	}
	return err
}

func (o *origin) close() error {
	if o.bucket == nil {
		return nil
	}
	return o.bucket.Close()
}

func (o *origin) tell(h *held) {
	if n := o.redated.Load(); n > 0 {
		h.tell(Note, "%s: the store tells another time by GET than by listing, of the same content; that of the listing is kept", words.Plural(n, "object"))
	}
	if n := o.against.Load(); n > 0 {
		h.tell(Note, "warning: %s: the ETag looks like an MD5 and is none of the bytes, which came alike %d times. Either the store makes other ETags, or it holds other bytes than were uploaded. They are kept as unverifiable", words.Plural(n, "object"), checksum.AlikeTimes)
	}
}
