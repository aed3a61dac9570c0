package job

import (
	"context"
	"errors"
	"maps"
	"slices"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/config"
	"cooper/internal/fence"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/journal"
	"cooper/internal/plan"
	"cooper/internal/query"
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
	*held
	h          plan.Header
	forgetting gcop.Forgetting
	opt        forget.Options
	archive    Bucket
	closers    []func() error
}

// close closes all that was opened, the last first.
func (m *forgotten) close() error {
	var errs []error
	for _, f := range slices.Backward(m.closers) {
		errs = append(errs, f())
	}
	m.closers = nil
	return errors.Join(errs...)
}

func (deletions) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (_ *kit, err error) {
	m := &forgotten{held: held, h: p.Header()}
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
	for _, step := range []func(context.Context) error{m.knows, m.buckets, m.owner} {
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

// also locks something beside the archive.
func (m *forgotten) also(name string) error {
	unlock, err := m.ws.LockTarget(name, m.run, commandDelete)
	if err == nil {
		m.closers = append(m.closers, unlock)
	}
	return err
}

// knows finds how far the database has been read, what is declared, and the state.
func (m *forgotten) knows(ctx context.Context) (err error) {
	if err := m.afterPlan(&m.h, m.forgetting.Bucket); err != nil {
		return err
	}
	// Meanwhile nobody reads the database anew, or marks handles.
	if err := m.also(lockOf(m.forgetting.Server)); err != nil {
		return err
	}
	if _, m.opt.Declared, err = declaredIn(m.forgetting.Config); err != nil {
		return err
	}
	err = m.small(ctx, func(db query.Engine) error {
		m.opt.Read, err = readsOf(ctx, db, m.forgetting.Server)
		return err
	})
	if err != nil {
		return err
	}
	state, err := m.openState(ctx)
	if err != nil {
		return err
	}
	m.closers = append(m.closers, state.Close)
	facts := m.gcFacts()
	newest, err := plan.Open(m.ws.PlanDir(slices.Max(slices.Collect(maps.Keys(m.opt.Read)))))
	if err != nil {
		return err
	}
	m.opt.Held = func(ctx context.Context, hs []gcstate.Handle) ([]string, error) {
		return askedFor(ctx, facts, m.forgetting.Scope, newest.Header().Created, hs)
	}
	m.opt.State, m.opt.Tell = state, func(ctx context.Context) error { return tellState(ctx, state, facts) }
	return nil
}

// buckets opens the archive and those that its objects are from, and locks the latter.
func (m *forgotten) buckets(ctx context.Context) error {
	f := &m.forgetting
	for _, name := range append([]string{f.Bucket}, f.Buckets...) {
		if name != m.lock {
			if err := m.also(name); err != nil {
				return err
			}
		}
		b, at, err := m.open(ctx, name, m.opt.Jobs)
		if err != nil {
			return err
		}
		m.closers = append(m.closers, b.Close)
		if planned := m.h.Store; planned != nil && planned.Contradicts(at) {
			return cooper.AnotherStore("plan "+m.h.ID, "was made for the bucket s3://"+name, planned, at, "Give the --endpoint-url and --profile that it was made with, or make a new plan.")
		}
		if name != f.Bucket {
			m.opt.Places[name] = b
			continue
		}
		if m.opt.Versioning, err = b.Versioning(ctx); err != nil {
			return err
		}
		settings, err := b.Settings(ctx)
		if cooper.KindOf(err) == cooper.KindInterrupted {
			return err
		} else if err != nil { // what a store cannot tell may be so
			settings = store.Settings{Lock: true}
		}
		m.archive, m.opt.Archive, m.opt.Settings = b, b, settings
		m.opt.Remover = remover{
			Target: remove.New(b, remove.Options{
				Journal: m.opt.Journal, Path: m.h.Target.Path, Versioning: m.opt.Versioning, Planned: f.Versioning, Lock: settings.Lock, Whole: true,
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
