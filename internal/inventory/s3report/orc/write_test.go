package orc_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cooper/internal/inventory/s3report/orc"
	"cooper/internal/inventory/s3report/orc/orctest"
)

var columns = []orctest.Column{{Name: "flag", Kind: orc.Boolean}, {Name: "n", Kind: orc.Long}, {Name: "text", Kind: orc.String}, {Name: "at", Kind: orc.Timestamp}}

// readRows gives the rows as orctest takes them.
func readRows(b []byte) ([][]any, error) {
	f, err := orc.Open(bytes.NewReader(b), int64(len(b)), orc.MaxMemory)
	if err != nil {
		return nil, err
	}
	var all []int
	for i := range f.Columns() {
		all = append(all, i)
	}
	r, err := f.Reader(all...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var rows [][]any
	for {
		n, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		for i := range n {
			row := make([]any, len(all))
			for c := range row {
				v := r.Vector(c)
				switch {
				case len(v.Null) > 0 && v.Null[i]:
				case f.Columns()[c].Kind == orc.Boolean:
					row[c] = v.Numbers[i] == 1
				case len(v.Text) > 0:
					row[c] = string(v.Text[i])
				default:
					row[c] = v.Numbers[i]
				}
			}
			rows = append(rows, row)
		}
	}
}

func drawOptions(t *rapid.T) orctest.Options {
	return orctest.Options{
		Compression: rapid.SampledFrom([]orctest.Compression{orctest.None, orctest.Zlib, orctest.Snappy}).Draw(t, "compression"),
		Chunk:       rapid.SampledFrom([]int{5, 100, 4096, 1 << 18}).Draw(t, "chunk"),
		StripeRows:  rapid.SampledFrom([]int{0, 5, 1024, 1500}).Draw(t, "rows in a stripe"),
		Old:         rapid.Bool().Draw(t, "old"),
		Dictionary:  rapid.Bool().Draw(t, "dictionary"),
	}
}

// Whatever rows are written, in whatever way, the same are read.
func TestAnyRowsInAnyEncoding(t *testing.T) {
	number := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3), rapid.Just(int64(math.MinInt64)), rapid.Just(int64(math.MaxInt64)))
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", "bb", "\xff\x00", string(bytes.Repeat([]byte("long"), 30))}))
	// Not the second before 1970, of which writers lose the sign.
	at := rapid.Int64Range(-2e12, 253402300799999).Filter(func(ms int64) bool { return ms <= -1000 || ms >= 0 })
	rapid.Check(t, func(t *rapid.T) {
		// Rows are repeated, so that there are runs and many of them.
		few := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []any {
			row := []any{rapid.Bool().Draw(t, "flag"), number.Draw(t, "number"), text.Draw(t, "text"), at.Draw(t, "at")}
			for i := range row {
				if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
					row[i] = nil
				}
			}
			return row
		}), 0, 12).Draw(t, "rows")
		var rows [][]any
		for _, row := range few {
			for i := range rapid.SampledFrom([]int{1, 1, 2, 3, 11, 200}).Draw(t, "times") {
				row := slices.Clone(row)
				if n, ok := row[1].(int64); ok {
					row[1] = n + int64(i)*int64(len(rows)%3)
				}
				rows = append(rows, row)
			}
		}
		got, err := readRows(orctest.Write(columns, rows, drawOptions(t)))
		if err != nil || len(got) != len(rows) {
			t.Fatalf("%d rows of %d, %v", len(got), len(rows), err)
		}
		for i := range rows {
			if diff := cmp.Diff(rows[i], got[i]); diff != "" {
				t.Fatalf("row %d: %s", i, diff)
			}
		}
	})
}

// More texts than a batch holds, and words than are read at once.
func TestLargeDictionaries(t *testing.T) {
	var rows [][]any
	for i := range 10_000 {
		rows = append(rows, []any{string(rune('a'+i%26)) + string(bytes.Repeat([]byte{byte('0' + i%10)}, i%300))})
	}
	for _, opt := range []orctest.Options{{Dictionary: true}, {Dictionary: true, Old: true, Compression: orctest.Zlib, StripeRows: 3000}} {
		got, err := readRows(orctest.Write([]orctest.Column{{Name: "text", Kind: orc.String}}, rows, opt))
		if err != nil || !cmp.Equal(rows, got) {
			t.Errorf("%+v: %d rows, %v", opt, len(got), err)
		}
	}
}
