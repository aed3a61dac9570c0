// Package postgres reads databases on PostgreSQL (12 and later).
//
// It promises what package database does. Every transaction sets what it depends
// on itself, so that poolers do no harm: read-only, one snapshot, UTC, UTF-8, the
// search path as declared, and row_security = off, which turns rows that policies
// would hide into an error. A key is read in the order of its own index; one whose
// index may not be in the order that the server now has (a collation of another
// version), or that is not unique over what the table's name reads (inheritance), is
// not read by.
package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// patience is how long to wait for a server to answer a new connection, unless
// the URL says otherwise.
const patience = 30 * time.Second

// Database is one on a PostgreSQL server.
type Database struct {
	*paging.Reader
	opts   database.Options
	config *pgconn.Config
	secret []string // what must not be seen
	shown  string
	mu     sync.Mutex
	types  map[uint32]*typ // by OID
}

// IsURL tells whether s names a database of this kind.
func IsURL(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// Open opens a database: postgres://USER:PASSWORD@HOST:5432/DATABASE, with the
// parameters that psql knows (host, sslmode, sslrootcert, …). What is not in the URL
// comes from PGPASSWORD, ~/.pgpass and the like.
func Open(ctx context.Context, dsn string, opts database.Options) (*Database, error) {
	d := &Database{opts: opts.WithDefaults(), types: builtin()}
	u, err := url.Parse(dsn)
	if err != nil || !IsURL(dsn) {
		return nil, badURL() // what the parser says may hold the password
	}
	if d.config, err = pgconn.ParseConfig(dsn); err != nil {
		for _, name := range []string{"sslrootcert", "sslcert", "sslkey"} { // these hold no secret, and are not the URL's fault
			if file := u.Query().Get(name); file != "" {
				if _, err := os.ReadFile(file); err != nil { //nolint:gosec // a file that the user names
					return nil, &cooper.Error{Kind: cooper.KindUsage, Message: name + " cannot be read", Err: err}
				}
			}
		}
		return nil, badURL()
	}
	if d.config.ConnectTimeout == 0 {
		d.config.ConnectTimeout = patience
	}
	d.config.RuntimeParams["application_name"] = d.opts.Application
	if d.config.Password != "" {
		d.secret = append(d.secret, d.config.Password, strings.TrimPrefix(u.User.String(), url.User(u.User.Username()).String()+":"))
	}
	u.RawQuery, u.Fragment = "", ""
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	d.shown = u.String()
	d.Reader = paging.New(d, d.opts)
	s, err := d.Open(ctx)
	if err != nil {
		return nil, d.Failed("the database cannot be reached", err)
	}
	return d, s.Close()
}

// Config is how it is reached, for who has a connection of another kind to it.
func (d *Database) Config() *pgconn.Config { return d.config.Copy() }

func badURL() error {
	return &cooper.Error{Kind: cooper.KindUsage, Message: "not a URL of a PostgreSQL database",
		Remedy: "Write it like postgres://USER@HOST:5432/DATABASE, and give the password in PGPASSWORD or ~/.pgpass; a % or / in a user's name is written %25 or %2F."}
}

// Failed makes an error one for a person, without the password.
func (d *Database) Failed(what string, err error) error {
	var own *cooper.Error
	if errors.As(err, &own) || errors.Is(err, context.Canceled) {
		return err
	}
	text := err.Error()
	for _, s := range d.secret {
		if s != "" {
			text = strings.ReplaceAll(text, s, "(secret)")
		}
	}
	e := &cooper.Error{Kind: cooper.KindStore, Where: d.shown, Message: what, Err: errors.New(text)}
	var server *pgconn.PgError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &server):
	case errors.As(err, &unknown):
		e.Remedy = "Add sslrootcert=FILE to the URL, with the certificate (PEM) of the authority that the server's is from."
		return e
	default:
		e.Remedy = "Check host and port, and whether the server takes connections from here: psql with the same URL should."
		return e
	}
	// https://www.postgresql.org/docs/current/errcodes-appendix.html
	switch code := server.Code; {
	case strings.HasPrefix(code, "28"):
		e.Kind, e.Remedy = cooper.KindDenied, "Check user and password: PGPASSWORD or ~/.pgpass are where the password belongs."
	case code == "42501" && strings.Contains(server.Message, "row-level security") || server.File == "rls.c":
		e.Kind, e.Remedy = cooper.KindDenied, "Its policies would hide rows: ALTER ROLE … BYPASSRLS for the user that scans, for a scan must see all rows."
	case code == "42501":
		e.Kind, e.Remedy = cooper.KindDenied, "Grant the user USAGE on the schema and SELECT on all that is to be read, and nothing more."
	case code == "42P01", code == "3F000":
		e.Kind = cooper.KindMissing
	case code == "3D000", strings.HasPrefix(code, "42"):
		e.Kind = cooper.KindUsage
	case code == "57014":
		e.Kind, e.Remedy = cooper.KindTimeout, "A statement took too long, or somebody ended it: make the pages smaller, or the ranges."
	case code == "25006", code == "25001":
		e.Kind, e.Remedy = cooper.KindRefused, "Databases are read only: write SQL that changes nothing."
	case strings.HasPrefix(code, "22"):
		e.Kind, e.Remedy = cooper.KindInvalid, "An expression cannot be worked out for a row: correct it in cooper.yaml, or the row."
	}
	return e
}

// Passes tells whether an error may be gone when the same is tried again: the
// connection broke, the server was stopped, or another transaction was in the way.
func (d *Database) Passes(err error) bool {
	var server *pgconn.PgError
	var own *cooper.Error
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &server):
		switch code := server.Code; {
		case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "40"), strings.HasPrefix(code, "57P"), code == "53300", code == "53200", code == "55P03":
			return true
		}
		return false
	case errors.As(err, &own), errors.As(err, &cert):
		return false
	}
	return true
}
