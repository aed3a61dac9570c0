// Package sqlite reads databases in files of SQLite 3.
//
// It promises what package database does. A file is opened to be read alone, and nothing can
// be attached to it; a name that there is no column of is an error, and no text, as SQLite
// would have it. A value is what it is by itself, whatever its column was declared as: a whole
// number that stands in the file as a float is a whole number, a fraction is none; a text is a
// time where it is written as one and stands in a column of times, or in one of no type, or
// comes of an expression.
// Numbers are times only where the owner says in which unit. A file that another one takes the
// place of is another server, and no more is read from it.
//
// While a range is read, nobody who writes waits if the file has a write-ahead log; without
// one, a commit waits until the range has been read.
package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/paging"

	lite "modernc.org/sqlite/lib"
)

// Database is a file.
type Database struct {
	*paging.Reader
	opts database.Options
	path string
	file string // which file it is
}

const scheme = "sqlite:"

// IsURL tells whether s names a database of this kind.
func IsURL(s string) bool { return strings.HasPrefix(s, scheme) }

// Open opens a database: sqlite:PATH.
func Open(ctx context.Context, address string, opts database.Options) (*Database, error) {
	d := &Database{opts: opts.WithDefaults()}
	path, ok := strings.CutPrefix(address, scheme)
	if !ok || path == "" {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "this names no file of SQLite", Remedy: "Write it like sqlite:PATH."}
	}
	var err error
	if d.path, err = filepath.Abs(path); err == nil {
		d.path, err = filepath.EvalSymlinks(d.path)
	}
	if err == nil {
		d.file, err = fileAt(d.path)
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &cooper.Error{Kind: cooper.KindMissing, Where: path, Message: "there is no such file"}
	case err != nil:
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the file cannot be looked at", Err: err}
	}
	d.Reader = paging.New(d, d.opts)
	_, err = d.Server(ctx)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Path is where the file is, for who has a connection of another kind to it.
func (d *Database) Path() string { return d.path }

// same refuses a file that has taken the place of the one that was opened.
func (d *Database) same() error {
	file, err := fileAt(d.path)
	if err == nil && file != d.file {
		err = errors.New("it is another one than before")
	}
	if err != nil {
		return &cooper.Error{Kind: cooper.KindRefused, Where: d.path, Message: "the file is no longer in its place", Err: err, Remedy: "Begin anew, with the file that is there now."}
	}
	return nil
}

// Failed makes an error one for a person.
func (d *Database) Failed(what string, err error) error {
	var own *cooper.Error
	if errors.As(err, &own) || errors.Is(err, context.Canceled) {
		return err
	}
	e := &cooper.Error{Kind: cooper.KindStore, Where: d.path, Message: what, Err: err}
	var f *failure
	if !errors.As(err, &f) {
		return e
	}
	// https://www.sqlite.org/rescode.html
	switch f.primary() {
	case lite.SQLITE_ERROR:
		e.Kind = cooper.KindUsage
		if strings.HasPrefix(f.text, "no such table") {
			e.Kind = cooper.KindMissing
		}
	case lite.SQLITE_INTERRUPT:
		e.Kind, e.Remedy = cooper.KindTimeout, "A statement took too long: make the pages smaller, or the ranges."
	case lite.SQLITE_READONLY, lite.SQLITE_AUTH:
		e.Kind, e.Remedy = cooper.KindRefused, "Databases are read only: write SQL that changes nothing. If a program that wrote the file was killed, let it open the file once: it has to put it in order."
	case lite.SQLITE_PERM, lite.SQLITE_CANTOPEN:
		e.Kind, e.Remedy = cooper.KindDenied, "The file, and what stands beside it (-wal, -shm), has to be readable by this user; of a file with a write-ahead log the folder has to be writable, or somebody have it open."
	case lite.SQLITE_CORRUPT, lite.SQLITE_NOTADB:
		e.Kind, e.Remedy = cooper.KindCorrupt, "See what PRAGMA integrity_check says of the file."
	case lite.SQLITE_BUSY, lite.SQLITE_LOCKED:
		e.Remedy = "Somebody writes to it without end: wait until that is over."
	case lite.SQLITE_TOOBIG, lite.SQLITE_MISMATCH:
		e.Kind, e.Remedy = cooper.KindInvalid, "An expression cannot be worked out for a row: correct it in cooper.yaml, or the row."
	}
	return e
}

// Passes tells whether an error may be gone when the same is tried again: somebody else is
// writing, or has changed what tables there are.
func (d *Database) Passes(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.passes()
}

// FailedBy makes an error one for a person that another connection to the file has had, by the library's code.
func (d *Database) FailedBy(code int, what string, err error) error {
	return d.Failed(what, &failure{code: int32(code), text: err.Error()}) //nolint:gosec // the library's codes are small
}

// PassesBy tells whether such an error may be gone when the same is tried again.
func PassesBy(code int) bool { return (&failure{code: int32(code)}).passes() } //nolint:gosec // the library's codes are small

func (f *failure) passes() bool {
	switch f.primary() {
	case lite.SQLITE_BUSY, lite.SQLITE_LOCKED, lite.SQLITE_SCHEMA, lite.SQLITE_PROTOCOL, lite.SQLITE_IOERR:
		return true
	}
	return false
}
