// Package sqlite keeps the statuses of handles in a file of SQLite: a gcstate.State for one machine.
//
// It promises that what has returned is on the disk, and that a process that is killed at any instant
// leaves the last state that was whole. Each record carries a sum, and the file the sums of all
// records of a scope and status: what a disk or a stray write has changed is an error that names the
// file, and never another record; a record that damage hides is missed by Walk (Get takes it for
// AVAILABLE: one deletion fewer).
//
// While a state is open, no other file is put in the place of its own (Replace). All processes that
// use it run on one machine: locks of a network file system do not protect it. What the transitions
// mean and where they are written down is left to the caller; so is an old copy of the file, which is
// as good as any to this package (see gcstate.Info).
//
// Nobody in this process may open the file by other means and close it again: that would let go of
// SQLite's locks (https://www.sqlite.org/howtocorrupt.html).
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	driver "modernc.org/sqlite"

	"cooper"
	"cooper/internal/gcstate"
)

// Format is the version of the file, its user_version.
const Format = 1

// application tells our files from other databases: "Coop".
const application = 0x436f6f70

// Options are for who opens a state.
type Options struct {
	// NewID gives an id to a state that is made.
	NewID func() string
	// Wait is how long one waits for others; 0: half a minute.
	Wait time.Duration
}

// state implements gcstate.State. Its transactions are begun and ended by statements of their own, as
// package database/sql gives up a transaction of which it could not tell the end.
type state struct {
	db   *sql.DB
	path string
	wait time.Duration
	lock *os.File
}

const schema = `
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, told INTEGER NOT NULL, told_to INTEGER NOT NULL, batch_to INTEGER NOT NULL, last INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE TABLE scope (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE total (scope INTEGER NOT NULL, status TEXT NOT NULL, records INTEGER NOT NULL, records_sum INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (scope, status)) STRICT, WITHOUT ROWID;
CREATE TABLE record (scope INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL, since INTEGER NOT NULL, before TEXT NOT NULL, reason TEXT NOT NULL, run TEXT NOT NULL, sum INTEGER NOT NULL,
	PRIMARY KEY (scope, kind, id)) STRICT, WITHOUT ROWID;
CREATE TABLE untold (number INTEGER PRIMARY KEY, scope INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, from_status TEXT NOT NULL, from_since INTEGER NOT NULL, to_status TEXT NOT NULL, since INTEGER NOT NULL,
	reason TEXT NOT NULL, run TEXT NOT NULL, sum INTEGER NOT NULL) STRICT;
`

// Open opens the state in a file, which comes into being if it is not there.
func Open(ctx context.Context, path string, opt Options) (gcstate.State, error) {
	s, err := prepare(path, opt)
	if err != nil {
		return nil, err
	}
	if s.lock, err = share(ctx, s.path, s.wait); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s.begin(ctx, opt)
}

// Replace makes an empty state in the place of the one in a file, if there is one, while nobody has it open.
// The old file is kept, under the name aside. The order, and why a crash between any two steps is harmless:
//
//  1. Rename the file. Without it, there is no state, and all handles are AVAILABLE.
//  2. Rename its journal after it, so that both can be looked at. What is left of a journal without its file
//     SQLite takes for rubbish.
//  3. Make the new one.
func Replace(ctx context.Context, path string, opt Options) (st gcstate.State, aside string, err error) {
	s, err := prepare(path, opt)
	if err != nil {
		return nil, "", err
	}
	if s.lock, err = alone(ctx, s.path, s.wait); err != nil {
		return nil, "", errors.Join(err, s.Close())
	}
	id := opt.NewID()
	aside, err = moveAside(s.path, s.path+".before-"+id)
	if err != nil {
		return nil, "", errors.Join(err, s.Close())
	}
	opt.NewID = func() string { return id }
	if st, err = s.begin(ctx, opt); err != nil {
		return nil, aside, err
	}
	if err := s.share(); err != nil {
		return nil, aside, errors.Join(err, s.Close())
	}
	return st, aside, nil
}

func moveAside(path, aside string) (string, error) {
	if err := os.Rename(path, aside); errors.Is(err, fs.ErrNotExist) {
		aside = ""
	} else if err != nil {
		return "", local(path, err)
	}
	if aside == "" {
		return "", nil
	}
	if err := os.Rename(path+"-journal", aside+"-journal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", local(path, err)
	}
	return aside, syncDir(filepath.Dir(path))
}

// prepare makes what is to be opened.
func prepare(path string, opt Options) (*state, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, local(path, err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, local(dir, err)
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	// A rollback journal: a file by itself is a whole state while nobody writes. EXTRA syncs the directory
	// as well once the journal is gone: what has returned stays.
	dsn := (&url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_journal_mode": {"DELETE"}, "_synchronous": {"EXTRA"}, "_busy_timeout": {"0"}, "_dqs": {"0"}, "_defensive": {"1"}, "_error_rc": {"1"}, "_pragma": {"cache_size(-32768)", "trusted_schema(0)"},
	}.Encode()}).String()
	c, err := driver.NewConnector(dsn)
	if err != nil {
		return nil, local(path, err)
	}
	s := &state{db: sql.OpenDB(c), path: path, wait: opt.Wait}
	if s.wait == 0 {
		s.wait = 30 * time.Second
	}
	s.db.SetMaxOpenConns(8)
	return s, nil
}

// begin looks at the file, or makes it; after an error nothing is left open.
func (s *state) begin(ctx context.Context, opt Options) (gcstate.State, error) {
	made := false
	err := s.read(ctx, func(t *tx) error {
		var version, app, tables int
		err := t.conn.QueryRowContext(ctx, "SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)").Scan(&version, &app, &tables)
		switch {
		case err != nil:
			return err
		case version == 0 && app == 0 && tables == 0:
			return nil
		case app != application:
			return s.damaged(errors.New("it is no state of this program"))
		case version != Format:
			return &cooper.Error{Kind: cooper.KindInvalid, Where: s.path, Message: fmt.Sprintf("the state has format %d; this program knows %d", version, Format),
				Remedy: "Use the version of cooper that wrote it. If there is none, the file is damaged: make it anew with \"cooper gc rebuild\"."}
		}
		made = true
		return t.load()
	})
	if err == nil && !made {
		err = s.write(ctx, func(t *tx) error { return t.make(opt.NewID()) })
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// make fills an empty file, unless another has just done so.
func (t *tx) make(id string) error {
	var tables int
	if err := t.conn.QueryRowContext(t.ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil || tables > 0 {
		return err
	}
	if err := t.exec(fmt.Sprintf("PRAGMA application_id = %d", application)); err != nil {
		return err
	}
	if err := t.exec(fmt.Sprintf("PRAGMA user_version = %d", Format)); err != nil {
		return err
	}
	if err := t.exec(schema); err != nil {
		return err
	}
	t.meta = meta{id: id}
	return t.exec("INSERT INTO state VALUES (1, ?, 0, 0, 0, 0, ?)", id, t.meta.sum())
}

// Close lets go of the file; a second one does nothing.
func (s *state) Close() error {
	err := s.db.Close()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	if err != nil {
		return local(s.path, err)
	}
	return nil
}
