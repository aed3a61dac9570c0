// Package query says what Cooper asks of an SQL engine: to show snapshots,
// plans, the ledger and catalogs as tables, and to answer queries over them.
//
// It holds no vendor's types. An engine only reads: whatever the SQL says, it
// changes no file. Package querytest checks an implementation. What to ask, and
// how an answer looks, is left to commands and missions.
package query

import (
	"context"
	"errors"
	"io"
	"strings"
)

// Engine answers SQL. Its methods may be called at the same time.
type Engine interface {
	// Views makes the tables of s known to later queries. A table that has no
	// file yet is empty. What is added to a table later is seen.
	Views(ctx context.Context, s Sources) error
	// Query runs one statement that reads; args fill its parameters ($1, $2 or
	// ?). Anything that is not one SELECT, WITH, FROM, VALUES, DESCRIBE,
	// SUMMARIZE or SHOW, or calls a function that may do more than read and
	// compute, is refused with KindRefused, a mistake in it is KindUsage. Memory does not
	// depend on the number of rows. Files of ours that the statement reads as tables are checked
	// before anything is answered: a damaged one is KindInvalid or KindCorrupt, and is named.
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
	// Close ends all queries.
	Close() error
}

// Rows is an answer.
type Rows interface {
	Columns() []Column
	// Next gives the next row, the caller's to keep, and io.EOF after the last.
	// A value is nil, bool, int64, float64, string, []byte, time.Time in UTC,
	// *big.Int (an integer that does not fit in int64), json.Number (a decimal
	// fraction), []any or map[string]any.
	Next() ([]any, error)
	Close() error
}

// Column names a column and gives the engine's name for its type.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Sources are what an engine shows as tables:
//
//	outcome   what came of each action          (Workspace)
//	content   what reading versions has taught  (Workspace)
//	run       what came of each run             (Workspace)
//	snapshot  the snapshots                     (Workspace)
//	version   every version of every snapshot   (Workspace, Snapshot)
//	plan      the plans                         (Workspace)
//	action    every action of every plan        (Workspace)
//	catalog   every version that a tree knows   (Catalogs)
//
// and the facts of scans for garbage (Workspace), as docs/formats/gc.md has them: gc_handle, gc_derived,
// gc_hold, gc_link, gc_malformed, gc_range, gc_scan, gc_acknowledged; of detections: gc_detection, gc_candidate,
// gc_kept, gc_relinked, gc_missing, gc_unindexed, gc_unindexed_kept, gc_near_miss; gc_transition, gc_kept_by_hand,
// gc_linked_by_hand. While a statement reads one of these, no scan is dropped.
type Sources struct {
	// Workspace is its directory; empty for none.
	Workspace string
	// Snapshot is the id of the one whose rows version has; empty for all.
	Snapshot string
	Catalogs []Catalog
}

// Catalog lists the files of a tree's catalog.
type Catalog struct {
	Tree string // its path
	// Runs are the sorted sequences of rows, the oldest first, each as the paths
	// of its files. Where several have a row for one version, the newest counts.
	Runs [][]string
	// Verify checks the files before they are read; nil if there is nothing to check
	// them by.
	Verify func(context.Context) error
}

// Each calls f with each row of an answer, until f's first error.
func Each(ctx context.Context, e Engine, sql string, args []any, f func(row []any) error) error {
	rows, err := e.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	return EachOf(rows, f)
}

// EachOf calls f with each row of an answer that is there, until f's first error, and closes
// it.
func EachOf(rows Rows, f func(row []any) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(row)
		}
		if err != nil {
			return err
		}
	}
}

// SumOfBytes is an expression for the sum of a column of sizes, 0 of none, that stays at
// the largest number where it would grow beyond (cooper.MaxBytes).
func SumOfBytes(column string) string {
	return "CAST(least(coalesce(sum(" + column + "), 0), 9223372036854775807) AS BIGINT)"
}

// Text makes a text a literal of SQL.
func Text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
