package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cooper"
	"cooper/internal/stats"
)

// columns are those of the table: of the lab's first, then ours.
var columns = []struct{ name, kind string }{
	{"path", "text PRIMARY KEY"}, {"created_on", "timestamptz NOT NULL"}, {"last_updated", "timestamptz NOT NULL"},
	{"study", "text"}, {"participant", "text"}, {"sha1", "bytea"}, {"size_uncompressed", "bigint"}, {"size_compressed", "bigint"}, {"tier", "text"},
	{"stored_path", "text NOT NULL"}, {"stream", "text"}, {"sha256", "bytea"}, {"codec", "text"}, {"state", "text NOT NULL"}, {"run", "text NOT NULL"},
}

// Table is a table of contents in a database. It is for one caller at a time; two
// Tables, also of two processes, may write at once.
type Table struct {
	dsn  string
	conn *pgx.Conn // nil after it was lost
	sql  statements
	// wait waits before an attempt, counted from 1, that follows a failed one.
	wait    func(ctx context.Context, attempt int) error
	skipped int64
}

var _ stats.Sink = (*Table)(nil)

// OpenTable connects, and makes the table unless it is there. name may have a
// schema before a dot. A table that is there must have all columns, and path must
// be unique.
func OpenTable(ctx context.Context, dsn, name string) (*Table, error) {
	parts := strings.Split(name, ".")
	if name == "" || len(parts) > 2 || parts[0] == "" || parts[len(parts)-1] == "" || strings.ContainsRune(name, 0) {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: fmt.Sprintf("--table %s is not the name of a table", cooper.Quote(name)), Remedy: "Write it as TABLE or SCHEMA.TABLE."}
	}
	t := &Table{dsn: dsn, sql: statementsFor(pgx.Identifier(parts).Sanitize()), wait: backOff}
	var err error
	if t.conn, err = connect(ctx, dsn); err != nil {
		return nil, err
	}
	// A batch of nothing tells what is wrong with the table before work begins.
	if _, err := t.Write(ctx, nil); err != nil {
		return nil, errors.Join(err, t.Close(ctx))
	}
	return t, nil
}

// Close ends the connection.
func (t *Table) Close(ctx context.Context) error {
	if t.conn == nil {
		return nil
	}
	err := t.conn.Close(context.WithoutCancel(ctx))
	t.conn = nil
	if err != nil {
		return failed(ctx, t.dsn, "the connection does not end", err)
	}
	return nil
}

// Skipped is how many facts were left out: their keys have a NUL, which text in
// PostgreSQL cannot hold.
func (t *Table) Skipped() int64 { return t.skipped }

// attempts is how often a batch is begun. A connection that breaks in days of
// work is no reason to end it.
const attempts = 6

func backOff(ctx context.Context, attempt int) error {
	timer := time.NewTimer(time.Second << (attempt - 1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Write is one transaction: all of it is there afterwards, or nothing. Whether a
// commit was heard of or not makes no difference: it is done again.
func (t *Table) Write(ctx context.Context, facts []stats.Fact) (changed int64, err error) {
	rows := make([][]any, 0, len(facts))
	for i := range facts {
		if f := &facts[i]; strings.ContainsRune(f.Path+f.StoredPath, 0) {
			t.skipped++
		} else {
			rows = append(rows, rowOf(f))
		}
	}
	for attempt := 1; ; attempt++ {
		if t.conn == nil {
			t.conn, err = connect(ctx, t.dsn)
		}
		if t.conn != nil {
			changed, err = t.try(ctx, rows)
		}
		if err == nil || ctx.Err() != nil || attempt == attempts || !passes(err) {
			break
		}
		if t.conn != nil && t.conn.IsClosed() {
			t.conn = nil
		}
		if werr := t.wait(ctx, attempt); werr != nil {
			return 0, werr
		}
	}
	var e *cooper.Error
	if err == nil || errors.As(err, &e) {
		return changed, err
	}
	return 0, t.explain(ctx, err)
}

func rowOf(f *stats.Fact) []any {
	text := func(s string) any {
		if s == "" || strings.ContainsRune(s, 0) {
			return nil
		}
		return s
	}
	blob := func(b []byte) any {
		if len(b) == 0 {
			return nil
		}
		return b
	}
	var plain any
	if f.Plain >= 0 {
		plain = f.Plain
	}
	at := f.At.Time()
	return []any{f.Path, at, at, text(f.Study), text(f.Participant), blob(f.SHA1), plain, f.Stored, text(f.Tier),
		f.StoredPath, text(f.Stream), blob(f.SHA256), text(f.Codec), string(f.State), f.Run}
}

// try writes rows in one transaction. The lock, which ends with it, has two
// exports of one table take turns: they would make the table at once, and wait for
// each other's rows for ever.
func (t *Table) try(ctx context.Context, rows [][]any) (changed int64, err error) {
	err = pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "cooper "+t.sql.table); err != nil {
			return err
		}
		if len(rows) == 0 {
			if _, err := tx.Exec(ctx, t.sql.create); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, t.sql.batch); err != nil {
			return err
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"pg_temp", batchTable}, t.sql.names, pgx.CopyFromRows(rows)); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, t.sql.upsert)
		changed = tag.RowsAffected()
		return err
	})
	return changed, err
}

// passes tells whether to try again: the connection broke, the server was
// stopped, or another transaction was in the way.
func passes(err error) bool {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return true
	}
	switch server.Code[:2] {
	case "08", "40", "53", "57":
		return true
	}
	return false
}

func (t *Table) explain(ctx context.Context, err error) error {
	err = failed(ctx, t.dsn, "the table "+t.sql.table+" cannot be written", err)
	var e *cooper.Error
	if errors.As(err, &e) && e.Kind == cooper.KindUsage && e.Remedy == "" {
		e.Remedy = "Name a table that does not exist yet, and it is made as it must be: --table NAME. One that exists needs the columns " + strings.Join(t.sql.names, ", ") + ", and path must be unique."
	}
	return err
}
