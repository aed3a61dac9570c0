// Package parquetrows writes rows of a Go type as Parquet.
//
// It promises that the zero value of an optional column, and a nil slice, is
// stored as NULL and everything else as itself. The library alone does not: what
// it makes of a column depends on the rows around (docs/decisions/parquet.md). What
// the columns mean, and files and their names, is left to others; so are writers
// of whole columns, which say themselves what is absent.
package parquetrows

import (
	"fmt"
	"io"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
)

// Writer writes rows of one file. It serves one goroutine.
type Writer[T any] struct {
	parquet   *parquet.GenericWriter[T]
	optional  []int    // fields of T whose zero values are NULL
	present   []uint64 // by optional field, a bit for each of the next rows
	groupRows int
	group     int // rows in the row group
}

// NewWriter begins a file of which a row group has groupRows rows at most; 0 is
// without bound. options must not bound them. T is a struct whose fields have the
// library's tags; below its fields nothing is optional.
func NewWriter[T any](w io.Writer, groupRows int, options ...parquet.WriterOption) *Writer[T] {
	optional := optionalFields(reflect.TypeFor[T]())
	return &Writer[T]{parquet: parquet.NewGenericWriter[T](w, options...), groupRows: groupRows, optional: optional, present: make([]uint64, len(optional))}
}

// Write appends rows.
func (w *Writer[T]) Write(rows []T) error {
	for len(rows) > 0 {
		n := word
		if w.groupRows > 0 {
			n = min(n, w.groupRows-w.group)
		}
		n = w.safe(rows[:min(n, len(rows))])
		if _, err := w.parquet.Write(rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
		if w.group += n; w.group == w.groupRows {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush ends the row group.
func (w *Writer[T]) Flush() error {
	w.group = 0
	return w.parquet.Flush()
}

// Close ends the file; closing what it is written to is left to the caller.
func (w *Writer[T]) Close() error { return w.parquet.Close() }

// word is how many rows the library looks at together.
const word = 64

// safe gives how many of the next rows, at most a word of them, can be written at
// once. Where the last values of a column that are present are in rows n to 2n-1,
// version 0.32 of the library takes all rows behind them for present, too. It does
// no harm if none are behind them, so that the rows end there. That may bring
// about the same in another column: it is looked at again.
func (w *Writer[T]) safe(rows []T) int {
	clear(w.present)
	for i := range rows {
		row := reflect.ValueOf(&rows[i]).Elem()
		for k, field := range w.optional {
			if !row.Field(field).IsZero() {
				w.present[k] |= 1 << i
			}
		}
	}
	n := len(rows)
	for k := 0; k < len(w.present); k++ {
		if end, bad := mistaken(w.present[k], n); bad {
			n, k = end, -1
		}
	}
	return n
}

// mistaken tells whether the library takes some of n rows, of which those with a
// bit in present are, for present ones; and from where on.
func mistaken(present uint64, n int) (from int, bad bool) {
	present &= ^uint64(0) >> (word - n)
	end := bits.Len64(present)
	if end == 0 || end == n || end%2 != 0 {
		return 0, false
	}
	// From the absent one before, if there is one, to the end.
	last := present >> (end/2 - 1)
	return end, last == (1<<(end/2)-1)<<1
}

// optionalFields are those whose zero value the library is to find by itself. It
// sees pointers and times one by one, without mistakes.
func optionalFields(t reflect.Type) (fields []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		inner := f.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		instant := inner == reflect.TypeFor[time.Time]()
		switch {
		case inner.Kind() == reflect.Struct && !instant:
			if isOptional(f) || len(optionalFields(inner)) > 0 {
				panic(fmt.Sprintf("%s.%s: optional groups are not foreseen", t, f.Name))
			}
		case !isOptional(f), f.Type.Kind() == reflect.Pointer, instant:
		case f.Type.Kind() == reflect.String, f.Type.Kind() == reflect.Int64, f.Type == reflect.TypeFor[[]byte]():
			fields = append(fields, i)
		default:
			panic(fmt.Sprintf("%s.%s: an optional %s is not foreseen", t, f.Name, f.Type))
		}
	}
	return fields
}

func isOptional(f reflect.StructField) bool {
	return slices.Contains(strings.Split(f.Tag.Get("parquet"), ","), "optional")
}
