// Package ledger keeps facts: what came of every action, and of every run, as
// Parquet files that any engine can query.
//
// There is one directory for each kind of fact. A file has a name that follows
// from the run and the shard, and appears whole or not at all; writing it again
// changes nothing. So a fact is there once, whatever crashed in between. Facts
// are never changed; Compact only puts many small files of a run into one.
// What the facts mean, and SQL over them, is left to others.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"cooper"
	"cooper/internal/ledger/sealed"
	"cooper/internal/parquetrows"
)

// Format is the version of the tables, kept in each file's metadata; files of format 1,
// which have no sums, are read as well.
const Format = 2

// The tables.
const (
	Outcome = "outcome"
	Content = "content"
	Run     = "run"
)

const (
	suffix     = ".parquet"
	formatKey  = "cooper.ledger"
	shardsKey  = "cooper.shards"
	writeBatch = 1024 // rows handed to the Parquet writer at once
)

// Ledger is a ledger on disk. Its methods may be called at the same time.
type Ledger struct{ dir string }

// Open gives the ledger at dir, which comes into being with the first fact.
func Open(dir string) *Ledger { return &Ledger{dir: dir} }

// Dir is where the ledger is.
func (l *Ledger) Dir() string { return l.dir }

// Tables names the kinds of facts, each a directory.
func (l *Ledger) Tables() []string { return []string{Outcome, Content, Run} }

// RunStatus is how a run ended.
type RunStatus string

// The values of RunStatus. A run that was killed leaves no fact of its own.
const (
	Finished    RunStatus = "finished"    // every shard was carried out
	Interrupted RunStatus = "interrupted" // a person or the system asked to stop
	Aborted     RunStatus = "aborted"     // it failed as a whole, or was refused
)

// RunFact is what came of one run.
type RunFact struct {
	ID      string
	Plan    string
	Mission string
	Target  string
	Began   cooper.Instant
	Ended   cooper.Instant
	Status  RunStatus
	// Counts are the outcomes, by status and, unless done, kind: "done",
	// "failed/denied", "deferred/archived".
	Counts map[string]int64
	// Bytes is how many were transferred, Requests how many were sent.
	Bytes    int64
	Requests int64
	// Message says why, unless finished.
	Message string
}

// CountKey is the name under which RunFact.Counts counts an outcome.
func CountKey(o *cooper.Outcome) string {
	if o.Kind == "" {
		return string(o.Status)
	}
	return string(o.Status) + "/" + string(o.Kind)
}

// WriteOutcomes writes the facts of one shard of a run: its outcomes, and what
// they taught of contents. If they are there already, also within a compacted
// file, it does nothing.
//
// Contents go first. A crash after them leaves a shard whose outcomes are not
// there: whoever recovers it gives the same outcomes again, and finds that part
// done. The other way round, outcomes that are there would say that nothing is
// missing.
func (l *Ledger) WriteOutcomes(ctx context.Context, run string, shard int, plan, target string, outs []cooper.Outcome) error {
	if err := checkRun(run); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil || len(outs) == 0 {
		return err
	}
	if there, err := l.hasShard(Outcome, run, shard); err != nil || there {
		return err
	}
	if err := l.writeContents(run, shard, plan, target, outs); err != nil {
		return err
	}
	return writeShard(l, Outcome, run, shard, outs, func(o *cooper.Outcome) outcomeRow {
		return outcomeRowOf(o, run, shard, plan, target)
	})
}

// writeContents writes the table content of a shard; outcomes without a Content
// have no row there.
func (l *Ledger) writeContents(run string, shard int, plan, target string, outs []cooper.Outcome) error {
	with := make([]cooper.Outcome, 0, len(outs))
	for i := range outs {
		if outs[i].Content != nil {
			with = append(with, outs[i])
		}
	}
	if len(with) == 0 {
		return nil
	}
	if there, err := l.hasShard(Content, run, shard); err != nil || there {
		return err
	}
	return writeShard(l, Content, run, shard, with, func(o *cooper.Outcome) contentRow {
		return contentRowOf(o, run, shard, plan, target)
	})
}

// writeShard writes the file of a shard in a table, a row for each of outs.
func writeShard[T any](l *Ledger, table, run string, shard int, outs []cooper.Outcome, row func(*cooper.Outcome) T) error {
	return l.create(table, shardName(run, shard), func(f io.Writer) error {
		w := parquetrows.NewWriter[T](f, 0, writerOptions(map[string]string{shardsKey: ranges([]int{shard})})...)
		rows := make([]T, 0, min(len(outs), writeBatch))
		for part := range slices.Chunk(outs, writeBatch) {
			rows = rows[:0]
			for i := range part {
				rows = append(rows, row(&part[i]))
			}
			if err := w.Write(rows); err != nil {
				return err
			}
		}
		return w.Close()
	})
}

// WriteRun writes the fact about a run. If there is one already, it does nothing.
func (l *Ledger) WriteRun(ctx context.Context, r RunFact) error {
	if err := checkRun(r.ID); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	name := r.ID + suffix
	if _, err := os.Lstat(filepath.Join(l.dir, Run, name)); err == nil {
		return nil
	}
	counts, err := json.Marshal(r.Counts)
	if err != nil {
		return sealed.Local(l.dir, err)
	}
	row := runRow{
		ID: r.ID, Plan: r.Plan, Mission: r.Mission, Target: text(r.Target), Began: int64(r.Began), Ended: int64(r.Ended),
		Status: string(r.Status), Counts: string(counts), Bytes: r.Bytes, Requests: r.Requests, Message: text(r.Message),
	}
	return l.create(Run, name, func(f io.Writer) error { return writeRuns(f, []runRow{row}) })
}

func writeRuns(f io.Writer, rows []runRow) error {
	w := parquetrows.NewWriter[runRow](f, 0, writerOptions(nil)...)
	if err := w.Write(rows); err != nil {
		return err
	}
	return w.Close()
}

// Runs reads the facts about all runs, in the order of their ids, which is that
// in which they began.
func (l *Ledger) Runs(ctx context.Context) ([]RunFact, error) {
	names, err := l.Files(Run)
	if err != nil {
		return nil, err
	}
	var facts []RunFact
	for _, name := range names {
		err := readRows(ctx, name, func(rows []runRow) error {
			for _, r := range rows {
				fact := RunFact{
					ID: r.ID, Plan: r.Plan, Mission: r.Mission, Target: r.Target, Began: cooper.Instant(r.Began), Ended: cooper.Instant(r.Ended),
					Status: RunStatus(r.Status), Bytes: r.Bytes, Requests: r.Requests, Message: r.Message,
				}
				if err := json.Unmarshal([]byte(r.Counts), &fact.Counts); err != nil {
					return err
				}
				facts = append(facts, fact)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(facts, func(a, b RunFact) int { return strings.Compare(a.ID, b.ID) })
	return facts, nil
}

// create lets the file name of a table appear with what fill writes, sealed: a
// temporary file, synced, renamed, its directory synced. A crash leaves nothing
// that a reader of *.parquet sees.
func (l *Ledger) create(table, name string, fill func(io.Writer) error) error {
	dir := filepath.Join(l.dir, table)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return sealed.Local(dir, err)
	}
	f, err := os.CreateTemp(dir, name+".tmp-*")
	if err != nil {
		return sealed.Local(dir, err)
	}
	out := sealed.NewWriter(f)
	err = fill(out)
	if err == nil {
		err = out.Seal()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(sealed.Local(filepath.Join(dir, name), err), os.RemoveAll(f.Name()))
	}
	return sealed.SyncDir(dir)
}

// packed is one for all files: it keeps its encoders, of megabytes, for the next one.
var packed = &zstd.Codec{Level: zstd.SpeedFastest}

func writerOptions(meta map[string]string) []parquet.WriterOption {
	opts := []parquet.WriterOption{
		parquet.Compression(packed),
		parquet.CreatedBy("cooper", "ledger", fmt.Sprint(Format)),
		parquet.KeyValueMetadata(formatKey, fmt.Sprint(Format)),
	}
	for k, v := range meta {
		opts = append(opts, parquet.KeyValueMetadata(k, v))
	}
	return opts
}

// checkRun makes sure that a run's id can name files.
func checkRun(run string) error {
	if run == "" || strings.ContainsAny(run, "/\\*?[") || strings.Contains(run, "..") {
		return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("%q cannot be the id of a run", run)}
	}
	return nil
}

// text makes s fit for a text column: a path need not be UTF-8.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return cooper.Quote(s)
}
