package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite" // the platform's database
)

// How many files the platform has; those beyond papers and pages have lost their last link.
const (
	papers    = 900
	withPages = 1000
	files     = 1200
	strays    = 25 // objects that the platform does not know
)

// byHand is what a person adds to the configuration that was written from the schema. Here
// nothing has to be old; in life scans are a day apart, and files 30 days old.
const byHand = `
  # Added by hand: pages have images in JSON.
  ` + inJSON + `

detect: {apart: 0s, unmodified: 0s, settle: 0s}
archive: {bucket: cold, class: STANDARD, after: 0s, smallest: 0B}
`

// Where pages have their images, and where they have them later: there the database can look for an id.
const (
	inJSON  = "pages: {table: pages, object: name, value: body, as: [json], at: '.images | each | .file'}"
	inTable = "pages: {table: page_files, object: page, handle: file}"
)

// What is proposed for the platform's own status of files, and what a person makes of it: Cooper may write it.
const (
	proposed = "status: {column: status, values: {AVAILABLE: AVAILABLE}}"
	writable = "status: {column: status, write: true}"
)

// putPlatform makes a platform: a database with an index of files and what links to them, and
// a bucket with their objects.
func (s *stage) putPlatform(ctx context.Context) (err error) {
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "platform.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, `CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, size BIGINT NOT NULL, created_at DATETIME NOT NULL, status TEXT NOT NULL DEFAULT 'AVAILABLE');
CREATE TABLE papers (id INTEGER PRIMARY KEY, title TEXT NOT NULL, pdf_id INTEGER REFERENCES files (id));
CREATE TABLE pages (name TEXT NOT NULL PRIMARY KEY, body JSON NOT NULL);`)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if e := tx.Rollback(); !errors.Is(e, sql.ErrTxDone) {
			err = errors.Join(err, e)
		}
	}()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for i := 1; i <= files; i++ {
		key, body := object(i)
		if _, err := tx.ExecContext(ctx, "INSERT INTO files (id, key, size, created_at) VALUES (?, ?, ?, '2025-03-01 10:00:00')", i, key, len(body)); err != nil {
			return errors.Join(err, g.Wait())
		}
		switch {
		case i <= papers:
			_, err = tx.ExecContext(ctx, "INSERT INTO papers VALUES (?, 'a paper', ?)", i, i)
		case i <= withPages:
			_, err = tx.ExecContext(ctx, "INSERT INTO pages VALUES (?, ?)", fmt.Sprintf("page-%d", i), fmt.Sprintf(`{"images": [{"file": %d}]}`, i))
		}
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return s.app.put(gctx, key, body) })
	}
	for i := range strays {
		g.Go(func() error {
			return s.app.put(gctx, fmt.Sprintf("3/stray-%02d.tmp", i), []byte("nobody knows this one"))
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return tx.Commit()
}

// object is the key and the content of a file.
func object(id int) (key string, body []byte) {
	return fmt.Sprintf("%d/%05d.pdf", id%7, id), bytes.Repeat([]byte{byte(id)}, 1000+id)
}

func (s *stage) garbage(ctx context.Context) error {
	s.tell("Garbage", "A platform: an index of files in a database, papers and pages that link to them, objects in a bucket. Which files does nothing link to any more?")
	began := time.Now()
	if err := s.putPlatform(ctx); err != nil {
		return err
	}
	fmt.Printf("Made a database of %d files, and uploaded their objects, in %.1f s.\n", files, time.Since(began).Seconds())
	if err := s.cooper(ctx, "gc", "init", "sqlite:platform.db", "--bucket", "app"); err != nil {
		return err
	}
	name := filepath.Join(s.dir, "cooper.yaml")
	written, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	declared := strings.Replace(string(written), proposed, writable, 1) + byHand
	if !strings.Contains(declared, writable) {
		return errors.New("no status of files was proposed")
	}
	if err := os.WriteFile(name, []byte(declared), 0o644); err != nil {
		return err
	}
	fmt.Print("\nA person looks at it, lets Cooper write the status of files, and adds what no schema tells:\n\n  ", writable, "\n", byHand)
	for _, args := range [][]string{{"gc", "check"}, {"snapshot", "s3://app", "--list"}, {"gc", "scan"}, {"gc", "scan"}, {"gc", "scan"}, {"gc", "status"}, {"gc", "detect", "--yes"}, {"gc", "explain", "1001"}, {"gc", "explain", "950"}, {"gc", "unindexed"}} {
		if err := s.cooper(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}
