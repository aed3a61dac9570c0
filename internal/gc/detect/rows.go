package detect

import (
	"context"
	"errors"
	"fmt"

	"cooper"
	"cooper/internal/query"
)

// fields reads the columns of a row, one after the other. What is absent is the zero value.
type fields struct {
	row  []any
	next int
	err  error
}

func take[T any](f *fields) (v T) {
	if i := f.next; f.err == nil && f.row[i] != nil {
		var is bool
		if v, is = f.row[i].(T); !is {
			f.err = &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("what was detected: column %d is %T", i, f.row[i])}
		}
	}
	f.next++
	return v
}

func (f *fields) text() string           { return take[string](f) }
func (f *fields) number() int64          { return take[int64](f) }
func (f *fields) flag() bool             { return take[bool](f) }
func (f *fields) bytes() []byte          { return take[[]byte](f) }
func (f *fields) moment() cooper.Instant { return cooper.Instant(take[int64](f)) } // milliseconds

// natural is a number that may be unknown: it is negative then.
func (f *fields) natural() int64 {
	if f.row[f.next] == nil {
		f.next++
		return -1
	}
	return f.number()
}

// ask calls each with the rows of an answer.
func (d *detection) ask(ctx context.Context, sql string, args []any, each func(*fields) error) error {
	f := &fields{}
	return query.Each(ctx, d.Engine, sql, args, func(row []any) error {
		*f = fields{row: row}
		if err := each(f); err != nil {
			return err
		}
		return f.err
	})
}

// batch is how many rows are handed from who reads them to who judges them at once.
const batch = 4096

// askBeside is ask for many rows: while some are judged, the next are read.
func (d *detection) askBeside(ctx context.Context, sql string, each func(*fields) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	full := make(chan [][]any, 4)
	done := make(chan error, 1)
	go func() {
		f := &fields{}
		var err error
		for rows := range full {
			for _, row := range rows {
				*f = fields{row: row}
				if err == nil {
					err = errors.Join(each(f), f.err)
				}
				if err != nil {
					cancel(err)
				}
			}
		}
		done <- err
	}()
	var rows [][]any
	err := query.Each(ctx, d.Engine, sql, nil, func(row []any) error {
		if rows = append(rows, row); len(rows) == batch {
			full <- rows
			rows = make([][]any, 0, batch)
		}
		return context.Cause(ctx)
	})
	full <- rows
	close(full)
	if judged := <-done; judged != nil {
		return judged
	}
	return err
}
