// Package paging reads tables range by range and page by page, whatever the
// engine: it cuts ranges, keeps the limits, and begins anew what an error that
// passes has ended.
//
// It promises what package database does of reading. Pages go by key: each begins
// behind the last row of the one before, in the order of the key's index, and ends
// after so many rows of the table, whether the source's condition wants them or
// not, so that no statement runs long because it finds nothing. What SQL an engine
// can run well, and which of its errors pass, is left to its Engine.
package paging

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cooper"
	"cooper/internal/database"
)

// Engine is what is particular to a server.
type Engine interface {
	// Open opens a session that can change nothing.
	Open(ctx context.Context) (Session, error)
	// From writes a table for a FROM, with what makes the server read it by key; a
	// key of nil is none.
	From(t *database.Table, k *database.Key) string
	// Columns writes the columns of a key.
	Columns(t *database.Table, k *database.Key) ([]Column, error)
	// Tuples tells whether the server reads (a, b) > (x, y) by an index.
	Tuples() bool
	// Syntax is how texts and names are quoted, and :now is written.
	Syntax() Syntax
	// Passes tells whether an error may be gone when the same is tried again.
	Passes(err error) bool
	// Failed makes an error one for a person.
	Failed(what string, err error) error
}

// Session is a connection. It is used by one at a time.
type Session interface {
	// Begin begins a read-only transaction that sees one snapshot; without a time
	// limit for statements if stream is set.
	Begin(ctx context.Context, stream bool) (database.Snapshot, error)
	// End ends it. A session that cannot is broken.
	End(ctx context.Context)
	// Stream runs a query, and gives its rows one at a time; they are good until the
	// next. An error of row ends it, and is returned as it is.
	Stream(ctx context.Context, sql string, row func([]database.Value) error) error
	Load(ctx context.Context) (database.Load, error)
	// Broken tells that nothing more can be asked.
	Broken() bool
	Close() error
}

// Column is one of a key, as SQL.
type Column struct {
	Name  string // as a value: in a list of what is selected
	Order string // as it is compared and sorted, in the order of the index
	Bound string // what gives its value in a Bound
	// Literal writes such a value, to be compared with Order.
	Literal func([]byte) (string, error)
}

// Reader reads a database through an Engine.
type Reader struct {
	engine  Engine
	opts    database.Options
	pace    pace
	places  chan struct{} // one for each connection that may be open
	mu      sync.Mutex
	idle    []Session
	closed  bool
	maximum time.Duration // that a pause may hold a transaction open
}

// New makes a reader; opts have their defaults.
func New(e Engine, opts database.Options) *Reader {
	return &Reader{engine: e, opts: opts, pace: pace{rate: opts.Limits.RowsPerSecond}, places: make(chan struct{}, opts.Limits.Connections), maximum: 30 * time.Second}
}

// Close ends all connections that nobody uses; the others end when they are given
// back.
func (r *Reader) Close() error {
	r.mu.Lock()
	idle := r.idle
	r.idle, r.closed = nil, true
	r.mu.Unlock()
	var errs []error
	for _, s := range idle {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// take waits for a connection's turn, and takes one that is open or opens it.
func (r *Reader) take(ctx context.Context) (Session, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r.places <- struct{}{}:
	}
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		s := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return s, nil
	}
	closed := r.closed
	r.mu.Unlock()
	if closed {
		<-r.places
		return nil, &cooper.Error{Kind: cooper.KindInternal, Message: "the database is closed"}
	}
	s, err := r.engine.Open(ctx)
	if err != nil {
		<-r.places
		return nil, err
	}
	return s, nil
}

// give gives a session back.
func (r *Reader) give(s Session) {
	r.mu.Lock()
	keep := !r.closed && !s.Broken()
	if keep {
		r.idle = append(r.idle, s)
	}
	r.mu.Unlock()
	if !keep {
		_ = s.Close() // nothing was written: how it ends tells nothing
	}
	<-r.places
}

// dropIdle closes sessions that wait: when one turns out to be broken, its like may
// be, too.
func (r *Reader) dropIdle() {
	r.mu.Lock()
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	for _, s := range idle {
		_ = s.Close() // as above
	}
}

// errBusy ends an attempt because the server has too much to do: its transaction
// must not wait for that to end.
var errBusy = errors.New("the server is busy")

// ownError is one of the sink's, or of a person's words: not the server's, and
// nothing that passes.
type ownError struct{ error }

func (e ownError) Unwrap() error { return e.error }

// Do runs f in a session, again after errors that pass. what is for a person: "the
// tables cannot be listed".
func (r *Reader) Do(ctx context.Context, what string, f func(context.Context, Session) error) error {
	for attempt := 1; ; attempt++ {
		err := r.once(ctx, f)
		var own ownError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &own):
			return own.error
		case errors.Is(err, errBusy):
			attempt = 0
			if err := r.calm(ctx); err != nil {
				return err
			}
			continue
		case !r.engine.Passes(err):
			return r.engine.Failed(what, err)
		case attempt >= r.opts.Limits.Attempts:
			return r.engine.Failed(fmt.Sprintf("%s, tried %d times", what, attempt), err)
		}
		r.dropIdle()
		if err := r.opts.Wait(ctx, min(time.Second<<(attempt-1), 30*time.Second)); err != nil {
			return err
		}
	}
}

func (r *Reader) once(ctx context.Context, f func(context.Context, Session) error) error {
	s, err := r.take(ctx)
	if err != nil {
		return err
	}
	defer r.give(s)
	return f(ctx, s)
}

// Load asks the server.
func (r *Reader) Load(ctx context.Context) (l database.Load, err error) {
	err = r.Do(ctx, "the server does not tell its load", func(ctx context.Context, s Session) error {
		l, err = s.Load(ctx)
		return err
	})
	return l, err
}
