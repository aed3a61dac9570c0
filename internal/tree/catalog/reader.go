package catalog

import (
	"context"
	"errors"
	"io"
)

// rowsReader gives the rows of a scan one by one.
type rowsReader struct {
	fill func() (filled, error) // the next rows; the slice before is free again
	stop func() error
	told bool // a row so far has what a store told

	rows []Row
	at   int

	span span
}

// newRowsReader reads sc in place; ahead reads on in another goroutine.
func newRowsReader(ctx context.Context, sc *scan, ahead bool) *rowsReader {
	r := &rowsReader{span: sc.span}
	if !ahead {
		most := int64(0) // rows that a page can have
		for _, f := range sc.files {
			most = max(most, min(f.meta.Rows, pageRows))
		}
		buf := make([]Row, 0, most)
		r.fill = func() (filled, error) {
			if err := ctx.Err(); err != nil {
				return filled{}, context.Cause(ctx)
			}
			rows, err := sc.next(buf[:0])
			return filled{rows: rows, told: sc.told}, err
		}
		r.stop = sc.close
		return r
	}
	a := startAhead(ctx, sc)
	r.fill, r.stop = a.fill, a.stop
	return r
}

// next gives the next row in the span, or nil at the end. The row is good until
// the following call.
func (r *rowsReader) next() (*Row, error) {
	for {
		for r.at < len(r.rows) {
			row := &r.rows[r.at]
			r.at++
			if row.Key < r.span.prefix {
				continue
			}
			if r.span.ends(row.Key) {
				return nil, nil
			}
			return row, nil
		}
		f, err := r.fill()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		r.rows, r.at, r.told = f.rows, 0, r.told || f.told
	}
}

// ahead decodes pages while the ones before are looked at.
type ahead struct {
	full   chan filled
	free   chan []Row
	cancel context.CancelFunc
	done   chan struct{}
	closed error // of the scan; good once done is closed
	using  []Row
}

type filled struct {
	rows []Row
	told bool
	err  error
}

func startAhead(ctx context.Context, sc *scan) *ahead {
	const batches = 3
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{full: make(chan filled, batches+1), free: make(chan []Row, batches), cancel: cancel, done: make(chan struct{})}
	for range batches {
		a.free <- make([]Row, 0, pageRows)
	}
	go func() {
		defer close(a.done)
		defer func() { a.closed = sc.close() }()
		for {
			var buf []Row
			select {
			case buf = <-a.free:
			case <-ctx.Done():
				a.full <- filled{err: context.Cause(ctx)} // there is room for one more
				return
			}
			rows, err := sc.next(buf[:0])
			a.full <- filled{rows, sc.told, err}
			if err != nil {
				return
			}
		}
	}()
	return a
}

func (a *ahead) fill() (filled, error) {
	if a.using != nil {
		a.free <- a.using
		a.using = nil
	}
	f := <-a.full
	if f.err != nil {
		a.full <- f // for whoever asks again
		return filled{}, f.err
	}
	a.using = f.rows
	return f, nil
}

func (a *ahead) stop() error {
	a.cancel()
	<-a.done
	return a.closed
}
