package sqlite

import (
	"context"

	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// home is the schema that a file's tables are in.
const home = "main"

// within runs f in a transaction.
func (d *Database) within(ctx context.Context, what string, f func(context.Context, *session) error) error {
	return d.Do(ctx, what, func(ctx context.Context, ps paging.Session) error {
		s := ps.(*session) // Open makes no other
		if _, err := s.Begin(ctx, false); err != nil {
			return err
		}
		defer s.End(ctx)
		return f(ctx, s)
	})
}

// text runs a query, and gives its rows as texts; NULL is empty.
func (s *session) text(ctx context.Context, sql string) (rows [][]string, err error) {
	err = s.Stream(ctx, sql, func(v []database.Value) error {
		row := make([]string, len(v))
		for i := range v {
			row[i] = string(v[i].Data)
		}
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// Server is the file: where it is, and which one. A copy is another, and so is a file that takes
// its place; one that is written to, however much, stays what it is.
func (d *Database) Server(ctx context.Context) (server *database.Server, err error) {
	err = d.within(ctx, "the file cannot be read", func(ctx context.Context, s *session) error {
		rows, err := s.text(ctx, "SELECT sqlite_version()")
		if err != nil {
			return err
		}
		server = &database.Server{Engine: database.SQLite, Version: rows[0][0], Identity: "sqlite " + d.path + " " + d.file, Replica: database.Primary, Clock: d.opts.Now().UTC()}
		if mayWrite(d.path) {
			server.Writes = []string{"the file " + d.path}
		}
		return nil
	})
	return server, err
}
