package s3report

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/inventory"
)

func at(t testing.TB, s string) cooper.Instant {
	t.Helper()
	var i cooper.Instant
	if err := i.UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestReportOfAllVersions(t *testing.T) {
	want := []cooper.Version{
		{Identity: cooper.Identity{Key: "zarr/0f3a/0/0/1", VersionID: "k6mA4q1Z9y7Jt.0w_8uVh2rS5cXdEbNf", ETag: "9b2cf535f27731c974343645a3985328", Size: 1048576, LastModified: at(t, "2024-05-01T10:00:00Z")}, Latest: true, StorageClass: "STANDARD", Encryption: "SSE-S3", Checksum: "CRC64NVME"},
		{Identity: cooper.Identity{Key: "zarr/0f3a/0/0/0", VersionID: "Zz0pQ4q1Z9y7Jt.0w_8uVh2rS5cXdEbN", ETag: "0cc175b9c0f1b6a831c399e269772661", Size: 512, LastModified: at(t, "2024-05-01T10:00:01Z")}, Latest: true, StorageClass: "STANDARD", Encryption: "SSE-S3", Checksum: "CRC64NVME"},
		{Identity: cooper.Identity{Key: "sub-01/résumé (final)+1.txt", VersionID: "null", ETag: "d41d8cd98f00b204e9800998ecf8427e", LastModified: at(t, "2019-02-28T23:59:59Z")}, Latest: true, StorageClass: "STANDARD", Encryption: "NOT-SSE"},
		{Identity: cooper.Identity{Key: "sub-01/big.nwb", VersionID: "mPq.7Wd2S0eYb5nUoTzR3xCvLk8GhJ1f", ETag: "5d41402abc4b2a76b9719d911017c592-88", Size: 734003200, LastModified: at(t, "2024-06-01T00:00:00Z")}, StorageClass: "INTELLIGENT_TIERING", Tier: "ARCHIVE", Encryption: "SSE-S3"},
		{Identity: cooper.Identity{Key: "sub-01/big.nwb", VersionID: "Q1w2E3r4T5y6U7i8O9p0AsDfGhJkLzXc", LastModified: at(t, "2024-07-01T00:00:00.123Z")}, Latest: true, DeleteMarker: true},
		{Identity: cooper.Identity{Key: "a", VersionID: "null-like.A4q1Z9y7Jt0w_8uVh2rS5c", ETag: "0cc175b9c0f1b6a831c399e269772661", Size: 1, LastModified: at(t, "2024-05-01T10:00:00Z")}, Latest: true, StorageClass: "GLACIER", Encryption: "SSE-KMS"},
		{Identity: cooper.Identity{Key: "a/b ", VersionID: "null", ETag: "187ef4436122d1cc2f40dc2b92f0eba0", Size: 2, LastModified: at(t, "2024-05-01T10:00:00Z")}, Latest: true, StorageClass: "STANDARD", Encryption: "SSE-S3"},
	}
	for name, path := range map[string]string{
		"directory of dated folders": "testdata/versions",
		"folder further up":          "testdata/versions/..",
		"dated folder":               "testdata/versions/2026-11-20T01-00Z",
		"manifest":                   "testdata/versions/2026-11-20T01-00Z/manifest.json",
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasSuffix(path, "..") {
				dir := t.TempDir()
				if err := os.CopyFS(filepath.Join(dir, "dandi-example", "daily"), os.DirFS("testdata/versions")); err != nil {
					t.Fatal(err)
				}
				path = dir
			}
			r, err := Open(context.Background(), Dir(path), "", Options{Bucket: "dandi-example"})
			if err != nil {
				t.Fatal(err)
			}
			meta := r.Meta()
			if meta.Bucket != "dandi-example" || meta.TakenAt != at(t, "2026-11-20T01:00:00Z") || meta.Scope.CurrentOnly || len(meta.Columns) != 14 ||
				!strings.HasSuffix(meta.Source, "2026-11-20T01-00Z/manifest.json") {
				t.Errorf("meta: %+v", meta)
			}
			got, err := readAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.versions); diff != "" {
				t.Error(diff)
			}
			if len(got.rejected) > 0 {
				t.Errorf("rejected: %+v", got.rejected)
			}
		})
	}
}

func TestReportOfCurrentVersions(t *testing.T) {
	r, err := Open(context.Background(), Dir("testdata/current"), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	meta := r.Meta()
	if !meta.Scope.CurrentOnly || meta.Bucket != "open-bucket" || meta.TakenAt != 1700000000123 {
		t.Errorf("meta: %+v", meta)
	}
	got, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	jan := at(t, "2021-01-01T00:00:00Z")
	want := []cooper.Version{
		{Identity: cooper.Identity{Key: "b/with space", ETag: "0cc175b9c0f1b6a831c399e269772661", Size: 12, LastModified: jan}, Latest: true, StorageClass: "STANDARD"},
		{Identity: cooper.Identity{Key: "a", ETag: "d41d8cd98f00b204e9800998ecf8427e", LastModified: jan}, Latest: true},
	}
	if diff := cmp.Diff(want, got.versions); diff != "" {
		t.Error(diff)
	}
}

func TestOldManifestOutlivedItsDataFiles(t *testing.T) {
	_, err := Open(context.Background(), Dir("testdata/versions"), "", Options{Date: "2026-11-19"})
	wantError(t, err, cooper.KindMissing, "outlived its data files: 1 of 2")
	var ce *cooper.Error
	if !errors.As(err, &ce) || !strings.Contains(ce.Remedy, "--list-dates") {
		t.Errorf("remedy: %v", ce)
	}
	store := newFakeStore()
	store.objects["p/src/c/2026-11-20T01-00Z/manifest.json"] = aManifest(t, CSV, allColumns, map[string][]byte{"p/src/c/data/gone.csv.gz": {1}})
	_, err = Open(context.Background(), store.location(), "p/src/c/2026-11-20T01-00Z/", Options{})
	wantError(t, err, cooper.KindMissing, "outlived its data files: 1 of 1")
}

func TestWhatIsNoReport(t *testing.T) {
	ctx := context.Background()
	_, err := Open(ctx, Dir("testdata/versions"), "", Options{Bucket: "other"})
	wantError(t, err, cooper.KindUsage, `inventory of bucket dandi-example, not of other`)
	_, err = Open(ctx, Dir("testdata/versions"), "", Options{Date: "2026-11-18"})
	wantError(t, err, cooper.KindMissing, "no report of 2026-11-18; the newest is of 2026-11-20T01-00Z")
	_, err = Open(ctx, Dir("testdata/versions/2026-11-20T01-00Z"), "", Options{Date: "2026-11-19"})
	wantError(t, err, cooper.KindUsage, "the report of 2026-11-20T01-00Z, not of 2026-11-19")
	_, err = Open(ctx, Dir("testdata/versions"), "", Options{Date: "yesterday"})
	wantError(t, err, cooper.KindUsage, "yesterday is no date")
	_, err = Open(ctx, Dir(t.TempDir()), "", Options{})
	wantError(t, err, cooper.KindMissing, "no inventory report here")
	_, err = Open(ctx, Dir("testdata/absent"), "", Options{})
	wantError(t, err, cooper.KindMissing, "no such file")
	_, err = Open(ctx, newFakeStore().location(), "p/", Options{})
	wantError(t, err, cooper.KindMissing, "s3://reports/p/: there is no inventory report here")
}

func TestManifests(t *testing.T) {
	const files = `"files":[{"key":"d/x.csv.gz","size":1,"MD5checksum":"d41d8cd98f00b204e9800998ecf8427e"}]`
	whole := `{"sourceBucket":"b","creationTimestamp":"1514944800000","fileFormat":"CSV","fileSchema":"` + allColumns + `",` + files + `}`
	for name, c := range map[string]struct{ from, to, words string }{
		"not JSON":            {whole, "<xml/>", "no S3 Inventory manifest"},
		"no bucket":           {`"sourceBucket":"b",`, "", "sourceBucket is missing"},
		"no time":             {`"1514944800000"`, `""`, "creationTimestamp"},
		"time in seconds":     {`"1514944800000"`, `"1514944800"`, "no time in milliseconds"},
		"odd checksum":        {`d41d8`, `xyz`, "MD5checksum"},
		"short checksum":      {`d41d8cd9`, ``, "MD5checksum"},
		"negative size":       {`"size":1`, `"size":-1`, "size -1"},
		"no key":              {`d/x.csv.gz`, ``, "file 1 has no name"},
		"key without a name":  {`d/x.csv.gz`, `d/..`, "file 1 has no name"},
		"a file twice":        {files, strings.Replace(files, "[", "["+strings.Trim(files[8:], "[]")+",", 1), "named twice"},
		"unknown format":      {`"CSV"`, `"XLS"`, "unknown format"},
		"missing key":         {"Key, ", "", "missing: Key"},
		"missing identity":    {", Size, LastModifiedDate, ETag", "", "missing: Size, LastModifiedDate, ETag"},
		"latest alone":        {"VersionId, IsLatest, IsDeleteMarker", "IsLatest", "missing: VersionId, IsDeleteMarker"},
		"a column twice":      {"ETag", "ETag, Size", "Size is there twice"},
		"parquet, no message": {`"CSV"`, `"Parquet"`, "missing: Key"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := strings.Replace(whole, c.from, c.to, 1)
			if raw == whole {
				t.Fatal("nothing was changed")
			}
			dir := writeFiles(t, map[string][]byte{"manifest.json": []byte(raw)})
			_, err := Open(context.Background(), Dir(dir), "", Options{})
			wantError(t, err, cooper.KindOf(err), c.words)
		})
	}
}

func TestParquetSchemaText(t *testing.T) {
	got := messageColumns("message s3.inventory {  required binary bucket (STRING);  required binary key(UTF8); " +
		"optional int64 last_modified_date (TIMESTAMP(MILLIS,true)); optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }" +
		" optional boolean is_latest;}")
	want := []string{"bucket", "key", "last_modified_date", "tags", "is_latest"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestManifestChecksum(t *testing.T) {
	data := gzipped(t, "")
	raw := aManifest(t, CSV, allColumns, map[string][]byte{"data/x.csv.gz": data})
	files := map[string][]byte{"manifest.json": raw, "data/x.csv.gz": data, "manifest.checksum": []byte(md5Hex(raw) + "\n")}
	if _, err := Open(context.Background(), Dir(writeFiles(t, files)), "", Options{}); err != nil {
		t.Error(err)
	}
	files["manifest.json"] = append(raw, '\n')
	_, err := Open(context.Background(), Dir(writeFiles(t, files)), "", Options{})
	wantError(t, err, cooper.KindCorrupt, "does not match manifest.checksum")
}

// Damaged files must fail the part, on a disk whatever rows came before.
func TestDamagedDataFiles(t *testing.T) {
	text := strings.Repeat(`"src","k","","true","false","1","2024-05-01T10:00:00.000Z","e","STANDARD"`+"\n", 5000)
	for name, c := range map[string]struct {
		data   []byte
		damage func(b []byte) []byte
	}{
		"flipped bit in text": {[]byte(text), func(b []byte) []byte { b[100] ^= 1; return b }},
		"flipped bit in gzip": {gzipped(t, text), func(b []byte) []byte { b[len(b)-30] ^= 4; return b }},
		"garbage behind":      {gzipped(t, text), func(b []byte) []byte { return append(b[:len(b)-8], "12345678"...) }},
	} {
		t.Run(name, func(t *testing.T) {
			m := aManifest(t, CSV, allColumns, map[string][]byte{"data/x.csv.gz": c.data})
			dir := writeFiles(t, map[string][]byte{"manifest.json": m, "data/x.csv.gz": c.damage(bytes.Clone(c.data))})
			r, err := Open(context.Background(), Dir(dir), "", Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = readAll(r)
			wantError(t, err, cooper.KindCorrupt, "x.csv.gz")
		})
	}
	data := []byte(text)
	m := aManifest(t, CSV, allColumns, map[string][]byte{"data/x.csv.gz": data})
	dir := writeFiles(t, map[string][]byte{"manifest.json": m, "data/x.csv.gz": data[:1000]})
	_, err := Open(context.Background(), Dir(dir), "", Options{})
	wantError(t, err, cooper.KindCorrupt, "has 1000 bytes, the manifest says")
}

func TestDamagedBodiesAreFetchedAgain(t *testing.T) {
	text := strings.Repeat(`"src","k","","true","false","1","2024-05-01T10:00:00.000Z","e","STANDARD"`+"\n", 5000)
	data := []byte(text)
	s := newFakeStore()
	s.objects["c/data/x.csv"] = data
	s.objects["c/2026-11-20T01-00Z/manifest.json"] = aManifest(t, CSV, allColumns, map[string][]byte{"c/data/x.csv": data})
	open := func() *Report {
		s.damage, s.gets = nil, 0
		r, err := Open(context.Background(), s.location(), "c/2026-11-20T01-00Z/manifest.json", Options{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Run("cut bodies are taken up where they broke", func(t *testing.T) {
		r := open()
		s.damage = func(_ string, _ int64, b []byte) io.Reader {
			if len(b) > 100_000 {
				return io.MultiReader(bytes.NewReader(b[:100_000]), iotest.ErrReader(io.ErrUnexpectedEOF))
			}
			return bytes.NewReader(b)
		}
		got, err := readAll(r)
		if err != nil || len(got.versions) != 5000 {
			t.Errorf("%d versions, %v", len(got.versions), err)
		}
	})
	t.Run("a flipped bit is fetched again, before any row is delivered", func(t *testing.T) {
		r := open()
		times := 0
		s.damage = func(_ string, _ int64, b []byte) io.Reader {
			if times++; times == 1 {
				b[70] ^= 1
			}
			return bytes.NewReader(b)
		}
		got, err := readAll(r)
		if err != nil || len(got.versions) != 5000 || times != 2 {
			t.Errorf("%d versions, %d fetches, %v", len(got.versions), times, err)
		}
	})
	t.Run("what stays damaged fails", func(t *testing.T) {
		r := open()
		s.damage = func(_ string, _ int64, b []byte) io.Reader { b[70] ^= 1; return bytes.NewReader(b) }
		got, err := readAll(r)
		wantError(t, err, cooper.KindCorrupt, "s3://reports/c/data/x.csv: the MD5 is")
		if len(got.versions) != 0 {
			t.Errorf("%d versions of a damaged file were delivered", len(got.versions))
		}
	})
	t.Run("what never goes on fails", func(t *testing.T) {
		r := open()
		s.damage = func(string, int64, []byte) io.Reader { return iotest.ErrReader(io.ErrUnexpectedEOF) }
		_, err := readAll(r)
		wantError(t, err, cooper.KindStore, "unexpected EOF")
		if s.gets > 3+maxResumes {
			t.Errorf("%d requests", s.gets)
		}
	})
	t.Run("a file that changes meanwhile fails", func(t *testing.T) {
		r := open()
		s.damage = func(_ string, from int64, b []byte) io.Reader {
			s.objects["c/data/x.csv"] = append(data, '\n')
			return io.MultiReader(bytes.NewReader(b[:1000]), iotest.ErrReader(io.ErrUnexpectedEOF))
		}
		_, err := readAll(r)
		wantError(t, err, cooper.KindChanged, "changed")
	})
}

func TestNoTemporaryFileStays(t *testing.T) {
	s := newFakeStore()
	data := gzipped(t, "x")
	s.objects["c/data/x.csv"] = data
	s.objects["manifest.json"] = aManifest(t, CSV, allColumns, map[string][]byte{"c/data/x.csv": data})
	temp := t.TempDir()
	r, err := Open(context.Background(), s.location(), "", Options{TempDir: temp})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(r); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	r := aReport(t, allColumns, strings.Repeat("x\n", 1000))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := r.Parts()[0].Read(ctx, &rows{})
	if cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("%v", err)
	}
}

type failingSink struct{ inventory.Sink }

var errSink = errors.New("the sink is full")

func (failingSink) Version(*cooper.Version) error { return errSink }

func TestErrorsOfTheSinkEndThePart(t *testing.T) {
	r := aReport(t, allColumns, `"src","k","","true","false","1","2024-05-01T10:00:00.000Z","e","STANDARD"`)
	if err := r.Parts()[0].Read(context.Background(), failingSink{}); !errors.Is(err, errSink) {
		t.Errorf("%v", err)
	}
}
