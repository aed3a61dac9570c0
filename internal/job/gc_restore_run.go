package job

import (
	"context"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/config"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/journal"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/verb/recall"
)

// recalls is the mission that brings objects back from the archive.
type recalls struct{}

func (recalls) traits() Traits {
	return Traits{Words: Words{
		Unfinished: "no shard was completed; what has come back of one is found again by the next run",
		Next: map[cooper.Kind]string{
			cooper.KindArchived: "The store was asked for them; give the command again when it has brought them",
			cooper.KindChanged:  "Their handles are not what they were; give the command again",
			cooper.KindConflict: "What is in their place is told with each: cooper gc history ID",
		},
	}}
}

func (recalls) check(h *plan.Header, _ *Options) error {
	_, err := gcop.RecallingOf(h)
	return err
}

// place is the archive: no other run archives, restores or deletes meanwhile.
func (recalls) place(h *plan.Header, _ *Options) (place, error) {
	r, err := gcop.RecallingOf(h)
	return place{lock: r.Bucket, command: commandRestore}, err
}

const commandRestore = "gc restore"

func (recalls) conclude(context.Context, *held, *Result, error) error { return nil }

// recalled is what bringing objects back takes, as it is put together.
type recalled struct {
	atArchive
	recalling gcop.Recalling
	opt       recall.Options
}

func (recalls) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (_ *kit, err error) {
	m := &recalled{atArchive: atArchive{held: held, h: p.Header(), command: commandRestore}}
	defer func() {
		if err != nil {
			finally(&err, m.close)
		}
	}()
	if m.recalling, err = gcop.RecallingOf(&m.h); err != nil {
		return nil, err
	}
	m.opt = recall.Options{
		Journal: journal.At(held.ws.TargetDir(held.lock)), To: map[string]recall.To{}, Jobs: opt.Jobs, Clock: held.Clock,
		Tell: func(context.Context) error { return nil }, Warn: func(text string) { held.Listener.Tell(Caution, text) },
	}
	for _, step := range []func(context.Context) error{m.buckets, m.state, m.owners} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	target, err := recall.New(&m.h, m.opt)
	if err != nil {
		return nil, err
	}
	return &kit{verbs: map[string]apply.Verb{gcop.Recall: nil}, target: target, count: held.counters(m.archive), workers: 1, shards: 2, again: true, close: m.close}, nil
}

// buckets opens the archive and those into which objects come back, and locks the latter.
func (m *recalled) buckets(ctx context.Context) error {
	for _, name := range append([]string{m.recalling.Bucket}, m.recalling.Buckets...) {
		b, _, err := m.bucket(ctx, name, m.opt.Jobs)
		if err != nil {
			return err
		}
		is, err := settings(ctx, b, store.Settings{}) // what cannot be told is not so
		if err != nil {
			return err
		}
		if name == m.recalling.Bucket {
			m.archive, m.opt.Archive, m.opt.Settings = b, b, is
			continue
		}
		versioning, err := b.Versioning(ctx)
		if err != nil {
			return err
		}
		m.opt.To[name] = recall.To{Bucket: b, Versioning: versioning, Settings: is}
	}
	return nil
}

// state opens the state, unless the archive alone says what there is.
func (m *recalled) state(ctx context.Context) (err error) {
	if m.recalling.FromArchive {
		return nil
	}
	m.opt.State, m.opt.Tell, err = m.states(ctx)
	return err
}

// owners opens the status column of the owner's, where it may be written.
func (m *recalled) owners(ctx context.Context) error {
	if m.recalling.Config == "" {
		return nil
	}
	_, declared, err := declaredIn(m.recalling.Config)
	if err != nil {
		return err
	}
	m.opt.Declared = declared
	c, err := config.Load(m.recalling.Config)
	if err != nil || !writable(c) {
		return err
	}
	if m.recalling.Scope == noScope {
		return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + m.h.ID, Message: "the archive does not tell of which database its handles are, so that their owner cannot be told", Remedy: "Bring the bytes back alone: --without-owner --archive " + m.recalling.Bucket}
	}
	column, err := m.openColumn(ctx, c, m.recalling.Scope)
	if err != nil {
		return err
	}
	m.closers, m.opt.Owner = append(m.closers, column.Close), &ownerOf{column, c}
	return nil
}

// ownerOf is the owner's column, of the kinds whose status may be written; of others all is as it is wished.
type ownerOf struct {
	column column
	config *config.Config
}

// Set is recall.Owner's.
func (o *ownerOf) Set(ctx context.Context, hs []gcstate.Handle, from, to gcstate.Status) ([]gcstate.Status, error) {
	all := make([]gcstate.Status, len(hs))
	var some []gcstate.Handle
	var at []int
	for i, h := range hs {
		all[i] = to
		if k := o.config.Kind(h.Kind); k != nil && k.Status != nil && k.Status.Write {
			some, at = append(some, h), append(at, i)
		}
	}
	if len(some) == 0 {
		return all, nil
	}
	now, err := o.column.Set(ctx, some, from, to)
	if err == nil && len(now) != len(some) {
		err = &cooper.Error{Kind: cooper.KindInternal, Message: "the owner's column tells of other handles than it was asked about"}
	}
	if err != nil {
		return nil, err
	}
	for i, s := range now {
		all[at[i]] = s
	}
	return all, nil
}
