// Package postgres writes what package ownerwrite names into databases on PostgreSQL (12 and later).
// Each transaction sets what it depends on itself, so that poolers do no harm; it waits ten seconds at most
// for somebody else's lock, and row-level security that would hide rows is an error.
package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"cooper"
	"cooper/internal/database"
	reading "cooper/internal/database/postgres"
	"cooper/internal/ownerwrite"
	"cooper/internal/ownerwrite/transact"
)

// IsURL tells whether s names a database of this kind.
func IsURL(s string) bool { return reading.IsURL(s) }

// Open opens a database to be written to, by the address that reading has, too.
func Open(ctx context.Context, dsn string, opts database.Options) (*transact.Writer, error) {
	read, err := reading.Open(ctx, dsn, opts)
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil { // reading has just read it; what the parser says may hold the password
		return nil, errors.Join(&cooper.Error{Kind: cooper.KindInternal, Message: "the address cannot be read twice"}, read.Close())
	}
	config.Config = *read.Config()
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec // no statement outlives its transaction
	return transact.New(read, &conn{config: config}, transact.Dialect{
		Engine: ownerwrite.PostgreSQL, Name: database.PostgreSQL, Lock: " FOR UPDATE",
		Settings: []string{"SET LOCAL row_security = off", "SET LOCAL TimeZone = 'UTC'", "SET LOCAL standard_conforming_strings = on", "SET LOCAL client_encoding = 'UTF8'",
			"SET LOCAL lock_timeout = '10s'", "SET LOCAL statement_timeout = '60s'"},
		Bind:   func(n int) string { return "$" + strconv.Itoa(n) },
		Text:   func(sql string) string { return "CAST(" + sql + " AS text)" },
		Suits:  suits,
		Denied: "Grant the user of registry.database SELECT, INSERT and UPDATE on {table}, with USAGE on its schema, and nothing more.",
	}), nil
}

// conn is a connection, made when it is first needed, and anew when it broke.
type conn struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
}

func (c *conn) Begin(ctx context.Context) (transact.Tx, error) {
	if c.conn == nil || c.conn.IsClosed() {
		made, err := pgx.ConnectConfig(ctx, c.config)
		if err != nil {
			return nil, err
		}
		c.conn = made
	}
	t, err := c.conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return tx{t}, nil
}

// patience is how long the end of a connection, or of what was begun on it, is waited for.
const patience = 5 * time.Second

func (c *conn) Close() error {
	if c.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.conn.Close(ctx)
}

type tx struct{ pgx.Tx }

func (t tx) Exec(ctx context.Context, sql string, args ...any) error {
	_, err := t.Tx.Exec(ctx, sql, args...)
	return err
}

func (t tx) Number(ctx context.Context, sql string, args ...any) (n int64, there bool, err error) {
	err = t.QueryRow(ctx, sql, args...).Scan(&n)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return n, err == nil, err
}

func (t tx) Each(ctx context.Context, sql string, row func(string, int64), args ...any) error {
	rows, err := t.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var text string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&text, &n}, func() error {
		row(text, n)
		return nil
	})
	return err
}

func (t tx) Undo() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = t.Rollback(ctx)
}

// suits sees that times mean the same to everybody, and that different texts are different.
func suits(t *database.Table, c *ownerwrite.Columns) error {
	refused := func(why string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "this is no registry that can be written to: " + why, Remedy: "Make the table as this prints it: cooper gc registry ddl postgres"}
	}
	for _, name := range []string{c.Linked, c.Unlinked} {
		if col := t.Column(name); !strings.HasSuffix(col.Type, "with time zone") || col.Class != database.Time {
			return refused("its column " + cooper.Quote(name) + " has no times with a zone")
		}
	}
	for _, name := range []string{c.Handle, c.Type, c.Object} {
		if col := t.Column(name); col.Type == "citext" {
			return refused("its column " + cooper.Quote(name) + " takes different texts for the same")
		}
	}
	return nil
}
