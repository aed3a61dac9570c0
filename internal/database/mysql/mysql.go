// Package mysql reads databases on MariaDB (10.11 and later) and MySQL (8).
//
// It promises what package database does. Sessions are in UTC, utf8mb4, with no
// SQL mode, without limits on what a query gives (sql_select_limit,
// group_concat_max_len) and read-only; each statement is followed by a look at the
// warnings that mean a value was cut short. Pages never use OFFSET, nor compare
// tuples, which MariaDB does not look up in an index. Keys are read in the order of
// their index: texts are handed back byte by byte, in the column's own character
// set and collation. Tables of engines without snapshots are told
// (Table.NoSnapshot).
package mysql

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// patience is how long to wait for a server to answer a new connection.
const patience = 30 * time.Second

// Database is one on a MariaDB or MySQL server.
type Database struct {
	*paging.Reader
	opts   database.Options
	config *driver.Config
	secret []string // what must not be seen
	shown  string
	maria  bool
	fold   bool // names of tables regardless of case
}

// IsURL tells whether s names a database of this kind.
func IsURL(s string) bool {
	return strings.HasPrefix(s, "mysql://") || strings.HasPrefix(s, "mariadb://")
}

// Open opens a database: mysql://USER:PASSWORD@HOST:3306/DATABASE, with the
// parameters socket=PATH, tls=true|skip-verify|preferred|false (preferred unless
// given) and tls-ca=FILE.
func Open(ctx context.Context, dsn string, opts database.Options) (*Database, error) {
	d := &Database{opts: opts.WithDefaults()}
	if err := d.parse(dsn); err != nil {
		return nil, err
	}
	d.Reader = paging.New(d, d.opts)
	s, err := d.connect(ctx)
	if err != nil {
		return nil, d.Failed("the database cannot be reached", err)
	}
	defer func() { _ = s.Close() }() // nothing was written
	err = s.Stream(ctx, "SELECT @@version, @@lower_case_table_names", func(v []database.Value) error {
		d.maria = strings.Contains(strings.ToLower(string(v[0].Data)), "mariadb")
		d.fold = string(v[1].Data) != "0"
		return nil
	})
	if err != nil {
		return nil, d.Failed("the database does not answer", err)
	}
	return d, nil
}

func (d *Database) parse(dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil || !IsURL(dsn) || len(u.Path) > 1 && strings.Contains(u.Path[1:], "/") {
		return badURL("") // what the parser says may hold the password
	}
	c := driver.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.TrimPrefix(u.Path, "/")
	c.Net, c.Addr = "tcp", u.Host
	if u.Port() == "" {
		c.Addr = u.Host + ":3306"
	}
	c.Timeout = patience
	c.MaxAllowedPacket = 1 << 30 // as much as a server can send
	c.Logger = &driver.NopLogger{}
	c.ConnectionAttributes = "program_name:" + d.opts.Application
	q := u.Query()
	for name := range q {
		if !slices.Contains([]string{"socket", "tls", "tls-ca"}, name) {
			return badURL("the parameter " + cooper.Quote(name) + " is not known; there are socket, tls and tls-ca")
		}
	}
	c.TLSConfig = "preferred"
	if socket := q.Get("socket"); socket != "" {
		c.Net, c.Addr, c.TLSConfig = "unix", socket, "false"
	}
	c.TLSConfig = cmp.Or(q.Get("tls"), c.TLSConfig)
	if file := q.Get("tls-ca"); file != "" {
		if c.TLS, err = trusting(file, u.Hostname()); err != nil {
			return err
		}
	}
	switch c.TLSConfig {
	case "true", "false", "preferred", "skip-verify":
	default:
		return badURL("tls is one of true, false, preferred and skip-verify")
	}
	d.config = c
	if c.Passwd != "" {
		d.secret = append(d.secret, c.Passwd, strings.TrimPrefix(u.User.String(), url.User(c.User).String()+":"))
	}
	u.RawQuery, u.Fragment = "", ""
	if u.User != nil {
		u.User = url.User(c.User)
	}
	d.shown = u.String()
	return nil
}

// Config is how it is reached, for who has a connection of another kind to it.
func (d *Database) Config() *driver.Config { return d.config.Clone() }

func trusting(file, host string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "tls-ca cannot be read", Err: err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: file, Message: "no certificate in PEM is in it"}
	}
	return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}, nil
}

func badURL(why string) error {
	e := &cooper.Error{Kind: cooper.KindUsage, Message: "not a URL of a MariaDB or MySQL database", Remedy: "Write it like mysql://USER:PASSWORD@HOST:3306/DATABASE; special characters in user and password are percent-encoded."}
	if why != "" {
		e.Err = errors.New(why)
	}
	return e
}

// Failed makes an error one for a person, without the password.
func (d *Database) Failed(what string, err error) error {
	var own *cooper.Error
	if errors.As(err, &own) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	text := err.Error()
	for _, s := range d.secret {
		text = strings.ReplaceAll(text, s, "(secret)")
	}
	e := &cooper.Error{Kind: cooper.KindStore, Where: d.shown, Message: what, Err: errors.New(text)}
	var server *driver.MySQLError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &server):
	case errors.As(err, &cert):
		e.Remedy = "Add tls-ca=FILE to the URL, with the certificate (PEM) of the authority that the server's is from; the host has to be one that it names."
		return e
	default:
		e.Remedy = "Check host and port, and whether the server takes connections from here: mariadb or mysql with the same words should."
		return e
	}
	switch server.Number {
	case 1044, 1045, 1698:
		e.Kind, e.Remedy = cooper.KindDenied, "Check user, password and database in the URL."
	case 1142, 1143, 1227, 1370, 1356:
		e.Kind, e.Remedy = cooper.KindDenied, "Grant the user SELECT on all that is to be read, and nothing more."
	case 1146, 1109, 1051:
		e.Kind = cooper.KindMissing
	case 1049, 1054, 1064, 1052, 1305, 1630:
		e.Kind = cooper.KindUsage
	case 1969, 3024:
		e.Kind, e.Remedy = cooper.KindTimeout, "One statement took too long: make the pages smaller, or the ranges."
	case 1792, 1290, 1836:
		e.Kind, e.Remedy = cooper.KindRefused, "Databases are read only: write SQL that changes nothing."
	}
	return e
}

// passing are errors of the server that may be gone on the next attempt.
// https://mariadb.com/kb/en/mariadb-error-codes/
var passing = map[uint16]bool{
	1040: true, 1041: true, 1135: true, 1203: true, 1226: true, // too many connections, no memory or thread for one
	1053: true, 1080: true, 1152: true, 1158: true, 1159: true, 1160: true, 1161: true, 1184: true, // it shuts down, the connection ended
	1317: true, 1927: true, 3169: true, 4031: true, // somebody ended the statement or the session
	1205: true, 1206: true, 1213: true, 1637: true, // locks
	1412: true, 1615: true, // the table has changed since the snapshot
}

// Passes tells whether an error may be gone when the same is tried again.
func (d *Database) Passes(err error) bool {
	var server *driver.MySQLError
	var own *cooper.Error
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &server):
		return passing[server.Number]
	case errors.As(err, &own), errors.As(err, &cert):
		return false
	case errors.Is(err, driver.ErrPktTooLarge), errors.Is(err, driver.ErrMalformPkt), errors.Is(err, driver.ErrNoTLS), errors.Is(err, driver.ErrUnknownPlugin),
		errors.Is(err, driver.ErrNativePassword), errors.Is(err, driver.ErrOldPassword), errors.Is(err, driver.ErrCleartextPassword), errors.Is(err, driver.ErrOldProtocol):
		return false
	}
	return true
}
