package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cooper/internal/database"
	"cooper/internal/database/paging"
)

type session struct {
	db     *Database
	conn   *pgconn.PgConn
	broken bool
}

// Open opens a session for paging.
func (d *Database) Open(ctx context.Context) (paging.Session, error) {
	conn, err := pgconn.ConnectConfig(ctx, d.config)
	if err != nil {
		return nil, err
	}
	return &session{db: d, conn: conn}, nil
}

// Begin begins a transaction that sees one snapshot.
func (s *session) Begin(ctx context.Context, stream bool) (snap database.Snapshot, err error) {
	timeout, sort := s.db.opts.Timeout, "off" // a page comes in the index's order
	if stream {
		timeout, sort = 0, "on"
	}
	sql := "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off; SET LOCAL TimeZone = 'UTC'; SET LOCAL client_encoding = 'UTF8'; SET LOCAL DateStyle = 'ISO, YMD';" +
		" SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 3; SET LOCAL standard_conforming_strings = on; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off;" +
		fmt.Sprintf(" SET LOCAL enable_sort = %s; SET LOCAL statement_timeout = %d; SET LOCAL idle_in_transaction_session_timeout = 0;", sort, timeout.Milliseconds())
	if path := s.db.opts.SearchPath; len(path) > 0 {
		names := make([]string, len(path))
		for i := range path {
			names[i] = Ident(path[i])
		}
		sql += " SET LOCAL search_path = " + strings.Join(names, ", ") + ";"
	}
	if _, err := s.conn.Exec(ctx, sql).ReadAll(); err != nil {
		return snap, s.noted(err)
	}
	// The first query is what takes the snapshot.
	snap.Clock, err = s.clock(ctx)
	return snap, err
}

func (s *session) clock(ctx context.Context) (t time.Time, err error) {
	err = s.Stream(ctx, "SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US')", func(v []database.Value) error {
		t, err = time.Parse("2006-01-02 15:04:05.999999", string(v[0].Data))
		return err
	})
	return t, err
}

// noted remembers what an error means for the session.
func (s *session) noted(err error) error {
	if err != nil && s.conn.IsClosed() {
		s.broken = true
	}
	return err
}

// End ends it.
func (s *session) End(ctx context.Context) {
	if s.broken {
		return
	}
	if _, err := s.conn.Exec(ctx, "ROLLBACK").ReadAll(); err != nil {
		s.broken = true
	}
}

// Broken tells that nothing more can be asked.
func (s *session) Broken() bool { return s.broken || s.conn.IsClosed() }

// Close ends the session. A statement that was left is cancelled by the driver
// meanwhile.
func (s *session) Close() error {
	s.broken = true
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.conn.Close(ctx)
	<-s.conn.CleanupDone()
	return err
}

// Stream gives the rows of a query as they come.
func (s *session) Stream(ctx context.Context, sql string, row func([]database.Value) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	described, err := s.conn.Prepare(ctx, "", sql, nil)
	if err != nil {
		return s.noted(err)
	}
	types := make([]*typ, len(described.Fields))
	formats := make([]int16, len(described.Fields))
	unknown := false
	for i, f := range described.Fields {
		if types[i] = s.db.known(f.DataTypeOID); types[i] == nil {
			if types[i], err = s.typeOf(ctx, f.DataTypeOID); err != nil {
				return s.noted(err)
			}
			unknown = true
		}
		if types[i].binary {
			formats[i] = 1
		}
	}
	if unknown { // asking has taken the unnamed statement's place
		if _, err := s.conn.Prepare(ctx, "", sql, nil); err != nil {
			return s.noted(err)
		}
	}
	reader := s.conn.ExecPrepared(ctx, "", nil, nil, formats)
	values := make([]database.Value, len(types))
	for reader.NextRow() {
		for i, raw := range reader.Values() {
			if values[i], err = types[i].value(raw); err != nil {
				break
			}
		}
		if err == nil {
			err = row(values)
		}
		if err != nil {
			cancel() // closing would read all that comes
			s.broken = true
			_, _ = reader.Close() // that it was cancelled is known
			return err
		}
	}
	_, err = reader.Close()
	return s.noted(err)
}

// Load is the backends that are active and the replica's lag. What others do is
// hidden from users that do not belong to pg_monitor; that they are in a
// transaction is not.
func (s *session) Load(ctx context.Context) (l database.Load, err error) {
	// Within a transaction the view would show always the same.
	if err := s.Stream(ctx, "SELECT pg_stat_clear_snapshot()", func([]database.Value) error { return nil }); err != nil {
		return l, err
	}
	// A receiver that runs and has nothing to replay is not behind, whenever the last
	// transaction was.
	const sql = `SELECT (SELECT CASE WHEN bool_or(state IS NULL) THEN (SELECT count(*) FROM pg_locks WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND pid <> pg_backend_pid())
		ELSE count(*) FILTER (WHERE state = 'active') END FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
		CASE WHEN NOT pg_is_in_recovery() THEN 0
		WHEN EXISTS (SELECT FROM pg_stat_wal_receiver) AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
		WHEN pg_is_wal_replay_paused() THEN -1
		ELSE COALESCE(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), -1) END::float8 * 1e9, pg_is_in_recovery()`
	err = s.Stream(ctx, sql, func(v []database.Value) error {
		var lag float64
		if _, err := fmt.Sscan(string(v[0].Data)+" "+string(v[1].Data), &l.Running, &lag); err != nil {
			return err
		}
		l.Lag, l.Replica = time.Duration(lag), database.Primary
		if string(v[2].Data) == "t" {
			l.Replica = database.IsReplica
		}
		return nil
	})
	return l, err
}
