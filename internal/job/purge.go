package job

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/inventory"
	"cooper/internal/journal"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/purge"
	"cooper/internal/query"
	"cooper/internal/verb/remove"
	"cooper/internal/words"
)

// Purge removes versions of a bucket for good.
type Purge struct {
	Bucket, Prefix string
	Source         Source
	// Policy needs neither Endpoint nor Versioning: the bucket tells.
	Policy purge.Policy
	// Chosen opens what narrows the purge further: a list of keys, or SQL, that of the
	// policy; nil for nothing.
	Chosen *Chosen
	// PlanOnly plans, and changes nothing. Yes: do not ask.
	PlanOnly, Yes bool
	// After, if given, follows the carrying out of the plan with the id, however that
	// has ended: what was removed was removed.
	After func(ctx context.Context, id string) error
	Options
}

// Chosen is what narrows a purge.
type Chosen struct {
	// SQL answers with keys; empty for Open.
	SQL string
	// Open opens a list of keys, with some memory and a directory to sort in.
	Open func(ctx context.Context, memory int64, temp string) (purge.Choices, error)
}

// purgeShard is how many versions a shard has: some requests at once, and little
// to look at again after a crash.
const purgeShard = 10_000

// Run plans, shows the plan, asks, and carries it out.
func (p *Purge) Run(ctx context.Context, e *Env) (r Result, err error) {
	err = e.begin(func(w *work) error {
		h, err := p.planned(ctx, w)
		if err != nil {
			return err
		}
		r.Plan = &h
		if p.PlanOnly {
			return nil
		}
		may, err := w.mayDelete(ctx, &r, bucketop.Remove, p.Yes || p.Confirm != "")
		if err != nil || !may {
			return err
		}
		r, err = w.applyMade(ctx, &h, &p.Options)
		if p.After != nil {
			err = errors.Join(err, p.After(context.WithoutCancel(ctx), h.ID))
		}
		return err
	})
	return r, err
}

// planned makes the plan, or finds the one that the person has confirmed.
func (p *Purge) planned(ctx context.Context, w *work) (h plan.Header, err error) {
	policy := p.Policy
	b, store, err := w.open(ctx, p.Bucket, p.Jobs)
	if err != nil {
		return h, err
	}
	if policy.Versioning, err = b.Versioning(ctx); err == nil {
		err = canLook(ctx, b, p.Prefix, policy.Versioning)
	}
	if err = closing(b, err); err != nil {
		return h, err
	}
	policy.Endpoint = store.Endpoint
	if p.Confirm != "" {
		target := "s3://" + p.Bucket + "/" + p.Prefix
		return w.confirmed(p.Confirm, purge.Mission, "bucket", target, func(h *plan.Header) bool { return purge.SamePolicy(h, policy) })
	}
	prices, err := price.Load("")
	if err != nil {
		return h, err
	}
	snap, err := w.snapshotOf(ctx, p.Bucket, p.Source, p.Prefix, ".")
	if err != nil {
		return h, err
	}
	err = p.choices(ctx, w, snap.Meta().ID, func(from purge.Choices) error {
		h, err = w.writePlan(unweighed(purgeShard), func(id string, out *plan.Writer) (plan.Header, error) {
			return purge.Plan(ctx, purge.Inputs{Snapshot: inventory.ViewOf(snap), Policy: policy, Chosen: from, Prices: prices, Store: store, Moved: p.Moved, ID: id, Now: w.now()}, out)
		})
		return err
	})
	return h, err
}

// choices opens what narrows a purge for f; nil if nothing does. Of versions a query
// sees those of the snapshot that is planned from: what another one says, of
// another day or bucket, must choose nothing.
func (p *Purge) choices(ctx context.Context, w *work, snapshot string, f func(purge.Choices) error) error {
	if p.Chosen == nil {
		return f(nil)
	}
	then := func(from purge.Choices, err error) error {
		if err == nil {
			err = errors.Join(f(from), from.Close())
		}
		return err
	}
	if p.Chosen.SQL != "" {
		return w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir(), Snapshot: snapshot}, func(db query.Engine) error {
			return then(purge.FromSQL(ctx, db, p.Chosen.SQL))
		})
	}
	return w.tempDir(func(temp string) error { return then(p.Chosen.Open(ctx, w.Memory/8, temp)) })
}

// purges is the mission that removes versions of a bucket.
type purges struct{}

func (purges) traits() Traits {
	return Traits{Removes: true, Words: Words{Unfinished: "no shard was completed; what was removed of one is gone all the same"}}
}

func (purges) check(*plan.Header, *Options) error { return nil }

func (purges) place(h *plan.Header, _ *Options) (place, error) {
	bucket, _, err := cooper.ParseURL(h.Target.Path)
	return place{lock: bucket, command: "purge run"}, err
}

func (purges) conclude(context.Context, *held, *Result, error) error { return nil }

func (purges) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (*kit, error) {
	h := p.Header()
	policy, err := purge.PolicyOf(&h)
	if err != nil {
		return nil, err
	}
	bucket, prefix, err := cooper.ParseURL(h.Target.Path)
	if err != nil {
		return nil, err
	}
	b, store, err := held.open(ctx, bucket, opt.Jobs)
	if err != nil {
		return nil, err
	}
	versioning, err := b.Versioning(ctx)
	if err != nil {
		return nil, closing(b, err)
	}
	lock := false
	if b.Endpoint() != "" { // what a store cannot tell keeps nothing from being removed
		settings, err := b.Settings(ctx)
		if cooper.KindOf(err) == cooper.KindInterrupted {
			return nil, closing(b, err)
		}
		lock = settings.Lock
	}
	target := remove.New(b, remove.Options{
		Journal: journal.At(held.ws.TargetDir(bucket)), Path: h.Target.Path, Prefix: prefix, Versioning: versioning, Planned: policy.Versioning, Lock: lock,
		Store: *store, PlannedStore: bucketop.PlannedStore(&h, policy.Endpoint), Jobs: opt.Jobs, Clock: held.Clock,
		Warn: func(m string) { held.Listener.Tell(Caution, m) },
	})
	return &kit{
		verbs:  map[string]apply.Verb{bucketop.Remove: nil}, // nil: the commit does it all
		target: target, count: held.counters(b), workers: 1, shards: 2, again: true, close: b.Close,
		told: func() {
			if n := target.Absent(); n > 0 {
				held.tell(Caution, "not there any more: %s; a run that was stopped has removed them, or somebody else, or this is not the bucket of the snapshot", words.Plural(n, "version"))
			}
		},
	}, nil
}

// WriteRemoved writes what the runs of a plan have removed: {"key", "version_id"} a
// line, in the order of the plan. What the ledger tells and the plan does not have is
// KindCorrupt.
func WriteRemoved(ctx context.Context, e *Env, id string, to io.Writer) error {
	return e.begin(func(w *work) error {
		p, err := plan.Open(w.ws.PlanDir(id))
		if err != nil {
			return err
		}
		return w.each(ctx, newWalk(ctx, p, to).write, "SELECT action, key, coalesce(version_id, 'null') FROM outcome WHERE plan = ? AND verb = ? AND status = 'done' ORDER BY action", id, bucketop.Remove)
	})
}

// walk goes through the actions of a plan, in order, and writes what was done of them.
type walk struct {
	ctx     context.Context
	to      *json.Encoder
	plan    *plan.Plan
	shard   int             // the next one
	actions []cooper.Action // of the one before, from that which was asked about last
}

func newWalk(ctx context.Context, p *plan.Plan, to io.Writer) *walk {
	w := &walk{ctx: ctx, plan: p, to: json.NewEncoder(to)}
	w.to.SetEscapeHTML(false)
	return w
}

// write writes the removal that a row of the ledger tells of.
func (p *walk) write(row []any) error {
	if fresh, err := p.has(row); err != nil || !fresh {
		return err
	}
	return p.to.Encode(struct {
		Key       any `json:"key"`
		VersionID any `json:"version_id"`
	}{row[1], row[2]})
}

// has tells whether the plan has the removal that a row of the ledger tells of; rows
// come in the order of actions. One that it has not is damage. One that comes again,
// as after a journal was lost, is not new.
func (p *walk) has(row []any) (fresh bool, err error) {
	id, ok := row[0].(int64)
	fresh = len(p.actions) == 0 || p.actions[0].ID != id
	for ok && (len(p.actions) == 0 || p.actions[0].ID < id) {
		switch {
		case len(p.actions) > 0:
			p.actions = p.actions[1:]
		case p.shard == p.plan.Shards():
			ok = false
		default:
			if p.actions, err = p.plan.Shard(p.ctx, p.shard); err != nil {
				return false, err
			}
			p.shard++
		}
	}
	if ok {
		a := &p.actions[0]
		ok = a.ID == id && a.Verb == bucketop.Remove && row[1] == a.Version.Key && row[2] == cmp.Or(a.Version.VersionID, cooper.NullVersion)
	}
	if !ok {
		return false, &cooper.Error{Kind: cooper.KindCorrupt, Where: "the ledger, of plan " + p.plan.Header().ID,
			Message: fmt.Sprintf("tells that %s (version %s) was removed as action %v, and the plan has no such action", cooper.Quote(fmt.Sprint(row[1])), cooper.Quote(fmt.Sprint(row[2])), row[0]),
			Remedy:  "A file of the ledger is damaged, or another plan's: put it back from a copy. What the run's summary says is right all the same."}
	}
	return fresh, nil
}
