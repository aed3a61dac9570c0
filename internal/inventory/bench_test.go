package inventory_test

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

// rows makes the benchmarks as large as one likes:
//
//	go test ./internal/inventory -bench . -benchtime 1x -rows 20000000
var (
	rows   = flag.Int64("rows", 200_000, "rows for benchmarks")
	memory = flag.Int64("memory", 0, "BuildOptions.Memory for benchmarks, in bytes")
)

func BenchmarkBuildSorted(b *testing.B)   { benchmarkBuild(b, 0) }
func BenchmarkBuildShuffled(b *testing.B) { benchmarkBuild(b, 7) }

func benchmarkBuild(b *testing.B, shuffle uint64) {
	src := invtest.Synthetic(*rows, 1, invtest.Options{Parts: 20, Shuffle: shuffle})
	for b.Loop() {
		dir := filepath.Join(b.TempDir(), "s")
		meta, err := inventory.Build(b.Context(), dir, src, inventory.BuildOptions{Memory: *memory})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(meta.Runs), "runs")
		b.ReportMetric(float64(meta.Files[0].Bytes)/float64(meta.Files[0].Rows), "bytes/row")
	}
	report(b)
}

// report gives rows a second and the peak memory of the process so far.
func report(b *testing.B) {
	b.ReportMetric(float64(*rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); f[0] == "VmHWM:" {
			b.Logf("peak memory %s kB", f[1])
		}
	}
}

// BenchmarkSource is what computing the rows costs in the others.
func BenchmarkSource(b *testing.B) {
	src := invtest.Synthetic(*rows, 1, invtest.Options{Shuffle: 7})
	for b.Loop() {
		if err := src.Parts()[0].Read(b.Context(), discard{}); err != nil {
			b.Fatal(err)
		}
	}
	report(b)
}

func BenchmarkVersions(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "s")
	if _, err := inventory.Build(b.Context(), dir, invtest.Synthetic(*rows, 1, invtest.Options{Parts: 20}), inventory.BuildOptions{}); err != nil {
		b.Fatal(err)
	}
	s, err := inventory.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		it := s.Versions(b.Context(), inventory.IterOptions{})
		groups := inventory.Groups(it)
		for {
			if _, err := groups.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		if err := it.Close(); err != nil {
			b.Fatal(err)
		}
	}
	report(b)
}
