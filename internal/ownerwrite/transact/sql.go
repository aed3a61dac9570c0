package transact

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// SQL is a connection by a driver for package database/sql.
func SQL(c driver.Connector) Conn {
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	return sqlConn{db}
}

type sqlConn struct{ db *sql.DB }

func (c sqlConn) Close() error { return c.db.Close() }

func (c sqlConn) Begin(ctx context.Context) (Tx, error) {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return sqlTx{tx}, nil
}

type sqlTx struct{ tx *sql.Tx }

func (t sqlTx) Exec(ctx context.Context, sql string, args ...any) error {
	_, err := t.tx.ExecContext(ctx, sql, args...)
	return err
}

func (t sqlTx) Number(ctx context.Context, text string, args ...any) (n int64, there bool, err error) {
	err = t.tx.QueryRowContext(ctx, text, args...).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return n, err == nil, err
}

func (t sqlTx) Each(ctx context.Context, text string, row func(string, int64), args ...any) (err error) {
	rows, err := t.tx.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		var n int64
		if err := rows.Scan(&s, &n); err != nil {
			return err
		}
		row(s, n)
	}
	return rows.Err()
}

func (t sqlTx) Commit(context.Context) error { return t.tx.Commit() }

func (t sqlTx) Undo() { _ = t.tx.Rollback() }
