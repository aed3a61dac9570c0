package s3report

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"cooper"
)

// parquetFile makes a Parquet file of rows of any type.
func parquetFile[T any](t testing.TB, rows []T, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readParquetReport reads a file as the only one of a report.
func readParquetReport(t testing.TB, data []byte, current bool) (*rows, error) {
	t.Helper()
	dir := writeFiles(t, map[string][]byte{
		"manifest.json": aManifest(t, Parquet, fileSchema(Parquet, current), map[string][]byte{"data/x.parquet": data}),
		"x.parquet":     data,
	})
	r, err := Open(context.Background(), Dir(dir), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	return readAll(r)
}

func TestParquetOfOtherWriters(t *testing.T) {
	noon := time.Date(2024, 5, 1, 12, 0, 0, 123_000_000, time.UTC)
	want := []cooper.Version{
		{Identity: cooper.Identity{Key: "a+b%20", ETag: "e", Size: 7, LastModified: cooper.InstantOf(noon)}, Latest: true},
		{Identity: cooper.Identity{Key: "b", ETag: "f", Size: 0, LastModified: cooper.InstantOf(noon)}, Latest: true},
	}
	// 2460432 is the Julian day of 2024-05-01.
	nanos := uint64(noon.Sub(noon.Truncate(24 * time.Hour)))
	i96 := deprecated.Int96{uint32(nanos), uint32(nanos >> 32), 2460432}
	type milli struct {
		New    []string `parquet:"not_yet_invented,list"`
		Key    string   `parquet:"key,dict"`
		Size   int32    `parquet:"size"`
		ETag   string   `parquet:"e_tag"`
		LastMD int64    `parquet:"last_modified_date"`
	}
	type micro struct {
		Key    string `parquet:"Key"`
		Size   int64  `parquet:"Size"`
		ETag   string `parquet:"ETag"`
		LastMD int64  `parquet:"LastModifiedDate,timestamp(microsecond)"`
	}
	type nano struct {
		Key    []byte `parquet:"key,delta"`
		Size   *int64 `parquet:"size"`
		ETag   string `parquet:"e_tag"`
		LastMD int64  `parquet:"last_modified_date,timestamp(nanosecond)"`
	}
	type text struct {
		Key    string `parquet:"key"`
		Size   string `parquet:"size"`
		ETag   string `parquet:"e_tag"`
		LastMD string `parquet:"last_modified_date"`
	}
	type int96 struct {
		Key    string           `parquet:"key"`
		Size   int64            `parquet:"size"`
		ETag   string           `parquet:"e_tag"`
		LastMD deprecated.Int96 `parquet:"last_modified_date"`
	}
	seven, zero := int64(7), int64(0)
	for name, data := range map[string][]byte{
		"milliseconds, int32": parquetFile(t, []milli{{[]string{"x", "y"}, "a+b%20", 7, "e", noon.UnixMilli()}, {nil, "b", 0, "f", noon.UnixMilli()}}),
		"microseconds, gzip":  parquetFile(t, []micro{{"a+b%20", 7, "e", noon.UnixMicro()}, {"b", 0, "f", noon.UnixMicro()}}, parquet.Compression(&parquet.Gzip)),
		"nanoseconds, zstd":   parquetFile(t, []nano{{[]byte("a+b%20"), &seven, "e", noon.UnixNano()}, {[]byte("b"), &zero, "f", noon.UnixNano()}}, parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1)),
		"text":                parquetFile(t, []text{{"a+b%20", "7", "e", "2024-05-01T12:00:00.123Z"}, {"b", "0", "f", "2024-05-01T12:00:00.123Z"}}),
		"int96, groups":       parquetFile(t, []int96{{"a+b%20", 7, "e", i96}, {"b", 0, "f", i96}}, parquet.MaxRowsPerRowGroup(1), parquet.Compression(&parquet.Snappy)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readParquetReport(t, data, true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.versions); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The pages of different columns end at different rows.
func TestParquetOfManyPages(t *testing.T) {
	want := make([]cooper.Version, 5000)
	versions := make([]parquetVersion, len(want))
	for i := range want {
		want[i] = cooper.Version{
			Identity:     cooper.Identity{Key: strings.Repeat("k", i%97+1), VersionID: "v" + strings.Repeat("x", i%5), Size: int64(i), LastModified: cooper.Instant(i + 1)},
			DeleteMarker: i%3 == 0, Latest: i%7 == 0, StorageClass: []string{"", "STANDARD", "GLACIER"}[i%3],
		}
		if want[i].DeleteMarker {
			want[i].Size = 0
		} else {
			want[i].ETag = strings.Repeat("e", i%11)
		}
		versions[i] = versionRow("src", &want[i])
	}
	for name, options := range map[string][]parquet.WriterOption{
		"small pages":             {parquet.PageBufferSize(1 << 10)},
		"pages and groups":        {parquet.PageBufferSize(1 << 10), parquet.MaxRowsPerRowGroup(777), parquet.Compression(&parquet.Snappy)},
		"first version of pages":  {parquet.PageBufferSize(1 << 12), parquet.DataPageVersion(1), parquet.Compression(&parquet.Gzip)},
		"one page for everything": {parquet.PageBufferSize(1 << 24)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readParquetReport(t, parquetFile(t, versions, options...), false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.versions); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParquetRejectedRows(t *testing.T) {
	small := parquetVersion{Bucket: "src", Key: "k", IsLatest: pointer(true), IsDeleteMarker: pointer(false), Size: new(int64), LastModified: time.UnixMilli(1)}
	change := func(f func(*parquetVersion)) parquetVersion { r := small; f(&r); return r }
	minus := int64(-1)
	got, err := readParquetReport(t, parquetFile(t, []parquetVersion{
		small,
		change(func(r *parquetVersion) { r.Key = "k\xff" }),
		change(func(r *parquetVersion) { r.Key = "" }),
		change(func(r *parquetVersion) { r.Size = nil }),
		change(func(r *parquetVersion) { r.Size = &minus }),
		change(func(r *parquetVersion) { r.LastModified = time.Time{} }),
		change(func(r *parquetVersion) { r.LastModified = time.UnixMilli(-5) }),
		change(func(r *parquetVersion) { r.IsLatest = nil }),
		change(func(r *parquetVersion) { r.IsDeleteMarker = nil }),
		change(func(r *parquetVersion) { r.Bucket = "other" }),
		change(func(r *parquetVersion) { r.IsDeleteMarker = pointer(true); r.Size = nil }),
	}), false)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for i, r := range got.rejected {
		reasons = append(reasons, r.Reason)
		if r.Row != int64(i)+2 {
			t.Errorf("row %d", r.Row)
		}
	}
	want := []string{badUTF8, emptyKey, noSize, badSize, badTime, badTime, badLatest, badMarker, badBucket}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Error(diff)
	}
	if len(got.versions) != 2 || got.versions[0].VersionID != cooper.NullVersion || !got.versions[1].DeleteMarker {
		t.Errorf("%+v", got.versions)
	}
}

func TestParquetOfAnotherSchema(t *testing.T) {
	type lacking struct {
		Key  string `parquet:"key"`
		Size int64  `parquet:"size"`
	}
	_, err := readParquetReport(t, parquetFile(t, []lacking{{"a", 1}}), true)
	wantError(t, err, cooper.KindInvalid, "missing: LastModifiedDate, ETag")
	_, err = readParquetReport(t, parquetFile(t, []parquetVersion{{Bucket: "src", Key: "k"}}), true)
	wantError(t, err, cooper.KindInvalid, "in either the manifest or the file")
	type odd struct {
		Key          string  `parquet:"key"`
		Size         float64 `parquet:"size"`
		ETag         string  `parquet:"e_tag"`
		LastModified int64   `parquet:"last_modified_date"`
	}
	_, err = readParquetReport(t, parquetFile(t, []odd{{"a", 1, "e", 1}}), true)
	wantError(t, err, cooper.KindInvalid, "column size is of an unexpected type")
	type repeated struct {
		Key          []string `parquet:"key"`
		Size         int64    `parquet:"size"`
		ETag         string   `parquet:"e_tag"`
		LastModified int64    `parquet:"last_modified_date"`
	}
	_, err = readParquetReport(t, parquetFile(t, []repeated{{[]string{"a", "b"}, 1, "e", 1}}), true)
	wantError(t, err, cooper.KindInvalid, "column key is of an unexpected type")
	_, err = readParquetReport(t, []byte("PAR1 this is none PAR1"), true)
	wantError(t, err, cooper.KindCorrupt, "cannot be read")
}

// What a file asks for beyond its share, and what nobody has taught us, is told with
// what to do next.
func TestParquetFilesThatAreRefused(t *testing.T) {
	read := func(memory int64, b []byte) error {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		p := &part{memory: memory, file: dataFile{loc: Dir(dir), name: "f", size: int64(len(b))}, schema: mustSchema(t), bucket: "src", format: Parquet}
		return p.Read(context.Background(), &rows{})
	}
	sound := smallParquet(t)
	if err := read(16<<20, sound); err != nil {
		t.Fatal(err)
	}
	err := read(256<<10, sound)
	wantError(t, err, cooper.KindFull, "there is room for 262144")
	if cooper.RemedyOf(err) != moreMemory {
		t.Errorf("remedy %q", cooper.RemedyOf(err))
	}
	v := cooper.Version{Identity: cooper.Identity{Key: "k", VersionID: "v", LastModified: 1}}
	err = read(16<<20, parquetFile(t, []parquetVersion{versionRow("src", &v)}, parquet.Compression(&parquet.Brotli)))
	wantError(t, err, cooper.KindInvalid, "Brotli")
	if !strings.Contains(cooper.RemedyOf(err), "zstd") {
		t.Errorf("remedy %q", cooper.RemedyOf(err))
	}
}

// An endless list of nothing takes no memory, nor a manifest larger than its share.
func TestLargeManifests(t *testing.T) {
	for name, c := range map[string]struct {
		files  string
		memory int64
		want   string
	}{
		"files without names": {"{}" + strings.Repeat(",{}", 1000), 1 << 30, "file 1 has no name"},
		"no list":             {`"x":{}`, 1 << 30, "no S3 Inventory manifest"},
		"larger than that":    {strings.Repeat(" ", 1<<20), 16 << 20, "larger than"},
	} {
		text := `{"sourceBucket":"src","destinationBucket":"arn:aws:s3:::dst","version":"2016-11-30","creationTimestamp":"1700000000000","fileFormat":"Parquet","fileSchema":"message s3.inventory { required binary key (UTF8); }","files":[` + c.files + "]}"
		_, err := Open(context.Background(), Dir(writeFiles(t, map[string][]byte{"manifest.json": []byte(text)})), "", Options{Memory: c.memory})
		if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// parquetBytes reads bytes as a Parquet file whose checksum is right.
func parquetBytes(t testing.TB, dir string, b []byte) (*rows, error) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "f"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newSchema(strings.Split(allColumns, ", "))
	if err != nil {
		t.Fatal(err)
	}
	p := &part{memory: 256 << 20, file: dataFile{loc: Dir(dir), name: "f", size: int64(len(b)), md5: md5Hex(b)}, schema: s, bucket: "src", format: Parquet}
	got := &rows{}
	return got, p.Read(context.Background(), got)
}

func smallParquet(t testing.TB) []byte {
	versions := make([]parquetVersion, 300)
	for i := range versions {
		v := cooper.Version{Identity: cooper.Identity{Key: strings.Repeat("k", i%9+1), VersionID: "v", ETag: "e", Size: int64(i), LastModified: 1}, StorageClass: "STANDARD"}
		versions[i] = versionRow("src", &v)
	}
	return parquetFile(t, versions, parquet.MaxRowsPerRowGroup(100), parquet.Compression(&parquet.Snappy))
}

// A hostile file gives an error or rows, never a panic.
func TestHostileParquetFiles(t *testing.T) {
	whole := smallParquet(t)
	dir := t.TempDir()
	got, err := parquetBytes(t, dir, whole)
	if err != nil || len(got.versions) != 300 {
		t.Fatalf("%d versions, %v", len(got.versions), err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	failed := 0
	for range 400 {
		b := bytes.Clone(whole)
		for range r.IntN(4) + 1 {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		if r.IntN(8) == 0 {
			b = b[:r.IntN(len(b))]
		}
		if _, err := parquetBytes(t, dir, b); err != nil {
			failed++
		}
	}
	if failed < 100 {
		t.Errorf("only %d of 400 damaged files failed", failed)
	}
}

func FuzzParquetFile(f *testing.F) {
	f.Add(smallParquet(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parquetBytes(t, t.TempDir(), b); err != nil && cooper.KindOf(err) == cooper.KindInternal {
			t.Fatal(err)
		}
	})
}

func BenchmarkParquet(b *testing.B) {
	const n = 400_000
	p := &part{memory: 256 << 20, schema: mustSchema(b), bucket: "src"}
	var all rows
	p.file.loc = Dir(".")
	if err := p.readCSV(strings.NewReader(benchmarkText(n)), &all); err != nil {
		b.Fatal(err)
	}
	versions := make([]parquetVersion, n)
	for i := range versions {
		versions[i] = versionRow("src", &all.versions[i])
	}
	benchmarkPart(b, parquetFile(b, versions, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(rowsPerGroup)), Parquet, n)
}

func mustSchema(t testing.TB) *schema {
	t.Helper()
	s, err := newSchema(strings.Split(allColumns, ", "))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
