package parquetrows

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

type sample struct {
	Number int64  `parquet:"number"`
	Text   string `parquet:"text,optional"`
	At     int64  `parquet:"at,optional,timestamp(millisecond)"`
	Bytes  []byte `parquet:"bytes,optional"`
	Word   string `parquet:"word,optional,dict"`
}

// sampleOf has what mask says: the bits are text, at, bytes and word.
func sampleOf(i int, mask uint64) (s sample) {
	s.Number = int64(i)
	if mask&1 != 0 {
		s.Text = "t"
	}
	if mask&2 != 0 {
		s.At = 1
	}
	if mask&4 != 0 {
		s.Bytes = []byte{1}
	}
	if mask&8 != 0 {
		s.Word = "w"
	}
	return s
}

// maskOf is what a row of the file has.
func maskOf(row parquet.Row) (mask uint64) {
	for _, v := range row[1:] {
		if !v.IsNull() {
			mask |= 1 << (v.Column() - 1)
		}
	}
	return mask
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// masksIn reads a file.
func masksIn(t *testing.T, file []byte) (masks []uint64, groups []int64) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	must(t, err)
	buf := make([]parquet.Row, 100)
	for _, g := range f.RowGroups() {
		groups = append(groups, g.NumRows())
		rows := g.Rows()
		for {
			n, err := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				if row[0].Int64() != int64(len(masks)) {
					t.Fatalf("row %d is number %d", len(masks), row[0].Int64())
				}
				masks = append(masks, maskOf(row))
			}
			if errors.Is(err, io.EOF) {
				break
			}
			must(t, err)
		}
		must(t, rows.Close())
	}
	return masks, groups
}

// roundTrip writes rows in batches and reads them again.
func roundTrip(t *testing.T, groupRows int, batches [][]uint64) (groups []int64) {
	t.Helper()
	var file bytes.Buffer
	w := NewWriter[sample](&file, groupRows)
	var want []uint64
	for _, b := range batches {
		var rows []sample
		for _, mask := range b {
			rows = append(rows, sampleOf(len(want), mask))
			want = append(want, mask)
		}
		must(t, w.Write(rows))
	}
	must(t, w.Close())
	got, groups := masksIn(t, file.Bytes())
	if len(got) != len(want) {
		t.Fatalf("%d rows of %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("row %d: present are %04b, not %04b; around: %04b", i, got[i], want[i], want[max(0, i-20):min(len(want), i+20)])
		}
	}
	return groups
}

// TestEveryPattern writes all patterns of 13 values, another one in each column.
func TestEveryPattern(t *testing.T) {
	const n = 13
	var batches [][]uint64
	for p := range uint64(1 << n) {
		columns := [4]uint64{p, bits.Reverse64(p) >> (64 - n), p*0x9e37 + 11, ^p}
		masks := make([]uint64, n)
		for i := range masks {
			for k, c := range columns {
				masks[i] |= c >> i & 1 << k
			}
		}
		batches = append(batches, masks)
	}
	roundTrip(t, 0, batches)
}

// TestLongRuns writes runs of any length in batches of any length, with row groups
// that end anywhere.
func TestLongRuns(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 0))
		var left [4]int
		var mask, rows uint64
		var batches [][]uint64
		for range 60 {
			b := make([]uint64, r.IntN(200))
			for i := range b {
				for k := range left {
					if left[k]--; left[k] < 0 {
						left[k] = r.IntN(1 << r.IntN(7))
						mask ^= 1 << k
					}
				}
				b[i] = mask
			}
			rows += uint64(len(b))
			batches = append(batches, b)
		}
		limit := 0
		if seed%2 == 1 {
			limit = 1 + r.IntN(300)
		}
		groups := roundTrip(t, limit, batches)
		for i, n := range groups {
			if limit == 0 && n != int64(rows) || limit > 0 && i < len(groups)-1 && n != int64(limit) {
				t.Errorf("groups of %d rows where %d are allowed", groups, limit)
			}
		}
	}
}

// TestTheLibraryAlone tells when this package is needed no more.
func TestTheLibraryAlone(t *testing.T) {
	var file bytes.Buffer
	w := parquet.NewGenericWriter[sample](&file)
	_, err := w.Write([]sample{sampleOf(0, 0), sampleOf(1, 1), sampleOf(2, 0)})
	must(t, errors.Join(err, w.Close()))
	if got, _ := masksIn(t, file.Bytes()); got[2] == 0 {
		t.Error("the library makes no mistake any more: see docs/decisions/parquet.md")
	}
}

func TestTypesThatAreNotForeseen(t *testing.T) {
	type below struct {
		Text string `parquet:"text,optional"`
	}
	for _, f := range []func(){
		func() { NewWriter[struct{ List []below }](io.Discard, 0) },
		func() {
			NewWriter[struct {
				Share float64 `parquet:"share,optional"`
			}](io.Discard, 0)
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it was accepted")
				}
			}()
			f()
		}()
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, every := range []int{1, 97, 2} {
		b.Run(fmt.Sprintf("one-in-%d", every), func(b *testing.B) {
			rows := make([]sample, 1024)
			for i := range rows {
				if i%every == 0 {
					rows[i] = sampleOf(i, 15)
				}
			}
			w := NewWriter[sample](io.Discard, 1<<20, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}))
			for b.Loop() {
				must(b, w.Write(rows))
			}
			must(b, w.Close())
			b.ReportMetric(float64(b.N*len(rows))/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
