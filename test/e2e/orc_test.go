package e2e

import (
	"encoding/json"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	nouns "cooper"
	"cooper/internal/inventory/s3report/orc"
	"cooper/internal/inventory/s3report/orc/orctest"
	"cooper/test/e2etest"
)

// orcColumns are those of an ORC report, as Amazon names them.
var orcColumns = []orctest.Column{
	{Name: "bucket", Kind: orc.String}, {Name: "key", Kind: orc.String}, {Name: "version_id", Kind: orc.String},
	{Name: "is_latest", Kind: orc.Boolean}, {Name: "is_delete_marker", Kind: orc.Boolean}, {Name: "size", Kind: orc.Long},
	{Name: "last_modified_date", Kind: orc.Timestamp}, {Name: "e_tag", Kind: orc.String}, {Name: "storage_class", Kind: orc.String},
}

const orcSchema = "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint," +
	"last_modified_date:timestamp,e_tag:string,storage_class:string>"

// orcCmd writes a report of lab in ORC format: orcreport DIR.
func orcCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: orcreport DIR")
	}
	var rows [][]any
	versions := ts.Value("server").(*stage).Versions("lab")
	for i := range versions {
		v := &versions[i]
		row := []any{"lab", v.Key, v.VersionID, v.Latest, v.DeleteMarker, v.Size, int64(v.LastModified), v.ETag, v.StorageClass}
		if v.VersionID == nouns.NullVersion {
			row[2] = nil
		}
		if v.DeleteMarker {
			row[5], row[7] = nil, nil
		}
		rows = append(rows, row)
	}
	b := orctest.Write(orcColumns, rows, orctest.Options{Compression: orctest.Snappy, StripeRows: 2})
	dir := ts.MkAbs(args[0])
	ts.Check(e2etest.Save(filepath.Join(dir, "data", "x.orc"), b))
	m, err := json.Marshal(map[string]any{
		"sourceBucket": "lab", "creationTimestamp": strconv.FormatInt(1767315600000, 10), "fileFormat": "ORC", "fileSchema": orcSchema,
		"files": []map[string]any{{"key": "inventory/lab/daily/data/x.orc", "size": len(b), "MD5checksum": e2etest.Sum(b)}},
	})
	ts.Check(err)
	ts.Check(e2etest.Save(filepath.Join(dir, "2026-01-02T01-00Z", "manifest.json"), m))
	ts.Check(e2etest.Save(filepath.Join(dir, "2026-01-02T01-00Z", "manifest.checksum"), []byte(e2etest.Sum(m))))
}
