// Package mysql writes what package ownerwrite names into databases on MariaDB (10.11 and later) and
// MySQL (8). Sessions are strict, whatever the server's are: what does not fit is an error, and
// never cut short; they are in UTC, and wait ten seconds at most for somebody else's lock.
package mysql

import (
	"context"
	"errors"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"cooper"
	"cooper/internal/database"
	reading "cooper/internal/database/mysql"
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
	config := read.Config()
	config.InterpolateParams = true // MariaDB prepares no EXPLAIN of what writes
	connector, err := driver.NewConnector(config)
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	return transact.New(read, transact.SQL(connector), transact.Dialect{
		Engine: ownerwrite.MySQL, Name: "MySQL", Lock: " FOR UPDATE",
		Settings: []string{"SET SESSION sql_mode = 'TRADITIONAL', time_zone = '+00:00', innodb_lock_wait_timeout = 10", "SET NAMES utf8mb4"},
		Bind:     func(int) string { return "?" },
		Text:     func(sql string) string { return "CAST(" + sql + " AS CHAR)" },
		Suits:    suits,
		Denied:   "Grant the user of registry.database SELECT, INSERT and UPDATE on {table}, and nothing more.",
	}), nil
}

// suits sees that different texts are different, and that a transaction is one.
func suits(t *database.Table, c *ownerwrite.Columns) error {
	refused := func(why string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "this is no registry that can be written to: " + why, Remedy: "Make the table as this prints it: cooper gc registry ddl mysql"}
	}
	for _, name := range []string{c.Handle, c.Type, c.Object} {
		if col := t.Column(name); col.Class == database.Text && !strings.HasSuffix(col.Collation, "bin") {
			return refused("its column " + cooper.Quote(name) + " takes different texts for the same, by its collation " + col.Collation)
		}
	}
	for _, name := range []string{c.Linked, c.Unlinked} {
		if col := t.Column(name); col.Class != database.Time {
			return refused("its column " + cooper.Quote(name) + " has no times")
		}
	}
	if t.NoSnapshot {
		return refused("its engine " + t.Engine + " has no transactions")
	}
	return nil
}
