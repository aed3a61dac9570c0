package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/journal"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/verb/mark"
	"cooper/internal/words"
)

// marks is the mission that changes the statuses of handles, by what a detection has found.
type marks struct{}

func (marks) traits() Traits {
	return Traits{Words: Words{
		Unfinished: "no shard was completed; what was marked of one is marked, and told",
		Next:       map[cooper.Kind]string{cooper.KindChanged: "Their status was changed by somebody else; look anew: cooper gc detect"},
	}}
}

func (marks) check(h *plan.Header, _ *Options) error {
	_, err := gcop.MarkingOf(h)
	return err
}

// place is that of scans: while marks are made nobody reads the database anew.
func (marks) place(h *plan.Header, _ *Options) (place, error) {
	m, err := gcop.MarkingOf(h)
	return place{lock: lockOf(m.Server), named: m.Server, command: "gc detect"}, err
}

// lockOf is what is locked of a database, by its own identity.
func lockOf(server string) string {
	sum := sha256.Sum256([]byte(server))
	return "database:" + hex.EncodeToString(sum[:8])
}

// scope is the name of the collection of the handles of a database: its identity tells servers
// apart, and databases of one.
func scope(server string) string { return server }

func (marks) conclude(context.Context, *held, *Result, error) error { return nil }

func (marks) equip(ctx context.Context, held *held, p *plan.Plan, _ *Options) (_ *kit, err error) {
	h := p.Header()
	m, err := gcop.MarkingOf(&h)
	if err != nil {
		return nil, err
	}
	_, declared, err := declaredIn(m.Config)
	if err != nil {
		return nil, err
	}
	var read gcop.Reads
	err = held.small(ctx, func(db query.Engine) error {
		read, err = readsOf(ctx, db, m.Server)
		return err
	})
	if err != nil {
		return nil, err
	}
	facts := held.gcFacts()
	if err := held.fresh(ctx, facts, h.ID, m.Detection); err != nil {
		return nil, err
	}
	state, err := held.openState(ctx)
	if err != nil {
		return nil, err
	}
	var owner column
	end := state.Close
	if c, err := config.Load(m.Config); err != nil {
		return nil, errors.Join(err, state.Close())
	} else if writable(c) {
		if owner, err = held.openColumn(ctx, c, m.Server); err != nil {
			return nil, errors.Join(err, state.Close())
		}
		end = func() error { return errors.Join(owner.Close(), state.Close()) }
	}
	target, err := mark.New(&h, mark.Options{
		Journal: journal.At(held.ws.TargetDir(held.lock)), State: state, Column: owner, Declared: declared, Read: read, Words: facts.Words,
		Tell: func(ctx context.Context) error { return tellState(ctx, state, facts) }, Clock: held.Clock,
	})
	if err != nil {
		finally(&err, end)
		return nil, err
	}
	return &kit{verbs: map[string]apply.Verb{gcop.Mark: nil}, target: target, count: held.counters(nil), workers: 1, shards: 1, close: end}, nil
}

// fresh wants the newest scan that a detection rests on to be young still: links may have been made since.
func (w *work) fresh(ctx context.Context, facts *gcfacts.Store, plan, detection string) error {
	detections, err := facts.Detections(ctx)
	if err != nil {
		return err
	}
	scans, err := facts.Scans(ctx)
	if err != nil {
		return err
	}
	for i := range detections {
		for n := range scans {
			if d, s := &detections[i], &scans[n]; d.ID == detection && len(d.Scans) > 0 && s.ID == d.Scans[0] && w.Clock().Sub(s.Ended.Time()) <= gc.FreshFor {
				return nil
			}
		}
	}
	return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + plan, Message: "the newest scan that it rests on is more than 14 days old", Remedy: "Scan, and look anew: cooper gc scan; cooper gc detect"}
}

// tellState writes down as facts what a state has not told yet, each batch once.
func tellState(ctx context.Context, s gcstate.State, facts *gcfacts.Store) error {
	for {
		b, err := s.Untold(ctx)
		if err != nil || b.Number == 0 {
			return err
		}
		told := gcfacts.Batch{State: b.State, Number: b.Number}
		for i := range b.Transitions {
			t := &b.Transitions[i]
			told.Transitions = append(told.Transitions, gcfacts.Transition{
				ID: t.ID, Scope: t.Scope, Kind: t.Kind, Handle: t.Handle.ID, From: string(t.From), FromSince: t.FromSince,
				To: string(t.To), Since: t.Since, Reason: t.Reason, Run: t.Run,
			})
		}
		if err := facts.Tell(ctx, told); err != nil {
			return err
		}
		if err := s.Told(ctx, b.Number); err != nil {
			return err
		}
	}
}

// handles says how many.
func handles(n int64) string { return words.Plural(n, "handle") }
