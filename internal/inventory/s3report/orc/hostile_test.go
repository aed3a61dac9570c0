package orc_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"cooper/internal/inventory/s3report/orc"
	"cooper/internal/inventory/s3report/orc/orctest"
)

// someRows has runs, texts of many lengths and nulls.
func someRows(n int) [][]any {
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = []any{i%3 == 0, int64(i * i), strings.Repeat("x", i%40), int64(i) * 100_000_007}
		if i%7 == 0 {
			rows[i][i%4] = nil
		}
	}
	return rows
}

func open(t testing.TB, b []byte) *orc.File {
	t.Helper()
	f, err := orc.Open(bytes.NewReader(b), int64(len(b)), orc.MaxMemory)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// drain reads everything, and says how many rows there were.
func drain(r *orc.Reader) (int64, error) {
	defer r.Close()
	rows := int64(0)
	for {
		n, err := r.Next()
		rows += int64(n)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
	}
}

// A stripe that has other rows than it says is an error, whichever column
// notices.
func TestStripesOfOtherRows(t *testing.T) {
	for _, opt := range []orctest.Options{{StripeRows: 2000}, {StripeRows: 2000, Dictionary: true}, {StripeRows: 2000, Old: true, Compression: orctest.Snappy}} {
		b := orctest.Write(columns, someRows(4000), opt)
		for i, c := range columns {
			for rows, words := range map[int64]string{1900: "more values than the stripe has rows", 2100: "ends before its rows do"} {
				f := open(t, b)
				f.SetRows(1, rows)
				r, err := f.Reader(i)
				if err != nil {
					t.Fatal(err)
				}
				want := "stripe 2: column " + c.Name + ": it "
				if rows == 1900 {
					want += "has "
				}
				if _, err := drain(r); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), words) {
					t.Errorf("%+v, %d rows: %v", opt, rows, err)
				}
			}
		}
	}
}

// Files that expand to more than may be held are refused before it is held.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 1 << 20
	long := make([][]any, 3000)
	for i := range long {
		long[i] = []any{strings.Repeat("x", 8000) + fmt.Sprint(i)}
	}
	text := []orctest.Column{{Name: "text", Kind: orc.String}}
	for name, b := range map[string][]byte{
		"long texts":         orctest.Write(text, long, orctest.Options{Compression: orctest.Zlib}),
		"dictionary":         orctest.Write(text, long, orctest.Options{Compression: orctest.Zlib, Dictionary: true}),
		"large chunks":       orctest.Write(text, long, orctest.Options{Compression: orctest.Zlib, Chunk: 8 << 20}),
		"large snappy chunk": orctest.Write(text, long, orctest.Options{Compression: orctest.Snappy, Chunk: 8 << 20}),
	} {
		r, err := open(t, b).Reader(0)
		if err != nil {
			t.Fatal(err)
		}
		r.SetLimit(limit)
		if _, err := drain(r); !errors.Is(err, orc.ErrMemory) {
			t.Errorf("%s: %v", name, err)
		}
		if r.Held() > limit {
			t.Errorf("%s: %d bytes are held", name, r.Held())
		}
	}
	// What an ordinary file takes does not depend on its rows.
	var held []int64
	for _, n := range []int{20_000, 200_000} {
		r, err := open(t, orctest.Write(columns, someRows(n), orctest.Options{Compression: orctest.Zlib, Chunk: 64 << 10})).Reader(0, 1, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		if rows, err := drain(r); rows != int64(n) || err != nil {
			t.Errorf("%d rows, %v", rows, err)
		}
		held = append(held, r.Held())
	}
	if held[1] > 2*held[0] || held[1] > 4<<20 {
		t.Errorf("%d bytes are held", held)
	}
}

// Chunks must not expand to more than the file says of them.
func TestChunksOfOtherSizes(t *testing.T) {
	for _, c := range []orctest.Compression{orctest.Zlib, orctest.Snappy} {
		b := orctest.Write(columns, someRows(3000), orctest.Options{Compression: c})
		f := open(t, b)
		f.SetChunk(500)
		r, err := f.Reader(2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := drain(r); err == nil || !strings.Contains(err.Error(), "a chunk is larger than the file says") {
			t.Errorf("%d: %v", c, err)
		}
	}
}

// Rows at a stripe's end that are null in a column are lost as easily.
func TestNullRowsAreCounted(t *testing.T) {
	rows := someRows(2000)
	for _, row := range rows[1900:] {
		clear(row)
	}
	b := orctest.Write(columns, rows, orctest.Options{})
	for i, c := range columns {
		f := open(t, b)
		f.SetRows(0, 1880)
		r, err := f.Reader(i)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := drain(r); err == nil || !strings.Contains(err.Error(), "column "+c.Name+": it has more values") {
			t.Errorf("%v", err)
		}
		f.SetRows(0, 1900)
		if r, err = f.Reader(i); err != nil {
			t.Fatal(err)
		}
		if _, err := drain(r); err == nil || !strings.Contains(err.Error(), "column "+c.Name+": it has more values") {
			t.Errorf("%v", err)
		}
	}
}

// Reading errors are told from what is malformed, and from the end.
func TestErrorsOfTheFile(t *testing.T) {
	b := orctest.Write(columns, someRows(50_000), orctest.Options{})
	broken := errors.New("broken")
	for _, c := range []struct{ err, want error }{{broken, broken}, {io.EOF, io.ErrUnexpectedEOF}} {
		file := &failing{r: bytes.NewReader(b)}
		f, err := orc.Open(file, int64(len(b)), orc.MaxMemory)
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.Reader(0, 1, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		file.err = c.err
		if _, err := drain(r); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "stripe 1: column ") {
			t.Errorf("%v", err)
		}
		if _, err := orc.Open(file, int64(len(b)), orc.MaxMemory); err == nil {
			t.Error("no error")
		}
	}
}

type failing struct {
	r   io.ReaderAt
	err error
}

func (f *failing) ReadAt(p []byte, at int64) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.r.ReadAt(p, at)
}

func FuzzFile(f *testing.F) {
	for _, opt := range []orctest.Options{
		{}, {Old: true}, {Dictionary: true, StripeRows: 30}, {Compression: orctest.Zlib}, {Compression: orctest.Snappy, Old: true, Dictionary: true, Chunk: 100},
	} {
		f.Add(orctest.Write(columns, someRows(70), opt))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := orc.Open(bytes.NewReader(b), int64(len(b)), orc.MaxMemory)
		if err != nil {
			return
		}
		var wanted []int
		for i := range file.Columns() {
			if len(wanted) < 16 {
				wanted = append(wanted, i)
			}
		}
		r, err := file.Reader(wanted...)
		if err != nil {
			return
		}
		defer r.Close()
		rows := int64(0)
		for rows < 100_000 {
			n, err := r.Next()
			if err != nil {
				if errors.Is(err, io.EOF) && rows != file.Rows() {
					t.Fatalf("%d rows of %d", rows, file.Rows())
				}
				break
			}
			rows += int64(n)
			for i := range wanted {
				v := r.Vector(i)
				if len(v.Null) > 0 && len(v.Null) != n || len(v.Text) != n && len(v.Numbers) != n {
					t.Fatalf("column %d: %d nulls, %d texts, %d numbers of %d rows", i, len(v.Null), len(v.Text), len(v.Numbers), n)
				}
			}
		}
		if r.Held() > orc.MaxMemory {
			t.Fatalf("%d bytes are held", r.Held())
		}
	})
}
