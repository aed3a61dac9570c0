package duckdb

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"cooper/internal/ledger"
	"cooper/internal/query"
)

// The tables that are not the ledger's.
const (
	versionName  = "version"
	actionName   = "action"
	snapshotName = "snapshot"
	planName     = "plan"
	catalogName  = "catalog"
)

// The names of whole snapshots and plans; what is being built has a longer one.
const anID = "-????????T??????Z-????/"

// view is a table over files. columns are what it shows: an expression over the
// files' columns, its name and its type, which an empty table has, too.
type view struct {
	name, files string // files is a pattern in the workspace
	// many: files are large, and a query may be of few of them, by their name.
	many    bool
	json    string // for JSON files: their columns; else they are Parquet
	columns [][3]string
}

// The expressions that give a version id and an ETag as text; see
// docs/formats/snapshot.md for their binary form.
const (
	versionIDText = "coalesce(replace(replace(to_base64(version_id), '+', '.'), '/', '_'), version_text)"
	etagText      = "CASE WHEN etag IS NULL THEN etag_text ELSE lower(hex(etag)) || coalesce(etag_text, '') END"
	fromFile      = `parse_path(filename)[-2]`
)

// plainColumns are columns that are shown as they are.
func plainColumns(list string) [][3]string {
	var cs [][3]string
	for part := range strings.SplitSeq(list, ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(part), " ")
		cs = append(cs, [3]string{name, name, kind})
	}
	return cs
}

// views are those of a workspace; version has the rows of the snapshot alone, if
// one is named.
func views(snapshot string) []view {
	snapshots := "s" + anID
	if snapshot != "" {
		snapshots = globLiteral(snapshot) + "/"
	}
	versionColumns := [][3]string{
		{fromFile, "snapshot", "VARCHAR"}, {"key", "key", "VARCHAR"},
		{versionIDText, "version_id", "VARCHAR"}, {etagText, "etag", "VARCHAR"},
	}
	versionColumns = append(versionColumns, plainColumns(`size BIGINT, last_modified TIMESTAMPTZ, is_latest BOOLEAN, is_delete_marker BOOLEAN,
		storage_class VARCHAR, tier VARCHAR, encryption VARCHAR, checksum VARCHAR`)...)
	actionColumns := append([][3]string{{fromFile, "plan", "VARCHAR"}}, plainColumns(`id BIGINT, phase VARCHAR, shard INTEGER, verb VARCHAR, key VARCHAR, version_id VARCHAR, etag VARCHAR,
		size BIGINT, last_modified TIMESTAMPTZ, is_latest BOOLEAN, is_delete_marker BOOLEAN, storage_class VARCHAR, tier VARCHAR, encryption VARCHAR, checksum VARCHAR, args VARCHAR`)...)
	return []view{
		{name: ledger.Outcome, files: "ledger/outcome/*.parquet", columns: plainColumns(`run VARCHAR, shard INTEGER, plan VARCHAR, target VARCHAR, action BIGINT, verb VARCHAR,
			key VARCHAR, version_id VARCHAR, etag VARCHAR, size BIGINT, last_modified TIMESTAMPTZ, status VARCHAR, kind VARCHAR, message VARCHAR, ended TIMESTAMPTZ,
			bytes BIGINT, requests BIGINT, checked VARCHAR, method VARCHAR, hash BLOB`)},
		{name: ledger.Content, files: "ledger/content/*.parquet", columns: append(plainColumns(`run VARCHAR, shard INTEGER, plan VARCHAR, target VARCHAR, action BIGINT, verb VARCHAR,
			status VARCHAR, key VARCHAR, version_id VARCHAR, etag VARCHAR, size BIGINT, last_modified TIMESTAMPTZ, ended TIMESTAMPTZ, state VARCHAR, reason VARCHAR,
			plain_size BIGINT, stored_size BIGINT, sha256 BLOB, sha1 BLOB, codec VARCHAR, format VARCHAR,
			stored_key VARCHAR, stored_version_id VARCHAR, stored_etag VARCHAR, stored_last_modified TIMESTAMPTZ`),
			[3]string{"trials", "trials", "STRUCT(codec VARCHAR, stored_size BIGINT, nanos BIGINT)[]"})},
		{name: ledger.Run, files: "ledger/run/*.parquet", columns: plainColumns(`run VARCHAR, plan VARCHAR, mission VARCHAR, target VARCHAR, began TIMESTAMPTZ, ended TIMESTAMPTZ,
			status VARCHAR, counts VARCHAR, bytes BIGINT, requests BIGINT, message VARCHAR`)},
		{name: versionName, many: true, files: "snapshot/" + snapshots + "versions-*.parquet", columns: versionColumns},
		{name: actionName, many: true, files: "plan/p" + anID + "actions-*.parquet", columns: actionColumns},
		{name: snapshotName, files: "snapshot/s" + anID + "meta.json",
			json: `id: 'VARCHAR', source: 'VARCHAR', bucket: 'VARCHAR', taken_at: 'TIMESTAMPTZ', created: 'TIMESTAMPTZ', complete: 'BOOLEAN', versions: 'BIGINT',
				delete_markers: 'BIGINT', bytes: 'BIGINT', latest: 'BIGINT', latest_bytes: 'BIGINT', rejected: 'BIGINT', ambiguous: 'BIGINT', scope: 'STRUCT(prefix VARCHAR, current_only BOOLEAN)'`,
			columns: append(plainColumns(`id VARCHAR, source VARCHAR, bucket VARCHAR, taken_at TIMESTAMPTZ, created TIMESTAMPTZ, complete BOOLEAN, versions BIGINT,
				delete_markers BIGINT, bytes BIGINT, latest BIGINT, latest_bytes BIGINT, rejected BIGINT, ambiguous BIGINT`),
				[3]string{"scope.prefix", "prefix", "VARCHAR"}, [3]string{"scope.current_only", "current_only", "BOOLEAN"})},
		{name: planName, files: "plan/p" + anID + "plan.json",
			json: `id: 'VARCHAR', mission: 'VARCHAR', created: 'TIMESTAMPTZ', source: 'VARCHAR', target: 'STRUCT(kind VARCHAR, path VARCHAR)', snapshot: 'STRUCT(id VARCHAR)',
				partial: 'BOOLEAN', digest: 'VARCHAR'`,
			columns: append(plainColumns("id VARCHAR, mission VARCHAR, created TIMESTAMPTZ, source VARCHAR"),
				[3]string{"target.path", "target", "VARCHAR"}, [3]string{"snapshot.id", "snapshot", "VARCHAR"}, [3]string{`partial`, "partial", "BOOLEAN"}, [3]string{"digest", "digest", "VARCHAR"})},
	}
}

// allViews are those of a workspace, with the facts of scans for garbage.
func allViews(snapshot string) []view { return append(views(snapshot), gcViews()...) }

func (e *engine) Views(ctx context.Context, s query.Sources) error {
	if s.Workspace != "" {
		if err := ledger.Open(filepath.Join(s.Workspace, "ledger")).Recover(ctx); err != nil {
			return err
		}
		for _, v := range allViews(s.Snapshot) {
			if err := e.show(ctx, v, s.Workspace); err != nil {
				return err
			}
		}
	}
	e.guard.set(s)
	return e.view(ctx, catalogName, catalogSQL(s.Catalogs), catalogSQL(nil))
}

// show makes the table of a view.
func (e *engine) show(ctx context.Context, v view, workspace string) error {
	var there bool
	if err := e.db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM glob(?)", v.pattern(workspace)).Scan(&there); err != nil {
		return failed(ctx, err)
	}
	var again func(context.Context) error
	if !there {
		again = func(ctx context.Context) error { return e.show(ctx, v, workspace) }
	}
	e.guard.isEmpty(v.name, again)
	return e.view(ctx, v.name, v.sql(workspace, there), v.sql(workspace, false))
}

// view makes a table by sql. To do so, the engine looks into the first of its files. If that
// fails, the table is made by empty: whoever asks for it hears which file is damaged, or else
// the failure, and whoever asks for others gets an answer.
func (e *engine) view(ctx context.Context, name, sql, empty string) error {
	_, err := e.db.ExecContext(ctx, sql)
	if err == nil {
		e.guard.fails(name, nil)
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.guard.fails(name, failed(ctx, err))
	if _, err := e.db.ExecContext(ctx, empty); err != nil {
		return failed(ctx, err)
	}
	return nil
}

func (v view) pattern(workspace string) string { return globLiteral(workspace) + "/" + v.files }

// sql is the statement that makes the view; there tells whether it has files.
func (v view) sql(workspace string, there bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %q AS SELECT ", v.name)
	for i, c := range v.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		expr := c[0]
		if !there {
			expr = "NULL"
		}
		fmt.Fprintf(&b, "CAST(%s AS %s) AS %q", expr, c[2], c[1])
	}
	switch {
	case !there:
		b.WriteString(" WHERE false")
	case v.json != "":
		fmt.Fprintf(&b, " FROM read_json(%s, format = 'unstructured', maximum_object_size = 67108864, columns = {%s})", query.Text(v.pattern(workspace)), v.json)
	case v.many:
		// The same function under the name by which the guard knows it in a plan.
		fmt.Fprintf(&b, " FROM parquet_scan(%s, filename = true)", query.Text(v.pattern(workspace)))
	default:
		fmt.Fprintf(&b, " FROM read_parquet(%s, filename = true)", query.Text(v.pattern(workspace)))
	}
	return b.String()
}

// identity are the columns that tell the rows of a catalog apart, as stored.
var identity = []string{"key", "last_modified", "version_id", "version_text", "etag", "etag_text", "size"}

// catalogColumns are the other columns of a catalog's files. CHECK is a
// reserved word: that column is called checked here, as in the ledger.
var catalogColumns = append(plainColumns(`size BIGINT, last_modified TIMESTAMPTZ, is_delete_marker BOOLEAN, place VARCHAR, reason VARCHAR, superseded TIMESTAMPTZ,
	shown TIMESTAMPTZ[], first_seen TIMESTAMPTZ, absent_since TIMESTAMPTZ, gone TIMESTAMPTZ`), [3]string{`"check"`, "checked", "VARCHAR"}, [3]string{"method", "method", "VARCHAR"}, [3]string{"hash", "hash", "BLOB"})

// catalogSQL makes the view of all catalogs. The newest row of each version
// counts; the newer sequences are small, so they are sorted out first, and the
// oldest only has to leave out what is among them.
func catalogSQL(catalogs []query.Catalog) string {
	columns := append([][3]string{{"tree", "tree", "VARCHAR"}, {"key", "key", "VARCHAR"}, {versionIDText, "version_id", "VARCHAR"}, {etagText, "etag", "VARCHAR"}}, catalogColumns...)
	var parts []string
	for _, c := range catalogs {
		if len(c.Runs) > 0 {
			parts = append(parts, treeSQL(c, columns))
		}
	}
	if len(parts) == 0 {
		var none []string
		for _, c := range columns {
			none = append(none, fmt.Sprintf("CAST(NULL AS %s) AS %q", c[2], c[1]))
		}
		parts = []string{"SELECT " + strings.Join(none, ", ") + " WHERE false"}
	}
	return "CREATE OR REPLACE VIEW catalog AS " + strings.Join(parts, " UNION ALL ")
}

func treeSQL(c query.Catalog, columns [][3]string) string {
	all := "(FROM " + filesSQL(c.Runs[0]) + ")"
	if len(c.Runs) > 1 {
		var newer, same []string
		for i, files := range c.Runs[1:] {
			newer = append(newer, fmt.Sprintf("SELECT *, %d AS age FROM %s", i, filesSQL(files)))
		}
		for _, col := range identity {
			same = append(same, fmt.Sprintf("o.%s IS NOT DISTINCT FROM n.%[1]s", col))
		}
		all = fmt.Sprintf(`(WITH newer AS MATERIALIZED (
				SELECT * EXCLUDE (age) FROM (%s) QUALIFY row_number() OVER (PARTITION BY %s ORDER BY age DESC) = 1)
			FROM newer UNION ALL BY NAME SELECT o.* FROM %s o ANTI JOIN newer n ON %s)`,
			strings.Join(newer, " UNION ALL BY NAME "), strings.Join(identity, ", "), filesSQL(c.Runs[0]), strings.Join(same, " AND "))
	}
	var shown []string
	for _, col := range columns {
		expr := col[0]
		if expr == "tree" {
			expr = query.Text(c.Tree)
		}
		shown = append(shown, fmt.Sprintf("CAST(%s AS %s) AS %q", expr, col[2], col[1]))
	}
	return "SELECT " + strings.Join(shown, ", ") + " FROM " + all + " WHERE NOT coalesce(dropped, false)"
}

func filesSQL(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = query.Text(globLiteral(n))
	}
	return "read_parquet([" + strings.Join(quoted, ", ") + "])"
}

// globLiteral makes a path stand for itself in a pattern of DuckDB.
func globLiteral(path string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]").Replace(path)
}
