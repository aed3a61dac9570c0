package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cooper"
	"cooper/internal/gcstate"
)

// chunk is how many handles are looked up with one statement, and rows how many are written with one: the driver
// takes time for each value that is as long as there are values.
const (
	chunk = 32
	rows  = 8
)

// fetch reads those records of some handles that are there.
func (t *tx) fetch(handles []gcstate.Handle) (map[gcstate.Handle]gcstate.Record, error) {
	found := make(map[gcstate.Handle]gcstate.Record, len(handles))
	args := make([]any, 0, 3*len(handles))
	for _, h := range handles {
		if n, ok := t.scopes[h.Scope]; ok {
			args = append(args, n, h.Kind, h.ID)
		}
	}
	if len(args) == 0 {
		return found, nil
	}
	st, err := t.statement("WITH v(scope, kind, id) AS (VALUES " + places(len(args)/3, 3) + `)
		SELECT r.scope, r.kind, r.id, r.status, r.since, r.before, r.reason, r.run, r.sum FROM v CROSS JOIN record r ON r.scope = v.scope AND r.kind = v.kind AND r.id = v.id`)
	if err != nil {
		return nil, err
	}
	answer, err := st.QueryContext(t.ctx, args...)
	if err != nil {
		return nil, err
	}
	err = t.over(answer, func(scan func(...any) error) error {
		r, err := t.record(scan)
		if err == nil {
			found[r.Handle] = r
		}
		return err
	})
	return found, err
}

// record takes one from a row, and checks it.
func (t *tx) record(scan func(...any) error) (r gcstate.Record, err error) {
	var scope, sum int64
	if err = scan(&scope, &r.Kind, &r.ID, &r.Status, &r.Since, &r.Before, &r.Reason, &r.Run, &sum); err != nil {
		return r, err
	}
	r.Scope = t.names[scope]
	if sum != recordSum(&r) || !slices.Contains(gcstate.Statuses, r.Status) {
		return r, t.s.damaged(fmt.Errorf("the record of %s is another's", cooper.Quote(r.Kind+":"+r.ID)))
	}
	return r, nil
}

// never is the record of a handle that never changed.
func never(h gcstate.Handle) gcstate.Record {
	return gcstate.Record{Handle: h, Status: gcstate.Available}
}

// Get implements gcstate.State.
func (s *state) Get(ctx context.Context, handles []gcstate.Handle) ([]gcstate.Record, error) {
	all := make([]gcstate.Record, 0, len(handles))
	err := s.read(ctx, func(t *tx) error {
		if err := t.load(); err != nil {
			return err
		}
		for part := range slices.Chunk(handles, chunk) {
			found, err := t.fetch(part)
			if err != nil {
				return err
			}
			for _, h := range part {
				r, ok := found[h]
				if !ok {
					r = never(h)
				}
				all = append(all, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Change implements gcstate.State. While the transaction lasts nobody else changes anything, so that what
// is compared is what is set.
func (s *state) Change(ctx context.Context, changes []gcstate.Change) ([]gcstate.Result, error) {
	for i := range changes {
		if err := changes[i].Check(); err != nil {
			return nil, err
		}
	}
	if len(changes) == 0 {
		return nil, nil
	}
	results := make([]gcstate.Result, 0, len(changes))
	err := s.write(ctx, func(t *tx) error {
		if err := t.load(); err != nil {
			return err
		}
		for part := range slices.Chunk(changes, chunk) {
			some, err := t.change(part)
			if err != nil {
				return err
			}
			results = append(results, some...)
		}
		return t.save()
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (t *tx) change(changes []gcstate.Change) (results []gcstate.Result, err error) {
	handles := make([]gcstate.Handle, len(changes))
	for i := range changes {
		handles[i] = changes[i].Handle
	}
	now, err := t.fetch(handles)
	if err != nil {
		return nil, err
	}
	w := &written{t: t}
	for i := range changes {
		c := &changes[i]
		r, ok := now[c.Handle]
		if !ok {
			r = never(c.Handle)
		}
		if r.Status != c.From || r.Since != c.Since {
			results = append(results, gcstate.Result{Now: r})
			continue
		}
		after := gcstate.Record{Handle: c.Handle, Status: c.To, Since: max(c.At, r.Since+1), Before: c.From, Reason: c.Reason, Run: c.Run}
		if err := w.put(&r, &after, ok, c.Reason); err != nil {
			return nil, err
		}
		now[c.Handle] = after
		results = append(results, gcstate.Result{Changed: true, Now: after})
	}
	return results, w.flush()
}

// written are records and transitions that are to be written with one statement each.
type written struct {
	t          *tx
	records    map[gcstate.Handle]gcstate.Record
	order      []gcstate.Handle
	transition []any
}

const (
	recordValues = 9
	untoldValues = 11
)

// put notes that a record is another from now on, and the transition.
func (w *written) put(before, after *gcstate.Record, there bool, reason string) error {
	scope, err := w.t.scope(after.Scope)
	if err != nil {
		return err
	}
	if w.records == nil {
		w.records = map[gcstate.Handle]gcstate.Record{}
	}
	if there {
		w.t.add(before, scope, -1)
	}
	w.t.add(after, scope, 1)
	if _, twice := w.records[after.Handle]; !twice {
		w.order = append(w.order, after.Handle)
	}
	w.records[after.Handle] = *after
	w.t.meta.last++
	n := w.t.meta.last
	tr := gcstate.Transition{Handle: after.Handle, From: before.Status, FromSince: before.Since, To: after.Status, Since: after.Since, Reason: reason, Run: after.Run}
	w.transition = append(w.transition, n, scope, tr.Kind, tr.Handle.ID, string(tr.From), int64(tr.FromSince), string(tr.To), int64(tr.Since), tr.Reason, tr.Run, untoldSum(n, &tr))
	return nil
}

func (w *written) flush() error {
	if len(w.order) == 0 {
		return nil
	}
	args := make([]any, 0, recordValues*len(w.order))
	for _, h := range w.order {
		r := w.records[h]
		args = append(args, w.t.scopes[h.Scope], r.Kind, r.ID, string(r.Status), int64(r.Since), string(r.Before), r.Reason, r.Run, recordSum(&r))
	}
	if err := w.insert("INSERT OR REPLACE INTO record VALUES ", recordValues, args); err != nil {
		return err
	}
	return w.insert("INSERT INTO untold VALUES ", untoldValues, w.transition)
}

func (w *written) insert(text string, values int, args []any) error {
	for part := range slices.Chunk(args, rows*values) {
		st, err := w.t.statement(text + places(len(part)/values, values))
		if err != nil {
			return err
		}
		if _, err := st.ExecContext(w.t.ctx, part...); err != nil {
			return err
		}
	}
	return nil
}

// Walk implements gcstate.State. It reads all records of the scope, whichever it gives: what is gone is missed
// by the totals.
func (s *state) Walk(ctx context.Context, scope string, statuses []gcstate.Status, each func(*gcstate.Record) error) error {
	return s.read(ctx, func(t *tx) error {
		if err := t.load(); err != nil {
			return err
		}
		seen := map[gcstate.Status]total{}
		number, ok := t.scopes[scope]
		if ok {
			var last gcstate.Record
			err := t.each("SELECT scope, kind, id, status, since, before, reason, run, sum FROM record WHERE scope = ? ORDER BY kind, id", []any{number}, func(scan func(...any) error) error {
				r, err := t.record(scan)
				if err != nil {
					return err
				}
				if last.ID != "" && (r.Kind < last.Kind || r.Kind == last.Kind && r.ID <= last.ID) {
					return s.damaged(errors.New("records are out of order"))
				}
				last = r
				is := seen[r.Status]
				seen[r.Status] = total{is.records + 1, is.sum + recordSum(&r)}
				if len(statuses) > 0 && !slices.Contains(statuses, r.Status) {
					return nil
				}
				return each(&r)
			})
			if err != nil {
				return err
			}
		}
		for of, is := range t.totals {
			if !ok || of.scope != number {
				continue
			}
			if seen[of.status] != is {
				return s.damaged(fmt.Errorf("records are gone: %d of %d are %s", seen[of.status].records, is.records, of.status))
			}
			delete(seen, of.status)
		}
		if len(seen) > 0 {
			return s.damaged(errors.New("it has records that it does not count"))
		}
		return nil
	})
}

// Info implements gcstate.State.
func (s *state) Info(ctx context.Context) (i gcstate.Info, err error) {
	err = s.read(ctx, func(t *tx) error {
		if err := t.load(); err != nil {
			return err
		}
		i = gcstate.Info{ID: t.meta.id, Told: int(t.meta.told), Records: map[string]map[gcstate.Status]int64{}}
		for of, is := range t.totals {
			if is.records == 0 {
				continue
			}
			name := t.names[of.scope]
			if i.Records[name] == nil {
				i.Records[name] = map[gcstate.Status]int64{}
			}
			i.Records[name][of.status] = is.records
		}
		return nil
	})
	return i, err
}
