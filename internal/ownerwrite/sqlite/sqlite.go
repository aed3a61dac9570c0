// Package sqlite writes what package ownerwrite names into files of SQLite 3. A file knows no users: that
// nothing but a registry is written is promised by this program alone. The file has to be there.
package sqlite

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"strings"

	driver "modernc.org/sqlite"
	lite "modernc.org/sqlite/lib"

	"cooper"
	"cooper/internal/database"
	reading "cooper/internal/database/sqlite"
	"cooper/internal/ownerwrite"
	"cooper/internal/ownerwrite/transact"
)

// IsURL tells whether s names a database of this kind.
func IsURL(s string) bool { return reading.IsURL(s) }

// Open opens a file to be written to: sqlite:PATH.
func Open(ctx context.Context, address string, opts database.Options) (*transact.Writer, error) {
	if err := settle(ctx, strings.TrimPrefix(address, "sqlite:")); err != nil {
		return nil, err
	}
	read, err := reading.Open(ctx, address, opts)
	if err != nil {
		return nil, err
	}
	connector, err := driver.NewConnector(dsnOf(read.Path()))
	if err != nil {
		return nil, errors.Join(&cooper.Error{Kind: cooper.KindUsage, Where: read.Path(), Message: "the file cannot be opened to be written to", Err: err}, read.Close())
	}
	return transact.New(reader{read}, transact.SQL(connector), transact.Dialect{
		Engine: ownerwrite.SQLite, Name: database.SQLite,
		Bind:   func(int) string { return "?" },
		Text:   func(sql string) string { return "CAST(" + sql + " AS TEXT)" },
		Suits:  suits,
		Odd:    "{linked} NOT GLOB '????-??-??T??:??:??.???Z' OR {unlinked} NOT GLOB '????-??-??T??:??:??.???Z'",
		Denied: "The file, and the folder that it is in, have to be writable by this user.",
	}), nil
}

// dsnOf is how the driver calls a file that is to be written to.
func dsnOf(path string) string {
	return (&url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"mode": {"rw"}, "_txlock": {"immediate"}, "_busy_timeout": {"10000"}, "_dqs": {"0"}, "_defensive": {"1"}, "_pragma": {"trusted_schema(0)"},
	}.Encode()}).String()
}

// settle has the library take back what a writer has left half done that was killed: who only reads may
// not. Whatever is wrong with the file is told by who opens it then.
func settle(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the file cannot be looked at", Err: err}
	}
	connector, err := driver.NewConnector(dsnOf(path))
	if err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the file cannot be opened to be written to", Err: err}
	}
	conn := transact.SQL(connector)
	if tx, err := conn.Begin(ctx); err == nil { // to begin to write, it has to be whole
		tx.Undo()
	}
	if err := conn.Close(); err != nil {
		return &cooper.Error{Kind: cooper.KindStore, Where: path, Message: "the file cannot be closed", Err: err}
	}
	return nil
}

// reader knows the errors of the driver for package database/sql as well.
type reader struct{ *reading.Database }

// code is what the library said; 0 if it said nothing.
func code(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// Passes tells whether an error may be gone when the same is tried again.
func (r reader) Passes(err error) bool {
	if c := code(err); c != 0 {
		return reading.PassesBy(c)
	}
	return r.Database.Passes(err)
}

// Failed makes an error one for a person.
func (r reader) Failed(what string, err error) error {
	c := code(err)
	switch c & 0xff {
	case 0:
		return r.Database.Failed(what, err)
	case lite.SQLITE_READONLY, lite.SQLITE_PERM, lite.SQLITE_CANTOPEN:
		return &cooper.Error{Kind: cooper.KindDenied, Where: r.Path(), Message: what, Err: err}
	}
	return r.FailedBy(c, what, err)
}

// suits sees that texts are compared as they are, and that no column makes something else of them.
func suits(t *database.Table, c *ownerwrite.Columns) error {
	refused := func(column string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "this is no registry that can be written to: its column " + cooper.Quote(column) + " is not of texts that are compared as they are",
			Remedy: "Make the table as this prints it: cooper gc registry ddl sqlite"}
	}
	for _, name := range []string{c.Type, c.Object, c.Linked, c.Unlinked} {
		if affinity := strings.ToUpper(t.Column(name).Type); !strings.Contains(affinity, "TEXT") && !strings.Contains(affinity, "CHAR") {
			return refused(name)
		}
	}
	for _, k := range t.Keys {
		for i, order := range k.Collations {
			if order != "" && !strings.EqualFold(order, "BINARY") {
				return refused(k.Columns[i])
			}
		}
	}
	return nil
}
