package gc

import (
	"context"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/query"
)

// RegistrySQL is what an owner's program needs for a registry, in the SQL of an engine. In Link and
// Unlink :handle, :type and :object stand for what is to be bound.
type RegistrySQL struct {
	Table  string `json:"table"` // makes it
	Link   string `json:"link"`
	Unlink string `json:"unlink"`
}

// registryForms are by the names that the configuration has for engines. Times are taken when a
// statement runs, and not when its transaction began: that one may have waited for another that
// ended the link. A link that is made again is never earlier than its end, even if a clock was put back.
var registryForms = map[string]RegistrySQL{
	"mysql": {
		Table: `CREATE TABLE {table} (
  {handle}   BIGINT NOT NULL, -- the type of your file handles' id
  {type}     VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  {object}   VARCHAR(300) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  {linked}   DATETIME(6) NOT NULL,
  {unlinked} DATETIME(6) NULL,
  PRIMARY KEY ({handle}, {type}, {object})
) ENGINE = InnoDB`,
		Link: `INSERT INTO {table} ({handle}, {type}, {object}, {linked}) VALUES (:handle, :type, :object, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE {linked} = GREATEST(UTC_TIMESTAMP(6), {linked}, COALESCE({unlinked}, {linked}))`,
		Unlink: `UPDATE {table} SET {unlinked} = UTC_TIMESTAMP(6) WHERE {handle} = :handle AND {type} = :type AND {object} = :object`,
	},
	"postgres": {
		Table: `CREATE TABLE {table} (
  {handle}   bigint NOT NULL, -- the type of your file handles' id
  {type}     text NOT NULL,
  {object}   text NOT NULL,
  {linked}   timestamptz NOT NULL,
  {unlinked} timestamptz,
  PRIMARY KEY ({handle}, {type}, {object})
)`,
		Link: `INSERT INTO {table} AS r ({handle}, {type}, {object}, {linked}) VALUES (:handle, :type, :object, clock_timestamp())
ON CONFLICT ({handle}, {type}, {object}) DO UPDATE SET {linked} = GREATEST(clock_timestamp(), r.{linked}, r.{unlinked})`,
		Unlink: `UPDATE {table} SET {unlinked} = clock_timestamp() WHERE {handle} = :handle AND {type} = :type AND {object} = :object`,
	},
	config.SQLite: {
		// Texts are compared as such: they must be of one form.
		Table: `CREATE TABLE {table} (
  {handle}   INTEGER NOT NULL, -- the type of your file handles' id
  {type}     TEXT NOT NULL,
  {object}   TEXT NOT NULL,
  {linked}   TEXT NOT NULL CHECK ({linked} GLOB '????-??-??T??:??:??.???Z'),
  {unlinked} TEXT CHECK ({unlinked} GLOB '????-??-??T??:??:??.???Z'),
  PRIMARY KEY ({handle}, {type}, {object})
) WITHOUT ROWID`,
		Link: `INSERT INTO {table} ({handle}, {type}, {object}, {linked}) VALUES (:handle, :type, :object, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
ON CONFLICT ({handle}, {type}, {object}) DO UPDATE SET {linked} = max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), {linked}, COALESCE({unlinked}, {linked}))`,
		Unlink: `UPDATE {table} SET {unlinked} = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE {handle} = :handle AND {type} = :type AND {object} = :object`,
	},
}

// RegistryFor writes it for an engine, with the names of a registry.
func RegistryFor(engine string, r *config.Registry) (RegistrySQL, error) {
	form, ok := registryForms[engine]
	if !ok {
		return form, &cooper.Error{Kind: cooper.KindUsage, Where: engine, Message: "this is no engine", Remedy: "Name one of " + strings.Join(config.Engines, ", ") + "; MariaDB is mysql."}
	}
	names := strings.NewReplacer("{table}", r.Table.Text, "{handle}", r.Handle, "{type}", r.Type, "{object}", r.Object, "{linked}", r.Linked, "{unlinked}", r.Unlinked)
	return RegistrySQL{names.Replace(form.Table), names.Replace(form.Link), names.Replace(form.Unlink)}, nil
}

// dialects are what package database calls engines.
var dialects = map[string]string{"mysql": "MySQL", "postgres": database.PostgreSQL, config.SQLite: database.SQLite}

// Fill writes what notes a link in the registry of an engine; it may be run again. An id that is a
// number is written as one.
func (s *RegistrySQL) Fill(engine, handle, kind, object string) string {
	engine = dialects[engine]
	if strings.TrimLeft(handle, "0123456789") != "" {
		handle = database.Literal(engine, handle)
	}
	return strings.NewReplacer(":handle", handle, ":type", database.Literal(engine, kind), ":object", database.Literal(engine, object)).Replace(s.Link)
}

// Unregistered gives the links that a scan has found by other associations than the registry, and
// that the registry does not have under the association's name as its type: association, object, and the handle, as
// lists write it.
func Unregistered(ctx context.Context, e query.Engine, scan string, f func(association, object, handle string) error) error {
	const sql = resolved + `SELECT DISTINCT f.association, f.object, f.handle FROM found f WHERE f.association <> '` + config.RegistryName + `'
		AND NOT EXISTS (SELECT 1 FROM found r WHERE r.association = '` + config.RegistryName + `' AND r.handle = f.handle AND r.object = f.association || '/' || f.object) ORDER BY ALL`
	return query.Each(ctx, e, sql, []any{scan}, func(row []any) error {
		x := &fields{row: row}
		association, object, handle := x.text(), x.text(), x.text()
		if x.err != nil {
			return x.err
		}
		return f(association, object, handle)
	})
}

// Disagreed gives the handles to which, by a scan, either the registry alone has a link or the other
// associations alone have one.
func Disagreed(ctx context.Context, e query.Engine, scan string, f func(handle string, registry bool) error) error {
	const sql = resolved + `SELECT handle, bool_and(association = '` + config.RegistryName + `') FROM found GROUP BY handle
		HAVING bool_and(association = '` + config.RegistryName + `') OR bool_and(association <> '` + config.RegistryName + `') ORDER BY ALL`
	return query.Each(ctx, e, sql, []any{scan}, func(row []any) error {
		x := &fields{row: row}
		handle, registry := x.text(), take[bool](x)
		if x.err != nil {
			return x.err
		}
		return f(handle, registry)
	})
}
