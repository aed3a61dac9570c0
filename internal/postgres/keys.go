package postgres

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cooper"
	"cooper/internal/keyring"
)

// Keys gives the rows that query answers: the columns prefix and key, both text
// or bytea, and perhaps expect. It reads in a transaction that can change
// nothing.
func Keys(ctx context.Context, dsn, query string) iter.Seq2[keyring.Row, error] {
	return func(yield func(keyring.Row, error) bool) {
		err := keys(ctx, dsn, query, func(r keyring.Row) bool { return yield(r, nil) })
		if err != nil {
			yield(keyring.Row{}, err)
		}
	}
}

func keys(ctx context.Context, dsn, query string, each func(keyring.Row) bool) (err error) {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	// It was read from only: how it ends tells nothing.
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return failed(ctx, dsn, "the database does not answer", err)
	}
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return queryFailed(ctx, dsn, err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		if names == nil {
			if names, err = columnsOf(rows); err != nil {
				return err
			}
		}
		values, err := rows.Values()
		if err != nil {
			return unreadable()
		}
		row, err := keyRow(names, values)
		if err != nil {
			return err
		}
		if !each(row) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return queryFailed(ctx, dsn, err)
	}
	return nil
}

// columnsOf names the columns, which are known when the first row is there.
func columnsOf(rows pgx.Rows) (names []string, err error) {
	for _, f := range rows.FieldDescriptions() {
		names = append(names, strings.ToLower(f.Name))
	}
	if !slices.Contains(names, "prefix") || !slices.Contains(names, "key") {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "--keys-query does not answer with the columns prefix and key", Remedy: keysRemedy}
	}
	return names, nil
}

const keysRemedy = `Write it like --keys-query "SELECT object_id || '/' AS prefix, encryption_key AS key FROM …"; a third column, expect, is known, too.`

func unreadable() error {
	return &cooper.Error{Kind: cooper.KindInvalid, Message: "--keys-query answers with values that are no text", Remedy: keysRemedy}
}

func keyRow(names []string, values []any) (row keyring.Row, err error) {
	for i, name := range names {
		var s string
		switch v := values[i].(type) {
		case string:
			s = v
		case []byte:
			s = string(v)
		case nil:
			if name != "expect" {
				return row, unreadable()
			}
			continue
		default:
			return row, unreadable()
		}
		switch name {
		case "prefix":
			row.Prefix = s
		case "key":
			row.Key = s
		case "expect":
			if s != "" {
				row.Expect = []string{s}
			}
		}
	}
	return row, nil
}

// queryFailed tells what is wrong with the SQL, and not what is wrong with a
// value: the server quotes those, and they are keys.
func queryFailed(ctx context.Context, dsn string, err error) error {
	var server *pgconn.PgError
	if ctx.Err() == nil && errors.As(err, &server) && !strings.HasPrefix(server.Code, "42") {
		kind, _ := kindOf(server.Code)
		return &cooper.Error{Kind: kind, Where: Shown(dsn), Message: "--keys-query failed (SQLSTATE " + server.Code + ")",
			Remedy: "Run it with psql to see what is wrong: that is not shown here, for it might tell keys."}
	}
	return failed(ctx, dsn, "--keys-query failed", err)
}
