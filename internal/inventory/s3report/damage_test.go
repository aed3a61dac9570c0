package s3report

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"cooper"
)

// unguarded reads bytes as a data file of a manifest that knows its size alone.
func unguarded(t testing.TB, dir, name, format string, b []byte) (*rows, error) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &part{memory: 256 << 20, file: dataFile{loc: Dir(dir), name: name, size: int64(len(b))}, schema: mustSchema(t), bucket: "src", format: format}
	if strings.Contains(format, "ORC") {
		s, err := newSchema(structColumns(orcSchema))
		if err != nil {
			t.Fatal(err)
		}
		p.schema, p.bucket = s, ""
	}
	got := &rows{}
	return got, p.Read(context.Background(), got)
}

// flipped damages every byte from a place on, one after the other, and wants each
// such file to have an error or as many rows as the whole one, rejected ones
// included. It says how many of them failed.
func flipped(t *testing.T, name, format string, whole []byte, from int) (failed int) {
	t.Helper()
	dir := t.TempDir()
	first, err := unguarded(t, dir, name, format, whole)
	if err != nil {
		t.Fatal(err)
	}
	want := len(first.versions) + len(first.rejected)
	masks := []byte{0x44}
	if os.Getenv("COOPER_SOAK") != "" {
		masks = []byte{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x44, 0xff}
	}
	for i := from; i < len(whole); i++ {
		for _, mask := range masks {
			b := bytes.Clone(whole)
			b[i] ^= mask
			got, err := unguarded(t, dir, name, format, b)
			if err != nil {
				if cooper.KindOf(err) == cooper.KindInternal {
					t.Errorf("byte %d of %d ^ %#x: %v", i, len(whole), mask, err)
				}
				failed++
			} else if n := len(got.versions) + len(got.rejected); n != want {
				t.Errorf("byte %d of %d ^ %#x: %d rows instead of %d", i, len(whole), mask, n, want)
			}
		}
	}
	return failed
}

func parquetOf(t testing.TB, n int, options ...parquet.WriterOption) []byte {
	versions := make([]parquetVersion, n)
	for i := range versions {
		v := cooper.Version{Identity: cooper.Identity{Key: strings.Repeat("k", i%9+1), VersionID: "v", ETag: "e", Size: int64(i), LastModified: 1}, StorageClass: "STANDARD"}
		versions[i] = versionRow("src", &v)
	}
	return parquetFile(t, versions, options...)
}

func parquetFooter(b []byte) int {
	return len(b) - 8 - int(binary.LittleEndian.Uint32(b[len(b)-8:]))
}

// A footer that says of a row group, of one of its columns or of the file that there
// are 70 rows, where there are 100.
func TestParquetFooterWithOtherCounts(t *testing.T) {
	whole, dir := parquetOf(t, 100), t.TempDir()
	hundred, seventy := []byte{0xc8, 0x01}, []byte{0x8c, 0x01} // as varints
	var places []int
	for i := parquetFooter(whole); i < len(whole); i++ {
		if bytes.HasPrefix(whole[i:], hundred) {
			places = append(places, i)
		}
	}
	failed := 0
	for k, i := range places {
		b := bytes.Clone(whole)
		copy(b[i:], seventy)
		got, err := unguarded(t, dir, "f", Parquet, b)
		last := k == len(places)-1 // that of the row group
		switch {
		case err != nil && (len(got.versions) > 0 || cooper.KindOf(err) != cooper.KindCorrupt), err == nil && (last || len(got.versions) != 100):
			t.Errorf("count %d of %d: %d versions, %v", k+1, len(places), len(got.versions), err)
		case err != nil:
			failed++
		}
	}
	if failed < 2+7 { // the file, the group, and columns of its that matter
		t.Errorf("only %d of %d failed", failed, len(places))
	}
}

// The counts agree, and there are more rows behind, or fewer.
func TestParquetFooterWithOtherRows(t *testing.T) {
	whole, dir := parquetOf(t, 100), t.TempDir()
	for _, c := range []struct {
		count []byte // as a varint
		want  string
	}{{[]byte{0x8c, 0x01}, "goes on behind"}, {[]byte{0xca, 0x01}, "ends before"}} { // 70, 101
		b := bytes.Clone(whole)
		at := parquetFooter(b)
		copy(b[at:], bytes.ReplaceAll(b[at:], []byte{0xc8, 0x01}, c.count))
		if _, err := unguarded(t, dir, "f", Parquet, b); cooper.KindOf(err) != cooper.KindCorrupt || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestEveryDamagedFooter(t *testing.T) {
	for name, options := range map[string][]parquet.WriterOption{
		"one group": {parquet.Compression(&parquet.Snappy)}, "groups": {parquet.MaxRowsPerRowGroup(25)},
	} {
		t.Run("Parquet, "+name, func(t *testing.T) {
			b := parquetOf(t, 50, options...)
			if n := flipped(t, "f", Parquet, b, parquetFooter(b)); n < 100 {
				t.Errorf("only %d failed", n)
			}
		})
	}
	for _, name := range []string{"report-java-snappy-stripes.orc", "report-pyorc-hive-names.orc"} {
		t.Run("ORC, "+name, func(t *testing.T) {
			b, err := os.ReadFile("orc/testdata/" + name)
			if err != nil {
				t.Fatal(err)
			}
			// The last byte is the length of the postscript, and this begins with the
			// length of the footer.
			post := len(b) - 1 - int(b[len(b)-1])
			footer, _ := binary.Uvarint(b[post+1:])
			if n := flipped(t, "f", ORC, b, post-int(footer)); n < 100 {
				t.Errorf("only %d failed", n)
			}
		})
	}
}

func TestDamagedCompressedText(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte(benchmarkText(40))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole, dir := z.Bytes(), t.TempDir()
	for n := range len(whole) {
		if got, err := unguarded(t, dir, "x.csv.gz", CSV, whole[:n]); cooper.KindOf(err) != cooper.KindCorrupt {
			t.Errorf("the first %d of %d bytes: %d versions, %v", n, len(whole), len(got.versions), err)
		}
	}
	for _, more := range []string{"x", "\x00", "\x1f\x8b"} {
		if got, err := unguarded(t, dir, "x.csv.gz", CSV, append(bytes.Clone(whole), more...)); cooper.KindOf(err) != cooper.KindCorrupt {
			t.Errorf("%q behind: %d versions, %v", more, len(got.versions), err)
		}
	}
	if n := flipped(t, "x.csv.gz", CSV, whole, 0); n < len(whole)-20 {
		t.Errorf("only %d failed", n)
	}
}
