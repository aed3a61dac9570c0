package job

import (
	"context"
	"errors"
	"maps"
	"slices"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/config"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/journal"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/query"
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
	*held
	h         plan.Header
	archiving gcop.Archiving
	opt       archive.Options
	archive   Bucket
	closers   []func() error
}

// close closes all that was opened, the last first.
func (m *moving) close() error {
	var errs []error
	for _, f := range slices.Backward(m.closers) {
		errs = append(errs, f())
	}
	m.closers = nil
	return errors.Join(errs...)
}

func (archives) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (_ *kit, err error) {
	m := &moving{held: held, h: p.Header()}
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
	for _, step := range []func(context.Context) error{m.knows, m.buckets, m.fence} {
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

// also locks something beside the archive.
func (m *moving) also(name string) error {
	unlock, err := m.ws.LockTarget(name, m.run, commandArchive)
	if err == nil {
		m.closers = append(m.closers, unlock)
	}
	return err
}

// knows finds how far the database has been read, what is declared, and the state.
func (m *moving) knows(ctx context.Context) (err error) {
	// While objects move nobody reads the database anew, or marks handles.
	if err := calling(m.also(lockOf(m.archiving.Server)), m.archiving.Server); err != nil {
		return err
	}
	if _, m.opt.Declared, err = declaredIn(m.archiving.Config); err != nil {
		return err
	}
	err = m.small(ctx, func(db query.Engine) error {
		m.opt.Read, err = readsOf(ctx, db, m.archiving.Server)
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
		return askedFor(ctx, facts, m.archiving.Scope, newest.Header().Created, hs)
	}
	m.opt.State, m.opt.Tell = state, func(ctx context.Context) error { return tellState(ctx, state, facts) }
	m.closers = append(m.closers, func() error { return tellState(context.WithoutCancel(ctx), state, facts) }) // of a run that was stopped
	return nil
}

// askedFor says of handles which were asked for since a time, as a guard has noted: somebody has a link to them.
func askedFor(ctx context.Context, facts *gcfacts.Store, scope string, since cooper.Instant, hs []gcstate.Handle) ([]string, error) {
	asked, err := facts.AskedSince(ctx, scope, since)
	if err != nil {
		return nil, err
	}
	why := make([]string, len(hs))
	for i, h := range hs {
		if at, ok := asked[gcfacts.AskedOf{Kind: h.Kind, ID: h.ID}]; ok {
			why[i] = "it was asked for at " + at.String()
		}
	}
	return why, nil
}

// buckets opens the archive and those from which objects go, and locks the latter.
func (m *moving) buckets(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(m.archiving.Versioning)) {
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
		if m.opt.Versioning[name], err = b.Versioning(ctx); err != nil {
			return err
		}
		settings, err := b.Settings(ctx)
		if cooper.KindOf(err) == cooper.KindInterrupted {
			return err
		} else if err != nil { // what a store cannot tell may be so
			settings = store.Settings{Lock: true}
		}
		if planned := m.h.Store; planned != nil && planned.Contradicts(at) {
			return cooper.AnotherStore("plan "+m.h.ID, "was made for the bucket s3://"+name, planned, at, "Give the --endpoint-url and --profile that it was made with, or make a new plan.")
		}
		if name == m.archiving.Bucket {
			m.archive, m.opt.Archive, m.opt.Settings = b, b, settings
			continue
		}
		versioning := m.opt.Versioning[name]
		m.opt.From[name] = archive.From{Bucket: b, Settings: settings, Remover: remover{
			Target: remove.New(b, remove.Options{
				Journal: journal.At(m.ws.TargetDir(name)), Path: "s3://" + name + "/", Versioning: versioning, Planned: versioning, Lock: settings.Lock, Whole: true,
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
