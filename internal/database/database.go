// Package database is how a database of somebody else's is read: what is in it,
// and row after row of a table, none left out and none written.
//
// It promises, of every implementation, and the suite in databasetest holds each
// to it:
//
//   - Nothing is written: sessions and transactions are read-only by SQL, and
//     rights to write that the user has are named (Server.Writes).
//   - A range is read in one snapshot: each row that was there throughout is
//     given, once. Rows are compared by the database alone, in the order of the
//     key's own index, so that no idea of ours of its collations skips one.
//   - What cannot be read is an error, never fewer rows: row-level security that
//     would hide rows, rights that are missing, values that the server cut short,
//     statements and connections that end early. A view is as good as what
//     stands behind it, and says that it is one.
//   - Texts come in UTF-8, times in UTC, whatever the server's settings.
//   - Load is bounded (Limits), and no transaction of ours outlives its range.
//   - No password gets into an error.
//
// What the rows mean, which tables are read and when a scan counts is left to the
// mission gc; which database it is, to job, which alone chooses implementations.
// They are package mysql (MariaDB, MySQL), package postgres and package sqlite; what they
// have in common is package paging.
package database

import (
	"context"
	"time"

	"cooper"
)

// Database is a server, and the database on it that a DSN names. It may be used
// by several at once; at most Limits.Connections are open.
type Database interface {
	// Server tells who answers.
	Server(ctx context.Context) (*Server, error)
	// Load is what the server has to do just now.
	Load(ctx context.Context) (Load, error)
	// Tables lists the tables and views that a pattern matches, in order. None is
	// no error: who asked decides.
	Tables(ctx context.Context, p Pattern) (*Listing, error)
	// Describe tells of a table or view; KindMissing if it is not there.
	Describe(ctx context.Context, name Name) (*Table, error)
	// ForeignKeys lists those that point to one of some tables.
	ForeignKeys(ctx context.Context, to []Name) ([]ForeignKey, error)
	// Ranges splits what a source reads into ranges of about so many rows of the
	// table. Together they hold every key there is or can be: a row that is
	// inserted later lies in one of them, too. A source without a usable key is
	// one range.
	Ranges(ctx context.Context, s *Source, rows int64) ([]Range, error)
	// Read reads a range of a source into a sink, in one snapshot.
	Read(ctx context.Context, s *Source, r Range, sink Sink) error
	// Close ends the connections; it waits for nobody who still reads.
	Close() error
}

// Name is of a table or view. A schema is what MySQL calls a database.
type Name struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
}

// String is SCHEMA.TABLE, or TABLE where the schema is not known.
func (n Name) String() string {
	if n.Schema == "" {
		return n.Table
	}
	return n.Schema + "." + n.Table
}

// Server is who answers.
type Server struct {
	// Identity names the server and its data: another one has another. It is
	// server_uuid or system_identifier with the name of the database; MariaDB has
	// neither, and is known by server_uid (its network card and port), host name,
	// server_id and data directory; a file of SQLite by where and which it is. A copy may be taken for another server where it
	// is none; a staging copy is never taken for production.
	Identity string
	// Engine is MariaDB, MySQL, PostgreSQL or SQLite.
	Engine  string
	Version string
	Replica Replica
	// Clock is the server's, Skew by how much it is ahead of ours.
	Clock time.Time
	Skew  time.Duration
	// Writes names rights to write that the user has, for a person. The list may end
	// with how many more there are.
	Writes []string
}

// Replica tells whether a server follows another.
type Replica string

// The values of Replica.
const (
	Primary        Replica = "primary"
	IsReplica      Replica = "replica"
	ReplicaUnknown Replica = "unknown" // the user may not ask
)

// Load is what a server has to do.
type Load struct {
	// Running is Threads_running, or the backends that are active, without the one
	// that asks. Where the user may not see what others do, it is all that are in a
	// transaction.
	Running int
	Replica Replica
	// Lag is how far a replica is behind; negative if that is not known, because it
	// has stopped or does not say. A primary has none.
	Lag time.Duration
}

// Listing is the tables that a pattern matched.
type Listing struct {
	Tables []Listed
	// Blind says why there may be tables that the user cannot see at all; empty if
	// all that match are listed.
	Blind string
}

// Listed is a table or view.
type Listed struct {
	Name
	View bool
	// Readable tells whether the user may read all of its columns.
	Readable bool
}

// Table is what the server says of a table or view.
type Table struct {
	Name
	View bool `json:"view,omitempty"`
	// Materialized: a view with rows of its own, as they were when it was refreshed last; the
	// server does not tell when that was.
	Materialized bool `json:"materialized,omitempty"`
	// Engine is the storage engine, where there are several; one without snapshots
	// (MyISAM, Aria) may show a row that moves twice or not at all.
	Engine     string `json:"engine,omitempty"`
	NoSnapshot bool   `json:"no_snapshot,omitempty"`
	// Rows is an estimate; negative if there is none.
	Rows    int64    `json:"rows"`
	Columns []Column `json:"columns"`
	// Keys are unique, the primary key first, then as they should be preferred. A
	// key that cannot be read by says why.
	Keys        []Key        `json:"keys,omitempty"`
	ForeignKeys []ForeignKey `json:"foreign_keys,omitempty"`
	// RowSecurity tells that policies would hide rows from this user: reading fails.
	RowSecurity bool `json:"row_security,omitempty"`
	// Partitioned: what is read of it is read of its partitions.
	Partitioned bool `json:"partitioned,omitempty"`
	// Unreadable are columns that the user may not read.
	Unreadable []string `json:"unreadable,omitempty"`
}

// Key gives the key to read by: the first that can be; nil if there is none.
func (t *Table) Key() *Key {
	for i := range t.Keys {
		if t.Keys[i].Unusable == "" {
			return &t.Keys[i]
		}
	}
	return nil
}

// Column finds a column by its name as the server writes it; nil if there is none.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Column is one of a table.
type Column struct {
	Name string `json:"name"`
	// Type is as the server writes it: bigint(20) unsigned, character varying(20)[].
	Type string `json:"type"`
	// Class is of its values.
	Class     Class  `json:"class"`
	Nullable  bool   `json:"nullable,omitempty"`
	Charset   string `json:"charset,omitempty"`
	Collation string `json:"collation,omitempty"`
}

// Key is a primary or unique key.
type Key struct {
	Name    string   `json:"name"`
	Primary bool     `json:"primary,omitempty"`
	Columns []string `json:"columns"`
	// Collations are those of the index, where a column's own is not meant; "" else.
	Collations []string `json:"collations,omitempty"`
	// Unusable says why ranges cannot be cut by it: it may hold NULLs, or has a type
	// or an index in whose order nothing can be read.
	Unusable string `json:"unusable,omitempty"`
}

// ForeignKey points from a table to another.
type ForeignKey struct {
	Name    string   `json:"name"`
	Table   Name     `json:"table"`
	Columns []string `json:"columns"`
	To      Name     `json:"to"`
	Targets []string `json:"targets"`
}

// Source is what is read: expressions over a table or view, or a query.
type Source struct {
	Table *Table
	// Query is read instead of a table, in one range.
	Query string
	// Columns are SQL expressions over Table; Ident writes a column's name as one.
	Columns []string
	// Where is a condition over Table; empty for none. In it, in Columns and in Query,
	// :now stands for Now.
	Where string
	Now   time.Time
	// Limit, if positive, is how many rows of a range are enough: for samples.
	Limit int
}

// Range is a part of a source, by the key that the ranges were cut by: rows behind
// After up to and with To. A bound that is nil is none.
type Range struct {
	Key   []string `json:"key,omitempty"`
	After Bound    `json:"after,omitempty"`
	To    Bound    `json:"to,omitempty"`
	// Rows is how many rows of the table it held when it was cut; negative if unknown.
	Rows int64 `json:"rows"`
}

// Bound is a row's key, a value for each column, as the database gave it: to be
// handed back to it, and not to be compared by anybody else.
type Bound [][]byte

// Snapshot tells of the one that a range is read in.
type Snapshot struct {
	Clock time.Time // the server's, when it began
}

// Sink takes what is read.
type Sink interface {
	// Begin comes before the first row, and again each time the range has to be read
	// anew, after an error that passes or to let the owner's server breathe: what
	// came before does not count.
	Begin(s Snapshot) error
	// Rows gives some rows; they are the sink's to keep.
	Rows(rows []Row) error
}

// Row is a row: its key, and the values of the source's columns. A source without a
// key that can be read by gives none.
type Row struct {
	Key    []Value
	Values []Value
}

// String names a source for a person.
func (s *Source) String() string {
	if s.Table != nil {
		return s.Table.String()
	}
	return "the query " + cooper.Quote(s.Query)
}
