package report

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

// The benchmarks are as large as one likes, and keep their snapshot if told where:
//
//	go test ./internal/report -bench . -benchtime 1x -rows 20000000 -keep /tmp/snapshot
var (
	rows = flag.Int64("rows", 400_000, "versions for benchmarks")
	keep = flag.String("keep", "", "where the snapshot of benchmarks is, or will be")
)

func benchSnapshot(b *testing.B) *inventory.Snapshot {
	b.Helper()
	dir := *keep
	if dir == "" {
		dir = filepath.Join(b.TempDir(), "s")
	}
	if _, err := os.Stat(dir); err != nil {
		if _, err := inventory.Build(b.Context(), dir, invtest.Synthetic(*rows, 1, invtest.Options{Parts: 8}), inventory.BuildOptions{Memory: 256 << 20}); err != nil {
			b.Fatal(err)
		}
	}
	s, err := inventory.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkTake(b *testing.B)       { benchmarkTake(b, false) }
func BenchmarkDuplicates(b *testing.B) { benchmarkTake(b, true) }

func benchmarkTake(b *testing.B, duplicates bool) {
	s := benchSnapshot(b)
	opt := Options{Depth: -1, Prices: prices(b), Duplicates: duplicates, TempDir: b.TempDir(), Memory: 512 * mib}
	runtime.GC()
	stop := watchHeap()
	for b.Loop() {
		if _, err := Take(b.Context(), s, opt); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(stop()>>20), "peak-MiB")
	m := s.Meta()
	b.ReportMetric(float64((m.Versions+m.DeleteMarkers)*int64(b.N))/b.Elapsed().Seconds(), "rows/s")
}

// watchHeap gives the most memory the process had, in bytes, since it was
// called: resident, if the system tells it.
func watchHeap() (stop func() int64) {
	quit, done := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, resident())
			select {
			case <-tick.C:
			case <-quit:
				done <- most
				return
			}
		}
	}()
	return func() int64 { close(quit); return <-done }
}

func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var pages int64
	for _, c := range strings.Fields(string(text))[1] {
		pages = pages*10 + int64(c-'0')
	}
	return pages * int64(os.Getpagesize())
}
