package ownerwrite

import (
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/database"
)

// Statements are what an owner's program needs for a registry, in the SQL of an engine; and what
// Cooper itself writes. In Link, Unlink and Fill :handle, :type and :object stand for what is to be
// bound, in Fill :at for a time.
type Statements struct {
	Table  string `json:"table"` // makes it
	Link   string `json:"link"`
	Unlink string `json:"unlink"`
	Fill   string `json:"-"`
}

// MySQL, PostgreSQL and SQLite are the engines, by the names that a configuration has for them.
const (
	MySQL      = "mysql"
	PostgreSQL = "postgres"
	SQLite     = "sqlite"
)

// engines are what package database calls them.
var engines = map[string]string{MySQL: "MySQL", PostgreSQL: database.PostgreSQL, SQLite: database.SQLite}

// forms are by engine. Times are taken when a statement runs, and not when its transaction began:
// that one may have waited for another that ended the link. A link that is made again is never earlier
// than its end, even if a clock was put back. The end of a link of which there is no row is noted, too:
// whoever fills in later what was linked once must see that it has ended. Such a row is as old as none
// can be.
var forms = map[string]Statements{
	MySQL: {
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
		Unlink: `INSERT INTO {table} ({handle}, {type}, {object}, {linked}, {unlinked}) VALUES (:handle, :type, :object, TIMESTAMP'2000-01-01 00:00:00', UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE {unlinked} = UTC_TIMESTAMP(6)`,
		Fill: `INSERT INTO {table} ({handle}, {type}, {object}, {linked}) VALUES (:handle, :type, :object, :at)
ON DUPLICATE KEY UPDATE {linked} = GREATEST({linked}, :at)`,
	},
	PostgreSQL: {
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
		Unlink: `INSERT INTO {table} ({handle}, {type}, {object}, {linked}, {unlinked}) VALUES (:handle, :type, :object, '2000-01-01 00:00:00Z', clock_timestamp())
ON CONFLICT ({handle}, {type}, {object}) DO UPDATE SET {unlinked} = clock_timestamp()`,
		Fill: `INSERT INTO {table} AS r ({handle}, {type}, {object}, {linked}) VALUES (:handle, :type, :object, :at)
ON CONFLICT ({handle}, {type}, {object}) DO UPDATE SET {linked} = :at WHERE r.{linked} < :at`,
	},
	SQLite: {
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
		Unlink: `INSERT INTO {table} ({handle}, {type}, {object}, {linked}, {unlinked}) VALUES (:handle, :type, :object, '2000-01-01T00:00:00.000Z', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
ON CONFLICT ({handle}, {type}, {object}) DO UPDATE SET {unlinked} = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`,
		Fill: `INSERT INTO {table} ({handle}, {type}, {object}, {linked}) VALUES (:handle, :type, :object, :at)
ON CONFLICT ({handle}, {type}, {object}) DO UPDATE SET {linked} = :at WHERE {linked} < :at`,
	},
}

// StatementsFor writes them for an engine, with names as they are to stand in SQL.
func StatementsFor(engine, table string, c Columns) (Statements, error) {
	form, ok := forms[engine]
	if !ok {
		all := make([]string, 0, len(forms))
		for e := range forms {
			all = append(all, e)
		}
		slices.Sort(all)
		return form, &cooper.Error{Kind: cooper.KindUsage, Where: engine, Message: "this is no engine", Remedy: "Name one of " + strings.Join(all, ", ") + "; MariaDB is mysql."}
	}
	names := strings.NewReplacer("{table}", table, "{handle}", c.Handle, "{type}", c.Type, "{object}", c.Object, "{linked}", c.Linked, "{unlinked}", c.Unlinked)
	return Statements{names.Replace(form.Table), names.Replace(form.Link), names.Replace(form.Unlink), names.Replace(form.Fill)}, nil
}

// Written is one of an engine's statements with what is bound in it, for a person. A handle that is
// a number is written as one.
func Written(engine, sql string, l Link, at time.Time) string {
	name, handle := engines[engine], l.Handle
	if strings.TrimLeft(handle, "0123456789") != "" {
		handle = database.Literal(name, handle)
	}
	return strings.NewReplacer(":handle", handle, ":type", database.Literal(name, l.Type), ":object", database.Literal(name, l.Object), ":at", Moment(engine, at)).Replace(sql)
}

// Moment writes a time for an engine.
func Moment(engine string, at time.Time) string {
	at = at.UTC()
	switch engine {
	case MySQL:
		return "TIMESTAMP'" + at.Format("2006-01-02 15:04:05.000000") + "'"
	case PostgreSQL:
		return "timestamptz '" + at.Format("2006-01-02 15:04:05.000000") + "Z'"
	}
	return "'" + at.Format("2006-01-02T15:04:05.000Z") + "'"
}
