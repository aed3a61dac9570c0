package layout_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"cooper/internal/parquetrows/layout"
)

type row struct {
	Key  string   `parquet:"key,delta,zstd"`
	Text string   `parquet:"text,optional,zstd"`
	Size int64    `parquet:"size,delta,uncompressed"`
	Word string   `parquet:"word,dict,zstd"`
	Many []int64  `parquet:"many,list"`
	Flag bool     `parquet:"flag,zstd"`
	ID   [24]byte `parquet:"id,optional,uncompressed"`
}

func own(t testing.TB, n int, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, append([]parquet.WriterOption{parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.MaxRowsPerRowGroup(400), parquet.PageBufferSize(4 << 10)}, options...)...)
	for i := range n {
		r := row{Key: fmt.Sprintf("key/%06d", i), Size: int64(i), Word: []string{"a", "b"}[i%2], Flag: i%3 == 0}
		if i%5 == 0 {
			r.Text, r.Many = strings.Repeat("t", i%99), []int64{1, 2}
		}
		if _, err := w.Write([]row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func check(b []byte) error { return layout.CheckOwn(bytes.NewReader(b), int64(len(b))) }

func TestOwnFilesPass(t *testing.T) {
	for name, b := range map[string][]byte{
		"rows": own(t, 1000), "none": own(t, 0), "one": own(t, 1), "first version": own(t, 1000, parquet.DataPageVersion(1)),
	} {
		if err := check(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOwnFilesWithAnotherCodec: what is never written is not read.
func TestOwnFilesWithAnotherCodec(t *testing.T) {
	type other struct {
		Key string `parquet:"key,snappy"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[other](&b)
	if _, err := w.Write([]other{{"a"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var codec *layout.CodecError
	if err := check(b.Bytes()); !errors.As(err, &codec) || !strings.Contains(err.Error(), "Snappy") {
		t.Error(err)
	}
}

// FuzzCheckOwn: whatever the bytes are, the check neither panics nor hangs.
func FuzzCheckOwn(f *testing.F) {
	f.Add(own(f, 100))
	f.Add(own(f, 100, parquet.DataPageVersion(1)))
	f.Fuzz(func(t *testing.T, b []byte) { _ = check(b) })
}
