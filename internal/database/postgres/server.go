package postgres

import (
	"context"
	"fmt"

	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// inside runs f in a transaction, for its settings.
func (d *Database) inside(ctx context.Context, what string, f func(context.Context, *session) error) error {
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

// Server tells who answers.
func (d *Database) Server(ctx context.Context) (server *database.Server, err error) {
	err = d.inside(ctx, "the server does not tell of itself", func(ctx context.Context, s *session) error {
		server = &database.Server{Engine: "PostgreSQL", Replica: database.Primary}
		rows, err := s.text(ctx, "SELECT system_identifier::text || ' ' || current_database(), current_setting('server_version'), pg_is_in_recovery() FROM pg_control_system()")
		if err != nil {
			return err
		}
		server.Identity, server.Version = "postgresql "+rows[0][0], rows[0][1]
		if rows[0][2] == "t" {
			server.Replica = database.IsReplica
		}
		before := d.opts.Now()
		if server.Clock, err = s.clock(ctx); err != nil {
			return err
		}
		after := d.opts.Now()
		server.Skew = server.Clock.Sub(before.Add(after.Sub(before) / 2))
		server.Writes, err = s.writes(ctx)
		return err
	})
	return server, err
}

// named is how many tables writes names before it counts the rest.
const named = 20

// writes names the user's rights to write.
func (s *session) writes(ctx context.Context) (writes []string, err error) {
	rows, err := s.text(ctx, `SELECT unnest(ARRAY[CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END])
		FROM pg_roles WHERE rolname = current_user
		UNION ALL SELECT 'may become ' || rolname FROM pg_roles WHERE NOT pg_has_role(oid, 'USAGE') AND pg_has_role(oid, 'MEMBER')
		UNION ALL SELECT 'CREATE on database ' || current_database() WHERE has_database_privilege(current_database(), 'CREATE')
		UNION ALL SELECT 'CREATE on schema ' || nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'CREATE') AND nspname !~ '^pg_' AND nspname <> 'information_schema'`)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if r[0] == "superuser" {
			return []string{"superuser"}, nil
		}
		if r[0] != "" {
			writes = append(writes, r[0])
		}
	}
	rows, err = s.text(ctx, `SELECT rights || ' on ' || name FROM (SELECT concat_ws(', ', CASE WHEN has_any_column_privilege(c.oid, 'INSERT') THEN 'INSERT' END, CASE WHEN has_any_column_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END,
		CASE WHEN has_table_privilege(c.oid, 'DELETE') THEN 'DELETE' END, CASE WHEN has_table_privilege(c.oid, 'TRUNCATE') THEN 'TRUNCATE' END) AS rights, n.nspname || '.' || c.relname AS name
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema') r WHERE rights <> '' ORDER BY name`)
	for i, r := range rows {
		if i == named {
			return append(writes, fmt.Sprintf("and on %d more tables", len(rows)-named)), nil
		}
		writes = append(writes, r[0])
	}
	return writes, err
}
