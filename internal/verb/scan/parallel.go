package scan

import (
	"slices"
	"sync"

	"cooper/internal/database"
)

// chunk is how many rows one thread unpacks before it hands over what it found.
const chunk = 32

// parallel has chunks of rows read by some threads, and writes what they found in the order
// of the rows. No more chunks are read, or wait to be written, than there are threads.
func (l *linkRows) parallel(rows []database.Row, threads, size int, read func(rows []database.Row) []found) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	type job struct {
		rows []database.Row
		done chan []found
	}
	var under []job
	first := func() error {
		j := under[0]
		under = under[1:]
		for i, f := range <-j.done {
			if f.err != nil {
				return f.err
			}
			if err := l.write(&j.rows[i], &f); err != nil {
				return err
			}
		}
		return nil
	}
	for some := range slices.Chunk(rows, size) {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if len(under) == threads {
			if err := first(); err != nil {
				return err
			}
		}
		j := job{some, make(chan []found, 1)}
		under = append(under, j)
		wg.Go(func() { j.done <- read(j.rows) })
	}
	for len(under) > 0 {
		if err := first(); err != nil {
			return err
		}
	}
	return nil
}
