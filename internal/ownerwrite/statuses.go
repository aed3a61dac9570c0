package ownerwrite

import (
	"context"

	"cooper/internal/database"
)

// StatusColumns are those of a table of file handles, as its owner writes them. Changed is when the status was
// last changed, in the unit that package config has; empty for none.
type StatusColumns struct{ ID, Status, Changed, Unit string }

// Statuses is a table of file handles in which their owner's program and Cooper keep what each is.
type Statuses interface {
	// Set writes a value where another stands, and gives which of some values stands for each handle then: the
	// place of it in known, or -1 for any other, and where there is no such handle. What it is set from and to are places
	// in known, too; one that is set to what it is set from is only looked at. No two of the ids may be the same.
	Set(ctx context.Context, ids []string, from, to int, known []string) ([]int, error)
}

// StatusWriter makes sure that a table has such columns, and that the status in it may be written; nothing is
// written.
type StatusWriter interface {
	Statuses(ctx context.Context, table database.Name, c StatusColumns) (Statuses, error)
}

// Now is the time at which a statement runs, for an engine, in the unit that a column has: s, ms, or a type of
// time.
func Now(engine, unit string) string {
	switch engine + " " + unit {
	case MySQL + " s":
		return "UNIX_TIMESTAMP()"
	case MySQL + " ms":
		return "FLOOR(UNIX_TIMESTAMP(SYSDATE(3)) * 1000)"
	case MySQL + " ":
		return "SYSDATE(6)"
	case PostgreSQL + " s":
		return "floor(extract(epoch FROM clock_timestamp()))"
	case PostgreSQL + " ms":
		return "floor(extract(epoch FROM clock_timestamp()) * 1000)"
	case PostgreSQL + " ":
		return "clock_timestamp()"
	case SQLite + " s":
		return "CAST(strftime('%s', 'now') AS INTEGER)"
	case SQLite + " ms":
		return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
	}
	return "strftime('%Y-%m-%d %H:%M:%S', 'now')"
}
