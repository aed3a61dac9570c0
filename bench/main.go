// Command bench measures the built binary: first backups against a floor,
// unchanged and slightly changed runs, planning at scale, and the same jobs done by
// other programs. It prints tables to be kept in docs/benchmarks.md. Absolute times
// are those of one machine; ratios are taken from runs that follow each other.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// setup is what all parts share.
type setup struct {
	cooper string
	// against is the binary of another build, for the part cost, and versions how many its
	// day is of.
	against  string
	versions int64
	dir      string
	rounds   int
	peers    peerOptions
	// compress is what the parts of compression are told.
	compress compressOptions
	detect   detectOptions
	garbage  garbageOptions
	guard    guardOptions
	archived archiveOptions
}

func main() {
	cooper := flag.String("cooper", "build/cooper", "the binary")
	against := flag.String("against", "", "cost: the binary of the build to measure against")
	versions := flag.Int64("versions", 20_000_000, "cost: versions of the unchanged day")
	dir := flag.String("dir", filepath.Join(os.TempDir(), "cooper-bench"), "where trees and reports go; removed at the end")
	parts := flag.String("parts", "first,million,scale,compress,compress-encrypted", "what to measure: first, million, scale, scale100m, compress, compress-encrypted, gc-mariadb, gc-postgres, gc-xml, gc-guard, gc-archive, gc-archive-mariadb, gc-archive-plan, detect; beside another build: cost; beside other programs: peers-first, peers-few, peers-100k, peers-wide, peers-dir, peers-million")
	rounds := flag.Int("rounds", 3, "how often each comparison is repeated")
	serve := flag.Int("serve", 0, "serve so many objects (used by the program itself)")
	size := flag.Int("size", 4096, "bytes of an object that is served")
	perDir := flag.Int("per-dir", 40, "objects served in a directory")
	var compress compressOptions
	flag.IntVar(&compress.objects, "objects", 100_000, "compress, cost: objects in the bucket")
	flag.StringVar(&compress.programs, "programs", strings.Join(compressPrograms, ","), "compress: what is measured")
	flag.StringVar(&compress.profile, "profile", "", "compress: a file for a CPU profile of the floor")
	kind := flag.String("sensors", "", "serve or compress sensor files: plain or encrypted (used by the program itself)")
	floor := flag.String("floor", "", "compress the bucket of the server at this address as the floor does (used by the program itself)")
	atOnce := flag.Int("at-once", compressAtOnce, "how many objects the floor compresses at once")
	var garbage garbageOptions
	flag.Int64Var(&garbage.rows, "rows", 10_000_000, "gc: rows of two numbers")
	flag.Int64Var(&garbage.values, "values", 1_000_000, "gc: values that are unpacked")
	flag.Int64Var(&garbage.rate, "rate", 10_000_000, "gc: rows a second that the owner allows")
	var guard guardOptions
	flag.Int64Var(&guard.handles, "guard-handles", 1_000_000, "gc-guard: handles")
	flag.IntVar(&guard.clients, "guard-clients", 32, "gc-guard: clients that ask at once")
	flag.DurationVar(&guard.time, "guard-time", 20*time.Second, "gc-guard: how long they ask")
	var archived archiveOptions
	flag.IntVar(&archived.objects, "archive-objects", 100_000, "gc-archive: objects in the bucket, of which nine in ten go")
	flag.IntVar(&archived.jobs, "archive-jobs", 16, "gc-archive: objects copied at once")
	flag.DurationVar(&archived.delay, "archive-delay", 0, "gc-archive: how long the server waits before each answer")
	bare := flag.String("bare", "", "move the objects of the server at -floor as this bare loop does (used by the program itself)")
	var peers peerOptions
	flag.StringVar(&peers.tools, "tools", "build/tools", "where scripts/peers has put the other programs")
	flag.DurationVar(&peers.limit, "limit", 3*time.Minute, "another program is stopped after so long (the lab's script too)")
	flag.IntVar(&peers.divide, "divide", 1, "peers: so many times fewer objects, to try whether it works")
	flag.StringVar(&peers.json, "json", "", "peers: a file to append every figure to, one JSON object a line")
	var detection detectOptions
	flag.Int64Var(&detection.handles, "detect-handles", 20_000_000, "detect: handles, and as many links")
	flag.IntVar(&detection.scans, "detect-scans", 1, "detect: scans that count, one at least")
	flag.Int64Var(&detection.memory, "detect-memory", 1_000_000_000, "detect: bytes of memory that the engine may use")
	detecting := flag.String("detection", "", "detect, by-hand or make in the workspace -dir (used by the program itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	encrypted := *kind == encryptedKind
	switch {
	case *bare != "":
		err = runBare(ctx, *floor, *bare, archived.jobs)
	case *floor != "":
		err = profiled(compress.profile, func() error { return runCompressFloor(ctx, *floor, sensors{compress.objects, encrypted}, *atOnce) })
	case *detecting != "":
		err = detectChild(ctx, *dir, *detecting, &detection)
	case *serve > 0 && *kind != "":
		err = serveSensors(ctx, sensors{*serve, encrypted})
	case *serve > 0:
		err = serveObjects(ctx, bed{*serve, *size, *perDir}, archived.delay)
	default:
		err = run(ctx, &setup{cooper: *cooper, against: *against, versions: *versions, dir: *dir, rounds: *rounds, peers: peers, compress: compress, detect: detection, garbage: garbage, guard: guard, archived: archived}, *parts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, s *setup, parts string) (err error) {
	if s.cooper, err = filepath.Abs(s.cooper); err != nil {
		return err
	}
	if s.against != "" {
		if s.against, err = filepath.Abs(s.against); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	defer removeAll(s.dir)
	fmt.Printf("%s, %d CPUs, %s\n", runtime.Version(), runtime.NumCPU(), cpuName())
	known := map[string]func(context.Context) error{
		"first": s.first, "million": s.million, "cost": s.cost,
		"scale":       func(ctx context.Context) error { return s.scale(ctx, 2_000_000, 20_000_000) },
		"peers-first": s.peersFirst, "peers-few": s.peersFew, "peers-100k": s.peers100k, "peers-wide": s.peersWide, "peers-dir": s.peersDir, "peers-million": s.peersMillion,
		"compress":           func(ctx context.Context) error { return s.compressPart(ctx, "compress", false) },
		"compress-encrypted": func(ctx context.Context) error { return s.compressPart(ctx, "compress-encrypted", true) },
		"gc-mariadb":         func(ctx context.Context) error { return s.garbageRows(ctx, mariadb) },
		"gc-postgres":        func(ctx context.Context) error { return s.garbageRows(ctx, postgreSQL) },
		"gc-xml":             s.garbageXML,
		"gc-guard":           s.guardPart,
		"gc-archive":         func(ctx context.Context) error { return s.archiveTurns(ctx, s.sqliteOwner) },
		"gc-archive-mariadb": func(ctx context.Context) error { return s.archiveTurns(ctx, mariadb) },
		"gc-archive-plan":    s.archivePlan,
		"detect":             s.detectPart,
		"scale100m":          func(ctx context.Context) error { return s.scale(ctx, 10_000_000, 100_000_000) },
	}
	for _, part := range strings.Split(parts, ",") {
		f, ok := known[part]
		if !ok {
			return fmt.Errorf("unknown part %q", part)
		}
		fmt.Printf("\n## %s\n\n", part)
		if err := f(ctx); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

func cpuName() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for _, line := range strings.Split(string(b), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

// removeAll clears up behind a measurement.
func removeAll(dirs ...string) {
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench: left behind:", err)
		}
	}
}

func finally(err *error, f func() error) { *err = errors.Join(*err, f()) }

func median(xs []float64) float64 {
	xs = slices.Clone(xs)
	slices.Sort(xs)
	return xs[len(xs)/2]
}
