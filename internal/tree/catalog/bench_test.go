package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"cooper"
)

// benchRows is how many rows the benchmarks have; COOPER_ROWS changes it.
func benchRows(b *testing.B) int {
	n := 2_000_000
	if s := os.Getenv("COOPER_ROWS"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		check(b, err)
	}
	return n
}

// zarrRow is a row like those of chunk files: random digests in a sorted tree.
func zarrRow(i int) Row {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	return Row{Identity: cooper.Identity{Key: fmt.Sprintf("zarr/%04d/0/%03d/%04d", i/1_000_000, i/1000%1000, i%1000),
		VersionID: fmt.Sprintf("%016x%016x", x, x*x), ETag: fmt.Sprintf("%016x%016x", x*3, x*5), Size: int64(x % 100_000), LastModified: cooper.Instant(1_700_000_000_000 + x%10_000_000_000)},
		Place: Mirror, Shown: []int64{1_700_000_000_000}, FirstSeen: 1_700_000_000_000, Check: cooper.Verified, Method: "md5"}
}

// BenchmarkCatalog writes a base as one sequence and walks it, alone and with a
// delta of 1 %.
func BenchmarkCatalog(b *testing.B) {
	n := benchRows(b)
	c := newCatalog(b)
	w := newWriter(c.fs, dir, "base", true)
	var writing time.Duration
	for i := range n {
		r := zarrRow(i)
		began := time.Now()
		check(b, w.add(&r))
		writing += time.Since(began)
	}
	files, err := w.finish()
	check(b, err)
	next := c.State()
	next.Runs = []Sorted{{Level: BaseLevel, Files: files}}
	check(b, c.Publish(allowed, next))
	size := int64(0)
	for _, f := range files {
		size += f.Bytes
	}
	b.Logf("%d rows, %d bytes each, written at %.0f rows/s", n, size/int64(n), float64(n)/writing.Seconds())
	walk := func(b *testing.B) {
		for b.Loop() {
			it := c.Rows(context.Background(), "")
			rows := 0
			for {
				_, err := it.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				check(b, err)
				rows++
			}
			check(b, it.Close())
			if rows != n {
				b.Fatalf("%d rows", rows)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/1e6, "MB")
	}
	b.Run("base", walk)
	var delta []Row
	for i := 0; i < n; i += 100 {
		r := zarrRow(i)
		r.AbsentSince = 5
		delta = append(delta, r)
	}
	s, err := c.Append(allowed, delta)
	check(b, err)
	next = c.State()
	next.Runs = append(next.Runs, *s)
	check(b, c.Publish(allowed, next))
	b.Run("base and delta", walk)
	b.Run("lookup", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			rows, err := c.Lookup(context.Background(), zarrRow(i*7919%n).Key)
			check(b, err)
			if len(rows) != 1 {
				b.Fatal(rows)
			}
		}
	})
	b.Run("compact", func(b *testing.B) {
		for b.Loop() {
			check(b, c.Compact(context.Background(), allowed, true))
			next := c.State()
			next.Runs = append(next.Runs[:0:0], Sorted{Level: 0, Files: next.Runs[0].Files}) // so that there is something to do again
			check(b, c.Publish(allowed, next))
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}
