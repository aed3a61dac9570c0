// Package ownerwrite is what Cooper writes into a database of somebody else's. Package database
// reads it, by connections that cannot write; what is written goes by a connection of its own,
// which the owner has declared for that, and to the tables that are named here alone: the
// owner's registry of links.
//
// It promises, of every implementation, and the suite in ownerwritetest holds each to it:
//
//   - No SQL of a caller's is run: what is written is what the methods say, to one table, and
//     nothing is ever deleted.
//   - A call is one transaction: all of it is there when it has returned, or nothing; whatever
//     was killed or lost may be done again, and does no harm.
//   - A link is never taken for ended by what is written here, unless Unlink ended it. An end
//     that the owner's program has noted is not undone by Fill.
//   - Times are the database's, and what it would cut short is an error.
//   - A table in which a row would not be what it is taken for (its key is another, its texts
//     are compared regardless of case, its times have no zone) is refused before anything is
//     written.
//   - No password gets into an error.
//
// Whether the database is the right one, and not a replica, and which rights are too many, callers
// ask Server and Beyond; which links there are is left to the mission gc. Implementations are chosen in
// job alone: package mysql, package postgres and package sqlite; what they have in common is package
// transact.
package ownerwrite

import (
	"context"
	"slices"
	"strings"
	"time"

	"cooper/internal/database"
)

// Writer is a connection by which may be written. It is for one caller at a time.
type Writer interface {
	// Server tells who answers, with the rights that its user has.
	Server(ctx context.Context) (*database.Server, error)
	// Registry makes sure that a table is a registry with such columns, and that it may be written
	// to; nothing is written.
	Registry(ctx context.Context, table database.Name, c Columns) (Registry, error)
	// Close ends the connection.
	Close() error
}

// Columns are those of a registry, as its owner writes them.
type Columns struct{ Handle, Type, Object, Linked, Unlinked string }

// Registry is a table in which its owner's program notes links as they are made and ended.
type Registry interface {
	// Fill notes links that were there at a time. A row that is there is never made older: one that
	// was ended later than at stays ended; those of them are counted. No two of the links may be the same.
	Fill(ctx context.Context, at time.Time, links []Link) (ended int, err error)
	// Link notes one that is made now.
	Link(ctx context.Context, l Link) (Change, error)
	// Unlink notes the end of one. Where there is no row, none is made; where the link was made later
	// than the database's clock has it, it stays one.
	Unlink(ctx context.Context, l Link) (Change, error)
}

// Link is what a row is of.
type Link struct {
	Handle       string // in its normal form
	Type, Object string
}

// Stand is what a registry says of a link.
type Stand string

// What it may say.
const (
	Absent Stand = "absent" // there is no row
	Linked Stand = "linked"
	Ended  Stand = "ended"
)

// Change is what a registry has said of a link before, and says now.
type Change struct{ Before, Now Stand }

// Needed are the rights that writing to a table takes, besides that to read it.
var Needed = []string{"INSERT", "UPDATE"}

// Beyond names the rights of a server's user that writing to some tables does not take.
func Beyond(s *database.Server, tables ...database.Name) (beyond []string) {
	for _, w := range s.Writes {
		rights, on, _ := strings.Cut(w, " on ")
		if !slices.ContainsFunc(tables, func(n database.Name) bool { return on == shownAs(s.Engine, n) }) {
			beyond = append(beyond, w)
			continue
		}
		more := slices.DeleteFunc(strings.Split(rights, ", "), func(r string) bool { return slices.Contains(Needed, r) })
		if len(more) > 0 {
			beyond = append(beyond, strings.Join(more, ", ")+" on "+on)
		}
	}
	return beyond
}

// shownAs is how an engine's rights name a table.
func shownAs(engine string, n database.Name) string {
	if engine == database.PostgreSQL {
		return n.String()
	}
	return database.Ident(engine, n.Schema) + "." + database.Ident(engine, n.Table)
}
