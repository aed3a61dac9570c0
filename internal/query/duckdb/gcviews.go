package duckdb

import (
	"slices"

	"cooper/internal/ledger/gcfacts"
)

// Where the facts of a scan are; what is being written has another name.
const (
	gcScan  = "ledger/gc/p" + anID
	gcShard = gcScan + "shard-*/"
)

// fromShard is the scan that the file of a shard belongs to; the engine passes over files by it.
const fromShard = `parse_path(filename)[-3]`

// gcID are the columns of an id, which is stored as a number, a UUID or a text: the text that it is,
// and the first two for whoever joins by what is faster to compare.
func gcID(stored, shown string) [][3]string {
	return [][3]string{
		{"coalesce(CAST(" + stored + "_number AS VARCHAR), CAST(" + stored + "_uuid AS VARCHAR), " + stored + "_text)", shown, "VARCHAR"},
		{stored + "_number", shown + "_number", "BIGINT"},
		{stored + "_uuid", shown + "_uuid", "UUID"},
	}
}

// gcKey are the columns of a key: as text, NULL where it is no UTF-8, and as bytes.
var gcKey = [][3]string{{"key", "key", "VARCHAR"}, {"coalesce(encode(key), key_bytes)", "key_bytes", "BLOB"}}

// gcViews are the facts of scans for garbage; see docs/formats/gc.md.
func gcViews() []view {
	shard := slices.Concat([][3]string{{fromShard, "scan", "VARCHAR"}}, plainColumns("shard INTEGER"))
	of := func(table string, columns ...[][3]string) view {
		return view{name: table, many: true, files: gcShard + table + ".parquet", columns: slices.Concat(append([][][3]string{shard}, columns...)...)}
	}
	return []view{
		of(gcfacts.Handles, plainColumns("kind VARCHAR"), gcID("id", "id"), plainColumns("bucket VARCHAR"), gcKey,
			plainColumns("size BIGINT, modified TIMESTAMPTZ, created TIMESTAMPTZ, status VARCHAR, candidate BOOLEAN")),
		of(gcfacts.Deriveds, plainColumns("name VARCHAR, kind VARCHAR"), gcID("id", "id"), gcID("source", "source")),
		of(gcfacts.Holds, plainColumns("role VARCHAR, table_name VARCHAR, kind VARCHAR"), gcID("id", "id")),
		of(gcfacts.Links, plainColumns("association VARCHAR"), [][3]string{{"coalesce(CAST(object_number AS VARCHAR), CAST(object_uuid AS VARCHAR), object_text, '')", "object", "VARCHAR"}},
			plainColumns("kind VARCHAR"), gcID("id", "id"), plainColumns("bucket VARCHAR"), gcKey, plainColumns("reading BIGINT, preference INTEGER")),
		of(gcfacts.Malformeds, plainColumns("association VARCHAR, table_name VARCHAR, key VARCHAR, why VARCHAR, hash BLOB")),
		of(gcfacts.Ranges, plainColumns("what VARCHAR, name VARCHAR"), [][3]string{{"CASE WHEN what = 'association' THEN name END", "association", "VARCHAR"}}, plainColumns(`table_name VARCHAR, number INTEGER, lower_bound VARCHAR, upper_bound VARCHAR, rows BIGINT, handles BIGINT, links BIGINT,
			malformed BIGINT, silent BIGINT, began TIMESTAMPTZ, ended TIMESTAMPTZ, clock TIMESTAMPTZ, server VARCHAR, replica BOOLEAN, lag_ms BIGINT`)),
		{name: gcfacts.Scans, files: gcScan + "scan.parquet", columns: append(plainColumns(`scan VARCHAR, began TIMESTAMPTZ, ended TIMESTAMPTZ, clock TIMESTAMPTZ, skew_ms BIGINT, engine VARCHAR, server VARCHAR,
			configuration_digest VARCHAR, schema_digest VARCHAR, newest_handle TIMESTAMPTZ, complete BOOLEAN, why VARCHAR, handles BIGINT, links BIGINT, malformed BIGINT`),
			[3]string{"associations", "associations", "STRUCT(association VARCHAR, ranges BIGINT, rows BIGINT, links BIGINT, malformed BIGINT, silent BIGINT)[]"},
			[3]string{"suspects", "suspects", "STRUCT(association VARCHAR, what VARCHAR, before_count BIGINT, now_count BIGINT)[]"},
			[3]string{"shards", "shards", "STRUCT(shard INTEGER, handles BIGINT, derived BIGINT, holds BIGINT, links BIGINT, malformed BIGINT, ranges BIGINT)[]"})},
		{name: gcfacts.Acknowledged, files: "ledger/gc_acknowledged/*.parquet", columns: plainColumns(`id VARCHAR, what VARCHAR, scan VARCHAR, association VARCHAR, key VARCHAR, hash BLOB, measure VARCHAR,
			before_count BIGINT, now_count BIGINT, person VARCHAR, made TIMESTAMPTZ, until TIMESTAMPTZ`)},
	}
}

// gcTables are the facts of scans, and whether they are many files of which a query may read some.
func gcTables() map[string]bool {
	many := map[string]bool{}
	for _, v := range gcViews() {
		many[v.name] = v.many
	}
	return many
}
