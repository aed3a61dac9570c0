package sqlite

import (
	"context"
	"errors"
	"time"

	"cooper/internal/database"
	"cooper/internal/database/paging"

	lite "modernc.org/sqlite/lib"
)

type session struct {
	db     *Database
	conn   *conn
	stream bool // statements have no time limit
	broken bool
}

// Open opens a session for paging: of the file that was there before.
func (d *Database) Open(ctx context.Context) (paging.Session, error) {
	if err := errors.Join(ctx.Err(), d.same()); err != nil {
		return nil, err
	}
	c, err := connect(d.path)
	if err != nil {
		return nil, err
	}
	if err := d.same(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &session{db: d, conn: c}, nil
}

// Begin begins a transaction that sees one snapshot: the first read takes it.
func (s *session) Begin(ctx context.Context, stream bool) (snap database.Snapshot, err error) {
	s.stream = stream
	if err := s.db.same(); err != nil {
		s.broken = true
		return snap, err
	}
	snap.Clock = s.db.opts.Now().UTC()
	if err := s.conn.exec("BEGIN"); err != nil {
		return snap, err
	}
	err = s.Stream(ctx, "SELECT COUNT(*) FROM sqlite_schema", func([]database.Value) error { return nil })
	if err != nil {
		s.End(ctx)
	}
	return snap, err
}

// End ends it.
func (s *session) End(context.Context) {
	if s.conn.inside() && s.conn.exec("ROLLBACK") != nil {
		s.broken = true
	}
}

// Stream gives the rows of a query as they come.
func (s *session) Stream(ctx context.Context, sql string, row func([]database.Value) error) error {
	limited := ctx
	if !s.stream {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, s.db.opts.Timeout)
		defer cancel()
	}
	err := s.conn.query(limited, sql, row)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return &failure{code: lite.SQLITE_INTERRUPT, text: "it took longer than " + s.db.opts.Timeout.Round(time.Second).String()}
	}
	return err
}

// Load is none: there is no server.
func (s *session) Load(context.Context) (database.Load, error) {
	return database.Load{Replica: database.Primary}, nil
}

// Broken tells that nothing more can be asked.
func (s *session) Broken() bool { return s.broken }

// Close ends the session.
func (s *session) Close() error {
	s.broken = true
	return s.conn.close()
}
