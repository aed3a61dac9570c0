package job

import (
	"context"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/config"
	"cooper/internal/fence"
	"cooper/internal/gcop"
	"cooper/internal/journal"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/verb/archive"
	"cooper/internal/verb/forget"
	"cooper/internal/verb/remove"
)

// deletions is the mission that deletes from the archive.
type deletions struct{}

func (deletions) traits() Traits {
	return Traits{Words: Words{
		Unfinished: "no shard was completed; what was deleted of one is gone all the same",
		Next: map[cooper.Kind]string{
			cooper.KindChanged:  "Their handles, or their copies, are not what they were; look anew: cooper gc detect",
			cooper.KindConflict: "What keeps them is told with each: cooper ledger sql; cooper gc history ID",
		},
	}}
}

func (deletions) check(h *plan.Header, _ *Options) error {
	_, err := gcop.ForgettingOf(h)
	return err
}

// place is the archive: no other run archives, restores or deletes meanwhile.
func (deletions) place(h *plan.Header, _ *Options) (place, error) {
	f, err := gcop.ForgettingOf(h)
	return place{lock: f.Bucket, command: commandDelete}, err
}

const commandDelete = "gc run delete"

func (deletions) conclude(context.Context, *held, *Result, error) error { return nil }

// forgotten is what deleting takes, as it is put together.
type forgotten struct {
	atArchive
	forgetting gcop.Forgetting
	opt        forget.Options
}

func (deletions) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (_ *kit, err error) {
	m := &forgotten{atArchive: atArchive{held: held, h: p.Header(), command: commandDelete}}
	defer func() {
		if err != nil {
			finally(&err, m.close)
		}
	}()
	if m.forgetting, err = gcop.ForgettingOf(&m.h); err != nil {
		return nil, err
	}
	m.opt = forget.Options{
		Journal: journal.At(held.ws.TargetDir(held.lock)), Places: map[string]forget.Place{}, Words: held.gcFacts().Words,
		Jobs: opt.Jobs, Clock: held.Clock, Warn: func(text string) { held.Listener.Tell(Caution, text) },
	}
	for _, step := range []func(context.Context) error{m.asks, m.buckets, m.owner} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	target, err := forget.New(&m.h, m.opt)
	if err != nil {
		return nil, err
	}
	return &kit{verbs: map[string]apply.Verb{gcop.Forget: nil, gcop.Vanish: nil}, target: target, count: held.counters(m.archive), workers: 1, shards: 2, again: true, close: m.close}, nil
}

// asks finds what is known of the database, and the state.
func (m *forgotten) asks(ctx context.Context) error {
	if err := m.afterPlan(&m.h, m.forgetting.Bucket); err != nil {
		return err
	}
	k, err := m.knows(ctx, &m.forgetting.Marking)
	if err != nil {
		return err
	}
	m.opt.Declared, m.opt.Read, m.opt.Held = k.declared, k.read, k.asked
	m.opt.State, m.opt.Tell, err = m.states(ctx)
	return err
}

// buckets opens the archive and those that its objects are from, and locks the latter.
func (m *forgotten) buckets(ctx context.Context) error {
	f := &m.forgetting
	for _, name := range append([]string{f.Bucket}, f.Buckets...) {
		b, at, err := m.bucket(ctx, name, m.opt.Jobs)
		if err != nil {
			return err
		}
		if name != f.Bucket {
			m.opt.Places[name] = b
			continue
		}
		if m.opt.Versioning, err = b.Versioning(ctx); err != nil {
			return err
		}
		is, err := settings(ctx, b, store.Settings{Lock: true}) // what cannot be told may be so
		if err != nil {
			return err
		}
		m.archive, m.opt.Archive, m.opt.Settings = b, b, is
		m.opt.Remover = remover{
			Target: remove.New(b, remove.Options{
				Journal: m.opt.Journal, Path: m.h.Target.Path, Versioning: m.opt.Versioning, Planned: f.Versioning, Lock: is.Lock, Whole: true,
				Store: *at, PlannedStore: *at, Jobs: m.opt.Jobs, Clock: m.Clock, Warn: m.opt.Warn,
			}),
			compares: m.opt.Versioning != "Enabled" && !f.Unguarded,
		}
	}
	return nil
}

// owner opens the owner's database, to be asked once more.
func (m *forgotten) owner(ctx context.Context) error {
	c, err := config.Load(m.forgetting.Config)
	if err != nil {
		return err
	}
	f, err := m.openFence(ctx, c, m.opt.State, &gcop.Archiving{Marking: m.forgetting.Marking, Unfenced: m.forgetting.Unfenced})
	if err != nil {
		return err
	}
	m.closers, m.opt.Owner = append(m.closers, f.end), lastLook{f}
	return nil
}

// lastLook is what verb forget asks of an owner's database.
type lastLook struct{ *ownerFence }

var _ forget.Owner = lastLook{}

// Look is forget.Owner's.
func (l lastLook) Look(ctx context.Context, asked []forget.Asked) ([]forget.Sight, error) {
	some := make([]archive.Asked, len(asked))
	for i, a := range asked {
		some[i] = archive.Asked{Handle: a.Handle, Bucket: a.Bucket, Key: a.Key}
	}
	seen, err := l.ownerFence.Look(ctx, some)
	if err != nil {
		return nil, err
	}
	all := make([]forget.Sight, len(seen))
	for i, s := range seen {
		all[i] = forget.Sight{Why: s.Why, Blind: s.Blind}
	}
	return all, nil
}

// Named is forget.Owner's.
func (l lastLook) Named(ctx context.Context, objects []forget.Object) ([]string, error) {
	some := make([]fence.Object, len(objects))
	for i, o := range objects {
		some[i] = fence.Object(o)
	}
	return l.fence.Named(ctx, some)
}
