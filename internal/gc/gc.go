// Package gc decides about files that nothing links to: whether a database can be
// scanned for links without being blind, what a scan reads and in which ranges, and
// what a scan that has ended is worth.
//
// It promises, by the mission's first rule (a link too many costs money, one too few
// costs data):
//
//   - What could make a scan blind is a Refusal, and where there is one, Plan plans
//     nothing: tables that are missing, or that the user may not read, foreign keys to
//     handles that nobody declared, rows that a policy hides, a replica that lags, clocks
//     that differ, another server than last time.
//   - Handles are planned before what links to them. The ranges of a table hold every key
//     there is or can be.
//   - A scan counts as complete only if every range of its plan was read once, no value in
//     it is unread, and nothing about it is suspect; or if a person has acknowledged what
//     was. A link that can be read in several ways counts in each that leads to a handle.
//   - Nothing is compared by a database's idea of equal: ids in their normal form and keys
//     are bytes.
//
// It touches nothing: databases are asked through Asker, facts through query.Engine.
// Reading ranges is left to the verbs, opening databases to job, keeping facts to gcfacts.
package gc

import (
	"context"

	"cooper/internal/database"
)

// Mission is the name of plans that scan.
const Mission = "gc-scan"

// Asker is what is asked of a database; database.Database is one.
type Asker interface {
	Server(ctx context.Context) (*database.Server, error)
	Load(ctx context.Context) (database.Load, error)
	Tables(ctx context.Context, p database.Pattern) (*database.Listing, error)
	Describe(ctx context.Context, name database.Name) (*database.Table, error)
	ForeignKeys(ctx context.Context, to []database.Name) ([]database.ForeignKey, error)
	Ranges(ctx context.Context, s *database.Source, rows int64) ([]database.Range, error)
	Read(ctx context.Context, s *database.Source, r database.Range, sink database.Sink) error
}
