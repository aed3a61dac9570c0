package mysql

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// conn is what the driver's connections can do. They are used without
// database/sql, whose rows cost more than reading them.
type conn interface {
	sqldriver.QueryerContext
	sqldriver.ExecerContext
	sqldriver.Validator
	io.Closer
}

type session struct {
	db     *Database
	conn   conn
	id     string // on the server
	maria  bool
	left   bool // a statement was left: it may run on
	broken bool
	slow   bool // statements have no time limit
	blind  bool // the user may not ask about replication
}

// Open opens a session for paging.
func (d *Database) Open(ctx context.Context) (paging.Session, error) { return d.connect(ctx) }

func (d *Database) connect(ctx context.Context) (*session, error) {
	connector, err := driver.NewConnector(d.config.Clone())
	if err != nil {
		return nil, err
	}
	c, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{db: d, conn: c.(conn)} // no other driver made it
	if err := s.settings(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// settings make sessions alike, whatever the server's are.
func (s *session) settings(ctx context.Context) error {
	for _, sql := range []string{
		"SET NAMES utf8mb4",
		"SET SESSION time_zone = '+00:00', sql_mode = '', sql_select_limit = 18446744073709551615, group_concat_max_len = 1073741824, sql_big_selects = 1," +
			" sql_auto_is_null = 0, autocommit = 1, max_sort_length = 4096, net_write_timeout = 3600, net_read_timeout = 3600",
		"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
	} {
		if err := s.exec(ctx, sql); err != nil {
			return err
		}
	}
	err := s.Stream(ctx, "SELECT CONNECTION_ID(), @@version LIKE '%mariadb%'", func(v []database.Value) error {
		s.id = string(v[0].Data)
		s.maria = string(v[1].Data) == "1"
		return nil
	})
	if err != nil {
		return err
	}
	return s.limit(ctx, s.db.opts.Timeout)
}

// limit sets how long a statement may take; 0 is for ever.
func (s *session) limit(ctx context.Context, d time.Duration) error {
	if s.maria {
		return s.exec(ctx, fmt.Sprintf("SET SESSION max_statement_time = %.3f", d.Seconds()))
	}
	return s.exec(ctx, fmt.Sprintf("SET SESSION max_execution_time = %d", d.Milliseconds()))
}

func (s *session) exec(ctx context.Context, sql string) error {
	_, err := s.conn.ExecContext(ctx, sql, nil)
	return s.noted(err)
}

// noted remembers what an error means for the session.
func (s *session) noted(err error) error {
	var server *driver.MySQLError
	if err != nil && !errors.As(err, &server) || !s.conn.IsValid() {
		s.broken = true
	}
	return err
}

// Begin begins a transaction that sees one snapshot.
func (s *session) Begin(ctx context.Context, stream bool) (snap database.Snapshot, err error) {
	if stream != s.slow {
		d := s.db.opts.Timeout
		if stream {
			d = 0
		}
		if err := s.limit(ctx, d); err != nil {
			return snap, err
		}
		s.slow = stream
	}
	if err := s.exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
		return snap, err
	}
	snap.Clock, err = s.clock(ctx)
	return snap, err
}

func (s *session) clock(ctx context.Context) (t time.Time, err error) {
	err = s.Stream(ctx, "SELECT UTC_TIMESTAMP(6)", func(v []database.Value) error {
		t, err = time.Parse("2006-01-02 15:04:05.999999", string(v[0].Data))
		return err
	})
	return t, err
}

// End ends it.
func (s *session) End(ctx context.Context) {
	if s.broken {
		return
	}
	if err := s.exec(ctx, "ROLLBACK"); err != nil {
		s.broken = true
	}
}

// Broken tells that nothing more can be asked.
func (s *session) Broken() bool { return s.broken }

// Close ends the session, and on the server what it may still be doing.
func (s *session) Close() error {
	s.broken = true
	err := s.conn.Close()
	if s.left && s.id != "" {
		s.left = false
		err = errors.Join(err, s.db.kill(s.id))
	}
	return err
}

// kill ends a session that was left in the middle of a statement: the server would
// notice when it next sends a row, which may be never.
func (d *Database) kill(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	connector, err := driver.NewConnector(d.config.Clone())
	if err != nil {
		return err
	}
	c, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	_, err = c.(conn).ExecContext(ctx, "KILL CONNECTION "+id, nil)
	var server *driver.MySQLError
	if errors.As(err, &server) && server.Number == 1094 {
		err = nil // it has gone by itself
	}
	return errors.Join(err, c.Close())
}

// Stream gives the rows of a query as they come.
func (s *session) Stream(ctx context.Context, sql string, row func([]database.Value) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, err := s.conn.QueryContext(ctx, sql, nil)
	if err != nil {
		s.left = s.left || ctx.Err() != nil
		return s.noted(err)
	}
	if err := s.each(rows, row); err != nil {
		var server *driver.MySQLError
		if !errors.As(err, &server) { // closing the rows would read them all
			cancel()
			s.left, s.broken = true, true
		}
		_ = rows.Close() // that it ended is known
		return s.noted(err)
	}
	if err := rows.Close(); err != nil {
		return s.noted(err)
	}
	return s.warnings(ctx, sql)
}

func (s *session) each(rows sqldriver.Rows, row func([]database.Value) error) error {
	decode := decoders(rows)
	raw := make([]sqldriver.Value, len(decode))
	values := make([]database.Value, len(decode))
	for {
		if err := rows.Next(raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for i := range raw {
			if err := decode[i].value(raw[i], &values[i]); err != nil {
				return err
			}
		}
		if err := row(values); err != nil {
			return err
		}
	}
}

// losing are warnings that mean that a value is not what it should be: cut by
// GROUP_CONCAT, too long for a packet and so NULL, no text, not unpacked and so NULL.
var losing = map[string]bool{"1260": true, "1301": true, "1300": true, "1256": true, "1258": true, "1259": true}

// warnings makes errors of those that mean a loss.
func (s *session) warnings(ctx context.Context, sql string) error {
	rows, err := s.conn.QueryContext(ctx, "SHOW WARNINGS", nil)
	if err != nil {
		return s.noted(err)
	}
	raw := make([]sqldriver.Value, len(rows.Columns()))
	var lost error
	for {
		if err = rows.Next(raw); err != nil {
			break
		}
		code, message := fmt.Sprint(raw[1]), raw[2]
		if b, ok := raw[1].([]byte); ok {
			code = string(b)
		}
		if b, ok := raw[2].([]byte); ok {
			message = string(b)
		}
		if losing[code] && lost == nil {
			lost = &cooper.Error{Kind: cooper.KindInvalid, Message: fmt.Sprintf("the server warns that a value is lost (%s: %v)", code, message), Where: cooper.Quote(sql),
				Remedy: "Read the column as it is, and let Cooper unpack it; or make the expression's values shorter."}
		}
	}
	if !errors.Is(err, io.EOF) {
		return errors.Join(s.noted(err), lost)
	}
	return errors.Join(lost, s.noted(rows.Close()))
}

// named runs a statement whose columns are known by their names alone.
func (s *session) named(ctx context.Context, sql string, row func(get func(string) (value string, known bool)) error) error {
	rows, err := s.conn.QueryContext(ctx, sql, nil)
	if err != nil {
		return s.noted(err)
	}
	names := rows.Columns()
	raw := make([]sqldriver.Value, len(names))
	for {
		err := rows.Next(raw)
		if errors.Is(err, io.EOF) {
			return s.noted(rows.Close())
		}
		if err != nil {
			return s.noted(err)
		}
		get := func(name string) (string, bool) {
			i := slices.Index(names, name)
			if i < 0 || raw[i] == nil {
				return "", false
			}
			if b, ok := raw[i].([]byte); ok {
				return string(b), true
			}
			return fmt.Sprint(raw[i]), true
		}
		if err := row(get); err != nil {
			return errors.Join(err, s.noted(rows.Close()))
		}
	}
}
