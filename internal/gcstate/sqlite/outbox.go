package sqlite

import (
	"context"
	"fmt"
	"iter"

	"cooper"
	"cooper/internal/gcstate"
)

// Untold implements gcstate.State. A batch are the transitions from the one after the last that was told up to
// one that is written down with the first asking: it grows no more.
func (s *state) Untold(ctx context.Context) (b gcstate.Batch, err error) {
	var m meta
	err = s.read(ctx, func(t *tx) error {
		err := t.load()
		m = t.meta
		return err
	})
	if err == nil && m.batchTo == m.toldTo && m.last > m.toldTo {
		err = s.write(ctx, func(t *tx) error {
			if err := t.load(); err != nil {
				return err
			}
			if m := &t.meta; m.batchTo == m.toldTo {
				m.batchTo = min(m.last, m.toldTo+gcstate.MostInABatch)
			}
			return t.save()
		})
	}
	if err != nil {
		return gcstate.Batch{}, err
	}
	err = s.read(ctx, func(t *tx) error {
		if err := t.load(); err != nil {
			return err
		}
		b, err = t.batch()
		return err
	})
	if err != nil {
		return gcstate.Batch{}, err
	}
	return b, nil
}

// batch reads the one that is being told.
func (t *tx) batch() (b gcstate.Batch, err error) {
	m := &t.meta
	b.State = m.id
	if m.batchTo == m.toldTo {
		return b, nil
	}
	b.Number = int(m.told) + 1
	next := m.toldTo + 1
	err = t.each("SELECT number, scope, kind, id, from_status, from_since, to_status, since, reason, run, sum FROM untold WHERE number BETWEEN ? AND ? ORDER BY number", []any{next, m.batchTo}, func(scan func(...any) error) error {
		var tr gcstate.Transition
		var number, scope, sum int64
		if err := scan(&number, &scope, &tr.Kind, &tr.Handle.ID, &tr.From, &tr.FromSince, &tr.To, &tr.Since, &tr.Reason, &tr.Run, &sum); err != nil {
			return err
		}
		tr.Scope = t.names[scope]
		if number != next || sum != untoldSum(number, &tr) {
			return t.s.damaged(fmt.Errorf("the change number %d is another's, or gone", next))
		}
		next++
		tr.ID = fmt.Sprintf("%s-%d", m.id, number)
		b.Transitions = append(b.Transitions, tr)
		return nil
	})
	if err == nil && next != m.batchTo+1 {
		err = t.s.damaged(fmt.Errorf("the change number %d is gone", next))
	}
	return b, err
}

// Told implements gcstate.State.
func (s *state) Told(ctx context.Context, number int) error {
	return s.write(ctx, func(t *tx) error {
		if err := t.load(); err != nil {
			return err
		}
		m := &t.meta
		switch n := int64(number); {
		case n >= 1 && n <= m.told:
			return nil
		case n != m.told+1 || m.batchTo == m.toldTo:
			return &cooper.Error{Kind: cooper.KindInternal, Where: s.path, Message: fmt.Sprintf("the batch %d was told before it was asked for", number)}
		}
		if err := t.exec("DELETE FROM untold WHERE number <= ?", m.batchTo); err != nil {
			return err
		}
		m.told, m.toldTo = m.told+1, m.batchTo
		return t.save()
	})
}

// Restore implements gcstate.State.
func (s *state) Restore(ctx context.Context, at cooper.Instant, run string, records iter.Seq2[gcstate.Record, error]) error {
	return s.write(ctx, func(t *tx) error {
		if err := t.load(); err != nil {
			return err
		}
		for _, is := range t.totals {
			if is.records > 0 {
				return &cooper.Error{Kind: cooper.KindRefused, Where: s.path, Message: "the state has records; nothing is restored over them"}
			}
		}
		part := make([]gcstate.Record, 0, chunk)
		for r, err := range records {
			if err != nil {
				return err
			}
			if part = append(part, r); len(part) < chunk {
				continue
			}
			if err := t.restore(at, run, part); err != nil {
				return err
			}
			part = part[:0]
		}
		if err := t.restore(at, run, part); err != nil {
			return err
		}
		return t.save()
	})
}

func (t *tx) restore(at cooper.Instant, run string, records []gcstate.Record) error {
	handles := make([]gcstate.Handle, len(records))
	for i := range records {
		handles[i] = records[i].Handle
	}
	found, err := t.fetch(handles)
	if err != nil {
		return err
	}
	w := &written{t: t}
	for _, r := range records {
		if err := restorable(&r); err != nil {
			return err
		}
		if _, twice := found[r.Handle]; twice {
			return &cooper.Error{Kind: cooper.KindInternal, Where: r.ID, Message: "two records of one handle are to be restored"}
		}
		after := r
		after.Since, after.Run = max(at, r.Since+1), run
		found[r.Handle] = after
		if err := w.put(&r, &after, false, gcstate.Restored); err != nil {
			return err
		}
	}
	return w.flush()
}

func restorable(r *gcstate.Record) error {
	c := gcstate.Change{Handle: r.Handle, From: gcstate.Available, To: r.Status, At: max(1, r.Since)}
	if r.Status == gcstate.Available {
		c.From = gcstate.Unlinked
	}
	return c.Check()
}
