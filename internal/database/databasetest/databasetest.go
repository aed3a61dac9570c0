// Package databasetest is the suite that every implementation of package database
// is held to, on a real server.
package databasetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/database"
)

// World is a server of a test's own, and the implementation that reads it.
type World struct {
	// Open opens the database as its owner, or as the user reader (with the password
	// r-word), whom the suite makes.
	Open func(t testing.TB, reader bool, o database.Options) database.Database
	// Exec runs SQL beside the code under test, as somebody who may do all, and gives
	// the rows as texts.
	Exec func(t testing.TB, sql string) [][]string
	// Kill ends all connections but its own.
	Kill func(t testing.TB)
	// Postgres and SQLite tell which SQL the server speaks; MySQL, that it is no MariaDB. SQLite has no users, no schemas
	// and no connections that could be ended: Kill is nil.
	Postgres, MySQL, SQLite bool
}

// pick gives what the server speaks; SQLite is given what MariaDB is.
func (w World) pick(maria, postgres string) string {
	if w.Postgres {
		return postgres
	}
	return maria
}

// pick3 gives what the server speaks.
func (w World) pick3(maria, postgres, sqlite string) string {
	if w.SQLite {
		return sqlite
	}
	return w.pick(maria, postgres)
}

// Run runs the suite.
func Run(t *testing.T, w World) {
	w.make(t, "readable", 3)
	if !w.SQLite {
		w.Exec(t, w.pick("CREATE USER reader IDENTIFIED BY 'r-word'", "CREATE ROLE reader LOGIN PASSWORD 'r-word'"))
		w.Exec(t, "GRANT SELECT ON readable TO reader")
	}
	tests := map[string]func(*testing.T, World){
		"keys": keys, "composite keys": composite, "no key": noKey, "few rows": fewRows, "moving rows": moving, "later rows": later, "huge values": huge, "conditions": conditions,
		"samples": samples, "queries": queries, "read only": readOnly, "rights": rights, "patterns": patterns, "foreign keys": foreignKeys, "server": server, "broken connections": broken,
		"cancelled": cancelled, "describe": describe, "values": values,
	}
	if w.SQLite {
		delete(tests, "rights")
		delete(tests, "broken connections")
	}
	for name, test := range tests {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) { test(t, w) })
	}
}

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// small are limits under which a few rows make many pages.
func small() database.Options {
	return database.Options{Limits: database.Limits{PageRows: 3, RowsPerSecond: 1e9, Busy: 1000}, Wait: func(context.Context, time.Duration) error { return nil }}
}

// open opens the database until the test ends.
func (w World) open(t testing.TB, reader bool, o database.Options) database.Database {
	t.Helper()
	d := w.Open(t, reader, o)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

// name is of a table in the database's own schema.
func describeTable(t testing.TB, d database.Database, table string) *database.Table {
	t.Helper()
	described, err := d.Describe(ctx, database.Name{Table: table})
	must(t, err)
	return described
}

// sink keeps rows, those of an attempt that counts.
type sink struct {
	rows   []database.Row
	begins int
	hook   func(attempt, rows int) error // after rows came
}

func (s *sink) Begin(snap database.Snapshot) error {
	if snap.Clock.IsZero() {
		return fmt.Errorf("a snapshot of no time")
	}
	s.rows, s.begins = nil, s.begins+1
	return nil
}

func (s *sink) Rows(rows []database.Row) error {
	s.rows = append(s.rows, rows...)
	if s.hook != nil {
		return s.hook(s.begins, len(s.rows))
	}
	return nil
}

// column gives one of the values of all rows, as texts, sorted.
func column(rows []database.Row, i int) []string {
	var out []string
	for _, r := range rows {
		out = append(out, r.Values[i].String())
	}
	slices.Sort(out)
	return out
}

// read reads all ranges of a source, about so many rows each.
func read(t testing.TB, d database.Database, s *database.Source, rows int64) (all []database.Row, ranges []database.Range) {
	t.Helper()
	ranges, err := d.Ranges(ctx, s, rows)
	must(t, err)
	for _, r := range ranges {
		k := &sink{}
		must(t, d.Read(ctx, s, r, k))
		if k.begins != 1 {
			t.Errorf("begun %d times", k.begins)
		}
		all = append(all, k.rows...)
	}
	return all, ranges
}

// numbers are the texts of 0 … n-1, sorted.
func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	slices.Sort(out)
	return out
}

// same compares sorted texts.
func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		missed, more := []string{}, []string{}
		for _, s := range want {
			if !slices.Contains(got, s) {
				missed = append(missed, s)
			}
		}
		for _, s := range got {
			if !slices.Contains(want, s) {
				more = append(more, s)
			}
		}
		t.Errorf("%s: %d rows in place of %d; missed %.300q, more %.300q", what, len(got), len(want), missed, more)
	}
}

// kind asks for an error of a kind whose text has a part.
func kind(t testing.TB, err error, k cooper.Kind, part string) {
	t.Helper()
	if cooper.KindOf(err) != k || !strings.Contains(err.Error(), part) {
		t.Errorf("%v is of kind %q, not %q about %q", err, cooper.KindOf(err), k, part)
	}
}
