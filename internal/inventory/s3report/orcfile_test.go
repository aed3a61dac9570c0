package s3report

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/s3report/orc"
	"cooper/internal/inventory/s3report/orc/orctest"
	"cooper/internal/seal"
)

// orcSchema is that of reports with all fields, as manifests give it.
const orcSchema = "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint," +
	"last_modified_date:timestamp,e_tag:string,storage_class:string,is_multipart_uploaded:boolean,replication_status:string," +
	"encryption_status:string,object_lock_retain_until_date:timestamp,object_lock_mode:string,object_lock_legal_hold_status:string," +
	"intelligent_tiering_access_tier:string,bucket_key_status:string,checksum_algorithm:string,object_access_control_list:string,object_owner:string>"

const csvSchema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded, " +
	"ReplicationStatus, EncryptionStatus, ObjectLockRetainUntilDate, ObjectLockMode, ObjectLockLegalHoldStatus, " +
	"IntelligentTieringAccessTier, BucketKeyStatus, ChecksumAlgorithm, ObjectAccessControlList, ObjectOwner"

// openOne opens a file as the only one of a report.
func openOne(t testing.TB, format, schema string, data []byte) *Report {
	t.Helper()
	dir := writeFiles(t, map[string][]byte{
		"manifest.json": aManifest(t, format, schema, map[string][]byte{"data/x": data}), "x": data,
	})
	r, err := Open(context.Background(), Dir(dir), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The files that other writers made of a CSV report say what it says, of rows
// that are set aside, too.
func TestORCOfOtherWriters(t *testing.T) {
	text, err := os.ReadFile("orc/testdata/report.csv")
	if err != nil {
		t.Fatal(err)
	}
	want, err := readAll(openOne(t, CSV, csvSchema, text))
	if err != nil || len(want.versions) < 600 || len(want.rejected) < 5 {
		t.Fatalf("%d versions, %d rejected, %v", len(want.versions), len(want.rejected), err)
	}
	names, err := filepath.Glob("orc/testdata/report-*.orc")
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			r := openOne(t, ORC, orcSchema, data)
			if m := r.Meta(); m.Scope.CurrentOnly || len(m.Columns) != 20 || m.Columns[1] != "key" {
				t.Errorf("%+v", m)
			}
			got, err := readAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.versions, got.versions); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(want.rejected, got.rejected, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func col(name string, kind orc.Kind) orctest.Column { return orctest.Column{Name: name, Kind: kind} }

// A column that is not known may be of any type, and is not looked at.
func TestORCOfOtherColumns(t *testing.T) {
	at := int64(1714564800123)
	want := []cooper.Version{{Identity: cooper.Identity{Key: "a+b%20 ", ETag: "e", Size: 7, LastModified: cooper.Instant(at)}, Latest: true}}
	for name, x := range map[string]struct {
		columns []orctest.Column
		row     []any
	}{
		"as S3 has it":    {[]orctest.Column{col("key", orc.String), col("size", orc.Long), col("last_modified_date", orc.Timestamp), col("e_tag", orc.String)}, []any{"a+b%20 ", int64(7), at, "e"}},
		"text for all":    {[]orctest.Column{col("Size", orc.Varchar), col("ETag", orc.Char), col("Key", orc.Varchar), col("LastModifiedDate", orc.String)}, []any{"7", "e   ", "a+b%20 ", "2024-05-01T12:00:00.123Z"}},
		"instant, binary": {[]orctest.Column{col("key", orc.Binary), col("new", orc.Long), col("size", orc.Long), col("last_modified_date", orc.Instant), col("e_tag", orc.Binary)}, []any{"a+b%20 ", nil, int64(7), at, `"e"`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(openOne(t, ORC, "struct<key:string,size:bigint,last_modified_date:timestamp,e_tag:string>", orctest.Write(x.columns, [][]any{x.row}, orctest.Options{})))
			if err != nil || len(got.rejected) > 0 {
				t.Fatalf("%v, %+v", err, got.rejected)
			}
			if diff := cmp.Diff(want, got.versions); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestORCOfAnotherSchema(t *testing.T) {
	plain := []orctest.Column{col("key", orc.String), col("size", orc.Long), col("last_modified_date", orc.Timestamp), col("e_tag", orc.String)}
	change := func(i int, to orctest.Column) []orctest.Column {
		columns := slices.Clone(plain)
		columns[i] = to
		return columns
	}
	const current = "struct<key:string,size:bigint,last_modified_date:timestamp,e_tag:string>"
	for name, x := range map[string]struct {
		columns []orctest.Column
		words   string
	}{
		"missing":        {plain[:2], "missing: LastModifiedDate, ETag"},
		"versions":       {append([]orctest.Column{col("version_id", orc.String), col("is_latest", orc.Boolean), col("is_delete_marker", orc.Boolean)}, plain...), "in either the manifest or the file"},
		"twice":          {append([]orctest.Column{col("Key", orc.String)}, plain...), "column key is there twice"},
		"size as time":   {change(1, col("size", orc.Timestamp)), "column size is of an unexpected type, timestamp"},
		"time as number": {change(2, col("last_modified_date", orc.Long)), "column last_modified_date is of an unexpected type, bigint"},
		"padded key":     {change(0, col("key", orc.Char)), "column key is of an unexpected type, char"},
		"key as number":  {change(0, col("key", orc.Long)), "column key is of an unexpected type, bigint"},
		"double":         {change(1, col("size", orc.Kind(6))), "column size is of an unexpected type, double"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(openOne(t, ORC, current, orctest.Write(x.columns, nil, orctest.Options{})))
			wantError(t, err, cooper.KindInvalid, x.words)
		})
	}
	_, err := readAll(openOne(t, ORC, current, []byte("ORC this is none ORC")))
	wantError(t, err, cooper.KindCorrupt, "x: the file cannot be read: the end of the file does not describe an ORC file")
	_, err = readAll(openOne(t, ORC, current, orctest.Write(plain, [][]any{{"k", int64(1), int64(1), "e"}}, orctest.Options{Zone: "Mars/Olympus"})))
	wantError(t, err, cooper.KindInvalid, `column last_modified_date: times in the time zone "Mars/Olympus": this is not supported`)
	var e *cooper.Error
	if !errors.As(err, &e) || !strings.Contains(e.Remedy, "Parquet or CSV") {
		t.Errorf("%+v", e)
	}
}

func TestORCSchemaText(t *testing.T) {
	for text, want := range map[string][]string{
		orcSchema: strings.Split(strings.ToLower("bucket,key,version_id,is_latest,is_delete_marker,size,last_modified_date,e_tag,storage_class,"+
			"is_multipart_uploaded,replication_status,encryption_status,object_lock_retain_until_date,object_lock_mode,object_lock_legal_hold_status,"+
			"intelligent_tiering_access_tier,bucket_key_status,checksum_algorithm,object_access_control_list,object_owner"), ","),
		" struct<`key`: string, price:decimal(10,2), tags:array<struct<k:string,v:string>> ,m:map<int,int>>": {"key", "price", "tags", "m"},
		"struct<key:string>>,b:c": {"key"},
		"struct<>":                nil,
		"key:string":              nil,
		"struct<key":              nil,
		"":                        nil,
	} {
		if diff := cmp.Diff(want, structColumns(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// versionColumns are those of the rows of asORC.
var versionColumns = []orctest.Column{
	{Name: "bucket", Kind: orc.String}, {Name: "key", Kind: orc.String}, {Name: "version_id", Kind: orc.String}, {Name: "is_latest", Kind: orc.Boolean},
	{Name: "is_delete_marker", Kind: orc.Boolean}, {Name: "size", Kind: orc.Long}, {Name: "last_modified_date", Kind: orc.Timestamp},
	{Name: "e_tag", Kind: orc.String}, {Name: "storage_class", Kind: orc.String}, {Name: "intelligent_tiering_access_tier", Kind: orc.String},
	{Name: "encryption_status", Kind: orc.String}, {Name: "checksum_algorithm", Kind: orc.String},
}

const versionSchema = "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,last_modified_date:timestamp," +
	"e_tag:string,storage_class:string,intelligent_tiering_access_tier:string,encryption_status:string,checksum_algorithm:string>"

// orcRow is a version as S3 writes it: null where there is nothing.
func orcRow(v *cooper.Version) []any {
	text := func(s string) any {
		if s == "" || s == cooper.NullVersion {
			return nil
		}
		return s
	}
	row := []any{
		"src", v.Key, text(v.VersionID), v.Latest, v.DeleteMarker, v.Size, int64(v.LastModified),
		text(v.ETag), text(v.StorageClass), text(v.Tier), text(v.Encryption), text(v.Checksum),
	}
	if v.DeleteMarker {
		row[5] = nil
	}
	return row
}

func asORC(versions []cooper.Version, opt orctest.Options) []byte {
	rows := make([][]any, len(versions))
	for i := range versions {
		rows[i] = orcRow(&versions[i])
	}
	return orctest.Write(versionColumns, rows, opt)
}

// snapshotOf builds a snapshot, and gives what does not depend on its source.
func snapshotOf(t interface{ Fatal(...any) }, dir string, r *Report) inventory.Meta {
	defer os.RemoveAll(dir)
	m, err := inventory.Build(context.Background(), dir, r, inventory.BuildOptions{Memory: 8 << 20, ID: "s"})
	if err != nil {
		t.Fatal(err)
	}
	m.Created, m.Columns, m.Source, m.TakenAt = 0, nil, "", 0
	return m
}

// The same rows as CSV and as ORC give the same snapshot, to the last byte.
func TestSameSnapshotOfCSVAndORC(t *testing.T) {
	temp := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		versions := make([]cooper.Version, rapid.IntRange(0, 40).Draw(rt, "n"))
		for i := range versions {
			versions[i] = drawVersion(rt, false)
		}
		s := newFakeStore()
		key, err := Write(context.Background(), s, WriteOptions{
			SourceBucket: "src", ConfigID: "c", Format: CSV, TakenAt: 1795136400123, DestinationBucket: "reports", TempDir: temp,
		}, &pull{versions: versions})
		if err != nil {
			rt.Fatal(err)
		}
		asCSV, err := Open(context.Background(), s.location(), key, Options{TempDir: temp})
		if err != nil {
			rt.Fatal(err)
		}
		data := asORC(versions, orctest.Options{
			Compression: rapid.SampledFrom([]orctest.Compression{orctest.None, orctest.Zlib, orctest.Snappy}).Draw(rt, "compression"),
			Chunk:       rapid.SampledFrom([]int{64, 1 << 18}).Draw(rt, "chunk"),
			StripeRows:  rapid.SampledFrom([]int{0, 7}).Draw(rt, "rows"),
			Old:         rapid.Bool().Draw(rt, "old"), Dictionary: rapid.Bool().Draw(rt, "dictionary"),
		})
		want, got := snapshotOf(rt, filepath.Join(temp, "s"), asCSV), snapshotOf(rt, filepath.Join(temp, "s"), openOne(t, ORC, versionSchema, data))
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(seal.Sums{})); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// manyVersions are those of benchmarkText.
func manyVersions(t testing.TB, n int) []cooper.Version {
	var all rows
	p := &part{memory: 256 << 20, schema: mustSchema(t), bucket: "src", file: dataFile{loc: Dir(".")}}
	if err := p.readCSV(strings.NewReader(benchmarkText(n)), &all); err != nil || len(all.versions) != n {
		t.Fatal(len(all.versions), err)
	}
	return all.versions
}

func TestORCOf100000Rows(t *testing.T) {
	want := manyVersions(t, 100_000)
	got, err := readAll(openOne(t, ORC, versionSchema, asORC(want, orctest.Options{Compression: orctest.Zlib, StripeRows: 30_011})))
	if err != nil || len(got.rejected) > 0 || !cmp.Equal(want, got.versions) {
		t.Errorf("%d versions, %d rejected, %v", len(got.versions), len(got.rejected), err)
	}
}

// A damaged file fails before its first row, as long as the manifest has its
// checksum.
func TestDamagedORCFile(t *testing.T) {
	data := asORC(manyVersions(t, 1000), orctest.Options{})
	m := aManifest(t, ORC, versionSchema, map[string][]byte{"data/x.orc": data})
	data[500] ^= 1
	r, err := Open(context.Background(), Dir(writeFiles(t, map[string][]byte{"manifest.json": m, "data/x.orc": data})), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(r)
	wantError(t, err, cooper.KindCorrupt, "x.orc: the MD5 is")
	if len(got.versions) > 0 {
		t.Errorf("%d versions of it were delivered", len(got.versions))
	}
}

func TestORCReadEndsWithItsContextAndSink(t *testing.T) {
	r := openOne(t, ORC, versionSchema, asORC(manyVersions(t, 10), orctest.Options{}))
	if err := r.Parts()[0].Read(context.Background(), failingSink{}); !errors.Is(err, errSink) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Parts()[0].Read(ctx, &rows{}); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("%v", err)
	}
}

// limited is a Sink that has enough at some time: a few bytes can stand for any
// number of rows.
type limited struct{ left int }

var errLimit = errors.New("enough")

func (l *limited) Version(*cooper.Version) error { return l.one() }

func (l *limited) Reject(inventory.Rejected) error { return l.one() }

func (l *limited) one() error {
	if l.left--; l.left < 0 {
		return errLimit
	}
	return nil
}

// orcBytes reads bytes as an ORC file whose checksum is right.
func orcBytes(t testing.TB, dir string, b []byte) error {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "f"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newSchema(structColumns(orcSchema))
	if err != nil {
		t.Fatal(err)
	}
	p := &part{memory: 256 << 20, file: dataFile{loc: Dir(dir), name: "f", size: int64(len(b)), md5: md5Hex(b)}, schema: s, bucket: "src", format: ORC}
	err = p.Read(context.Background(), &limited{left: 50_000})
	if err != nil && !errors.Is(err, errLimit) && cooper.KindOf(err) == cooper.KindInternal {
		t.Fatal(err)
	}
	return err
}

// A hostile file gives an error or rows, never a panic.
func TestHostileORCFiles(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	failed, total := 0, 0
	for _, whole := range [][]byte{
		asORC(manyVersions(t, 300), orctest.Options{StripeRows: 100}),
		asORC(manyVersions(t, 300), orctest.Options{Old: true, Dictionary: true, Compression: orctest.Snappy, Chunk: 1000}),
	} {
		if err := orcBytes(t, dir, whole); err != nil {
			t.Fatal(err)
		}
		for range 300 {
			b := bytes.Clone(whole)
			for range r.IntN(4) + 1 {
				// Half of the damage where the file describes itself.
				at := r.IntN(len(b))
				if r.IntN(2) == 0 {
					at = len(b) - 1 - r.IntN(min(len(b), 300))
				}
				b[at] = byte(r.Uint32())
			}
			if r.IntN(8) == 0 {
				b = b[:r.IntN(len(b))]
			}
			if total++; orcBytes(t, dir, b) != nil {
				failed++
			}
		}
	}
	if failed < total/3 {
		t.Errorf("only %d of %d damaged files failed", failed, total)
	}
}

func FuzzORCFile(f *testing.F) {
	versions := manyVersions(f, 40)
	f.Add(asORC(versions, orctest.Options{StripeRows: 20}))
	f.Add(asORC(versions, orctest.Options{Compression: orctest.Zlib, Old: true}))
	f.Add(asORC(versions, orctest.Options{Compression: orctest.Snappy, Dictionary: true}))
	f.Fuzz(func(t *testing.T, b []byte) { _ = orcBytes(t, t.TempDir(), b) })
}

func BenchmarkORCZlib(b *testing.B) {
	const n = 400_000
	benchmarkPart(b, asORC(manyVersions(b, n), orctest.Options{Compression: orctest.Zlib, StripeRows: 200_000}), ORC, n)
}

func BenchmarkORCSnappy(b *testing.B) {
	const n = 400_000
	benchmarkPart(b, asORC(manyVersions(b, n), orctest.Options{Compression: orctest.Snappy, StripeRows: 200_000}), ORC, n)
}
