package sealed_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/ledger/sealed"
	"cooper/internal/parquetrows"
)

type row struct {
	Number int64  `parquet:"number,delta"`
	Text   string `parquet:"text,optional"`
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// written makes a file of n rows; sealed or not.
func written(t *testing.T, n int, seal bool) (name string, rows []row) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "f.parquet")
	f, err := os.Create(name)
	must(t, err)
	for i := range n {
		rows = append(rows, row{int64(i), strings.Repeat("x", i%3)})
	}
	out := sealed.NewWriter(f)
	w := parquetrows.NewWriter[row](out, 1000)
	must(t, errors.Join(w.Write(rows), w.Close()))
	if seal {
		must(t, out.Seal())
	}
	must(t, f.Close())
	return name, rows
}

func read(name string) (rows []row, is bool, err error) {
	err = sealed.With(name, func(in *sealed.File) error {
		is = in.Sealed()
		pq, err := in.Parquet()
		if err != nil {
			return err
		}
		return sealed.Rows(context.Background(), name, pq, 100, func(some []row) error {
			rows = append(rows, some...)
			return nil
		})
	})
	return rows, is, err
}

// TestSumsAreInTheWayOfNobody: the file is read by the library alone, too, and without sums by this package.
func TestSumsAreInTheWayOfNobody(t *testing.T) {
	for _, seal := range []bool{true, false} {
		for _, n := range []int{0, 1, 5000} {
			name, want := written(t, n, seal)
			got, is, err := read(name)
			if err != nil || is != seal || !slices.Equal(got, want) {
				t.Errorf("%d rows, sealed: %v: %d rows, %v, %v", n, seal, len(got), is, err)
			}
			b, err := os.ReadFile(name)
			must(t, err)
			alone, err := parquet.Read[row](bytes.NewReader(b), int64(len(b)))
			if err != nil || !slices.Equal(alone, want) {
				t.Errorf("%d rows, sealed: %v, by others: %d rows, %v", n, seal, len(alone), err)
			}
		}
	}
}

// TestFlippedBitsAreSeen, by reading or by Verify, and named.
func TestFlippedBitsAreSeen(t *testing.T) {
	name, _ := written(t, 20, true)
	good, err := os.ReadFile(name)
	must(t, err)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		must(t, os.WriteFile(name, bad, 0o600))
		err := sealed.With(name, func(in *sealed.File) error {
			if _, err := in.Parquet(); err != nil {
				return err
			}
			if !in.Sealed() { // where it says so itself, whoever knows the format sees that they are gone
				return sealed.Damaged(name, errors.New("no sums"))
			}
			return in.Verify(context.Background())
		})
		if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}
