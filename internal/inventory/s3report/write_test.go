package s3report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/parquetrows/rowstest"
)

// pull gives versions one by one.
type pull struct {
	versions []cooper.Version
	err      error
}

func (p *pull) Next() (*cooper.Version, error) {
	if len(p.versions) == 0 {
		if p.err != nil {
			return nil, p.err
		}
		return nil, io.EOF
	}
	v := &p.versions[0]
	p.versions = p.versions[1:]
	return v, nil
}

func drawVersion(t *rapid.T, current bool) cooper.Version {
	v := cooper.Version{
		Identity: cooper.Identity{
			Key:          rapid.StringN(1, 200, 1024).Draw(t, "key"),
			ETag:         rapid.SampledFrom([]string{"9b2cf535f27731c974343645a3985328", "5d41402abc4b2a76b9719d911017c592-12", "odd, etag"}).Draw(t, "etag"),
			Size:         rapid.Int64Range(0, inventory.MaxSize).Draw(t, "size"),
			LastModified: cooper.Instant(rapid.Int64Range(1, maxInstant).Draw(t, "time")),
		},
		Latest:       true,
		StorageClass: rapid.SampledFrom([]string{"", "STANDARD", "INTELLIGENT_TIERING"}).Draw(t, "class"),
		Tier:         rapid.SampledFrom([]string{"", "ARCHIVE"}).Draw(t, "tier"),
		Encryption:   rapid.SampledFrom([]string{"", "SSE-S3"}).Draw(t, "encryption"),
		Checksum:     rapid.SampledFrom([]string{"", "CRC64NVME"}).Draw(t, "checksum"),
	}
	if !current {
		v.VersionID = rapid.SampledFrom([]string{cooper.NullVersion, "k6mA4q1Z9y7Jt.0w_8uVh2rS5cXdEbNf", `01J"x`}).Draw(t, "version")
		v.Latest = rapid.Bool().Draw(t, "latest")
		if rapid.IntRange(0, 4).Draw(t, "marker") == 0 {
			v.DeleteMarker, v.Size, v.ETag = true, 0, ""
		}
	}
	return v
}

// What is written is read back as it was, in both formats, into a bucket and a
// directory.
func TestRoundTrip(t *testing.T) {
	temp := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		opt := WriteOptions{
			Prefix: rapid.SampledFrom([]string{"", "inv", "a/b/"}).Draw(t, "prefix"), SourceBucket: "src", ConfigID: "cooper",
			Format: rapid.SampledFrom([]string{CSV, Parquet}).Draw(t, "format"), TakenAt: 1795136400123,
			MaxRows: rapid.Int64Range(1, 20).Draw(t, "rows"), DestinationBucket: "reports", TempDir: temp,
			CurrentOnly: rapid.Bool().Draw(t, "current"),
		}
		n := rapid.IntRange(0, 25).Draw(t, "n")
		versions := make([]cooper.Version, n)
		for i := range versions {
			versions[i] = drawVersion(t, opt.CurrentOnly)
		}
		s := newFakeStore()
		key, err := Write(context.Background(), s, opt, &pull{versions: versions})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(context.Background(), s.location(), path.Dir(path.Dir(key)), Options{TempDir: temp, Bucket: "src"})
		if err != nil {
			t.Fatal(err)
		}
		checkRoundTrip(t, r, opt, versions)
		if want := (n + int(opt.MaxRows) - 1) / int(opt.MaxRows); len(r.Parts()) != want {
			t.Fatalf("%d data files, want %d", len(r.Parts()), want)
		}
	})
}

func checkRoundTrip(t interface{ Fatalf(string, ...any) }, r *Report, opt WriteOptions, want []cooper.Version) {
	if m := r.Meta(); m.TakenAt != opt.TakenAt || m.Scope.CurrentOnly != opt.CurrentOnly || m.Bucket != "src" {
		t.Fatalf("meta: %+v", m)
	}
	got, err := readAll(r)
	if err != nil || len(got.rejected) > 0 {
		t.Fatalf("%v, rejected: %+v", err, got.rejected)
	}
	if len(want)+len(got.versions) > 0 && !cmp.Equal(want, got.versions) {
		t.Fatalf("%s", cmp.Diff(want, got.versions))
	}
}

func TestWriteDir(t *testing.T) {
	versions := make([]cooper.Version, 3000)
	for i := range versions {
		versions[i] = cooper.Version{Identity: cooper.Identity{Key: fmt.Sprintf("k/%d", i), VersionID: "null", ETag: "e", Size: int64(i), LastModified: 5}, Latest: true}
	}
	for _, format := range []string{CSV, Parquet} {
		opt := WriteOptions{Prefix: "p", SourceBucket: "src", ConfigID: "c", Format: format, TakenAt: 1795136400123}
		dir := t.TempDir()
		name, err := WriteDir(context.Background(), dir, opt, &pull{versions: versions})
		if err != nil || name != "p/src/c/2026-11-20T01-00Z/manifest.json" {
			t.Fatal(name, err)
		}
		r, err := Open(context.Background(), Dir(dir), "", Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkRoundTrip(t, r, opt, versions)
		opt.Prefix = "../out"
		if _, err := WriteDir(context.Background(), dir, opt, &pull{versions: versions}); err == nil {
			t.Error("it was written outside of the directory")
		}
	}
}

// The checksum comes last, and the same versions make the same report.
func TestOrderOfWriting(t *testing.T) {
	v := []cooper.Version{{Identity: cooper.Identity{Key: "a b", VersionID: "null", ETag: "e-1", LastModified: 1}}, {Identity: cooper.Identity{Key: "b", VersionID: "x", LastModified: 1}, Latest: true, DeleteMarker: true}}
	opt := WriteOptions{Prefix: "inv/", SourceBucket: "src", ConfigID: "daily", Format: CSV, TakenAt: 1795136400123, MaxRows: 1, DestinationBucket: "reports"}
	s, again := newFakeStore(), newFakeStore()
	for _, s := range []*fakeStore{s, again} {
		if _, err := Write(context.Background(), s, opt, &pull{versions: v}); err != nil {
			t.Fatal(err)
		}
	}
	var trace strings.Builder
	uuid := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	for _, key := range s.puts {
		fmt.Fprintln(&trace, uuid.ReplaceAllString(key, "UUID"))
	}
	want := `inv/src/daily/data/UUID.csv.gz
inv/src/daily/data/UUID.csv.gz
inv/src/daily/hive/dt=2026-11-20-01-00/symlink.txt
inv/src/daily/2026-11-20T01-00Z/manifest.json
inv/src/daily/2026-11-20T01-00Z/manifest.checksum
`
	if diff := cmp.Diff(want, trace.String()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(s.objects, again.objects); diff != "" {
		t.Error(diff)
	}
	links := strings.Fields(string(s.objects["inv/src/daily/hive/dt=2026-11-20-01-00/symlink.txt"]))
	var data []string
	for key := range s.objects {
		if strings.Contains(key, "/data/") {
			data = append(data, "s3://reports/"+key)
		}
	}
	sort.Strings(links)
	sort.Strings(data)
	if !cmp.Equal(links, data) {
		t.Error(cmp.Diff(data, links))
	}
}

// Data files of the same rows are two files nevertheless.
func TestEqualDataFiles(t *testing.T) {
	v := cooper.Version{Identity: cooper.Identity{Key: "a", ETag: "e", LastModified: 1}, Latest: true}
	opt := WriteOptions{SourceBucket: "src", ConfigID: "c", Format: CSV, TakenAt: 1795136400123, MaxRows: 1, CurrentOnly: true}
	dir := t.TempDir()
	if _, err := WriteDir(context.Background(), dir, opt, &pull{versions: []cooper.Version{v, v}}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(context.Background(), Dir(dir), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkRoundTrip(t, r, opt, []cooper.Version{v, v})
}

func TestWriteFails(t *testing.T) {
	broken := errors.New("broken")
	s := newFakeStore()
	opt := WriteOptions{SourceBucket: "src", ConfigID: "daily", Format: CSV, TakenAt: 1795136400123}
	v := []cooper.Version{{Identity: cooper.Identity{Key: "a"}}}
	if _, err := Write(context.Background(), s, opt, &pull{versions: v, err: broken}); !errors.Is(err, broken) || len(s.puts) > 0 {
		t.Errorf("%v, %v", err, s.puts)
	}
	opt.Format = ORC
	_, err := Write(context.Background(), s, opt, &pull{})
	wantError(t, err, cooper.KindUsage, "CSV or Parquet")
}

// TestAbsentIsNull: other readers of a report see NULL where nothing is known,
// whatever is before and behind it.
func TestAbsentIsNull(t *testing.T) {
	for _, current := range []bool{true, false} {
		for _, places := range rowstest.Places {
			name := filepath.Join(t.TempDir(), "data.parquet")
			f, err := os.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			e := newEncoder(f, &WriteOptions{Format: Parquet, CurrentOnly: current})
			for i := range rowstest.Rows {
				v := cooper.Version{Identity: cooper.Identity{Key: "k"}, DeleteMarker: true}
				if slices.Contains(places, i) {
					v = cooper.Version{Identity: cooper.Identity{Key: "k", VersionID: "v", ETag: "e", LastModified: 1}, StorageClass: "s", Tier: "t", Encryption: "e", Checksum: "c"}
				}
				if err := e.add(&v); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(e.close(), f.Close()); err != nil {
				t.Fatal(err)
			}
			columns := []string{"size", "last_modified_date", "e_tag", "storage_class", "encryption_status", "intelligent_tiering_access_tier", "checksum_algorithm"}
			if !current {
				columns = append(columns, "version_id")
			}
			rowstest.Check(t, name, places, columns...)
		}
	}
}
