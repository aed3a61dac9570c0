package orc

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readTable reads all rows of some columns, as types.csv writes them.
func readTable(f *File, columns ...int) ([][]string, error) {
	r, err := f.Reader(columns...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var table [][]string
	for {
		n, err := r.Next()
		if errors.Is(err, io.EOF) {
			return table, nil
		}
		if err != nil {
			return table, err
		}
		for i := range n {
			row := make([]string, len(columns))
			for c := range columns {
				row[c] = cell(f.Columns()[columns[c]].Kind, r.Vector(c), i)
			}
			table = append(table, row)
		}
	}
}

func cell(kind Kind, v *Vector, i int) string {
	switch {
	case len(v.Null) > 0 && v.Null[i]:
		return ""
	case kind == Boolean:
		return strconv.FormatBool(v.Numbers[i] == 1)
	case kind.isTime():
		return time.UnixMilli(v.Numbers[i]).UTC().Format("2006-01-02 15:04:05.000")
	case kind.isText():
		return "'" + string(v.Text[i])
	}
	return strconv.FormatInt(v.Numbers[i], 10)
}

// wantTable is types.csv. Times are cut off to milliseconds, towards the past.
func wantTable(t *testing.T) [][]string {
	t.Helper()
	file, err := os.Open("testdata/types.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table {
		for _, c := range []int{8, 9} {
			row[c] = row[c][:max(0, len(row[c])-6)]
		}
	}
	return table
}

func openFile(t testing.TB, name string) *File {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(strings.NewReader(string(b)), int64(len(b)), MaxMemory)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Every file that other writers made of types.csv holds the same.
func TestFilesOfOtherWriters(t *testing.T) {
	want := wantTable(t)
	names, err := filepath.Glob("testdata/*.orc")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if strings.Contains(name, "report") {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			f := openFile(t, name)
			if strings.Contains(name, "stripes") && f.Stripes() < 3 || f.Rows() != int64(len(want)) {
				t.Errorf("%d stripes, %d rows", f.Stripes(), f.Rows())
			}
			var columns []int
			for i, c := range f.Columns() {
				if c.Kind.readable() {
					columns = append(columns, i)
				}
			}
			got, err := readTable(f, columns...)
			if err != nil {
				t.Fatal(err)
			}
			want := want
			if strings.Contains(name, "arrow") {
				// Arrow writes negative nanoseconds before 1970, which are none.
				want, got = from1970(want), from1970(got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// from1970 leaves earlier times out.
func from1970(table [][]string) [][]string {
	out := make([][]string, len(table))
	for i, row := range table {
		out[i] = slices.Clone(row)
		for _, c := range []int{8, 9} {
			if row[c] < "1970" {
				out[i][c] = ""
			}
		}
	}
	return out
}

func TestColumnsByThemselves(t *testing.T) {
	want := wantTable(t)
	f := openFile(t, "testdata/java-stripes.orc")
	var names []string
	at := 0
	for i, c := range f.Columns() {
		names = append(names, fmt.Sprintf("%s %s", c.Name, c.Kind))
		if !c.Kind.readable() {
			_, err := f.Reader(i)
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "column "+c.Name+" of type "+c.Kind.String()) {
				t.Errorf("%v", err)
			}
			continue
		}
		got, err := readTable(f, i)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %d rows, %v", c.Name, len(got), err)
		}
		for r := range got {
			if got[r][0] != want[r][at] {
				t.Fatalf("%s, row %d: %q, want %q", c.Name, r, got[r][0], want[r][at])
			}
		}
		at++
	}
	if diff := cmp.Diff([]string{
		"flag boolean", "t tinyint", "list array", "s smallint", "i int", "half double", "l bigint", "text string", "inner struct",
		"short varchar", "padded char", "ts timestamp", "tz timestamp with local time zone",
	}, names); diff != "" {
		t.Error(diff)
	}
}
