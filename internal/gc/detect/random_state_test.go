package detect_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"cooper"
	"cooper/internal/gcstate"
)

// memory is a state that is gone with the test.
type memory struct {
	id      string
	records map[gcstate.Handle]gcstate.Record
	untold  []gcstate.Transition
	told    int
	changes int
}

func newMemory(id string) *memory {
	return &memory{id: id, records: map[gcstate.Handle]gcstate.Record{}}
}

func (m *memory) of(h gcstate.Handle) gcstate.Record {
	if r, ok := m.records[h]; ok {
		return r
	}
	return gcstate.Record{Handle: h, Status: gcstate.Available}
}

func (m *memory) Get(_ context.Context, handles []gcstate.Handle) (all []gcstate.Record, err error) {
	for _, h := range handles {
		all = append(all, m.of(h))
	}
	return all, nil
}

func (m *memory) set(before, after gcstate.Record) {
	m.changes++
	m.records[after.Handle] = after
	m.untold = append(m.untold, gcstate.Transition{ID: fmt.Sprintf("%s-%d", m.id, m.changes), Handle: after.Handle, From: before.Status, FromSince: before.Since, To: after.Status, Since: after.Since, Reason: after.Reason, Run: after.Run})
}

func (m *memory) Change(_ context.Context, changes []gcstate.Change) (all []gcstate.Result, err error) {
	for _, c := range changes {
		now := m.of(c.Handle)
		fits := now.Status == c.From && now.Since == c.Since
		if fits {
			m.set(now, gcstate.Record{Handle: c.Handle, Status: c.To, Since: max(c.At, now.Since+1), Before: now.Status, Reason: c.Reason, Run: c.Run})
		}
		all = append(all, gcstate.Result{Changed: fits, Now: m.of(c.Handle)})
	}
	return all, nil
}

func (m *memory) Walk(_ context.Context, scope string, statuses []gcstate.Status, each func(*gcstate.Record) error) error {
	all := slices.SortedFunc(maps.Values(m.records), func(a, b gcstate.Record) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range all {
		if r.Scope == scope && (len(statuses) == 0 || slices.Contains(statuses, r.Status)) {
			if err := each(&r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) Info(context.Context) (gcstate.Info, error) {
	i := gcstate.Info{ID: m.id, Told: m.told, Records: map[string]map[gcstate.Status]int64{}}
	for _, r := range m.records {
		if i.Records[r.Scope] == nil {
			i.Records[r.Scope] = map[gcstate.Status]int64{}
		}
		i.Records[r.Scope][r.Status]++
	}
	return i, nil
}

func (m *memory) Untold(context.Context) (gcstate.Batch, error) {
	if len(m.untold) == 0 {
		return gcstate.Batch{State: m.id}, nil
	}
	return gcstate.Batch{State: m.id, Number: m.told + 1, Transitions: slices.Clone(m.untold)}, nil
}

func (m *memory) Told(_ context.Context, number int) error {
	if number > m.told {
		m.told, m.untold = number, nil
	}
	return nil
}

func (m *memory) Restore(_ context.Context, at cooper.Instant, run string, records iter.Seq2[gcstate.Record, error]) error {
	if len(m.records) > 0 {
		return &cooper.Error{Kind: cooper.KindRefused, Message: "the state has records"}
	}
	for r, err := range records {
		if err != nil {
			return err
		}
		before := gcstate.Record{Handle: r.Handle, Status: gcstate.Available}
		m.set(before, gcstate.Record{Handle: r.Handle, Status: r.Status, Since: at, Before: r.Before, Reason: r.Reason, Run: run})
	}
	return nil
}

func (m *memory) Close() error { return nil }
