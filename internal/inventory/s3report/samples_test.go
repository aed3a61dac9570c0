package s3report

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
)

// sampleRows are the rows that all samples of parquet/testdata have. Where sizes have
// 32 bits, they are the remainders of a division.
func sampleRows(t testing.TB, divisor int64) (versions []cooper.Version) {
	t.Helper()
	f, err := os.Open("parquet/testdata/rows.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		ms, err := strconv.ParseInt(r[5], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		v := cooper.Version{
			Identity: cooper.Identity{Key: r[0], VersionID: r[1], ETag: r[6], LastModified: cooper.Instant(ms)},
			Latest:   r[2] == "true", DeleteMarker: r[3] == "true", StorageClass: r[7],
		}
		if v.VersionID == "" {
			v.VersionID = cooper.NullVersion
		}
		if v.DeleteMarker {
			v.ETag = ""
		} else if v.Size, err = strconv.ParseInt(r[4], 10, 64); err != nil {
			t.Fatal(err)
		}
		if divisor > 0 {
			v.Size %= divisor
		}
		versions = append(versions, v)
	}
	return versions
}

// TestParquetSamples reads what other writers wrote, in each encoding they know.
// Booleans in runs, for one, were misread as others once.
func TestParquetSamples(t *testing.T) {
	names, err := filepath.Glob("parquet/testdata/*.parquet")
	if err != nil || len(names) < 40 {
		t.Fatalf("%d samples, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".parquet"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			divisor := int64(0)
			switch {
			case strings.Contains(name, "-int32"):
				divisor = 1<<31 - 7
			case strings.Contains(name, "-uint32"):
				divisor = 1<<32 - 7
			}
			got, err := unguarded(t, t.TempDir(), "f", Parquet, b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sampleRows(t, divisor), got.versions); diff != "" || len(got.rejected) > 0 {
				t.Errorf("%d rejected; %s", len(got.rejected), diff)
			}
		})
	}
}
