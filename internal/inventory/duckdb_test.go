package inventory_test

import (
	"database/sql"
	"slices"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

// Anybody with DuckDB can read a snapshot, without this program.
func TestPlainDuckDBReadsIt(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	odd := &rowSource{parts: [][]cooper.Version{nil}, rejects: []inventory.Rejected{{File: "f", Row: 3, Key: []byte("\xff"), Reason: "r"}}}
	for i, id := range []string{"null", "", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "0123456789abcdefABCDEF._.......Z"} {
		v := version(hostileKeys[i], id, int64(i), i%2 == 0)
		v.ETag = []string{"", "d41d8cd98f00b204e9800998ecf8427e-12", "odd", "d41d8cd98f00b204e9800998ecf8427e"}[i]
		odd.parts[0] = append(odd.parts[0], v)
	}
	for name, src := range map[string]inventory.Source{
		"odd": odd, "many": invtest.Synthetic(3000, 1, invtest.Options{}), "none": &rowSource{},
	} {
		s := build(t, src, inventory.BuildOptions{})
		rows, err := db.QueryContext(t.Context(), `
			SELECT key,
			       coalesce(replace(replace(to_base64(version_id), '+', '.'), '/', '_'), version_text),
			       coalesce(lower(hex(etag)), '') || coalesce(etag_text, ''),
			       size, coalesce(epoch_ms(last_modified), 0), is_latest, is_delete_marker,
			       storage_class, tier, encryption, checksum
			FROM '`+s.Dir()+`/versions-*.parquet'`)
		if err != nil {
			t.Fatal(err)
		}
		var got []cooper.Version
		for rows.Next() {
			var v cooper.Version
			if err := rows.Scan(&v.Key, &v.VersionID, &v.ETag, &v.Size, &v.LastModified, &v.Latest, &v.DeleteMarker,
				&v.StorageClass, &v.Tier, &v.Encryption, &v.Checksum); err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
		if want := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{})); !slices.Equal(got, want) {
			t.Errorf("%s: DuckDB reads %+v, want %+v", name, got, want)
		}
		if s.Meta().RejectedFile == nil {
			continue
		}
		var file, reason string
		var row int64
		var key []byte
		if err := db.QueryRowContext(t.Context(), "SELECT file, row, key, reason FROM '"+s.Dir()+"/rejected.parquet'").Scan(&file, &row, &key, &reason); err != nil {
			t.Fatal(err)
		}
		if file != "f" || row != 3 || string(key) != "\xff" || reason != "r" {
			t.Errorf("rejected: %s %d %q %s", file, row, key, reason)
		}
	}
}
