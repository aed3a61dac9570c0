package gc

import (
	"context"
	"strings"

	"cooper"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
)

// List is a list of what a scan, or a detection, has found.
type List struct {
	Name    string
	Columns []string
	// Table is that of the detection's facts; empty for a list of a scan.
	Table string
	// Verdict is that of the objects of the list; empty for lists that are a whole table.
	Verdict string
	sql     string // of the columns as texts; $1 is the scan, or the detection
}

// Lists are those that come from facts. What a check refuses is a list of its
// own, from Findings.
var Lists = []List{
	{Name: "links", Columns: []string{"association", "object", "handle"}, sql: resolved + "SELECT association, object, handle FROM found UNION SELECT association, object, handle FROM lost"},
	{Name: "linked", Columns: []string{"handle"}, sql: resolved + "SELECT DISTINCT handle FROM found"},
	{Name: "malformed", Columns: []string{"association", "table", "key", "why"}, sql: "SELECT DISTINCT association, table_name, key, why FROM gc_malformed WHERE scan = $1"},
	{Name: "dangling", Columns: []string{"association", "object", "handle"}, sql: resolved + "SELECT DISTINCT association, object, handle FROM lost"},
	{Name: "candidates", Columns: []string{"handle", "bytes"}, Table: gcfacts.Candidates, sql: "SELECT " + handle + ", coalesce(CAST(size AS VARCHAR), '')" + ofDetection(gcfacts.Candidates)},
	{Name: "kept", Columns: []string{"handle", "reason"}, Table: gcfacts.Kepts, sql: "SELECT " + handle + ", reason" + ofDetection(gcfacts.Kepts)},
	{Name: "relinked", Columns: []string{"handle", "status"}, Table: gcfacts.Relinkeds, sql: "SELECT " + handle + ", status" + ofDetection(gcfacts.Relinkeds)},
	{Name: "missing", Columns: []string{"handle", "bucket", "key"}, Table: gcfacts.Missings, sql: "SELECT " + handle + ", bucket, " + key + ofDetection(gcfacts.Missings)},
	{Name: "unindexed", Columns: []string{"bucket", "key", "bytes"}, Table: gcfacts.Unindexeds, sql: "SELECT bucket, " + key + ", coalesce(CAST(size AS VARCHAR), '')" + ofDetection(gcfacts.Unindexeds)},
	{Name: "unindexed-kept", Columns: []string{"bucket", "key", "reason"}, Table: gcfacts.UnindexedKeeps, sql: "SELECT bucket, " + key + ", reason" + ofDetection(gcfacts.UnindexedKeeps)},
	{Name: "near-misses", Columns: []string{"handle", "bucket", "key", "other"}, Table: gcfacts.NearMisses, sql: "SELECT " + handle + ", bucket, " + key + ", other_bucket" + ofDetection(gcfacts.NearMisses)},
	{Name: "archive", Columns: []string{"bucket", "key", "bytes"}, Table: gcfacts.Ripes, Verdict: "archive", sql: "SELECT DISTINCT bucket, " + key + ", coalesce(CAST(size AS VARCHAR), '')" + ofDetection(gcfacts.Ripes) + " AND verdict = $2"},
	{Name: "archive-delayed", Columns: []string{"bucket", "key", "handles"}, Table: gcfacts.Ripes, Verdict: "delayed",
		sql: "SELECT bucket, " + key + ", string_agg(" + handle + ", ',' ORDER BY kind, id_number, id) FILTER (delays)" + ofDetection(gcfacts.Ripes) + " AND verdict = $2 GROUP BY bucket, key, key_bytes"},
	{Name: "archive-small", Columns: []string{"bucket", "key"}, Table: gcfacts.Ripes, Verdict: "small", sql: "SELECT DISTINCT bucket, " + key + ofDetection(gcfacts.Ripes) + " AND verdict = $2"},
	{Name: "archive-missing", Columns: []string{"bucket", "key"}, Table: gcfacts.Ripes, Verdict: "missing", sql: "SELECT DISTINCT bucket, " + key + ofDetection(gcfacts.Ripes) + " AND verdict = $2"},
	{Name: "delete", Columns: []string{"bucket", "key"}, Table: gcfacts.Ripes, Verdict: "delete", sql: "SELECT DISTINCT bucket, " + key + ofDetection(gcfacts.Ripes) + " AND verdict = $2"},
	{Name: "delete-delayed", Columns: []string{"bucket", "key", "handles"}, Table: gcfacts.Ripes, Verdict: "delete-delayed",
		sql: "SELECT bucket, " + key + ", coalesce(string_agg(" + handle + ", ',' ORDER BY kind, id_number, id) FILTER (delays), '')" + ofDetection(gcfacts.Ripes) + " AND verdict = $2 GROUP BY bucket, key, key_bytes"},
}

// How handles and keys stand in lists.
const (
	handle = "CASE WHEN kind = '' THEN id ELSE kind || ':' || id END"
	key    = "coalesce(key, CASE WHEN key_bytes IS NULL THEN '' ELSE '0x' || lower(hex(key_bytes)) END)"
)

func ofDetection(table string) string { return " FROM " + table + " WHERE detection = $1" }

// resolved are the links of a scan, as common tables: found leads to handles that are there, lost
// does not. A link by id leads to the handle of its kind; one by key to each handle, of its
// kind if it says one, whose object is the very same bytes in the same bucket. Of a value that
// can be read in several ways each reading that leads to a handle counts, and if none does,
// the first is dangling.
const resolved = `WITH h AS (SELECT kind, id, bucket, key_bytes, CASE WHEN kind = '' THEN id ELSE kind || ':' || id END AS handle FROM gc_handle WHERE scan = $1),
l AS (SELECT shard, association, object, kind, id, bucket, key_bytes, reading, preference,
	CASE WHEN id IS NOT NULL THEN CASE WHEN kind = '' THEN id ELSE kind || ':' || id END
	ELSE 'key:' || coalesce(bucket, '') || '/' || coalesce(key, CASE WHEN key_bytes IS NULL THEN '' ELSE '0x' || lower(hex(key_bytes)) END) END AS handle FROM gc_link WHERE scan = $1),
found AS (SELECT l.shard, l.reading, l.association, l.object, h.handle FROM l JOIN h ON h.id = l.id AND h.kind = l.kind
	UNION ALL SELECT l.shard, l.reading, l.association, l.object, h.handle FROM l JOIN h ON h.key_bytes = l.key_bytes AND h.bucket = l.bucket WHERE l.id IS NULL AND (l.kind = '' OR l.kind = h.kind)),
lost AS (SELECT association, object, handle FROM l WHERE reading IS NULL AND id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM h WHERE h.id = l.id AND h.kind = l.kind)
	UNION ALL SELECT association, object, handle FROM l WHERE reading IS NULL AND id IS NULL
		AND NOT EXISTS (SELECT 1 FROM h WHERE h.key_bytes = l.key_bytes AND h.bucket = l.bucket AND h.kind = l.kind)
		AND NOT (l.kind = '' AND EXISTS (SELECT 1 FROM h WHERE h.key_bytes = l.key_bytes AND h.bucket = l.bucket))
	UNION ALL SELECT association, object, handle FROM l WHERE reading IS NOT NULL AND preference = 0
		AND NOT EXISTS (SELECT 1 FROM found f WHERE f.shard = l.shard AND f.reading = l.reading))
`

// UnindexedFolders asks by folder at the top of its bucket how many objects no handle names, and how many
// bytes they hold, the largest first; $1 is the detection, $2 how it tells those apart where no handle lives.
const UnindexedFolders = `SELECT bucket, folder, count(*), CAST(least(coalesce(sum(size), 0), 9223372036854775807) AS BIGINT) AS bytes, apart
	FROM (SELECT bucket, CASE WHEN contains(k, '/') THEN split_part(k, '/', 1) || '/' ELSE '' END AS folder, size, coalesce(how = $2, false) AS apart
		FROM (SELECT bucket, size, how, ` + key + ` AS k FROM gc_unindexed WHERE detection = $1)) GROUP BY bucket, folder, apart ORDER BY bytes DESC, bucket, folder, apart`

// ListOf finds a list by its name.
func ListOf(name string) (*List, error) {
	var names []string
	for i := range Lists {
		if Lists[i].Name == name {
			return &Lists[i], nil
		}
		names = append(names, Lists[i].Name)
	}
	return nil, &cooper.Error{Kind: cooper.KindUsage, Where: cooper.Quote(name), Message: "there is no such list", Remedy: "There are " + strings.Join(names, ", ") + " and refusals."}
}

// Ask gives the rows of a list for a scan, or a detection: texts as in JSON strings, in ASCII, without the
// quotes, so that a line is a row and nothing is hidden in it; sorted bytewise as such.
func (l *List) Ask(ctx context.Context, e query.Engine, of string) (query.Rows, error) {
	var columns, written []string
	for i, c := range l.Columns {
		name := "c" + string(rune('0'+i))
		columns = append(columns, name)
		written = append(written, escaped(name)+` AS "`+c+`"`)
	}
	sql := "SELECT " + strings.Join(written, ", ") + " FROM (" + l.sql + ") AS list(" + strings.Join(columns, ", ") + ") ORDER BY ALL"
	args := []any{of}
	if l.Verdict != "" {
		args = append(args, l.Verdict)
	}
	return e.Query(ctx, sql, args...)
}

// escaped is an expression for a text as Escape writes it. Most texts are plain.
func escaped(column string) string {
	const letter = `CASE WHEN unicode(c) = 34 THEN '\"' WHEN unicode(c) = 92 THEN '\\' WHEN unicode(c) = 10 THEN '\n' WHEN unicode(c) = 13 THEN '\r' WHEN unicode(c) = 9 THEN '\t'
		WHEN unicode(c) = 8 THEN '\b' WHEN unicode(c) = 12 THEN '\f' WHEN unicode(c) BETWEEN 32 AND 126 THEN chr(unicode(c))
		WHEN unicode(c) > 65535 THEN printf('\u%04x\u%04x', 55296 + ((unicode(c) - 65536) >> 10), 56320 + ((unicode(c) - 65536) & 1023))
		ELSE printf('\u%04x', unicode(c)) END`
	return "CASE WHEN regexp_full_match(" + column + `, '[ !#-\[\]-~]*') THEN ` + column + " ELSE array_to_string(list_transform(range(1, length(" + column + ") + 1), lambda i: " +
		strings.ReplaceAll(letter, "(c)", "(substring("+column+", i, 1))") + "), '') END"
}
