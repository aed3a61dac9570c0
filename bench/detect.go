package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	driver "github.com/duckdb/duckdb-go/v2"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gc/detect"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
)

// detectOptions are what the parts of detection are told.
type detectOptions struct {
	handles int64 // and as many links
	scans   int
	memory  int64 // of the engine
}

const (
	detectServer = "bench"
	detectID     = "d-20260301T000000Z-0001"
	detectShard  = 1 << 20 // rows
)

var detectClock = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// detectScan is the id of a scan; 0 is the newest.
func detectScan(n int) string { return fmt.Sprintf("p-202602%02dT000000Z-0001", 22-n) }

// detectPart compares detection with a query written by hand: handles of which each link names one at
// random, so that 37 % have none.
func (s *setup) detectPart(ctx context.Context) error {
	o := &s.detect
	ws := filepath.Join(s.dir, "detect")
	began := time.Now()
	if err := detectChild(ctx, ws, "make", o); err != nil {
		return err
	}
	fmt.Printf("%d scans of %d handles and as many links, made in %.0f s; %d bytes of memory for the engine\n\n", o.scans, o.handles, time.Since(began).Seconds(), o.memory)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Println("| | wall s | CPU s | peak MB | |\n| --- | --- | --- | --- | --- |")
	for range s.rounds {
		for _, as := range []string{"by-hand", "detect"} {
			if err := os.RemoveAll(filepath.Join(ws, "ledger", gcfacts.Detections)); err != nil {
				return err
			}
			u, err := measured(exec.CommandContext(ctx, self, "-dir", ws, "-detection", as, "-detect-scans", strconv.Itoa(o.scans), "-detect-memory", strconv.FormatInt(o.memory, 10)))
			if err != nil {
				return err
			}
			fmt.Printf("| %s | %.1f | %.1f | %d | %s |\n", as, u.wall, u.cpu, u.rss>>20, u.out)
		}
	}
	return s.explains(ctx, ws)
}

// makeScan writes the facts of a scan: the same handles each time, and other links to the same of them.
func makeScan(ctx context.Context, ws string, scan int, n int64) (err error) {
	facts := gcfacts.Open(filepath.Join(ws, "ledger"))
	id := detectScan(scan)
	at := cooper.InstantOf(detectClock.Add(time.Duration(-7-scan) * 24 * time.Hour))
	handles, links := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
	shard := 0
	write := func(r gcfacts.Range, rows int64, row func(w *gcfacts.Writer, i int64) error) error {
		for from := int64(0); from < rows; from += detectShard {
			w, err := facts.Shard(ctx, id, shard)
			if err != nil {
				return err
			}
			shard++
			for i := from; i < min(from+detectShard, rows) && err == nil; i++ {
				err = row(w, i)
			}
			r.Rows, r.Began, r.Ended, r.Clock, r.Server = detectShard, at, at, at, detectServer
			if err = errors.Join(err, w.Range(r)); err == nil {
				err = w.Commit(ctx)
			}
			if err = errors.Join(err, w.Discard()); err != nil {
				return err
			}
		}
		return nil
	}
	err = write(gcfacts.Range{What: gcfacts.OfKind}, n, func(w *gcfacts.Writer, i int64) error {
		modified := cooper.InstantOf(detectClock.Add(-time.Duration(handles.Int64N(1000*24)) * time.Hour))
		return w.Handle(gcfacts.Handle{
			ID: strconv.FormatInt(i+1, 10), Bucket: "example-data", Key: fmt.Sprintf("%d/%08x/file %d.dat", handles.IntN(1000), handles.Uint32(), i+1),
			Size: handles.Int64N(1 << 30), Modified: modified, Created: modified, Status: "AVAILABLE", Candidate: true,
		})
	})
	if err != nil {
		return err
	}
	err = write(gcfacts.Range{What: gcfacts.OfAssociation, Name: "FileEntity"}, n, func(w *gcfacts.Writer, i int64) error {
		return w.Link("FileEntity", strconv.FormatInt(i+1, 10), gcfacts.Target{ID: strconv.FormatInt(1+links.Int64N(n), 10)})
	})
	if err != nil {
		return err
	}
	return facts.Finish(ctx, gcfacts.Scan{ID: id, Shards: shard, Began: at, Ended: at, Clock: at, Server: detectServer, Complete: true})
}

const detectConfig = `version: 1
database: mysql:env:BENCH
buckets: [example-data]
handles: {table: FILES, id: ID, bucket: BUCKET_NAME, key: KEY, size: CONTENT_SIZE, modified: UPDATED_ON, created: CREATED_ON, status: {column: STATUS}}
associations:
  FileEntity: {table: JDOREVISION, object: ID, handle: FILE_HANDLE_ID}
`

// detectChild is what a process does that is measured.
func detectChild(ctx context.Context, ws, as string, o *detectOptions) error {
	switch as {
	case "make":
		if err := makeWorkspace(ws); err != nil {
			return err
		}
		for n := range o.scans {
			if err := errors.Join(makeScan(ctx, ws, n, o.handles), makePlan(ws, n)); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(ws, detectConfigName), []byte(detectConfig), 0o600)
	case "by-hand":
		return detectByHand(ctx, ws, o)
	}
	c, err := config.Parse("cooper.yaml", []byte(detectConfig))
	if err != nil {
		return err
	}
	e, err := duckdb.Open(duckdb.Options{Memory: o.memory, Threads: 2, TempDir: filepath.Join(ws, "tmp")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := e.Views(ctx, query.Sources{Workspace: ws}); err != nil {
		return err
	}
	facts := gcfacts.Open(filepath.Join(ws, "ledger"))
	to, err := facts.Detection(ctx, detectID)
	if err != nil {
		return err
	}
	in := &detect.Inputs{Engine: e, Config: c, ID: detectID, Scope: detectServer, Server: detectServer, TempDir: ws}
	for n := range o.scans {
		in.Standing.Counted = append(in.Standing.Counted, detectScan(n))
	}
	in.Standing = gc.Standing{Counted: in.Standing.Counted, Wanted: o.scans}
	found, err := detect.Detect(ctx, in, to)
	if err == nil {
		found.Made = cooper.InstantOf(detectClock)
		err = to.Commit(ctx, *found)
	}
	if err = errors.Join(err, to.Discard()); err != nil {
		return err
	}
	for _, f := range found.Figures {
		fmt.Printf("%s %d; ", f.Name, f.Count)
	}
	return nil
}

// detectByHand is what somebody would write who trusts his facts: the candidates, once.
func detectByHand(ctx context.Context, ws string, o *detectOptions) (err error) {
	connector, err := driver.NewConnector(fmt.Sprintf("?threads=2&memory_limit=%dB&temp_directory=%s", o.memory, filepath.Join(ws, "tmp")), nil)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	files := func(scan int, table string) string {
		return "'" + filepath.Join(ws, "ledger/gc", detectScan(scan), "shard-*", table+".parquet") + "'"
	}
	q := "COPY (SELECT h.id_number, h.bucket, h.key, h.size, h.modified FROM " + files(0, gcfacts.Handles) + " h WHERE h.candidate AND h.bucket = 'example-data' AND h.status = 'AVAILABLE' AND greatest(h.modified, h.created) < TIMESTAMPTZ '2026-01-23 00:00:00Z'"
	for n := range o.scans {
		q += " AND NOT EXISTS (SELECT 1 FROM " + files(n, gcfacts.Links) + " l WHERE l.kind = h.kind AND l.id_number = h.id_number)"
		if n > 0 {
			q += " AND EXISTS (SELECT 1 FROM " + files(n, gcfacts.Handles) + " o WHERE o.kind = h.kind AND o.id_number = h.id_number)"
		}
	}
	q += " ORDER BY h.kind, h.id_number) TO '" + filepath.Join(ws, "by-hand.parquet") + "' (FORMAT parquet, COMPRESSION zstd)"
	res, err := db.ExecContext(ctx, q)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	fmt.Printf("candidates %d", n)
	return err
}
