// Package rowstest tells tests which values of a Parquet file are NULL. It reads
// the levels that the file has; what readers of rows make of them does not count.
package rowstest

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// Places are rows, of 80, to be given all that the others lack: the library by
// itself takes some of those that follow for present ones, too.
var Places = [][]int{{1}, {2, 3}, {0, 5, 70}, {7, 8, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39}}

// Rows is how many rows Places are about.
const Rows = 80

// Check fails unless the rows that have a value, in each of the optional columns
// of a file, are those at places.
func Check(t testing.TB, file string, places []int, columns ...string) {
	t.Helper()
	got := present(t, file)
	for _, c := range columns {
		if !slices.Equal(got[c], places) {
			t.Errorf("%s: %s is present in rows %v, not %v", file, c, got[c], places)
		}
	}
}

// present gives the rows that have a value, by column.
func present(t testing.TB, file string) map[string][]int {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	p, err := parquet.OpenFile(f, info.Size())
	must(t, err)
	columns := p.Schema().Columns()
	found := map[string][]int{}
	n := 0
	for _, g := range p.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 100)
		for err = nil; err == nil; {
			var k int
			k, err = rows.ReadRows(buf)
			for _, row := range buf[:k] {
				for _, v := range row {
					if !v.IsNull() {
						name := columns[v.Column()][0]
						found[name] = append(found[name], n)
					}
				}
				n++
			}
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		must(t, rows.Close())
	}
	return found
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
