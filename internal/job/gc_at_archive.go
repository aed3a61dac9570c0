package job

import (
	"context"
	"errors"
	"maps"
	"slices"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/store"
)

// atArchive is a run on an archive bucket, whatever it does there: what it has locked and opened beside the archive.
type atArchive struct {
	*held
	h       plan.Header
	command string
	archive Bucket
	closers []func() error
}

// close closes all that was opened, the last first.
func (m *atArchive) close() error {
	var errs []error
	for _, f := range slices.Backward(m.closers) {
		errs = append(errs, f())
	}
	m.closers = nil
	return errors.Join(errs...)
}

// also locks something beside the archive.
func (m *atArchive) also(name string) error {
	unlock, err := m.ws.LockTarget(name, m.run, m.command)
	if err == nil {
		m.closers = append(m.closers, unlock)
	}
	return err
}

// bucket locks a bucket, if it is not the archive, and opens it: the one that the plan was made for.
func (m *atArchive) bucket(ctx context.Context, name string, jobs int) (b Bucket, at *cooper.Store, err error) {
	if name != m.lock {
		if err := m.also(name); err != nil {
			return nil, nil, err
		}
	}
	if b, at, err = m.open(ctx, name, jobs); err != nil {
		return nil, nil, err
	}
	m.closers = append(m.closers, b.Close)
	if planned := m.h.Store; planned != nil && planned.Contradicts(at) {
		return nil, nil, cooper.AnotherStore("plan "+m.h.ID, "was made for the bucket s3://"+name, planned, at, "Give the --endpoint-url and --profile that it was made with, or make a new plan.")
	}
	return b, at, nil
}

// settings are what a bucket is set to; untold where its store cannot tell.
func settings(ctx context.Context, b Bucket, untold store.Settings) (store.Settings, error) {
	s, err := b.Settings(ctx)
	if err == nil || cooper.KindOf(err) == cooper.KindInterrupted {
		return s, err
	}
	return untold, nil
}

// states opens the state, and gives what tells of its changes: also at the end, of a run that was stopped.
func (m *atArchive) states(ctx context.Context) (gcstate.State, func(context.Context) error, error) {
	state, err := m.openState(ctx)
	if err != nil {
		return nil, nil, err
	}
	facts := m.gcFacts()
	tell := func(ctx context.Context) error { return tellState(ctx, state, facts) }
	m.closers = append(m.closers, state.Close, func() error { return tell(context.WithoutCancel(ctx)) })
	return state, tell, nil
}

// known is what is known of an owner's database when a plan that rests on it is carried out.
type known struct {
	declared string
	read     gcop.Reads
	// asked says of handles which were asked for since the newest scan.
	asked func(ctx context.Context, hs []gcstate.Handle) ([]string, error)
}

// knows finds out what is known of the database. Meanwhile nobody reads it anew, or marks handles.
func (m *atArchive) knows(ctx context.Context, on *gcop.Marking) (k known, err error) {
	if err := calling(m.also(lockOf(on.Server)), on.Server); err != nil {
		return k, err
	}
	if _, k.declared, err = declaredIn(on.Config); err != nil {
		return k, err
	}
	err = m.small(ctx, func(db query.Engine) error {
		k.read, err = readsOf(ctx, db, on.Server)
		return err
	})
	if err != nil {
		return k, err
	}
	newest, err := plan.Open(m.ws.PlanDir(slices.Max(slices.Collect(maps.Keys(k.read)))))
	if err != nil {
		return k, err
	}
	facts, scope, since := m.gcFacts(), on.Scope, newest.Header().Created
	k.asked = func(ctx context.Context, hs []gcstate.Handle) ([]string, error) {
		return askedFor(ctx, facts, scope, since, hs)
	}
	return k, nil
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
