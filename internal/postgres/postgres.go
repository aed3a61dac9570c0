// Package postgres speaks with a PostgreSQL database of somebody else's: it asks
// for encryption keys, and hands over what became of contents.
//
// It promises that neither a password nor a key gets into an error; that what is
// handed over twice, or by two at once, is there once; and that nothing but the
// one table it is told of is changed. Only cmd imports it. What the rows mean is
// left to packages keyring and stats.
package postgres

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cooper"
)

// patience is how long to wait for a server to answer a new connection, unless
// the URL says otherwise.
const patience = 30 * time.Second

// IsURL tells whether s names a database.
func IsURL(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// Shown is a URL without its password and parameters, for a person.
func Shown(s string) string {
	u, err := url.Parse(s)
	if err != nil || !IsURL(s) {
		return "postgres://"
	}
	u.RawQuery, u.Fragment = "", ""
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	return u.String()
}

// connect opens a connection. What is not in the URL comes from PGPASSWORD,
// ~/.pgpass and the like, as for psql.
func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	if !IsURL(dsn) {
		return nil, badURL()
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, badURL() // what the parser says may hold the password
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = patience
	}
	config.RuntimeParams["application_name"] = "cooper"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, failed(ctx, dsn, "the database cannot be reached", err)
	}
	return conn, nil
}

func badURL() error {
	return &cooper.Error{Kind: cooper.KindUsage, Message: "not a URL of a PostgreSQL database",
		Remedy: "Write it like postgres://USER@HOST:5432/DATABASE, and give the password in PGPASSWORD or ~/.pgpass; a % or / in a user's name is written %25 or %2F."}
}

// failed makes an error of the driver one that a person can use. The place is
// the URL without its password.
func failed(ctx context.Context, dsn, message string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := &cooper.Error{Kind: cooper.KindInternal, Where: Shown(dsn), Message: message, Err: errors.New(hidden(dsn, err))}
	var server *pgconn.PgError
	var connecting *pgconn.ConnectError
	switch {
	case errors.As(err, &server):
		e.Kind, e.Remedy = kindOf(server.Code)
	case errors.As(err, &connecting):
		e.Kind, e.Remedy = cooper.KindStore, "Check host and port, and whether the server takes connections from here: psql with the same URL should."
	}
	return e
}

// hidden is an error's text without the password of the URL, which no library
// should tell but some version might.
func hidden(dsn string, err error) string {
	text := err.Error()
	if u, perr := url.Parse(dsn); perr == nil && u.User != nil {
		if password, ok := u.User.Password(); ok && password != "" {
			text = strings.ReplaceAll(text, password, "(secret)")
		}
	}
	return text
}

// kindOf classes what a server says.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
func kindOf(code string) (kind cooper.Kind, remedy string) {
	switch {
	case strings.HasPrefix(code, "28"):
		return cooper.KindDenied, "Check user and password: PGPASSWORD or ~/.pgpass are where the password belongs."
	case code == "42501":
		return cooper.KindDenied, "Let the user create and change the table, or make it beforehand and grant SELECT, INSERT and UPDATE."
	case code == "3D000":
		return cooper.KindUsage, "Create the database, or correct its name in the URL."
	case strings.HasPrefix(code, "42"):
		return cooper.KindUsage, ""
	case strings.HasPrefix(code, "53"):
		return cooper.KindFull, "Make room in the database, then run the same command again: it goes on."
	}
	return cooper.KindStore, "Run the same command again: it goes on."
}
