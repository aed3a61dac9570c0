package gcfacts

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// linksOf gives realistic links, in the order in which a scan by primary key meets them.
var linksOf = map[string]func(r *rand.Rand, i int) (object string, t Target){
	// Ids of handles grow with those of their objects, more or less, and some are years older.
	"numbers": func(r *rand.Rand, i int) (string, Target) {
		id := 5_000_000 + int64(i)*2 + r.Int64N(2000)
		if r.IntN(20) == 0 {
			id = r.Int64N(20_000_000)
		}
		return strconv.Itoa(1_000_000 + i/2), Target{ID: strconv.FormatInt(id, 10)}
	},
	// Ids of handles have nothing to do with objects: 20 million handles.
	"random": func(r *rand.Rand, i int) (string, Target) {
		return strconv.Itoa(1_000_000 + i), Target{Kind: "blob", ID: strconv.FormatInt(r.Int64N(20_000_000), 10)}
	},
	// Change sets: tables of some thousand rows, each a file.
	"tables": func(r *rand.Rand, i int) (string, Target) {
		return strconv.Itoa(3000 + i/3600), Target{ID: strconv.Itoa(40_000_000 + i + r.IntN(50))}
	},
	"uuids": func(r *rand.Rand, _ int) (string, Target) {
		return uuidOf(r), Target{Kind: "legacy", ID: uuidOf(r)}
	},
	"keys": func(r *rand.Rand, i int) (string, Target) {
		return strconv.Itoa(i / 2), Target{Kind: "legacy", Bucket: "example-legacy", Key: fmt.Sprintf("uploads/2026/%02d/%d/photo-%08x.jpg", 1+i%12, i/1000, r.Uint32())}
	},
}

func uuidOf(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&(1<<48-1))
}

// processor is the time that this process has had of one, or several: others on the machine count for nothing.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLinks tells the bytes of a link on the disk and how many are written in a second.
func BenchmarkLinks(b *testing.B) {
	for _, kind := range []string{"numbers", "random", "tables", "uuids", "keys"} {
		b.Run(kind, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			s := Open(filepath.Join(b.TempDir(), "ledger"))
			w := begin(b, s, scan1, 0)
			const batch = 1000
			objects, targets := make([]string, batch), make([]Target, batch)
			links, spent := 0, time.Duration(0)
			for b.Loop() {
				b.StopTimer()
				for k := range batch {
					objects[k], targets[k] = linksOf[kind](r, links+k)
				}
				b.StartTimer()
				before := processor(b)
				for k := range batch {
					must(b, w.Link("FileEntity", objects[k], targets[k]))
				}
				spent += processor(b) - before
				links += batch
			}
			must(b, w.Range(Range{}))
			must(b, w.Commit(ctx))
			info, err := os.Stat(filepath.Join(s.shardDir(scan1, 0), Links+suffix))
			must(b, err)
			b.ReportMetric(float64(links)/spent.Seconds(), "links/s-of-a-core")
			b.ReportMetric(float64(info.Size())/float64(links), "B/link")
		})
	}
}

func BenchmarkHandles(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	s := Open(filepath.Join(b.TempDir(), "ledger"))
	w := begin(b, s, scan1, 0)
	handles, spent := 0, time.Duration(0)
	for b.Loop() {
		b.StopTimer()
		h := make([]Handle, 1000)
		for k := range h {
			n := handles + k
			h[k] = Handle{ID: strconv.Itoa(n), Bucket: "example-data", Key: fmt.Sprintf("%d/%08x/file %d.dat", r.IntN(1000), r.Uint32(), n), Size: r.Int64N(1 << 30), Modified: 1, Created: 1, Status: "AVAILABLE", Candidate: true}
		}
		b.StartTimer()
		before := processor(b)
		for k := range h {
			must(b, w.Handle(h[k]))
		}
		spent += processor(b) - before
		handles += len(h)
	}
	must(b, w.Range(Range{}))
	must(b, w.Commit(ctx))
	info, err := os.Stat(filepath.Join(s.shardDir(scan1, 0), Handles+suffix))
	must(b, err)
	b.ReportMetric(float64(handles)/spent.Seconds(), "handles/s-of-a-core")
	b.ReportMetric(float64(info.Size())/float64(handles), "B/handle")
}
