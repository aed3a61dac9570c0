package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	lib "modernc.org/sqlite/lib"

	"cooper/internal/gcstate"
)

// tx is a transaction, and what it knows of the file.
type tx struct {
	s    *state
	ctx  context.Context //nolint:containedctx // it lives as long as one call
	conn *sql.Conn
	meta meta
	// Scopes by name and number; totals by scope and status.
	scopes  map[string]int64
	names   map[int64]string
	totals  map[totalOf]total
	changed map[totalOf]bool
	texts   map[string]*sql.Stmt
}

// meta is what the file says of itself.
type meta struct {
	id      string
	told    int64 // the number of the last batch that was told
	toldTo  int64 // and of its last transition
	batchTo int64 // the last transition of the batch that is being told; toldTo: there is none
	last    int64 // the number of the last transition
}

type totalOf struct {
	scope  int64
	status gcstate.Status
}

// total is how many records a scope has of a status, and the sum of their sums, which wraps around.
type total struct{ records, sum int64 }

// sumOf is a sum of some values, each with its length, so that none can pass for two.
func sumOf(what string, values ...any) int64 {
	b := make([]byte, 0, 256)
	put := func(s string) {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	put(what)
	for _, v := range values {
		switch v := v.(type) {
		case string:
			put(v)
		case int64:
			b = binary.LittleEndian.AppendUint64(b, uint64(v)) //nolint:gosec // its bits
		default:
			panic(fmt.Sprintf("a sum of %T", v))
		}
	}
	h := sha256.Sum256(b)
	return int64(binary.LittleEndian.Uint64(h[:])) //nolint:gosec // its bits
}

func (m *meta) sum() int64 { return sumOf("state", m.id, m.told, m.toldTo, m.batchTo, m.last) }

func recordSum(r *gcstate.Record) int64 {
	return sumOf("record", r.Scope, r.Kind, r.ID, string(r.Status), int64(r.Since), string(r.Before), r.Reason, r.Run)
}

func (o totalOf) sum(scope string, t total) int64 {
	return sumOf("total", scope, string(o.status), t.records, t.sum)
}

func untoldSum(number int64, t *gcstate.Transition) int64 {
	return sumOf("untold", number, t.Scope, t.Kind, t.Handle.ID, string(t.From), int64(t.FromSince), string(t.To), int64(t.Since), t.Reason, t.Run)
}

// read calls f in a transaction that sees the file at one moment.
func (s *state) read(ctx context.Context, f func(*tx) error) error {
	return s.in(ctx, "BEGIN", func(t *tx) error {
		// With the first reading, the transaction has its lock.
		err := t.patiently(func() error {
			var n int
			return t.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n)
		})
		if err != nil {
			return err
		}
		return f(t)
	})
}

// write calls f in a transaction beside which nobody writes.
func (s *state) write(ctx context.Context, f func(*tx) error) error {
	return s.in(ctx, "BEGIN IMMEDIATE", f)
}

func (s *state) in(ctx context.Context, begin string, f func(*tx) error) (err error) {
	var conn *sql.Conn
	err = patiently(ctx, s.wait, func() (bool, error) { // to open the file is to look into it
		conn, err = s.db.Conn(ctx) //nolint:sqlclosecheck // below
		return code(err) == lib.SQLITE_BUSY, err
	})
	if err != nil {
		return s.failed(ctx, err)
	}
	t := &tx{s: s, ctx: ctx, conn: conn, texts: map[string]*sql.Stmt{}}
	defer func() {
		for _, st := range t.texts {
			err = errors.Join(err, st.Close())
		}
		if cerr := conn.Close(); cerr != nil {
			err = errors.Join(err, local(s.path, cerr))
		}
	}()
	if err := t.patiently(func() error { return t.exec(begin) }); err != nil {
		return s.failed(ctx, err)
	}
	if err = f(t); err == nil {
		err = t.patiently(func() error { return t.exec("COMMIT") })
	}
	if err == nil {
		return nil
	}
	err = s.failed(ctx, err)
	// It may have rolled back by itself. What cannot be rolled back ends with the connection.
	if _, rerr := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); rerr != nil && code(rerr) != lib.SQLITE_ERROR {
		err = errors.Join(err, s.failed(ctx, rerr))
	}
	return err
}

// patiently waits for others.
func (t *tx) patiently(try func() error) error {
	return patiently(t.ctx, t.s.wait, func() (bool, error) {
		err := try()
		return code(err) == lib.SQLITE_BUSY, err
	})
}

func (t *tx) exec(text string, args ...any) error {
	_, err := t.conn.ExecContext(t.ctx, text, args...)
	return err
}

// statement gives a text that is used again and again.
func (t *tx) statement(text string) (st *sql.Stmt, err error) {
	if st = t.texts[text]; st != nil {
		return st, nil
	}
	if st, err = t.conn.PrepareContext(t.ctx, text); err == nil {
		t.texts[text] = st
	}
	return st, err
}

// load reads what the file says of itself, its scopes and totals.
func (t *tx) load() error {
	var sum int64
	m := &t.meta
	err := t.conn.QueryRowContext(t.ctx, "SELECT id, told, told_to, batch_to, last, sum FROM state").Scan(&m.id, &m.told, &m.toldTo, &m.batchTo, &m.last, &sum)
	if err != nil && code(err) == 0 && t.ctx.Err() == nil {
		return t.s.damaged(err)
	} else if err != nil {
		return err
	}
	if sum != m.sum() {
		return t.s.damaged(errors.New("what it says of itself is another's"))
	}
	t.scopes, t.names, t.totals, t.changed = map[string]int64{}, map[int64]string{}, map[totalOf]total{}, map[totalOf]bool{}
	err = t.each("SELECT number, name FROM scope", nil, func(scan func(...any) error) error {
		var n int64
		var name string
		if err := scan(&n, &name); err != nil {
			return err
		}
		t.scopes[name], t.names[n] = n, name
		return nil
	})
	if err != nil {
		return err
	}
	return t.each("SELECT scope, status, records, records_sum, sum FROM total", nil, func(scan func(...any) error) error {
		var of totalOf
		var is total
		var sum int64
		if err := scan(&of.scope, &of.status, &is.records, &is.sum, &sum); err != nil {
			return err
		}
		if name, ok := t.names[of.scope]; !ok || sum != of.sum(name, is) {
			return t.s.damaged(errors.New("how many records it has is another's"))
		}
		t.totals[of] = is
		return nil
	})
}

// each calls f with each row of an answer.
func (t *tx) each(text string, args []any, f func(scan func(...any) error) error) (err error) {
	rows, err := t.conn.QueryContext(t.ctx, text, args...)
	if err != nil {
		return err
	}
	return t.over(rows, f)
}

func (t *tx) over(rows *sql.Rows, f func(scan func(...any) error) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	scan := func(into ...any) error {
		if err := rows.Scan(into...); err != nil { // a value of another type
			return t.s.damaged(err)
		}
		return nil
	}
	for rows.Next() {
		if err := f(scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// add counts a record in, or out (-1).
func (t *tx) add(r *gcstate.Record, scope, sign int64) {
	of := totalOf{scope, r.Status}
	is := t.totals[of]
	is.records += sign
	is.sum += sign * recordSum(r)
	t.totals[of] = is
	t.changed[of] = true
}

// save writes what has changed of the totals, and what the file says of itself.
func (t *tx) save() error {
	for of := range t.changed {
		is := t.totals[of]
		if err := t.exec("INSERT OR REPLACE INTO total VALUES (?, ?, ?, ?, ?)", of.scope, string(of.status), is.records, is.sum, of.sum(t.names[of.scope], is)); err != nil {
			return err
		}
	}
	m := &t.meta
	return t.exec("UPDATE state SET told = ?, told_to = ?, batch_to = ?, last = ?, sum = ?", m.told, m.toldTo, m.batchTo, m.last, m.sum())
}

// scope gives the number of a scope, which is made if it is not there.
func (t *tx) scope(name string) (int64, error) {
	if n, ok := t.scopes[name]; ok {
		return n, nil
	}
	n := int64(len(t.scopes) + 1)
	t.scopes[name], t.names[n] = n, name
	return n, t.exec("INSERT INTO scope VALUES (?, ?)", n, name)
}

// places are those of n rows of some values in a statement.
func places(n, values int) string {
	row := "(?" + strings.Repeat(", ?", values-1) + ")"
	return row + strings.Repeat(", "+row, n-1)
}
