package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// owners are relations that are somebody's, and not the server's or of a session.
const owners = "c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

// Tables lists the tables and views that a pattern matches. A partition is left out
// where the table that it is of matches, too.
func (d *Database) Tables(ctx context.Context, p database.Pattern) (list *database.Listing, err error) {
	err = d.inside(ctx, "the tables cannot be listed", func(ctx context.Context, s *session) error {
		list = &database.Listing{}
		rows, err := s.text(ctx, `SELECT c.oid, n.nspname, c.relname, c.relkind::text, has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'), pg_table_is_visible(c.oid),
			CASE WHEN c.relispartition THEN (SELECT string_agg(relid::oid::text, ' ') FROM pg_partition_ancestors(c.oid)) END
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+owners+` ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`)
		if err != nil {
			return err
		}
		matched := map[string]bool{}
		rows = slices.DeleteFunc(rows, func(r []string) bool {
			matched[r[0]] = p.Match(database.Name{Schema: r[1], Table: r[2]}, r[5] == "t", false)
			return !matched[r[0]]
		})
		for _, r := range rows {
			if slices.ContainsFunc(strings.Fields(r[6]), func(oid string) bool { return oid != r[0] && matched[oid] }) {
				continue
			}
			list.Tables = append(list.Tables, database.Listed{Name: database.Name{Schema: r[1], Table: r[2]}, View: r[3] == "v" || r[3] == "m", Readable: r[4] == "t"})
		}
		return nil
	})
	return list, err
}

// foreign selects foreign keys, one column a row; those of partitions are their
// table's.
const foreign = `SELECT k.conname, n.nspname, c.relname, tn.nspname, tc.relname, a.attname, ta.attname
	FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class tc ON tc.oid = k.confrelid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
	CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS u (f, t, i)
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.f JOIN pg_attribute ta ON ta.attrelid = tc.oid AND ta.attnum = u.t
	WHERE k.contype = 'f' AND k.conparentid = 0`

const foreignOrder = ` ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", k.conname COLLATE "C", k.oid, u.i`

// ForeignKeys lists those that point to one of some tables.
func (d *Database) ForeignKeys(ctx context.Context, to []database.Name) (keys []database.ForeignKey, err error) {
	err = d.inside(ctx, "the foreign keys cannot be listed", func(ctx context.Context, s *session) error {
		conditions := []string{"false"}
		for _, n := range to {
			conditions = append(conditions, target(n, "tc", "tn"))
		}
		rows, err := s.text(ctx, foreign+" AND ("+strings.Join(conditions, " OR ")+")"+foreignOrder)
		keys = paging.ForeignKeys(rows)
		return err
	})
	return keys, err
}

// target is a condition that a relation is the one of a name.
func target(n database.Name, class, namespace string) string {
	sql := "(" + class + ".relname = " + literal(n.Table)
	if n.Schema == "" {
		return sql + " AND pg_table_is_visible(" + class + ".oid))"
	}
	return sql + " AND " + namespace + ".nspname = " + literal(n.Schema) + ")"
}

// Describe tells of a table or view.
func (d *Database) Describe(ctx context.Context, name database.Name) (t *database.Table, err error) {
	err = d.inside(ctx, name.String()+" cannot be described", func(ctx context.Context, s *session) error {
		rows, err := s.text(ctx, `SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.reltuples::int8, row_security_active(c.oid), has_schema_privilege(n.oid, 'USAGE'),
			c.relkind <> 'p' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND `+target(name, "c", "n"))
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return &cooper.Error{Kind: cooper.KindMissing, Where: d.shown, Message: "there is no table " + cooper.Quote(name.String())}
		}
		r := rows[0]
		t = &database.Table{Name: database.Name{Schema: r[1], Table: r[2]}, View: r[3] == "v" || r[3] == "m", Materialized: r[3] == "m", Partitioned: r[3] == "p", RowSecurity: r[5] == "t"}
		if t.Rows, err = strconv.ParseInt(r[4], 10, 64); err != nil {
			return err
		}
		if err := s.columns(ctx, t, r[0], r[6] == "t"); err != nil {
			return err
		}
		rows, err = s.text(ctx, foreign+" AND c.oid = "+r[0]+foreignOrder)
		if err != nil {
			return err
		}
		t.ForeignKeys = paging.ForeignKeys(rows)
		return s.keys(ctx, t, r[0], r[7] == "t")
	})
	return t, err
}

func (s *session) columns(ctx context.Context, t *database.Table, oid string, usage bool) error {
	rows, err := s.text(ctx, `SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, l.collname, has_column_privilege(a.attrelid, a.attnum, 'SELECT'), a.atttypid::int8,
		pg_encoding_to_char((SELECT encoding FROM pg_database WHERE datname = current_database()))
		FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = `+oid+` ORDER BY a.attnum`)
	if err != nil {
		return err
	}
	for _, r := range rows {
		c := database.Column{Name: r[0], Type: r[1], Nullable: r[2] == "t", Collation: r[3]}
		if c.Collation != "" {
			c.Charset = r[6]
		}
		n, err := strconv.ParseUint(r[5], 10, 32)
		if err != nil {
			return err
		}
		kind, err := s.typeOf(ctx, uint32(n))
		if err != nil {
			return err
		}
		c.Class = kind.class
		t.Columns = append(t.Columns, c)
		if !usage || r[4] != "t" {
			t.Unreadable = append(t.Unreadable, c.Name)
		}
	}
	return nil
}

// keys are the unique ones.
func (s *session) keys(ctx context.Context, t *database.Table, oid string, inherited bool) error {
	// The version of the database's own collation is known from 15 on.
	own := "false"
	if v := s.conn.ParameterStatus("server_version"); len(v) > 1 && v[:2] >= "15" && v[1] != '.' {
		own = "(SELECT datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid) FROM pg_database WHERE datname = current_database())"
	}
	rows, err := s.text(ctx, `SELECT ic.relname, i.indisprimary, COALESCE(a.attname, ''), i.indisvalid, i.indpred IS NOT NULL, COALESCE(a.attnotnull, false), o.opcdefault AND am.amname = 'btree',
		CASE WHEN l.oid <> a.attcollation THEN quote_ident(ln.nspname) || '.' || quote_ident(l.collname) END,
		CASE WHEN l.oid IS NULL THEN false WHEN l.collprovider = 'd' THEN `+own+` ELSE l.collversion IS DISTINCT FROM pg_collation_actual_version(l.oid) END
		FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) AS u (n)
		LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[u.n] AND a.attnum > 0
		JOIN pg_opclass o ON o.oid = i.indclass[u.n] JOIN pg_am am ON am.oid = o.opcmethod
		LEFT JOIN pg_collation l ON l.oid = i.indcollation[u.n] LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
		WHERE i.indisunique AND i.indrelid = `+oid+` ORDER BY NOT i.indisprimary, i.indnkeyatts, ic.relname COLLATE "C", i.indexrelid, u.n`)
	for _, r := range rows {
		n := len(t.Keys)
		if n == 0 || t.Keys[n-1].Name != r[0] {
			t.Keys = append(t.Keys, database.Key{Name: r[0], Primary: r[1] == "t"})
			n++
		}
		k := &t.Keys[n-1]
		k.Columns, k.Collations = append(k.Columns, r[2]), append(k.Collations, r[7])
		switch {
		case k.Unusable != "":
		case inherited:
			k.Unusable = "tables inherit from this one, and it is not unique over them"
		case r[2] == "":
			k.Unusable = "it is of an expression"
		case r[3] != "t":
			k.Unusable = "its index is not valid"
		case r[4] == "t":
			k.Unusable = "it is of some rows only"
		case r[5] != "t":
			k.Unusable = r[2] + " may be NULL"
		case r[6] != "t":
			k.Unusable = "its index has an order of its own"
		case r[8] == "t":
			k.Unusable = "the collation of " + r[2] + " has changed since its index was made (REINDEX, then ALTER … REFRESH COLLATION VERSION)"
		}
	}
	return err
}
