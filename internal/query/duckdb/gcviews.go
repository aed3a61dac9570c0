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

// Where detections, transitions and words of persons are.
const (
	gcDetection  = "ledger/gc_detection/d" + anID
	gcTransition = "ledger/gc_transition/?*-????????.parquet"
	gcAsked      = "ledger/gc_asked/?*-????????.parquet"
	gcWord       = "ledger/gc_word/????????/"
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
	return append(gcLists(), []view{
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
			[3]string{"associations", "associations", "STRUCT(association VARCHAR, ranges BIGINT, rows BIGINT, links BIGINT, found BIGINT, malformed BIGINT, silent BIGINT)[]"},
			[3]string{"suspects", "suspects", "STRUCT(association VARCHAR, what VARCHAR, before_count BIGINT, now_count BIGINT)[]"},
			[3]string{"shards", "shards", "STRUCT(shard INTEGER, handles BIGINT, derived BIGINT, holds BIGINT, links BIGINT, malformed BIGINT, ranges BIGINT)[]"})},
		{name: gcfacts.Acknowledged, files: "ledger/gc_acknowledged/*.parquet", columns: plainColumns(`id VARCHAR, what VARCHAR, scan VARCHAR, association VARCHAR, key VARCHAR, hash BLOB, measure VARCHAR,
			before_count BIGINT, now_count BIGINT, person VARCHAR, made TIMESTAMPTZ, until TIMESTAMPTZ`)},
	}...)
}

// gcLists are what detections have found, what changed, and what persons have said. All are many files, so that
// what is gone of them is missed.
func gcLists() []view {
	of := func(files, table string, columns ...[][3]string) view {
		return view{name: table, many: true, files: files, columns: slices.Concat(columns...)}
	}
	detection := [][3]string{{fromFile, "detection", "VARCHAR"}}
	list := func(table string, columns ...[][3]string) view {
		return of(gcDetection+table+".parquet", table, append([][][3]string{detection}, columns...)...)
	}
	word := func(table string, columns ...[][3]string) view {
		return of(gcWord+table+".parquet", table, append([][][3]string{plainColumns("number INTEGER, scope VARCHAR")}, columns...)...)
	}
	kind, bucket := plainColumns("kind VARCHAR"), plainColumns("bucket VARCHAR")
	object := [][3]string{{"coalesce(CAST(object_number AS VARCHAR), CAST(object_uuid AS VARCHAR), object_text, '')", "object", "VARCHAR"}}
	return []view{
		list(gcfacts.Candidates, kind, gcID("id", "id"), bucket, gcKey, plainColumns("size BIGINT, modified TIMESTAMPTZ, alone BIGINT")),
		list(gcfacts.Kepts, kind, gcID("id", "id"), plainColumns("reason VARCHAR")),
		list(gcfacts.Relinkeds, kind, gcID("id", "id"), plainColumns("status VARCHAR, scan VARCHAR")),
		list(gcfacts.Missings, kind, gcID("id", "id"), bucket, gcKey),
		list(gcfacts.Unindexeds, bucket, gcKey, plainColumns("version_id VARCHAR, size BIGINT, last_modified TIMESTAMPTZ, how VARCHAR")),
		list(gcfacts.UnindexedKeeps, bucket, gcKey, plainColumns("reason VARCHAR")),
		list(gcfacts.NearMisses, kind, gcID("id", "id"), bucket, gcKey, plainColumns("other_bucket VARCHAR")),
		list(gcfacts.Ripes, kind, gcID("id", "id"), bucket, gcKey, plainColumns("verdict VARCHAR, size BIGINT, status VARCHAR, since TIMESTAMPTZ, delays BOOLEAN, cleared BOOLEAN")),
		list(gcfacts.Detections, plainColumns(`scope VARCHAR, run VARCHAR, made TIMESTAMPTZ, clock TIMESTAMPTZ, scans VARCHAR[], waits VARCHAR, configuration_digest VARCHAR, schema_digest VARCHAR, words BIGINT`),
			[][3]string{
				{"snapshots", "snapshots", "STRUCT(bucket VARCHAR, snapshot VARCHAR, taken_at TIMESTAMPTZ)[]"},
				{"unknown", "unknown", "STRUCT(list VARCHAR, bucket VARCHAR, why VARCHAR)[]"},
				{"refusals", "refusals", "STRUCT(what VARCHAR, why VARCHAR)[]"},
				{"figures", "figures", "STRUCT(name VARCHAR, number BIGINT, bytes BIGINT)[]"},
				{"lists", "lists", "STRUCT(list VARCHAR, rows BIGINT, bytes BIGINT)[]"},
			}),
		of(gcTransition, gcfacts.Transitions, plainColumns("state VARCHAR, batch INTEGER, transition VARCHAR, scope VARCHAR, kind VARCHAR"), gcID("id", "id"),
			plainColumns("from_status VARCHAR, from_since TIMESTAMPTZ, to_status VARCHAR, since TIMESTAMPTZ, reason VARCHAR, run VARCHAR")),
		of(gcAsked, gcfacts.Askeds, plainColumns("guard VARCHAR, number INTEGER, asked VARCHAR, scope VARCHAR, kind VARCHAR"), gcID("id", "id"),
			plainColumns("status VARCHAR, since TIMESTAMPTZ, first TIMESTAMPTZ, last TIMESTAMPTZ, count BIGINT, client VARCHAR")),
		word(gcfacts.KeptsByHand, kind, gcID("id", "id"), plainColumns("keep BOOLEAN, person VARCHAR, reason VARCHAR, made TIMESTAMPTZ")),
		word(gcfacts.LinksByHand, plainColumns("association VARCHAR"), object, kind, gcID("id", "id"), plainColumns("linked BOOLEAN, person VARCHAR, reason VARCHAR, made TIMESTAMPTZ")),
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
