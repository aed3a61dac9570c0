package parquet

import (
	"errors"
	"fmt"
	"io"
)

// BatchRows is the most rows that are read at once.
const BatchRows = 1024

var (
	errShort = errors.New("a column ends before its rows do")
	errLong  = errors.New("a column goes on behind its rows")
)

// Vector has the values of a column for the rows at hand, good until the next call
// of Next.
type Vector struct {
	// Null tells which rows have none; nil if all have one.
	Null []bool
	// Numbers are of all kinds but Text; of a time that is none, -1.
	Numbers []int64
	Text    [][]byte
}

// Reader delivers the rows of a file, some columns of them.
type Reader struct {
	file    *File
	at      []*column // by their number in the file; nil for others
	columns []*column
	shared  shared

	group int   // which is the next
	left  int64 // rows of the one at hand
	begun bool
}

// Next goes to the following rows, at most BatchRows, and says how many; io.EOF
// behind the last one. Any other error ends the Reader.
func (r *Reader) Next() (int, error) {
	for r.left == 0 {
		if err := r.turn(); err != nil {
			return 0, err
		}
	}
	// No column may change its page within a batch: its bytes would go.
	n := min(r.left, BatchRows)
	for _, c := range r.columns {
		if err := c.ready(); err != nil {
			return 0, r.where(c, err)
		}
		n = min(n, c.left)
	}
	for _, c := range r.columns {
		if err := c.take(int(n)); err != nil {
			return 0, r.where(c, err)
		}
	}
	r.left -= n
	return int(n), nil
}

// turn goes to the next row group.
func (r *Reader) turn() error {
	if r.begun {
		for _, c := range r.columns {
			if err := c.end(); err != nil {
				return r.where(c, err)
			}
		}
	}
	if r.group == r.file.footer.Groups() {
		return io.EOF
	}
	rows, err := r.describe(r.group)
	if err != nil {
		return err
	}
	r.group, r.left, r.begun = r.group+1, rows, rows > 0
	if !r.begun {
		return nil
	}
	for _, c := range r.columns {
		if err := c.begin(r.file.r); err != nil {
			return r.where(c, err)
		}
	}
	return nil
}

// Vector is column i of those that were asked for, after Next.
func (r *Reader) Vector(i int) *Vector { return &r.columns[i].out }

// where says which part of the file an error is about, and lets nobody take it for
// the end of the rows.
func (r *Reader) where(c *column, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errShort
	}
	return fmt.Errorf("row group %d: %w", r.group-1, c.where(err))
}

// Close gives back what was held.
func (r *Reader) Close() { r.shared.close() }
