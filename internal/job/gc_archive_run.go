package job

import (
	"context"
	"maps"
	"slices"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/config"
	"cooper/internal/gcop"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/verb/archive"
	"cooper/internal/verb/remove"
)

// archives is the mission that moves objects into the archive.
type archives struct{}

func (archives) traits() Traits {
	return Traits{Words: Words{
		Unfinished: "no shard was completed; what has moved of one is found again by the next run",
		Next: map[cooper.Kind]string{
			cooper.KindChanged:  "Their handles, or their objects, are not what they were; look anew: cooper gc detect",
			cooper.KindConflict: "What keeps them is told with each: cooper ledger sql; cooper gc history ID",
		},
	}}
}

func (archives) check(h *plan.Header, _ *Options) error {
	_, err := gcop.ArchivingOf(h)
	return err
}

// place is the archive: no other run archives, restores or deletes meanwhile.
func (archives) place(h *plan.Header, _ *Options) (place, error) {
	a, err := gcop.ArchivingOf(h)
	return place{lock: a.Bucket, command: commandArchive}, err
}

const commandArchive = "gc run archive"

func (archives) conclude(context.Context, *held, *Result, error) error { return nil }

// moving is what moving objects takes, as it is put together.
type moving struct {
	atArchive
	archiving gcop.Archiving
	opt       archive.Options
}

func (archives) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (_ *kit, err error) {
	m := &moving{atArchive: atArchive{held: held, h: p.Header(), command: commandArchive}}
	defer func() {
		if err != nil {
			finally(&err, m.close)
		}
	}()
	if m.archiving, err = gcop.ArchivingOf(&m.h); err != nil {
		return nil, err
	}
	m.opt = archive.Options{
		Journal: journal.At(held.ws.TargetDir(held.lock)), From: map[string]archive.From{}, Versioning: map[string]string{}, Words: held.gcFacts().Words,
		Moving: held.moving, Stop: ctx.Done(), Jobs: opt.Jobs, Clock: held.Clock, Warn: func(text string) { held.Listener.Tell(Caution, text) },
	}
	for _, step := range []func(context.Context) error{m.asks, m.buckets, m.fence} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	target, err := archive.New(&m.h, m.opt)
	if err != nil {
		return nil, err
	}
	return &kit{verbs: map[string]apply.Verb{gcop.Archive: nil, gcop.GiveBack: nil}, target: target, count: held.counters(m.archive), workers: 1, shards: 2, again: true, close: m.close}, nil
}

// asks finds what is known of the database, and the state.
func (m *moving) asks(ctx context.Context) error {
	k, err := m.knows(ctx, &m.archiving.Marking)
	if err != nil {
		return err
	}
	m.opt.Declared, m.opt.Read, m.opt.Held = k.declared, k.read, k.asked
	m.opt.State, m.opt.Tell, err = m.states(ctx)
	return err
}

// buckets opens the archive and those from which objects go, and locks the latter.
func (m *moving) buckets(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(m.archiving.Versioning)) {
		b, at, err := m.bucket(ctx, name, m.opt.Jobs)
		if err != nil {
			return err
		}
		is, err := settings(ctx, b, store.Settings{Lock: true}) // what cannot be told may be so
		if err != nil {
			return err
		}
		if m.opt.Versioning[name], err = b.Versioning(ctx); err != nil {
			return err
		}
		if name == m.archiving.Bucket {
			m.archive, m.opt.Archive, m.opt.Settings = b, b, is
			continue
		}
		versioning := m.opt.Versioning[name]
		m.opt.From[name] = archive.From{Bucket: b, Settings: is, Remover: remover{
			Target: remove.New(b, remove.Options{
				Journal: journal.At(m.ws.TargetDir(name)), Path: "s3://" + name + "/", Versioning: versioning, Planned: versioning, Lock: is.Lock, Whole: true,
				Store: *at, PlannedStore: *at, Jobs: m.opt.Jobs, Clock: m.Clock, Warn: m.opt.Warn,
			}),
			compares: versioning != "Enabled" && !m.archiving.Unguarded,
		}}
	}
	if m.archive == nil {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + m.h.ID, Message: "does not say how its archive keeps versions", Remedy: "Make a new plan with this version of cooper."}
	}
	return nil
}

// remover removes from one bucket.
type remover struct {
	*remove.Target
	compares bool // the ETags of null versions, which the store is to be seen doing
}

// Begin begins a plan as one of this bucket.
func (r remover) Begin(ctx context.Context, p permit.Permit, h plan.Header) error {
	h.Estimate.Requests = map[string]int64{}
	if r.compares {
		h.Estimate.Requests[bucketop.ClassProbe] = 1
	}
	return r.Target.Begin(ctx, p, h)
}

// fence opens the owner's database, to be asked about new links.
func (m *moving) fence(ctx context.Context) error {
	if m.archiving.Unindexed {
		return nil
	}
	c, err := config.Load(m.archiving.Config)
	if err != nil {
		return err
	}
	f, err := m.openFence(ctx, c, m.opt.State, &m.archiving)
	if err != nil {
		return err
	}
	m.closers, m.opt.Fence = append(m.closers, f.end), f
	return nil
}
